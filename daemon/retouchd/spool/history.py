"""
The journals of finished jobs, a line of JSON each; and the records in `done/` and `error/`.

`history.jsonl` has all that ended, `recovered.jsonl` what only records in `done/` told of jobs that the history
does not have. A crash may leave a line twice or torn, so readers take each id once and skip what is no JSON.

Records are read below `done/` and `error/` without following a link out of them.
"""

import contextlib
import datetime as dt
import json
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from retouchd.disk import durable, nofollow
from retouchd.disk.calls import step
from retouchd.job.filenames import IMAGE_EXTENSIONS
from retouchd.job.model import Reference, Snapshot
from retouchd.job.naming import RECORD, fits, path_below
from retouchd.job.text import json_text
from retouchd.spool.record import files_told

MOST_BYTES = 1 << 22
"""Of a record: larger ones are nobody's of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFile:
    """
    A file that has a record's name: its folder below `done/` or `error/`, its name, size in bytes and time of
    change.
    """

    folder: str
    name: str
    size: int
    mtime_ns: int

    @property
    def path(self) -> str:
        """
        Return its path below `done/` or `error/`.
        """
        return path_below(self.folder, self.name)


def records_below(root: Path, on_closed: Callable[[str], None]) -> Iterator[RecordFile]:
    """
    Yield the files below a folder that may be records; links are no files.

    `on_closed` is told each folder that this user may not read (`lost+found` is one). Raises OSError for any
    other that cannot be read.
    """
    stack = [""]
    while stack:
        place = stack.pop()
        try:
            with (
                _telling(root / place),
                nofollow.folder(root, place) as fd,
                os.scandir(fd) as entries,
            ):
                found, folders = _listed(place, entries)
        except PermissionError:
            if not place:
                raise
            on_closed(place)
            continue
        except (FileNotFoundError, NotADirectoryError):
            if not place:
                raise
            continue  # Taken away, or swapped for a link, since its name was seen.
        step()
        stack += [path_below(place, name) for name in sorted(folders, reverse=True)]
        yield from found


def record_in(root: Path, path: str) -> dict[str, Any] | None:
    """
    Return the JSON object in a file below a folder, None where it holds anything else, is too large for a
    record, may not be read, or is gone. Raises OSError where the disk fails.
    """
    try:
        with _telling(root / path), nofollow.opened(root, path) as file:
            raw = file.read(MOST_BYTES + 1)
            step()
    except OSError as error:
        if error.errno in nofollow.UNREADABLE:
            return None
        raise
    if len(raw) > MOST_BYTES:
        return None
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def size_of(root: Path, path: str) -> int | None:
    """
    Return the size of a file below a folder in bytes, None where there is none. Raises OSError where that
    cannot be told.
    """
    try:
        with _telling(root / path):
            found = nofollow.stat_of(root, path)
    except OSError as error:
        if error.errno in nofollow.UNREADABLE:
            return None
        raise
    return found.st_size if stat.S_ISREG(found.st_mode) else None


@contextlib.contextmanager
def _telling(path: Path) -> Iterator[None]:
    """
    Let an error of the disk name the whole path: a descriptor's number tells a person nothing.
    """
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def _listed(place: str, entries: Iterator[os.DirEntry[str]]) -> tuple[list[RecordFile], list[str]]:
    found, folders = [], []
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            folders.append(entry.name)
        elif entry.name.endswith(RECORD) and entry.is_file(follow_symlinks=False):
            try:
                about = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            found.append(
                RecordFile(
                    folder=place,
                    name=entry.name,
                    size=about.st_size,
                    mtime_ns=about.st_mtime_ns,
                )
            )
    return found, folders


def reserved_in(root: Path, folder: str, stem: str, *, but: str = "") -> frozenset[str] | None:
    """
    Return the names, escaped, that the records of a stem reserve: `cat.job.json`, `cat.jpg.job.json` and so on.

    `folder` is the path below `root`; `but` is a record that does not count. None where one of them does not
    tell its files: it is somebody's own, or an earlier version's. Raises OSError.
    """
    ends = [f".{each}" for end in IMAGE_EXTENSIONS for each in (end, end.upper())]
    found: set[str] = set()
    for name in [f"{stem}{end}{RECORD}" for end in ("", *ends)]:
        path = path_below(folder, name)
        if name != but and fits(name) and is_taken(root, path):
            files = files_told(record_in(root, path))
            if files is None:
                return None
            found.update(files)
    return frozenset(found)


def is_taken(root: Path, path: str) -> bool:
    """
    Return whether anything has that path below a folder. Raises OSError.
    """
    try:
        nofollow.stat_of(root, path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


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
    A journal in a work folder. `written` is the state that it has reached by the lines added here, nothing
    before: found to be another or shorter, it was replaced by somebody.
    """

    def __init__(self, work: Path, name: str = "history.jsonl") -> None:
        self._path = work / name
        self.written = (b"", 0)

    def add(self, line: Mapping[str, Any]) -> None:
        """
        Append the line of one job; durable on return.
        """
        text = json_text(line).encode()
        least = self.written[1] + len(text)
        durable.append(self._path, text)
        head, known_end = self.written
        found, found_end = self.state()
        # It may be removed at any moment, right after its line was written, too: that is to be noticed later.
        least = max(least, known_end)
        if found_end < least or (head and found != head):
            self.written = head, least
        else:
            self.written = found, found_end

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
