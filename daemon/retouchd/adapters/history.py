"""
The history: one line of JSON for each job that is over, in `work/history.jsonl`.

A crash may leave a line twice or torn, so readers take each id once and skip what is no JSON.
"""

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from retouchd.adapters import files
from retouchd.rules.job import Reference, Snapshot


class History:
    """
    The journal of finished jobs in a work folder.
    """

    def __init__(self, work: Path) -> None:
        self._path = work / "history.jsonl"

    def add(self, line: Mapping[str, Any]) -> None:
        """
        Append the line of one job; durable on return.
        """
        files.append(self._path, json.dumps(line, ensure_ascii=False).encode())

    def lines(self) -> Iterator[dict[str, Any]]:
        """
        Return the line of each job once, oldest first.
        """
        seen = set()
        try:
            raw = self._path.open("rb")
        except FileNotFoundError:
            return
        with raw:
            for text in raw:
                line = _parsed(text)
                if line is not None and line.get("id") not in seen:
                    seen.add(line.get("id"))
                    yield line

    def references(self) -> Iterator[Reference]:
        """
        Return the references of all jobs, those used last come last.
        """
        with contextlib.suppress(FileNotFoundError), self._path.open("rb") as raw:
            for text in raw:
                # Few jobs have any: looking for the word is cheaper than reading every line.
                if b'"references"' in text and (line := _parsed(text)):
                    yield from _references(line)


def _references(line: Mapping[str, Any]) -> Iterator[Reference]:
    with contextlib.suppress(TypeError, KeyError):
        for each in line["references"]:
            yield Reference(path=each["path"], snapshot=Snapshot(**each["snapshot"]))


def _parsed(text: bytes) -> dict[str, Any] | None:
    try:
        line = json.loads(text)
    except ValueError:
        return None
    return line if isinstance(line, dict) else None
