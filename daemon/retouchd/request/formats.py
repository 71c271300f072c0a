"""
Structured sidecars: from the bytes of a TOML, JSON or YAML file to one plain tree.

Whatever lies in the inbox is either read or refused with one plain sentence (NotationFault) that names no
file; it never costs more than its size.
"""

import json
import re
import tomllib
from enum import StrEnum
from typing import Any, NoReturn

from retouchd.request.sidecar_tree import (
    NotationFault,
    check_nesting,
    check_tree,
    is_plain,
    named,
)
from retouchd.request.text_encoding import NotPlainTextError, decode

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
    "Expecting property name": 'a key in "quotes" is missing.',
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
        # Python says so itself from 3.13 on.
        is_end = error.doc[error.pos : error.pos + 1] in ("]", "}")
        is_trailing = is_end and error.doc[: error.pos].rstrip().endswith(",")
        message = "Illegal trailing comma" if is_trailing else error.msg
        words = _words(message, _JSON_FAULTS) or "this is not JSON that can be read."
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
    from retouchd.request.yaml_text import read_yaml  # noqa: PLC0415

    return read_yaml(text)


_READERS = {Notation.TOML: _toml, Notation.JSON: _json, Notation.YAML: _yaml}
_EXAMPLES = {
    Notation.TOML: 'prompt = "…"',
    Notation.JSON: '{"prompt": "…"}',
    Notation.YAML: "prompt: …, with a plain colon and a space",
}
