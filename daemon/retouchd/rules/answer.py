"""
A successful answer, read: its pictures, its usage, or what came instead.

A status of 200 proves nothing: web pages, empty lists, errors, and tickets for a task that has only begun
arrive with it too.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic_core import from_json

from retouchd.rules.pictures import Inline, Link, pictures_in

__all__ = ["Fault", "Inline", "Link", "Reply", "read_answer"]

_TEXT_LIMIT = 500
_USAGE_DEPTH = 8

_TASK_KEYS = ("task_id", "taskId", "task_ids", "taskID")
_TASK_STATES = {"queued", "pending", "processing", "submitted", "in_progress", "running"}


class Fault(StrEnum):
    """
    Why an answer holds no picture, in words for people.
    """

    EMPTY = "an empty answer"
    HTML = "a web page"
    NOT_JSON = "something that cannot be read"
    ERROR = "an error that was sent as a success"
    ASYNCHRONOUS = "the number of a task that has only begun, as an asynchronous relay does"
    NO_PICTURE = "something else"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """
    What an answer holds: its pictures in order, or the fault and the words that came instead.

    `text` is at most 500 characters of what was said in place of a picture, as received. `usage` is the
    endpoint's own count, of the images API or of a chat. `fault` is None exactly when there are pictures.
    """

    pictures: tuple[Inline | Link, ...] = ()
    text: str | None = None
    usage: Mapping[str, Any] | None = None
    fault: Fault | None = None


def read_answer(body: bytes) -> Reply:
    """
    Return what the body of a 2xx answer holds. Raises nothing, whatever the bytes are.
    """
    documents = _documents(body)
    if documents is None:
        return _unreadable(body)
    pictures = tuple(picture for document in documents for picture in pictures_in(document))
    usage = next((u for document in reversed(documents) if (u := _usage(document))), None)
    if pictures:
        return Reply(pictures=pictures, usage=usage)
    return Reply(text=_words(documents[-1]), usage=usage, fault=_fault(documents[-1]))


def _documents(body: bytes) -> list[Any] | None:
    """
    Return the JSON documents of a body: one, or one for each event of a stream; None if it has none.
    """
    body = body.strip().removeprefix(b"\xef\xbb\xbf")
    if body.startswith((b"event:", b"data:", b"id:", b":")):
        return _events(body)
    try:
        return [_parse(body)]
    except (ValueError, RecursionError):
        return None


def _events(body: bytes) -> list[Any] | None:
    documents = []
    for line in body.splitlines():
        if not line.startswith(b"data:"):
            continue
        try:
            documents.append(_parse(line.removeprefix(b"data:").strip()))
        except (ValueError, RecursionError):  # `[DONE]`, a comment, an event of several lines
            continue
    return documents or None


def _parse(text: bytes) -> Any:
    try:
        return from_json(text, cache_strings=False)
    except ValueError:
        # Half an emoji in a revised prompt is no reason to lose a picture; the slow parser accepts it.
        return json.loads(text)


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


def _fault(document: Any) -> Fault:
    match document:
        case {"error": dict() | str() as error} if error:
            return Fault.ERROR
        case {"data": dict() as inner} | {"data": [dict() as inner, *_]} if _is_task(inner):
            return Fault.ASYNCHRONOUS
        case dict() if _is_task(document):
            return Fault.ASYNCHRONOUS
    return Fault.NO_PICTURE


def _is_task(document: Mapping[str, Any]) -> bool:
    if any(key in document for key in _TASK_KEYS):
        return True
    state = document.get("status")
    return isinstance(state, str) and state.lower() in _TASK_STATES


def _unreadable(body: bytes) -> Reply:
    start = body[: 4 * _TEXT_LIMIT].decode(errors="replace").strip()[:_TEXT_LIMIT]
    if not start:
        return Reply(fault=Fault.EMPTY)
    is_page = start[:200].lower().startswith(("<!doctype", "<html", "<head", "<!--", "<?xml"))
    return Reply(text=start, fault=Fault.HTML if is_page else Fault.NOT_JSON)
