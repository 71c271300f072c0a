"""
An endpoint's settings, and a request as it is written for it: where to, under which headers, around files.
"""

import contextlib
import re
import secrets
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote, unquote_plus, urlsplit

import httpx

from retouchd import __version__
from retouchd.endpoint.addresses import KEY_PARAMETER, FetchRefused, target_of, without_password
from retouchd.endpoint.api_key import NO_KEY, KeySource, lack_of_key
from retouchd.endpoint.styles import OPENAI, Asked, Style, wants_a_key
from retouchd.endpoint.styles.style import NO_AUTH
from retouchd.errors import ConfigurationError
from retouchd.job.model import Request
from retouchd.request.envelope import Envelope
from retouchd.request.headers import (
    HEADER_VALUE,
    is_framing,
    is_header_name,
    names_a_key,
)
from retouchd.request.json_body import Measured

_OF_A_KEY = re.compile(KEY_PARAMETER, re.IGNORECASE)
MASK = "**********"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """
    How the endpoint is reached: plain values of the configuration's `[endpoint]`.

    `base_url` is as its style wants it, `remarks` say what was put right for that. `auth` None sends the key as
    the style does. `models` are the endpoint's own names of models by those that are asked for.
    """

    base_url: str
    api_key: str | None = field(repr=False)
    timeout_seconds: float
    connect_timeout_seconds: float
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    ca_file: Path | None = None
    allow_private_urls: bool = False
    concurrency: int = 4
    key_source: KeySource = NO_KEY
    style: Style = OPENAI
    auth: str | None = None
    models: Mapping[str, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    def named(self, model: str) -> str:
        """
        Return the name that this endpoint has for a model.
        """
        return self.models.get(model, model)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """
    A request before its files are read; `url` as it goes onto the wire.
    """

    url: str
    headers: Mapping[str, str] = field(repr=False)
    envelope: Envelope

    @property
    def host(self) -> str:
        """
        Return what the Host header says.
        """
        return httpx.URL(self.url).netloc.decode("ascii")


def write(
    endpoint: Endpoint,
    request: Request,
    *,
    images: Sequence[Measured],
    mask: Measured | None,
    key: str,
) -> Written:
    """
    Return a request as this endpoint is to be sent it; `key` is the same for every attempt at one job.

    Raises ConfigurationError as `headers_of` does.
    """
    named = replace(request, model=endpoint.named(request.model))
    asked = Asked(request=named, images=images, mask=mask)
    envelope = endpoint.style.write(asked, secrets.token_hex(16))
    return Written(
        url=str(httpx.URL(endpoint.style.edits(endpoint.base_url, named.model))),
        headers={
            **headers_of(endpoint),
            "connection": "close",
            "content-type": envelope.content_type,
            "content-length": str(envelope.length),
            "idempotency-key": key,
        },
        envelope=envelope,
    )


def shown_headers(endpoint: Endpoint, headers: Mapping[str, str]) -> dict[str, str]:
    """
    Return headers as they may be shown: without the key, and without what a person added to them.
    """
    own = {name.lower() for name in endpoint.headers}
    masked = {name: MASK if name in own else value for name, value in headers.items()}
    key = endpoint.api_key
    return {name: value.replace(key, MASK) if key else value for name, value in masked.items()}


def secrets_of(endpoint: Endpoint) -> Iterator[str]:
    """
    Return what an answer may quote and nobody may read; some relays take it within the address.
    """
    yield endpoint.api_key or ""
    for value in endpoint.headers.values():
        yield value
        kind, _, credentials = value.partition(" ")
        yield credentials
        if kind.lower() == "basic":
            with contextlib.suppress(ValueError):
                yield from b64decode(credentials).decode().split(":", 1)
    address = urlsplit(endpoint.base_url)
    yield address.password or ""
    yield unquote(address.password or "")
    for pair in address.query.split("&"):
        name, _, value = pair.partition("=")
        if _OF_A_KEY.search(unquote(name)):
            # As it stands there, and as those read it who take a plus for a space, or do not.
            yield from (value, unquote(value), unquote_plus(value))


def headers_of(endpoint: Endpoint) -> dict[str, str]:
    """
    Return the headers of every request to the endpoint, lower-case; the person's replace our defaults.

    Raises ConfigurationError with everything that would fail at the first request.
    """
    problems = []
    if not _is_http(endpoint.base_url):
        shown = without_password(endpoint.base_url)
        problems.append(f"endpoint.base_url {shown!r} is not an http or https URL")
    elif lack := _lack_of_key(endpoint):
        problems.append(lack)
    headers = {
        "accept": "application/json",
        "accept-encoding": "identity",
        "user-agent": f"retouchd/{__version__}",
    }
    if endpoint.api_key is not None:
        if not names_a_key(endpoint.headers):
            headers |= _key_header(endpoint.auth or endpoint.style.auth, endpoint.api_key)
        if not HEADER_VALUE.fullmatch(endpoint.api_key):
            problems.append(
                "endpoint.api_key is empty or holds a character no key has; copy it anew"
            )
    for name, value in endpoint.headers.items():
        if is_framing(name):
            problems.append(f"endpoint.headers: {name} is set by retouchd itself; remove it")
        elif not is_header_name(name) or not HEADER_VALUE.fullmatch(value):
            problems.append(f"endpoint.headers: {name!r} or its value is empty or not plain ASCII")
        headers[name.lower()] = value
    if problems:
        raise ConfigurationError(problems)
    return headers


def _key_header(auth: str, key: str) -> dict[str, str]:
    match auth:
        case "none":
            return {}
        case "bearer":
            return {"authorization": f"Bearer {key}"}
        case name:
            return {name.lower(): key}


def _lack_of_key(endpoint: Endpoint) -> str | None:
    has_key = endpoint.api_key is not None and endpoint.auth != NO_AUTH
    if has_key or names_a_key(endpoint.headers) or not wants_a_key(endpoint.base_url):
        return None
    return lack_of_key(urlsplit(endpoint.base_url).hostname or "", endpoint.key_source)


@lru_cache(maxsize=16)
def _is_http(base_url: str) -> bool:
    try:
        target_of(base_url, base_url)
        httpx.URL(base_url)
    except (FetchRefused, httpx.InvalidURL):
        return False
    return base_url.isprintable()
