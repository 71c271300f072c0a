"""
The records in `done/` as they lie there, and the files beside them. Nothing is followed out of the folder.
"""

import contextlib
import json
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retouchd.disk import nofollow
from retouchd.disk.thread_pools import step
from retouchd.job.naming import RECORD, path_below

MOST_BYTES = 1 << 22
"""Of a record: larger ones are nobody's of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighted:
    """
    A file by a record's name: its folder below `done/`, its name, size in bytes and time of change.
    """

    folder: str
    name: str
    size: int
    mtime_ns: int

    @property
    def path(self) -> str:
        """
        Return its path below `done/`.
        """
        return path_below(self.folder, self.name)


def records_below(root: Path, on_closed: Callable[[str], None]) -> Iterator[Sighted]:
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


def _listed(place: str, entries: Iterator[os.DirEntry[str]]) -> tuple[list[Sighted], list[str]]:
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
                Sighted(
                    folder=place,
                    name=entry.name,
                    size=about.st_size,
                    mtime_ns=about.st_mtime_ns,
                )
            )
    return found, folders
