"""
The rows of `limits` and `pricing` in the configuration: their patterns for names of models, and their faults.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any, TypeAlias

from retouchd.request.nearest import nearest

Readers: TypeAlias = Mapping[str, Callable[[object], Any]]
"""By each key of a row, what reads its value; ValueError with half a sentence says what that must be."""

Shapes: TypeAlias = Mapping[Callable[[object], Any], Mapping[str, Any]]
"""By each reader, the JSON Schema of what it takes."""

_VERSION = re.compile(r"-20[0-9]{2}-[0-9]{2}-[0-9]{2}\Z")


def fitting(model: str, patterns: Iterable[str]) -> list[str]:
    """
    Return the patterns that fit the model, the most specific last.

    A provider's prefix (`openai/`) and a version's date (`-2026-04-21`) do not hide a model.
    """
    full = model.strip().lower()
    bare = full.rpartition("/")[2]
    names = {full, bare, _VERSION.sub("", full), _VERSION.sub("", bare)}
    found = [
        pattern for pattern in patterns if any(fnmatchcase(name, pattern.lower()) for name in names)
    ]
    return sorted(found, key=lambda pattern: (not _is_wild(pattern), len(pattern), pattern))


def row_problems(table: str, rows: Mapping[str, Mapping[str, Any]], readers: Readers) -> list[str]:
    """
    Return every fault of a table's rows: a sentence each, naming the key.
    """
    return [
        f'{table}."{pattern}".{key} {fault}.'
        for pattern, row in rows.items()
        for key, value in row.items()
        if (fault := row_fault(key, value, readers))
    ]


def row_fault(key: str, value: object, readers: Readers) -> str | None:
    """
    Return what is wrong with a key of a row, as half a sentence that goes on after it; None if nothing is.
    """
    if key not in readers:
        return f"is not a known key; the nearest is {nearest(key, readers)}"
    try:
        readers[key](value)
    except ValueError as error:
        return str(error)
    return None


def _is_wild(pattern: str) -> bool:
    return any(sign in pattern for sign in "*?[")
