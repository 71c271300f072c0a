"""
The journals of finished jobs in the work folder, a line of JSON each: `history.jsonl` has all that ended, and
`recovered.jsonl` what only records in `done/` told of jobs that the history does not have.

A crash may leave a line twice or torn, so readers take each id once and skip what is no JSON.
"""

import contextlib
import datetime as dt
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from retouchd.disk import durable
from retouchd.job.json_text import json_text
from retouchd.job.model import Reference, Snapshot

_BLOCK = 1 << 16
_HEAD = 256
_EARLIER_IN_A_ROW = 200
"""
A job that was held up at its end, or a clock that was wrong for a while, leaves lines out of order: only so
many earlier ones in a row are proof that no later one comes before them.
"""
RECOVERED = "recovered.jsonl"


class History:
    """
    A journal in a work folder. `written` is its state after the last line added here, nothing before: found to
    be another or shorter, it was replaced by somebody.
    """

    def __init__(self, work: Path, name: str = "history.jsonl") -> None:
        self._path = work / name
        self.written = (b"", 0)

    def add(self, line: Mapping[str, Any]) -> None:
        """
        Append the line of one job; durable on return.
        """
        durable.append(self._path, json_text(line).encode())
        self.written = self.state()

    def add_all(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """
        Append many lines at once; durable on return.
        """
        texts = [json_text(line).encode() for line in lines]
        if texts:
            durable.append(self._path, b"\n".join(texts))

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

    def texts(self, start: int) -> Iterator[tuple[int, int, bytes]]:
        """
        Return each whole line from there on as it is written, and where it begins and ends.
        """
        with contextlib.suppress(FileNotFoundError), self._path.open("rb") as raw:
            raw.seek(start)
            for text in raw:
                if text.endswith(b"\n"):
                    end = start + len(text)
                    yield start, end, text
                    start = end

    def line(self, start: int) -> dict[str, Any] | None:
        """
        Return the line that begins there, None where none does any more.
        """
        with contextlib.suppress(FileNotFoundError), self._path.open("rb") as raw:
            raw.seek(start)
            return _parsed(raw.readline())
        return None

    def state(self) -> tuple[bytes, int]:
        """
        Return how the file begins, up to the end of its first line, and its size in bytes; nothing while there
        is none. What begins otherwise is another journal: inodes may change by themselves.
        """
        try:
            with self._path.open("rb") as raw:
                head, newline, _ = raw.read(_HEAD).partition(b"\n")
                size = os.fstat(raw.fileno()).st_size
        except FileNotFoundError:
            return b"", 0
        return head if newline or len(head) == _HEAD else b"", size

    def end(self) -> int:
        """
        Return where the next line will begin, in bytes: what `after` takes.
        """
        try:
            return self._path.stat().st_size
        except FileNotFoundError:
            return 0

    def after(self, start: int) -> Iterator[dict[str, Any]]:
        """
        Return the whole lines that were added from there on, oldest first.
        """
        with contextlib.suppress(FileNotFoundError), self._path.open("rb") as raw:
            raw.seek(start)
            for text in raw:
                if text.endswith(b"\n") and (line := _parsed(text)) is not None:
                    yield line

    def newest(self) -> Iterator[dict[str, Any]]:
        """
        Return the line of each job once, newest first, reading no more of the file than is asked for.
        """
        seen = set()
        with contextlib.suppress(FileNotFoundError), self._path.open("rb") as raw:
            for text in _backwards(raw):
                line = _parsed(text)
                if line is not None and line.get("id") not in seen:
                    seen.add(line.get("id"))
                    yield line

    def since(self, moment: dt.datetime) -> Iterator[dict[str, Any]]:
        """
        Return the line of each job that ended then or later, newest first, reading little more than those.

        A line that does not say when its job ended is among them.
        """
        earlier = 0
        for line in self.newest():
            if _ended_before(line, moment):
                earlier += 1
                if earlier == _EARLIER_IN_A_ROW:
                    return
            else:
                earlier = 0
                yield line


def _ended_before(line: Mapping[str, Any], moment: dt.datetime) -> bool:
    try:
        return dt.datetime.fromisoformat(str(line.get("finished_at"))) < moment
    except (TypeError, ValueError):
        return False


def _references(line: Mapping[str, Any]) -> Iterator[Reference]:
    with contextlib.suppress(TypeError, KeyError):
        for each in line["references"]:
            yield Reference(path=each["path"], snapshot=Snapshot(**each["snapshot"]))


def _backwards(raw: BinaryIO) -> Iterator[bytes]:
    end, rest = raw.seek(0, os.SEEK_END), b""
    while end > 0:
        start = max(0, end - _BLOCK)
        raw.seek(start)
        rest, *lines = (raw.read(end - start) + rest).split(b"\n")
        yield from reversed(lines)
        end = start
    yield rest


def _parsed(text: bytes) -> dict[str, Any] | None:
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):
        return None
    is_line = isinstance(line, dict) and isinstance(line.get("id"), str | int | None)
    return line if is_line else None
