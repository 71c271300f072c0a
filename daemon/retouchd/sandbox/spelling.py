"""
Faults as a person writes them on a command line: `rate`, `429:after=3`, `latency=2.5:times=1`.
"""

import difflib
import math
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from retouchd.sandbox.catalogue import ENTRIES
from retouchd.sandbox.faults import Fault, FaultKind
from retouchd.sandbox.relays import CASES

SEQUENCE = "sequence"
"""What stands before a comma-separated list of faults, one for each request in turn."""

WELL = "ok"
"""In a sequence, a request that is answered well."""

_NEVER_AGAIN = 10**9
_OPTION = re.compile(r":(?=[a-z_]+(?:[=:]|$))")
"""Only what looks like an option begins one: dates, addresses and JSON have colons too."""


def parse_faults(text: str) -> tuple[Fault, ...]:
    """
    Return the faults of one word on the command line: one as `parse_fault` reads it, or a sequence.

    `sequence=429,429,ok,drop` has the first request meet 429, and so on. Raises ValueError with a
    sentence for the person who wrote it.
    """
    name, equals, value = text.strip().partition("=")
    if name != SEQUENCE:
        return (parse_fault(text),)
    words = [word.strip() for word in value.split(",")]
    if not equals or not all(words):
        raise ValueError("A sequence is written as sequence=429,429,ok,drop: one for each request.")
    # Due for its own request only, even where another fault took that one.
    due = {"times": 1, "every": _NEVER_AGAIN}
    return tuple(
        _read(word, {"after": index, **due}) for index, word in enumerate(words) if word != WELL
    )


def parse_fault(text: str) -> Fault:
    """
    Return the fault written as `KIND[=VALUE][:KEY=VALUE]...`; a bare number is a status.

    Raises ValueError with a sentence for the person who wrote it.
    """
    return _read(text, {})


def _read(text: str, given: dict[str, Any]) -> Fault:
    head, *options = _OPTION.split(text.strip())
    name, equals, value = head.partition("=")
    if name.isdecimal() and not equals:
        name, equals, value = FaultKind.STATUS, "=", name
    kind = _kind(name)
    values = dict(given)
    if equals:
        field = ENTRIES[kind].field
        if field is None:
            raise ValueError(f"The fault {kind} takes no value; write {kind} alone.")
        if field == "case" and value not in CASES[kind]:
            raise ValueError(f"{kind} has no case {value!r}; {_nearest(value, CASES[kind])}")
        _put(values, field, value)
    for option in options:
        key, _, value = option.partition("=")
        _put(values, key.strip(), value)
    return Fault(kind=kind, **values)


def _kind(name: str) -> FaultKind:
    try:
        return FaultKind(name.strip().replace("-", "_"))
    except ValueError:
        raise ValueError(
            f"There is no fault called {name!r}; {_nearest(name, [*FaultKind, SEQUENCE])}"
        ) from None


def _put(values: dict[str, Any], key: str, text: str) -> None:
    if key not in _READERS:
        raise ValueError(f"A fault has no {key!r}; {_nearest(key, _READERS)}")
    field = _FIELDS.get(key, key)
    if field in values:
        raise ValueError(f"{key} is given twice; give it once.")
    read, expected = _READERS[key]
    try:
        values[field] = read(text)
    except ValueError:
        raise ValueError(f"{key} must be {expected}, not {text!r}.") from None


def _nearest(name: str, names: Iterable[str]) -> str:
    names = [str(each) for each in names]
    near = difflib.get_close_matches(name, names, n=1)
    listing = f"it is one of {', '.join(names)}."
    return f"did you mean {near[0]}? {listing.capitalize()}" if near else listing


def _number(least: int, most: float = math.inf) -> Callable[[str], int]:
    def read(text: str) -> int:
        number = int(text)
        if not least <= number <= most:
            raise ValueError(text)
        return number

    return read


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds < math.inf:
        raise ValueError(text)
    return seconds


def _truth(text: str) -> bool:
    if text.lower() not in {"", "true", "yes", "false", "no"}:
        raise ValueError(text)
    return text.lower() in {"", "true", "yes"}


def _content(text: str) -> str | bytes:
    if not text.startswith("@"):
        return text
    try:
        return Path(text[1:]).read_bytes()
    except OSError as error:
        raise ValueError(text) from error


_FIELDS = {"for": "lasting"}
"""Words that are no names in Python, and the fields they set."""

_READERS: dict[str, tuple[Callable[[str], Any], str]] = {
    "after": (_number(0), "a whole number from 0"),
    "times": (_number(1), "a whole number from 1"),
    "every": (_number(1), "a whole number from 1"),
    "for": (_seconds, "a number of seconds"),
    "seconds": (_seconds, "a number of seconds"),
    "status": (_number(200, 599), "an HTTP status from 200 to 599"),
    "cut": (_number(0), "a number of bytes"),
    "images": (_number(1), "a whole number from 1"),
    "case": (str, "one of its cases"),
    "type": (str, "a text"),
    "code": (str, "a text"),
    "message": (str, "a text"),
    "retry_after": (str, "a number of seconds or a date"),
    "retry_after_ms": (_number(0), "a whole number of milliseconds"),
    "body": (_content, "a text, or @FILE of a file that can be read"),
    "content_type": (str, "a content type"),
    "charged": (_truth, "yes or no"),
}
