r"""
JSON as it is written for programs and read by people: exact for a parser, harmless in a terminal or an editor.

What controls a terminal, turns the direction of a line, breaks it or cannot be seen (Unicode's categories C, Zl
and Zp) stands as JSON's own escape `\uXXXX`, everything else as itself. Texts come from anywhere: half a
surrogate pair, which no strict parser takes, is written out as the characters `\udXXX`.
"""

import datetime as dt
import json
import re
from collections.abc import Mapping
from typing import Any

from retouchd.job.naming import is_plain, unpaired

_DIGITS = 4000
"""Python refuses to write longer numbers; nothing counted here has as many."""
_SUSPECT = re.compile(r"[\x7f-\U0010ffff]")


def json_text(value: Any, *, indent: int | None = None) -> str:
    """
    Return a document as JSON text; mappings, lists, tuples, strings, numbers, booleans and None only.
    """
    return tamed(json.dumps(writable(value), ensure_ascii=False, indent=indent))


def iso(moment: dt.datetime, precision: str = "seconds") -> str:
    """
    Return a moment as documents write it: in UTC, with `Z`.
    """
    return moment.astimezone(dt.UTC).isoformat(timespec=precision).replace("+00:00", "Z")


def tamed(text: str) -> str:
    """
    Return JSON text with every character escaped that is not plain to see.
    """
    return _SUSPECT.sub(lambda found: _escape(found[0]), text)


def writable(value: Any) -> Any:
    """
    Return a document whose every text is valid Unicode and whose every number can be written.
    """
    match value:
        case str():
            return unpaired(value)
        case Mapping():
            return {writable(key): writable(each) for key, each in value.items()}
        case list() | tuple():
            return [writable(each) for each in value]
        case bool() | None:
            return value
        case int() if value.bit_length() > 3 * _DIGITS:
            return f"{'-' if value < 0 else ''}{hex(abs(value))[:64]}…"
        case _:
            return value


def _escape(character: str) -> str:
    if is_plain(character):
        return character
    return json.dumps(character)[1:-1] if character != "\x7f" else "\\u007f"
