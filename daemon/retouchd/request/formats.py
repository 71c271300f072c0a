"""
Structured sidecars: from the bytes of a TOML, JSON or YAML file to one plain tree.

YAML, as far as a sidecar needs it: mappings, lists, text and plain numbers.

Anchors, aliases, tags, merge keys and further documents are refused. A plain word is a number, a boolean
or nothing only where YAML 1.1 and the core schema of YAML 1.2 (https://yaml.org/spec/1.2.2/#103-core-schema)
agree on it: a prompt `no`, a size 1024:768 and a date stay text. Built from the parser's events, so that
nothing is constructed before it was checked. A comment that cuts off a prompt without quotes is refused: it may
as well be a colour (`#ff66aa`), and half the prompt would be paid for.

Whatever lies in the inbox is either read or refused with one plain sentence (NotationFault) that names no
file; it never costs more than its size.
"""

import json
import re
import tomllib
from collections.abc import Iterator
from enum import StrEnum
from typing import Any, NoReturn, Protocol

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
    check_nesting,
    check_tree,
    is_plain,
    named,
)
from retouchd.request.text_encoding import NotPlainTextError, decode

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


MAX_TREE_BYTES = 256 * 1024
"""The longest prompt any endpoint takes has 32,000 characters; four bytes each, twice over."""

_MAX_DIGITS = 20
_TOML_PLACE = re.compile(r" \(at (?:line (?P<line>[0-9]+), column [0-9]+|end of document)\)$")
_TOML_FAULTS = {
    "Invalid value": 'a value is missing or cannot be read; put text in straight "quotes".',
    "Expected '=' after a key": "= is missing after the key.",
    "Invalid statement": 'this is not written like prompt = "…".',
    "Expected newline": 'something follows the value; put the whole text in "quotes", and each key on a line.',
    "Cannot overwrite": "the key stands in the file twice.",
    "Duplicate inline": "the key stands in the file twice.",
    "Cannot declare": "the table stands there twice.",
    "Cannot mutate": "the table is already closed.",
    "Cannot redefine": "the table is already closed.",
    "Unescaped": "a text in double quotes holds a backslash; put it in single quotes.",
    "Unterminated": "a text is never closed with a quote.",
    "Illegal character '\\n'": 'a closing quote is missing; several lines of text stand between """ and """.',
    "Unclosed": "a comma or a closing bracket is missing.",
    "Invalid initial character": 'a key of other letters than a to z must be in "quotes".',
    "Invalid date": "there is no such date; put text in quotes.",
}
_JSON_FAULTS = {
    "Extra data": "something follows the closing bracket.",
    "Expecting value": 'a value is missing, or text without "quotes".',
    "Expecting property name": 'a key in "quotes" is missing, or a comma is too many.',
    "Illegal trailing comma": "a comma stands before the closing bracket.",
    "Expecting ','": "a comma or a closing bracket is missing.",
    "Expecting ':'": "a colon is missing after the key.",
    "Unterminated string": "a text is never closed with a quote.",
    "Invalid control": "a text does not end on its line; write \\n for a line end in it.",
    "Invalid \\": "a text holds a single backslash; write two.",
}


class Notation(StrEnum):
    """
    How a structured sidecar is written.
    """

    TOML = "toml"
    JSON = "json"
    YAML = "yaml"


def notation_of(extension: str) -> Notation:
    """
    Return the notation of an extension, with or without its dot; raises ValueError for any other.
    """
    plain = extension.removeprefix(".").lower()
    return Notation.YAML if plain == "yml" else Notation(plain)


def parse_tree(
    raw: bytes, notation: Notation, fallback: str | None = None, *, is_chinese: bool = False
) -> dict[str, Any]:
    """
    Return the tree of a file: a dict of text to text, numbers, booleans, None, lists and such dicts.

    The bytes are read like those of a prompt; `fallback` and `is_chinese` are those of `decode`.
    Raises NotationFault with one sentence.
    """
    if len(raw) > MAX_TREE_BYTES:
        raise NotationFault("the file is too long for a prompt and its parameters.")
    try:
        text = decode(raw, fallback, is_chinese=is_chinese)
    except NotPlainTextError as error:
        raise NotationFault(f"it {error.fault}. {error.advice}.") from error
    if not is_plain(text):
        raise NotationFault(
            "the text holds a control character, which cannot be seen; type it anew."
        )
    tree = _READERS[notation](text.replace("\r\n", "\n").replace("\r", "\n"))
    if not isinstance(tree, dict):
        raise NotationFault(f"there are no keys; write {_EXAMPLES[notation]}.")
    check_tree(tree)
    return tree


def parse_any_json(raw: bytes) -> Any:
    """
    Return what a file says that is JSON of any shape, None for what is not.
    """
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None


def toml_fault(error: tomllib.TOMLDecodeError, text: str = "") -> str:
    """
    Return what is wrong with a text that is no TOML, in words, and where.
    """
    place = _TOML_PLACE.search(str(error))
    line = int(place["line"]) if place and place["line"] else text.rstrip("\n").count("\n") + 1
    words = _words(str(error), _TOML_FAULTS) or "this is not TOML that can be read."
    return f"line {line}: {words}"


def _toml(text: str) -> Any:
    check_nesting(text)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise NotationFault(toml_fault(error, text)) from error
    except ValueError as error:
        raise NotationFault("a number has too many digits.") from error


def _json(text: str) -> Any:
    if not text.strip():
        raise NotationFault(f"the file is empty; write {_EXAMPLES[Notation.JSON]}.")
    check_nesting(text)
    try:
        return json.loads(
            text, object_pairs_hook=_once, parse_int=_whole, parse_constant=_no_number
        )
    except json.JSONDecodeError as error:
        words = _words(error.msg, _JSON_FAULTS) or "this is not JSON that can be read."
        raise NotationFault(f"line {error.lineno}: {words}") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise NotationFault(f"{named(key)} stands in the file twice.")
        found[key] = value
    return found


def _whole(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise NotationFault("a number has too many digits.")
    return int(digits)


def _no_number(word: str) -> NoReturn:
    raise NotationFault(f"{word} is not a number that can be sent.")


def _words(said: str, faults: dict[str, str]) -> str | None:
    return next((words for part, words in faults.items() if said.startswith(part)), None)


def _yaml(text: str) -> Any:
    # Only here: few sidecars are YAML, and the library is large.

    return read_yaml(text)


_READERS = {Notation.TOML: _toml, Notation.JSON: _json, Notation.YAML: _yaml}
_EXAMPLES = {
    Notation.TOML: 'prompt = "…"',
    Notation.JSON: '{"prompt": "…"}',
    Notation.YAML: "prompt: …, with a plain colon and a space",
}
