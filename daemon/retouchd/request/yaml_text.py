"""
YAML, as far as a sidecar needs it: mappings, lists, text and plain numbers.

Anchors, aliases, tags, merge keys and further documents are refused. A plain word is a number, a boolean
or nothing only where YAML 1.1 and the core schema of YAML 1.2 (https://yaml.org/spec/1.2.2/#103-core-schema)
agree on it: a prompt `no`, a size 1024:768 and a date stay text. Built from the parser's events, so that
nothing is constructed before it was checked. A comment that cuts off a prompt without quotes is refused: it may
as well be a colour (`#ff66aa`), and half the prompt would be paid for.
"""

import re
from collections.abc import Iterator
from typing import Any, Protocol

import yaml
from yaml.events import (
    AliasEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from retouchd.request.sidecar_tree import (
    MAX_DEPTH,
    NotationFault,
    named,
)

# libyaml's loader reads ten times as fast, but is not in every build.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_WORDS: dict[str, bool | None] = {
    "": None,
    "~": None,
    **dict.fromkeys(("null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_WHOLE = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+][0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_TEXTS = frozenset({"prompt", "prompt_before", "prompt_after"})
"""Keys whose values are sentences."""
_COMMENT = re.compile(r"(?:[ \t]*\n)*(?P<indent>[ \t]*)#")
_FAULTS = {
    "mapping values are not allowed": 'a colon in a text, or a line indented too far; put text in "quotes".',
    "tab character": "the line begins with a tab; use spaces.",
    "cannot start any token": "a tab, or a sign YAML keeps for itself, stands first; use spaces or quotes.",
    "found unexpected end of stream": "a text or a list is never closed.",
    "could not find expected ':'": "a colon and a space are missing after the key.",
    "did not find expected key": "the line is indented unlike the others, or text follows a closing quote.",
    "<block end>": "the line is indented unlike the others, or text follows a closing quote.",
    "<document start>": "something stands outside the keys.",
    "escape": "a text in double quotes holds a backslash; put it in single quotes.",
    "',' or ": "a comma or a closing bracket is missing.",
}


class _Place(Protocol):
    index: int
    line: int
    column: int


def read_yaml(text: str) -> Any:
    """
    Return the tree of a text, {} for one that says nothing. Raises NotationFault.
    """
    try:
        return _Document(text).tree()
    except yaml.MarkedYAMLError as error:
        said = f"{error.context} {error.problem}"
        words = next((words for part, words in _FAULTS.items() if part in said), None)
        mark = error.problem_mark or error.context_mark
        raise _fault(mark, words or "this is not YAML that can be read.") from error
    except (yaml.YAMLError, ValueError) as error:
        raise NotationFault("this is not YAML that can be read.") from error


class _Document:
    """
    One text and the events of its parser.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._events: Iterator[Event] = yaml.parse(text, Loader=_LOADER)

    def tree(self) -> Any:
        """
        Return what the text says.
        """
        events = self._events
        next(events)
        if isinstance(next(events), StreamEndEvent):
            return {}
        root = self._value(next(events), 0)
        next(events)  # the end of the document
        if not isinstance(event := next(events), StreamEndEvent):
            raise _fault(event.start_mark, "a second document begins; keep one.")
        return {} if root is None else root

    def _value(self, event: Event, depth: int) -> Any:
        _check(event, depth)
        match event:
            case ScalarEvent():
                return _plain(event) if event.implicit[0] else event.value
            case SequenceStartEvent():
                return list(self._items(depth))
            case _:
                return self._mapping(depth)

    def _items(self, depth: int) -> Iterator[Any]:
        while not isinstance(event := next(self._events), SequenceEndEvent):
            yield self._value(event, depth + 1)

    def _mapping(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while not isinstance(event := next(self._events), MappingEndEvent):
            _check(event, depth)
            if not isinstance(event, ScalarEvent):
                raise _fault(event.start_mark, "a key must be text.")
            key = event.value
            if key == "<<" and event.implicit[0]:
                raise _fault(event.start_mark, "<< takes over other keys; write them out.")
            if key in found:
                raise _fault(event.start_mark, f"{named(key)} stands in the file twice.")
            value = next(self._events)
            if key in _TEXTS:
                self._check_whole(event, value)
            found[key] = self._value(value, depth + 1)
        return found

    def _check_whole(self, key: ScalarEvent, value: Event) -> None:
        """
        Raise NotationFault where a comment stands before or behind a text without quotes.
        """
        if not isinstance(value, ScalarEvent) or not value.implicit[0]:
            return
        before = self._text[_mark(key.end_mark).index : _mark(value.start_mark).index]
        behind = _COMMENT.match(self._text, _mark(value.end_mark).index)
        is_cut = behind is not None and (
            "\n" not in behind[0] or len(behind["indent"]) > _mark(key.start_mark).column
        )
        if "#" in before or is_cut:
            raise _fault(
                value.end_mark,
                f'# begins a comment, which cuts {named(key.value)} off; put the text in "quotes".',
            )


def _check(event: Event, depth: int) -> None:
    if isinstance(event, AliasEvent) or (isinstance(event, NodeEvent) and event.anchor is not None):
        raise _fault(
            event.start_mark, "a text that begins with & or * repeats another; put it in quotes."
        )
    if getattr(event, "tag", None) is not None:
        raise _fault(event.start_mark, "a text that begins with ! names a type; put it in quotes.")
    if isinstance(event, SequenceStartEvent | MappingStartEvent) and depth > MAX_DEPTH:
        raise _fault(event.start_mark, "there are too many tables and lists inside one another.")


def _plain(event: ScalarEvent) -> str | int | float | bool | None:
    text: str = event.value
    if text in _WORDS:
        return _WORDS[text]
    if _NOT_FINITE.fullmatch(text):
        raise _fault(event.start_mark, f"{text} is not a number that can be sent.")
    if _WHOLE.fullmatch(text):
        if len(text) > 20:
            raise _fault(event.start_mark, "the number is too large.")
        return int(text)
    return float(text) if _DECIMAL.fullmatch(text) else text


def _fault(mark: _Place | None, words: str) -> NotationFault:
    return NotationFault(f"line {mark.line + 1}: {words}" if mark else words)


def _mark(mark: _Place | None) -> _Place:
    assert mark is not None, "a parser marks what it reads"
    return mark
