r"""
Values as text: JSON that is exact for a parser and harmless in a terminal, amounts, counts and durations.

In JSON what controls a terminal, turns the direction of a line, breaks it or cannot be seen (Unicode's
categories C, Zl and Zp) stands as JSON's own escape `\uXXXX`, everything else as itself. Texts come from
anywhere: half a surrogate pair, which no strict parser takes, is written out as the characters `\udXXX`.
"""

import datetime as dt
import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from retouchd.job.naming import is_plain, unpaired


def dollars(amount: float | Decimal) -> str:
    """
    Return an amount as people read it: cents, and tenths of a cent where there are any.
    """
    if 0 < amount < 0.0005:
        return "less than $0.001"
    places = 2 if round(amount * 100, 1) == round(amount * 100) else 3
    return f"${amount:,.{places}f}"


def counted(count: int, what: str) -> str:
    """
    Return a number of things: `1 file`, `1,200 files`.
    """
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def exact_length(seconds: float) -> str:
    """
    Return a duration for operators, as short as a table wants it: `2 s`, `6 min`, `3 h`, `5 days`.
    """
    for size, unit in ((86_400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def rough_length(seconds: float) -> str:
    """
    Return an estimate of a duration, rounded as people say it: `a minute`, `12 minutes`, `3 hours`.
    """
    if seconds < 90:
        return "a minute"
    minutes = round(seconds / 60)
    if minutes < 120:
        return f"{minutes} minutes" if minutes < 20 else f"{5 * round(minutes / 5)} minutes"
    hours = round(minutes / 60)
    return f"{hours} hours" if hours < 48 else f"{round(hours / 24)} days"


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
        case bool() | float() | None:
            return value
        case int() if value.bit_length() > 3 * _DIGITS:
            return f"{'-' if value < 0 else ''}{hex(abs(value))[:64]}…"
        case list() | tuple():
            return [writable(each) for each in value]
        case Mapping():
            return {writable(key): writable(each) for key, each in value.items()}
        case _:
            return value


def _escape(character: str) -> str:
    if is_plain(character):
        return character
    return json.dumps(character)[1:-1] if character != "\x7f" else "\\u007f"
