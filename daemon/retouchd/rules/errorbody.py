"""
An error's body in any dialect, as one shape: code, type, message, parameter.

Dialects met: OpenAI's `{"error": {…}}`; the same with an integer, empty or null code (LocalAI, one-api);
LiteLLM, which hides the real error as JSON text inside the message and puts the status into `code`; FastAPI's
`{"detail": …}`; an error that is only a string; a bare `message` or `msg`; web pages; nothing at all.
"""

import html
import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json

LOOKED_AT = 1 << 20
"""So many bytes of a body are read; errors are short."""
_SEARCHED = 1 << 16
_MESSAGE_LIMIT = 500
_NESTING = 4

_NO_NAMES = {"", "none", "null"}

_NESTED = re.compile(r"""\\*["'](code|type|param)\\*["']\s*:\s*\\*["']([^"'\\]{1,100})""")
_TITLE = re.compile(r"<title[^>]{0,200}>([^<]{1,300})", re.IGNORECASE)
_PAGE_START = ("<!doctype", "<html", "<head", "<body", "<!--", "<?xml")
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
    show it only through `safe_text`. `is_page` marks a web page: nothing of the endpoint's own.
    """

    codes: tuple[str, ...] = ()
    quoted: frozenset[str] = frozenset()
    types: tuple[str, ...] = ()
    message: str = ""
    parameter: str | None = None
    is_page: bool = False


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
    error = _error_of(document)
    message = _message_of(error)[:_SEARCHED]
    nested = _NESTED.findall(message)
    inner = error.get("innererror")
    inner_code = inner.get("code") if isinstance(inner, dict) else None
    own = _named((error.get("code"), inner_code))
    quoted = _named(tuple(value for key, value in nested if key == "code"))
    types = (error.get("type"), *(value for key, value in nested if key == "type"))
    params = (error.get("param"), *(value for key, value in nested if key == "param"))
    return ErrorBody(
        codes=tuple(dict.fromkeys((*own, *quoted))),
        quoted=frozenset(quoted).difference(own),
        types=_named(types),
        message=message,
        parameter=next(iter(_named((*params, _place_of(error)))), None),
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
    if not text[:200].lstrip().lower().startswith(_PAGE_START):
        return ErrorBody(message=text[:_SEARCHED])
    title = _TITLE.search(text[:_SEARCHED])
    words = f": {' '.join(html.unescape(title[1]).split())}" if title else " without a title"
    return ErrorBody(message=f"a web page{words}", is_page=True)


def _error_of(document: Any) -> dict[str, Any]:
    """
    Return the innermost object that is the error, or an object with the message alone.
    """
    for _ in range(_NESTING):
        match document:
            case {"error": dict(inner)} | {"detail": dict(inner)} | [dict(inner), *_]:
                document = inner
            case {"error": str(text)} if text:
                return {**document, "message": _joined(text, document.get("message"))}
            case _:
                break
    if isinstance(document, dict):
        return document
    return {"message": document} if isinstance(document, str) else {}


def _message_of(error: Mapping[str, Any]) -> str:
    match error:
        case {"message": str(text)} | {"msg": str(text)} | {"detail": str(text)} if text:
            return text
        case {"detail": list(faults)}:
            return "; ".join(_fault(fault) for fault in faults)
        case {"message": dict() | list() as value} | {"detail": dict() | list() as value}:
            return json.dumps(value, ensure_ascii=False)[: 4 * _MESSAGE_LIMIT]
    return ""


def _fault(fault: Any) -> str:
    """
    Return one fault of FastAPI's list as `body.image: Field required`.
    """
    match fault:
        case {"loc": list(place), "msg": str(text)}:
            return f"{'.'.join(map(str, place))}: {text}"
    return str(fault)


def _place_of(error: Mapping[str, Any]) -> str | None:
    """
    Return the field that FastAPI's first fault is about.
    """
    match error:
        case {"detail": [{"loc": ["body", str(field), *_]}, *_]}:
            return field
    return None


def _joined(*texts: object) -> str:
    return ": ".join(text for text in texts if isinstance(text, str) and text)


def _named(values: tuple[Any, ...]) -> tuple[str, ...]:
    names = (value.strip().lower() for value in values if isinstance(value, str))
    return tuple(
        dict.fromkeys(name for name in names if name not in _NO_NAMES and not name.isdigit())
    )


def _escaped(character: str) -> str:
    if unicodedata.category(character) == "Zs":
        return " "
    return character if character.isprintable() else character.encode("unicode_escape").decode()
