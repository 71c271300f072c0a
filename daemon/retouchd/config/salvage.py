"""
What can still be read of a configuration file that is no TOML: its tables one by one, or line by line.
"""

import re
import tomllib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from retouchd.disk.file_stat import read_small

MOST_BYTES = 1 << 20
"""More is no configuration."""

_HEADER = re.compile(r"^[ \t]*\[", re.MULTILINE)


def salvaged(path: Path) -> dict[str, Any]:
    """
    Return the values of each table that can be read, and of a table that cannot those of its lines; nothing
    where the file is away, or is none.
    """
    try:
        text = read_small(path, MOST_BYTES).decode("utf-8-sig", "replace")
    except OSError:
        return {}
    values: dict[str, Any] = {}
    for table in _tables(text):
        _merge(values, _parsed(table) or _by_line(table))
    return values


def _tables(text: str) -> Iterator[str]:
    starts = [0, *(found.start() for found in _HEADER.finditer(text)), len(text)]
    yield from (text[start:end] for start, end in pairwise(starts))


def _by_line(table: str) -> dict[str, Any]:
    head, *lines = table.split("\n")
    if not _HEADER.match(head):
        head, lines = "", [head, *lines]
    values: dict[str, Any] = {}
    for line in lines:
        _merge(values, _parsed(f"{head}\n{line}"))
    return values


def _parsed(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return {}


def _merge(values: dict[str, Any], more: dict[str, Any]) -> None:
    for key, value in more.items():
        known = values.get(key)
        if isinstance(known, dict) and isinstance(value, dict):
            _merge(known, value)
        else:
            values[key] = value
