"""
The endpoint: asks for an edit, fetches a result by its URL, lists the models.

Every way an exchange can end is one of: an `Answer`, `NotSent`, `NoAnswer`; for a result's URL an `Answer`,
`FetchRefused`, `FetchFailed`. What an answer means is not decided here.
"""

import asyncio
import contextlib
import re
import secrets
from base64 import b64decode
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self
from urllib.parse import parse_qsl, unquote, urlsplit

from retouchd import __version__
from retouchd.endpoint.addresses import FetchFailed, FetchPrivate, FetchRefused, target_of
from retouchd.endpoint.api_key import NO_KEY, KeySource, Redactor, Secrets, lack_of_key
from retouchd.endpoint.compression import Unpacker
from retouchd.endpoint.styles import OPENAI, Asked, Style, wants_a_key
from retouchd.endpoint.styles.style import NO_AUTH
from retouchd.endpoint.transfers import Fetcher, Upload, UploadUnreadable, begun
from retouchd.endpoint.transport import (
    Answer,
    Head,
    NoAnswer,
    NotSent,
    Outgoing,
    TooLarge,
    Transport,
    tls_context,
)
from retouchd.errors import ConfigurationError
from retouchd.job.model import Request
from retouchd.request.envelope import Envelope
from retouchd.request.multipart import (
    HEADER_VALUE,
    KEY_WORDS,
    is_framing,
    is_header_name,
    names_a_key,
)

__all__ = [
    "Answer",
    "EditsClient",
    "Endpoint",
    "FetchFailed",
    "FetchPrivate",
    "FetchRefused",
    "Head",
    "NoAnswer",
    "NotSent",
    "Upload",
    "UploadUnreadable",
]

ANSWER_LIMIT = 512 << 20
_UNPACKED, _GROWTH = 64 << 20, 16
"""Bytes that any compressed answer may have, and so many more for each received: pictures hardly shrink."""
_MODELS_LIMIT = 8 << 20
_MODELS_SECONDS = 20.0

_OF_A_KEY = re.compile(KEY_WORDS, re.IGNORECASE)


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


class EditsClient:
    """
    The endpoint as an async context manager; any number of requests may run at once.

    Raises ConfigurationError for an address, key, header, authority or proxy that cannot be used.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._headers = _headers_of(endpoint)
        self._known = {*_secrets_of(endpoint)}
        self.secrets = Secrets(self._known)
        self._opened: Transport | None = None

    async def __aenter__(self) -> Self:
        self._opened = await _transport_to(self._endpoint)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._opened = None

    @property
    def key_source(self) -> KeySource:
        """
        Return where the key stands that goes along with each request.
        """
        return self._endpoint.key_source

    async def adopt(self, endpoint: Endpoint) -> None:
        """
        Reach the endpoint in another way from the next request on; those on their way go on as they began.

        Raises ConfigurationError, and then nothing has changed.
        """
        headers, opened = _headers_of(endpoint), await _transport_to(endpoint)
        # An answer to an old request may still quote the old key.
        self._known |= {*_secrets_of(endpoint)}
        self.secrets = Secrets(self._known)
        self._endpoint, self._headers, self._opened = endpoint, headers, opened

    @contextlib.asynccontextmanager
    async def ask(
        self,
        *,
        request: Request,
        images: Sequence[Upload],
        mask: Upload | None,
        key: str,
    ) -> AsyncIterator[Answer]:
        """
        Ask for an edit and yield the answer when its head is there: its body without compression, our
        secrets masked wherever it quotes them.

        `key` is the same for every attempt at one job. Raises NotSent (Unreadable, if a file of ours was
        the reason) or NoAnswer, also while the answer's chunks are read.
        """
        endpoint, uploads = self._endpoint, [*images, *([mask] if mask else [])]
        measured = [(upload.content_type, upload.sent_size) for upload in uploads]
        named = replace(request, model=endpoint.named(request.model))
        asked = Asked(
            request=named, images=measured[: len(images)], mask=measured[-1] if mask else None
        )
        envelope = endpoint.style.write(asked, secrets.token_hex(16))
        outgoing = Outgoing(
            method="POST",
            url=endpoint.style.edits(endpoint.base_url, named.model),
            headers={**self._headers, **_headers_of_body(envelope), "idempotency-key": key},
            seconds=endpoint.timeout_seconds,
            limit=ANSWER_LIMIT,
            body=await begun(envelope, uploads),
        )
        async with (
            self._transport.exchange(outgoing) as answer,
            contextlib.aclosing(_readable(answer, self.secrets.redactor(), ANSWER_LIMIT)) as body,
        ):
            yield Answer(head=self._hidden(answer.head), body=body, is_cut=answer.is_cut)

    async def models(self) -> tuple[Head, bytes]:
        """
        Return the answer to `GET …/models`, whole. Raises NotSent or NoAnswer.
        """
        outgoing = Outgoing(
            method="GET",
            url=self._endpoint.style.models(self._endpoint.base_url),
            headers=self._headers,
            seconds=min(self._endpoint.timeout_seconds, _MODELS_SECONDS),
            limit=_MODELS_LIMIT,
        )
        async with self._transport.exchange(outgoing) as answer:
            body = _readable(answer, self.secrets.redactor(), _MODELS_LIMIT)
            listed = b"".join([piece async for piece in body])
        return self._hidden(answer.head), listed

    def fetch(self, url: str) -> AbstractAsyncContextManager[Answer]:
        """
        Fetch a picture by the URL an answer gave, absolute or relative to the endpoint's.

        The key goes to the endpoint's own origin only, and not along with a redirect; at most 512 MiB.
        Raises FetchRefused (FetchPrivate, if only the configuration is in the way) or FetchFailed, also
        while the chunks are read.
        """
        fetcher = Fetcher(
            transport=self._transport,
            base_url=self._endpoint.base_url,
            headers=self._headers,
            seconds=self._endpoint.timeout_seconds,
            allow_private=self._endpoint.allow_private_urls,
        )
        return fetcher.fetch(url)

    def _hidden(self, head: Head) -> Head:
        hidden = self.secrets.hidden
        headers = {hidden(name): hidden(value) for name, value in head.headers.items()}
        return Head(status=head.status, headers=headers)

    @property
    def _transport(self) -> Transport:
        if self._opened is None:
            raise RuntimeError("the client is used outside its `async with`")
        return self._opened


def _headers_of_body(envelope: Envelope) -> dict[str, str]:
    return {"content-type": envelope.content_type, "content-length": str(envelope.length)}


async def _transport_to(endpoint: Endpoint) -> Transport:
    context = await asyncio.to_thread(tls_context, endpoint.ca_file)
    return Transport(
        base_url=endpoint.base_url,
        context=context,
        connect_seconds=endpoint.connect_timeout_seconds,
    )


async def _readable(answer: Answer, redactor: Redactor, limit: int) -> AsyncGenerator[bytes, None]:
    """
    Yield a body as it may be kept and read: masked last, as a compressed key looks like nothing.

    Raises NoAnswer when all that came was yielded.
    """
    failure = None
    unpacker = Unpacker(answer.head.headers.get("content-encoding", ""))
    received = unpacked = 0
    try:
        async for chunk in answer.chunks():
            received += len(chunk)
            most = min(limit, _UNPACKED + _GROWTH * received)
            for piece in unpacker.take(chunk):
                unpacked += len(piece)
                if unpacked > most:
                    raise TooLarge(f"the answer unpacks to more than {most >> 20} MiB")
                yield redactor.over(piece)
                # A few bytes may hold very many.
                await asyncio.sleep(0)
    except NoAnswer as error:
        failure = error
    for piece in unpacker.end():
        yield redactor.over(piece)
    yield redactor.rest
    if failure is not None:
        raise failure


def _secrets_of(endpoint: Endpoint) -> Iterator[str]:
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
    yield from (value for name, value in parse_qsl(address.query) if _OF_A_KEY.search(name))


def _headers_of(endpoint: Endpoint) -> dict[str, str]:
    """
    Return the headers of every request to the endpoint, lower-case; the person's replace our defaults.

    Raises ConfigurationError with everything that would fail at the first request.
    """
    problems = []
    if not _is_http(endpoint.base_url):
        problems.append(f"endpoint.base_url {endpoint.base_url!r} is not an http or https URL")
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


def _is_http(base_url: str) -> bool:
    try:
        target_of(base_url, base_url)
    except FetchRefused:
        return False
    return base_url.isprintable()
