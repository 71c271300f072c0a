"""
The JSON Schema of the log's lines, made from the events themselves.
"""

import dataclasses
import importlib
import inspect
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import Any

from retouchd import events
from retouchd.events import Event, Level

_MODULES = ("hooks", "inbox", "jobs", "messages", "run", "web")


def event_classes() -> Iterator[type[Event]]:
    """
    Yield the class of each event that is emitted.
    """
    for module in (
        events,
        *(importlib.import_module(f"retouchd.events.{each}") for each in _MODULES),
    ):
        for each in vars(module).values():
            is_own = inspect.isclass(each) and each.__module__ == module.__name__
            if is_own and issubclass(each, Event) and "event" in vars(each):
                yield each


def log_schema() -> dict[str, Any]:
    """
    Return the schema of one line of the log as JSON: by its `event` it is one of the kinds that there are.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A line of retouchd's log",
        "type": "object",
        "required": ["timestamp", "level", "event"],
        "oneOf": [_of(each) for each in event_classes()],
    }


def _of(kind: type[Event]) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    properties: dict[str, Any] = {
        "timestamp": {"type": "string", "format": "date-time"},
        "level": {"enum": [each.value for each in Level]},
        "event": {"const": kind.event},
    }
    required = []
    for each in dataclasses.fields(kind):
        if each.name == "level":
            continue
        properties[each.name] = _type(hints[each.name])
        if each.default is dataclasses.MISSING:
            required.append(each.name)
    return {
        "title": kind.event,
        "description": " ".join(inspect.cleandoc(kind.__doc__ or "").split()),
        "properties": properties,
        "required": required,
    }


def _type(hint: Any) -> dict[str, Any]:
    """
    Return what a value is in JSON; an exception is its traceback.
    """
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in {typing.Union, types.UnionType}:
        return {"anyOf": [_type(each) for each in inner]}
    if origin is Sequence:
        return {"type": "array", "items": _type(inner[0])}
    if origin is Mapping:
        return {"type": "object"}
    plain: dict[Any, dict[str, Any]] = {
        type(None): {"type": "null"},
        bool: {"type": "boolean"},
        int: {"type": "integer"},
        float: {"type": "number"},
        Any: {},
    }
    if hint in plain:
        return plain[hint]
    is_text = inspect.isclass(hint) and issubclass(hint, str | BaseException | Enum)
    assert is_text, f"no event has a {hint} so far"
    return {"type": "string"}
