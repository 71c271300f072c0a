"""
Faults as a person writes them on a command line: `rate`, `429:after=3`, `latency=2.5:times=1`.
"""

import difflib
import math
from collections.abc import Callable
from typing import Any

from retouchd.sandbox.faults import Fault, FaultKind

_VALUE_OF = {
    FaultKind.LATENCY: "seconds",
    FaultKind.STATUS: "status",
    FaultKind.BODY: "body",
    FaultKind.TRUNCATE: "cut",
    FaultKind.RATE: "retry_after",
}
"""What stands behind the `=` of a kind."""


def parse_fault(text: str) -> Fault:
    """
    Return the fault written as `KIND[=VALUE][:KEY=VALUE]...`; a bare number is a status.

    Raises ValueError with a sentence for the person who wrote it.
    """
    head, *options = text.strip().split(":")
    name, equals, value = head.partition("=")
    if name.isdecimal() and not equals:
        name, equals, value = FaultKind.STATUS, "=", name
    kind = _kind(name)
    values: dict[str, Any] = {}
    if equals:
        if kind not in _VALUE_OF:
            raise ValueError(f"The fault {kind} takes no value; write {kind} alone.")
        _put(values, _VALUE_OF[kind], value)
    for option in options:
        key, _, value = option.partition("=")
        _put(values, key.strip(), value)
    return Fault(kind=kind, **values)


def _kind(name: str) -> FaultKind:
    try:
        return FaultKind(name.strip())
    except ValueError:
        names = [str(kind) for kind in FaultKind]
        raise ValueError(f"There is no fault called {name!r}; {_nearest(name, names)}") from None


def _put(values: dict[str, Any], key: str, text: str) -> None:
    if key not in _READERS:
        raise ValueError(f"A fault has no {key!r}; {_nearest(key, list(_READERS))}")
    if key in values:
        raise ValueError(f"{key} is given twice; give it once.")
    read, expected = _READERS[key]
    try:
        values[key] = read(text)
    except ValueError:
        raise ValueError(f"{key} must be {expected}, not {text!r}.") from None


def _nearest(name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {near[0]}?" if near else f"it is one of {', '.join(names)}."


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


_READERS: dict[str, tuple[Callable[[str], Any], str]] = {
    "after": (_number(0), "a whole number from 0"),
    "times": (_number(1), "a whole number from 1"),
    "every": (_number(1), "a whole number from 1"),
    "seconds": (_seconds, "a number of seconds"),
    "status": (_number(200, 599), "an HTTP status from 200 to 599"),
    "cut": (_number(0), "a number of bytes"),
    "type": (str, "a text"),
    "code": (str, "a text"),
    "message": (str, "a text"),
    "retry_after": (str, "a number of seconds or a date"),
    "body": (str, "a text"),
    "content_type": (str, "a content type"),
    "charged": (_truth, "yes or no"),
}
