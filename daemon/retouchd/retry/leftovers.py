"""
What told in `error/` why a job's files lie there, and is of no use once they are back in the inbox: its
reason, and the answers that brought no picture.

It goes only when the last of the originals is away. A hidden note beside it, written before the first of them
moves, says what is to go with which: whoever finds the note ends what was cut short.
"""

import contextlib
import json
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from retouchd.disk import durable, file_stat, new_files, nofollow
from retouchd.disk import inodes as disk_inodes
from retouchd.disk.nofollow import Entry, OpenFolder
from retouchd.job.naming import RESPONSE
from retouchd.spool.record import is_own_reason, is_own_response

STAGE = ".retouchd-retry-"
"""How the folders begin that hold a file on its way to another filesystem: see `returning`."""
NOTE = ".retouchd-retried-"


@contextlib.contextmanager
def removed_after(
    folder: OpenFolder, originals: Sequence[str], leftovers: Sequence[str]
) -> Iterator[None]:
    """
    Remove what is ours of the leftovers, once all that is done within has moved the originals elsewhere.

    Raises OSError.
    """
    ours = [name for name in leftovers if _is_ours(folder / name)]
    if not ours:
        yield
        return
    note = folder / f"{NOTE}{secrets.token_hex(4)}"
    new_files.put_new(note, _written(folder, originals, ours))
    durable.fsync_folder(folder)
    try:
        yield
    except OSError:
        with contextlib.suppress(OSError):
            durable.remove(note)
        raise
    _end(note, ours)


def tidy(note: Entry) -> None:
    """
    End what a note tells of: its leftovers go if none of the originals is there. Raises OSError.
    """
    told = _told(note)
    marks = told.get("leftovers", {})
    if _remain(note.parent, told.get("originals", {})):
        marks = {}
    _end(note, [name for name, mark in marks.items() if _mark(note.with_name(name)) == mark])


def _end(note: Entry, leftovers: Sequence[str]) -> None:
    for name in leftovers:
        if _is_ours(leftover := note.with_name(name)):
            durable.remove(leftover)
    durable.remove(note)


def _written(folder: OpenFolder, originals: Sequence[str], leftovers: Sequence[str]) -> bytes:
    known = {name: file_stat.snapshot(folder / name) for name in originals}
    told = {
        "originals": {name: found.inode for name, found in known.items() if found},
        "leftovers": {name: _mark(folder / name) for name in leftovers},
    }
    return json.dumps(told).encode()


def _told(note: Entry) -> dict[str, Any]:
    """
    Return what a note says, nothing where a power cut left less than all of it.
    """
    try:
        told = json.loads(_beginning(note))
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _remain(folder: OpenFolder, originals: Mapping[str, int]) -> bool:
    """
    Return whether any of the originals is still there: under its name, under another one, or on its way.
    """
    names = nofollow.names_in(folder)
    inodes = {*originals.values()} - {disk_inodes.UNKNOWN}
    return not originals.keys().isdisjoint(names) or not inodes.isdisjoint(_inodes(folder, names))


def _inodes(folder: OpenFolder, names: Iterable[str]) -> Iterator[int]:
    for name in names:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            yield file_stat.stat_at(folder / name).st_ino
            if name.startswith(STAGE):
                with nofollow.inner(folder / name) as stage:
                    yield from _inodes(stage, nofollow.names_in(stage))


def _mark(leftover: Entry) -> list[int] | None:
    found = file_stat.snapshot(leftover)
    return [found.size, found.mtime_ns] if found else None


def _is_ours(leftover: Entry) -> bool:
    try:
        beginning = _beginning(leftover)
    except OSError:
        return False
    if leftover.name.endswith(RESPONSE):
        return is_own_response(beginning)
    return is_own_reason(beginning)


def _beginning(file: Entry) -> bytes:
    with file_stat.reading(file) as fd:
        return next(file_stat.blocks(fd), b"")
