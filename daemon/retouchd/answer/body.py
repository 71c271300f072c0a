"""
A successful answer, read: its pictures, its usage, or what came instead.

A status of 200 proves nothing: web pages, empty lists, errors, and tickets for a task that has only begun
arrive with it too.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from pydantic_core import from_json

from retouchd.answer.answer_json import documents_in
from retouchd.answer.picture_fields import (
    Found,
    Inline,
    Link,
    Whole,
    is_task,
    pictures_in,
    pictures_of_text,
)
from retouchd.answer.stated_cost import stated_in
from retouchd.job.filetypes import EXTENSIONS, sniff

__all__ = ["AnswerFault", "Found", "Inline", "Link", "ReadAnswer", "Whole", "read_answer"]

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_TEXT_LIMIT = 500
_USAGE_DEPTH = 8

_BEGINNING = 16
"""Bytes by which a picture is found again in the whole body."""
_TEXT_BEFORE_PICTURE = re.compile(
    rb"[\t\n\r -~]{1,4096}?(?=\x89PNG\r\n\x1a\n|\xff\xd8\xff|RIFF.{4}WEBP)", re.DOTALL
)
"""No JSON goes on like that: these bytes are no text."""
_COMMENT = re.compile(r"\s*<!--.{0,500}?-->\s*", re.DOTALL)

_MOST_DIGITS = 300
_MOST_GUESSES = 20
_ODD_ONE_IN = 10
_OWN = frozenset({"choices", "created"})
_SAYING = frozenset({"error", "errors", "message", "msg", "detail", "code"})
"""Keys under which something is said that the next answer need not say."""


class AnswerFault(StrEnum):
    """
    Why an answer holds no picture, in words for people.
    """

    EMPTY = "an empty answer"
    HTML = "a web page"
    NOT_JSON = "something that cannot be read"
    ERROR = "an error that was sent as a success"
    ASYNCHRONOUS = "the number of a task that has only begun, as an asynchronous relay does"
    FOREIGN = "a document of another kind of interface"
    MODERATED = "only word that it did not pass the provider's moderation"
    NO_PICTURE = "something else"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadAnswer:
    """
    What an answer holds: its pictures in order, or the fault and the words that came instead.

    `text` is at most 500 characters of what was said in place of a picture, as received. `usage` is the
    endpoint's own count, of the images API or of a chat, `stated` what it says that this costs. `fault` is None
    exactly when there are `pictures`; `guesses` are texts that may be pictures, though they stand where none
    are expected.
    """

    found: tuple[Found, ...] = ()
    text: str | None = None
    usage: Mapping[str, Any] | None = None
    stated: Mapping[str, float] = field(default_factory=dict)
    fault: AnswerFault | None = None

    @property
    def pictures(self) -> tuple[Inline | Link | Whole, ...]:
        """
        Return what is meant as a picture.
        """
        return tuple(each.picture for each in self.sure)

    @property
    def sure(self) -> tuple[Found, ...]:
        """
        Return the pictures that stand where pictures do.
        """
        return tuple(each for each in self.found if each.is_sure)

    @property
    def guesses(self) -> tuple[Found, ...]:
        """
        Return what may be a picture.
        """
        return tuple(each for each in self.found if not each.is_sure)[:_MOST_GUESSES]


def read_answer(body: bytes, headers: Mapping[str, str] = _NO_HEADERS) -> ReadAnswer:
    """
    Return what the body of an answer holds. Raises nothing, whatever the bytes are; header names in lower case.
    """
    inner = body.lstrip()
    if (beginning := _beginning_of_picture(inner)) is not None:
        return ReadAnswer(found=(Found(picture=Whole(beginning)),), stated=stated_in(headers, ()))
    documents, is_json = _documents(inner.removeprefix(b"\xef\xbb\xbf"))
    found = _found(documents)
    stated = stated_in(headers, documents)
    usage = next((u for document in reversed(documents) if (u := _usage(document))), None)
    if not documents and not _is_page(body):
        found = tuple(pictures_of_text(_decoded(body)))
    if any(each.is_sure for each in found):
        return ReadAnswer(found=found, usage=usage, stated=stated)
    if not is_json:
        return replace(_unreadable(body), found=found)
    document = documents[-1]
    return ReadAnswer(
        found=found, text=_words(document), usage=usage, stated=stated, fault=_fault(document)
    )


def _beginning_of_picture(body: bytes) -> bytes | None:
    """
    Return how a body begins that is a picture itself, maybe with some text before it; None for any other.
    """
    if sniff(body) in EXTENSIONS:
        return body[:_BEGINNING]
    text = _TEXT_BEFORE_PICTURE.match(body)
    return None if text is None else body[text.end() : text.end() + _BEGINNING]


def _found(documents: list[Any]) -> tuple[Found, ...]:
    """
    Return the pictures of all documents. What two of them name is one picture, and one link is.
    """
    found: dict[Link | int, Found] = {}
    number = 0
    for document in [*documents, *_said_in_pieces(documents)]:
        first = number
        for inner in pictures_in(document):
            each = replace(inner, group=first + inner.group)
            number = max(number, each.group + 1)
            known = each.picture if isinstance(each.picture, Link) else len(found)
            if known not in found or not found[known].is_sure:
                found[known] = each
    return tuple(found.values())


def _said_in_pieces(documents: list[Any]) -> list[Any]:
    """
    Return the one message of a chat that came in pieces, if there is one.
    """
    pieces = [
        text
        for document in documents
        for choice in _list_in(document, "choices")
        if isinstance(choice, dict)
        and isinstance(delta := choice.get("delta"), dict)
        and isinstance(text := delta.get("content"), str)
    ]
    return [{"content": "".join(pieces)}] if pieces else []


def _list_in(document: Any, key: str) -> list[Any]:
    found = document.get(key) if isinstance(document, dict) else None
    return found if isinstance(found, list) else []


def _documents(body: bytes) -> tuple[list[Any], bool]:
    """
    Return the JSON documents of a body (one, or one for each event of a stream, or what can be had of them),
    and whether it is nothing but JSON.
    """
    if body.startswith((b"event:", b"data:", b"id:", b":", b"retry:")):
        found = [each for event in _events(body) for each in _parsed(event)[0]]
        return found, bool(found)
    return _parsed(body)


def _parsed(text: bytes) -> tuple[list[Any], bool]:
    try:
        return [_parse(text)], True
    except (ValueError, RecursionError):
        return ([], False) if _is_page(text) else (list(documents_in(_decoded(text))), False)


def _events(body: bytes) -> Iterator[bytes]:
    """
    Yield the data of each event of a stream (HTML, 9.2.6): lines of one event belong together.
    """
    data: list[bytes] = []
    for line in [*body.splitlines(), b""]:
        if line.startswith(b"data:"):
            data.append(line.removeprefix(b"data:").strip())
        elif not line and data:
            # Some servers leave out the blank line between two events.
            yield from [b"\n".join(data)] if _is_one(data) else data
            data = []


def _is_one(lines: list[bytes]) -> bool:
    return not all(line.startswith((b"{", b"[")) and line.endswith((b"}", b"]")) for line in lines)


def _parse(text: bytes) -> Any:
    try:
        return from_json(text, cache_strings=False)
    except ValueError:
        # Half an emoji in a revised prompt is no reason to lose a picture; the slow parser accepts it.
        return json.loads(text, parse_int=_number)


def _number(digits: str) -> int | float:
    return int(digits) if len(digits) <= _MOST_DIGITS else math.inf


def _decoded(body: bytes) -> str:
    return body.decode(errors="replace")


def _usage(document: Any) -> Mapping[str, Any] | None:
    match document:
        case {"usage": dict(usage)} if usage:
            bounded: Mapping[str, Any] = _bounded(usage, _USAGE_DEPTH)
            return bounded
    return None


def _bounded(value: Any, depth: int) -> Any:
    """
    Return a document that any JSON can hold: what lies too deep and what is no number is None.
    """
    match value:
        case dict() if depth:
            return {key: _bounded(each, depth - 1) for key, each in value.items()}
        case list() if depth:
            return [_bounded(each, depth - 1) for each in value]
        case dict() | list():
            return None
        case float() if not math.isfinite(value):
            return None
    return value


def _words(document: Any) -> str | None:
    match document:
        case {"choices": [{"message": {"content": str(text)}}, *_]}:
            return text[:_TEXT_LIMIT]
        case {"choices": [{"message": {"content": [*parts]}}, *_]}:
            texts = [part["text"] for part in parts if isinstance(part, dict) and "text" in part]
            return " ".join(text for text in texts if isinstance(text, str))[:_TEXT_LIMIT] or None
        case {"error": {"message": str(text)}} | {"error": str(text)} | {"message": str(text)}:
            return text[:_TEXT_LIMIT]
    return None


def _fault(document: Any) -> AnswerFault:
    match document:
        case {"error": dict() | str() as error} if error:
            return AnswerFault.ERROR
        case {"data": dict() as inner} | {"data": [dict() as inner, *_]} if is_task(inner):
            return AnswerFault.ASYNCHRONOUS
        case dict() if is_task(document):
            return AnswerFault.ASYNCHRONOUS
        case {"data": [{"respect_moderation": False}, *_]}:  # xAI's; the picture may be billed.
            return AnswerFault.MODERATED
        case dict() if _is_foreign(document):
            return AnswerFault.FOREIGN
    return AnswerFault.NO_PICTURE


def _is_foreign(document: Mapping[str, Any]) -> bool:
    """
    Tell whether an object is of no interface that makes pictures, and says nothing that may pass.
    """
    is_preview = "partial" in str(document.get("type"))
    is_empty = any(document.get(key, "") in ([], None) for key in ("data", "images"))
    is_known = not _OWN.isdisjoint(document) or is_preview or is_empty
    return bool(document) and not is_known and _SAYING.isdisjoint(document)


def _is_page(body: bytes) -> bool:
    start = body[: 2 * _TEXT_LIMIT].decode(errors="replace").lstrip("\ufeff \t\r\n")
    comment = _COMMENT.match(start)
    if comment is not None and start.startswith(("{", "["), comment.end()):
        return False
    return start.lower().startswith(("<!doctype", "<html", "<head", "<!--", "<?xml"))


def _unreadable(body: bytes) -> ReadAnswer:
    start = body[: 4 * _TEXT_LIMIT].decode(errors="replace").strip()[:_TEXT_LIMIT]
    if not start:
        return ReadAnswer(fault=AnswerFault.EMPTY)
    if _is_noise(start):
        return ReadAnswer(fault=AnswerFault.NOT_JSON)
    return ReadAnswer(
        text=start, fault=AnswerFault.HTML if _is_page(body) else AnswerFault.NOT_JSON
    )


def _is_noise(text: str) -> bool:
    """
    Tell whether decoded bytes are no words of anybody's.
    """
    odd = sum(not (sign.isprintable() or sign.isspace()) or sign == "\ufffd" for sign in text)
    return odd * _ODD_ONE_IN > len(text)
