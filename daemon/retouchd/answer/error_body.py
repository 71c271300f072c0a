"""
An error's body in any dialect, as one shape: code, type, message, parameter.

Dialects met: OpenAI's `{"error": {…}}`; the same with an integer, empty or null code (LocalAI, one-api);
LiteLLM, which hides the real error as JSON text inside the message and puts the status into `code`; FastAPI's
`{"detail": …}`; an error that is only a string; a bare `message` or `msg`; lists of errors, errors in
errors (`error_layers`); XML and web pages (`markup`); nothing at all.
"""

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json

from retouchd.answer.error_layers import layers_of
from retouchd.answer.markup import is_page, page_words, xml_fields

LOOKED_AT = 1 << 20
"""So many bytes of a body are read; errors are short."""
_SEARCHED = 1 << 16
_MESSAGE_LIMIT = 500

_NO_NAMES = {"", "none", "null"}

_NESTED = re.compile(
    r"""\\*["'](code|type|param|status|reason)\\*["']\s*:\s*\\*["']([^"'\\]{1,100})"""
)
_RPC_KEYS = {"status", "reason"}
_QUOTED_PAGE = re.compile(r"<!doctype html|<html\b", re.IGNORECASE)
_UPPER = re.compile(r"[A-Z][A-Z_]{3,60}")
_KEY = re.compile(
    r"\b(sk-|pk-)[A-Za-z0-9_*-]{6,}"
    r"|\b(eyJ|bearer\s+(?=\S*\d))[A-Za-z0-9_*.~+/=-]{6,}",
    re.IGNORECASE,
)
_REQUEST_ID = re.compile(r"request[ _]id: ?([\w.-]{6,100})", re.IGNORECASE)
_REQUEST_ID_HEADERS = ("x-request-id", "x-oneapi-request-id", "x-litellm-call-id", "cf-ray")


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorBody:
    """
    What an error says: all its codes, then all its types, each from the outside in and in lower case.

    A code that is only a number (LiteLLM repeats the status) is no code; `quoted` are those that stand only
    within the message, where a relay repeats its upstream's. `message` is as received, at most 64 KiB of it;
    show it only through `safe_text`. `is_page` marks a web page: nothing of the endpoint's own; `quotes_page`
    an error that says no more than that there was one; `is_bare` marks words without a document.
    """

    codes: tuple[str, ...] = ()
    quoted: frozenset[str] = frozenset()
    types: tuple[str, ...] = ()
    message: str = ""
    parameter: str | None = None
    is_page: bool = False
    quotes_page: bool = False
    is_bare: bool = False


def read_error(body: bytes) -> ErrorBody:
    """
    Return what an error's body says; of a longer body only the first MiB. Raises nothing.
    """
    start = body[:LOOKED_AT].strip().removeprefix(b"\xef\xbb\xbf")
    try:
        return _from_document(_parsed(start, is_cut=len(body) > LOOKED_AT))
    except (ValueError, RecursionError):  # no JSON, too deep, or a number too long to be written
        return _from_text(start.decode(errors="replace"))


def _parsed(start: bytes, *, is_cut: bool) -> Any:
    try:
        return from_json(start, allow_partial="trailing-strings" if is_cut else False)
    except ValueError:
        # Half an emoji, another encoding or a raw control character in a message is no reason to miss the code.
        return json.loads(start.decode(errors="replace"), strict=False)


def _from_document(document: Any) -> ErrorBody:
    found = layers_of(document)
    message = found.message[:_SEARCHED]
    page = _QUOTED_PAGE.search(message)
    nested = _NESTED.findall(message)
    own = _named(found.codes)
    quoted = _named(
        (
            *found.quoted,
            *(v for k, v in nested if k == "code" or (k in _RPC_KEYS and _UPPER.fullmatch(v))),
        )
    )
    types = (*found.types, *(value for key, value in nested if key == "type"))
    params = (*found.parameters, *(value for key, value in nested if key == "param"))
    return ErrorBody(
        codes=tuple(dict.fromkeys((*own, *quoted))),
        quoted=frozenset(quoted).difference(own),
        types=_named(types),
        message=message
        if page is None
        else message[: page.start()] + _told(message[page.start() :]),
        parameter=next(iter(_named(params)), None),
        quotes_page=page is not None,
    )


def safe_text(text: str) -> str:
    """
    Return at most 500 characters fit for a log line or a note.

    Control characters and whatever else could break a line or turn its direction are escaped; anything
    that looks like a key is masked, since relays quote the key they refuse.
    """
    text = _KEY.sub(r"\1\2…", text[: 4 * _MESSAGE_LIMIT].strip())
    text = "".join(_escaped(character) for character in text)
    return text if len(text) <= _MESSAGE_LIMIT else text[: _MESSAGE_LIMIT - 1] + "…"


def request_id_of(headers: Mapping[str, str], message: str = "") -> str | None:
    """
    Return the endpoint's own name for a request, from the headers (lower-case names) or the message.
    """
    found = next((headers[name] for name in _REQUEST_ID_HEADERS if headers.get(name)), None)
    if found is None and (match := _REQUEST_ID.search(message)):
        found = match[1]
    return None if found is None else safe_text(found)


def _from_text(text: str) -> ErrorBody:
    if fields := xml_fields(text):
        return _from_document(fields)
    if not is_page(text):
        return ErrorBody(message=text[:_SEARCHED], is_bare=True)
    return ErrorBody(message=_told(text), is_page=True)


def _told(page: str) -> str:
    words = page_words(page)
    return f"a web page: {words}" if words else "a web page without a title"


def _named(values: Iterable[str]) -> tuple[str, ...]:
    names = (value.strip().lower() for value in values)
    return tuple(
        dict.fromkeys(name for name in names if name not in _NO_NAMES and not name.isdigit())
    )


def _escaped(character: str) -> str:
    if unicodedata.category(character) == "Zs":
        return " "
    return character if character.isprintable() else character.encode("unicode_escape").decode()
