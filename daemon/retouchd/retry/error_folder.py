"""
The folder `error/` as it lies there, and the way of its files back into the inbox.

What told in `error/` why a job's files lie there, and is of no use once they are back in the inbox: its
reason, and the answers that brought no picture.

It goes only when the last of the originals is away. A hidden note beside it, written before the first of them
moves, says what is to go with which: whoever finds the note ends what was cut short.

Files on their way back from `error/` into the inbox, where that lies on another filesystem too.

While a file is on its way a hidden folder beside it holds it under the name that it gets, so whoever finds
the folder knows how to go on. Its name tells the inbox too: several may share one `error/`.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from retouchd.disk import durable, file_stat, filesystems, moves, nofollow
from retouchd.disk.calls import step
from retouchd.disk.folders import Folders
from retouchd.disk.moves import Way
from retouchd.disk.nofollow import Entry, OpenFolder, Where
from retouchd.job import naming
from retouchd.job.filenames import parse
from retouchd.job.naming import RECORD, RESPONSE
from retouchd.retry.error_groups import Group, groups_in
from retouchd.spool.record import is_own_reason, is_own_response, own_record

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
    moves.put_new(note, _written(folder, originals, ours))
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
    inodes = {*originals.values()} - {filesystems.UNKNOWN}
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


def groups_below(root: Path) -> Iterator[Group]:
    """
    Return the jobs in `error/` and its folders. Raises OSError for a folder that cannot be read.
    """
    for below, visible in names_below(root):
        yield from _groups(root, below, visible)


def groups_in_folder(root: Path, below: str) -> Iterator[Group]:
    """
    Return the jobs in one folder of `error/`. Raises OSError where it cannot be read.
    """
    names = os.listdir(root / below)  # noqa: PTH208 - names, not paths
    yield from _groups(root, below, [name for name in names if not name.startswith(".")])


def _groups(root: Path, below: str, visible: Sequence[str]) -> Iterator[Group]:
    here = root / below
    records = {name: record_at(here / name) for name in visible if name.endswith(RECORD)}
    known = {name: body for name, body in records.items() if body is not None}
    yield from groups_in(below, visible, known)


def names_below(root: Path) -> Iterator[tuple[str, list[str]]]:
    """
    Return the folders of `error/`, by their paths below it, with the names that a person sees in each.

    Raises OSError for a folder that cannot be read.
    """
    for place, folders, names in os.walk(root, onerror=_raise):
        folders[:] = sorted(name for name in folders if not name.startswith(STAGE))
        here = Path(place)
        below = "" if here == root else here.relative_to(root).as_posix()
        yield below, [name for name in names if not name.startswith(".")]


def record_at(path: Path) -> dict[str, Any] | None:
    """
    Return a record of ours, None where the file is none or cannot be read.
    """
    try:
        raw = path.read_bytes()
    except OSError:
        return None
    if own_record(raw) is None:
        return None
    body: dict[str, Any] = json.loads(raw)
    return body


def _raise(error: OSError) -> None:
    raise error


def put_back(source: Entry, target: Entry, inbox: Path) -> None:
    """
    Move one file from `error/` to its name in the inbox, never over another; durable on return.

    Cut short at any moment, it is finished by `finish`. Raises OSError, and leaves the file where it was
    then.
    """
    with durable.synced(target.parent, source.parent):
        if moves.moved(source, target):
            return
    stage = source.with_name(f"{_prefix(inbox)}{secrets.token_hex(4)}")
    durable.begin_folder(stage)
    durable.fsync_folder(stage.parent)
    with nofollow.inner(stage) as held:
        _is_locked(held.fd)
        temporary = target.with_name(stage.name)
        way = Way(source=source, staged=held / target.name, temporary=temporary, target=target)
        try:
            moves.carry(way)
        except OSError:
            _take_back(way, stage)
            raise
        durable.remove_empty(stage)


def finish(folders: Folders) -> list[str]:
    """
    Finish what was cut short; return the files that came into the inbox by it, as paths below it.

    A file whose name was taken meanwhile goes back into `error/`. What told why files lay there goes where all
    of them are away. Raises OSError, the first one, after all that can be finished was.
    """
    found: list[str] = []
    faults: list[OSError] = []
    if folders.inbox.stat().st_dev != folders.work.stat().st_dev:
        return found  # It is away: from an empty mount point nothing must be concluded.
    prefix = _prefix(folders.inbox)
    for place, names, notes in os.walk(folders.error):
        step()
        path = Path(place).relative_to(folders.error).as_posix()
        path = "" if path == "." else path
        for name in [each for each in names if each.startswith(prefix)]:
            names.remove(name)
            try:
                came = _finished(folders, path, name)
                found += [naming.path_below(path, each) for each in came]
            except OSError as error:
                faults.append(error)
        for name in [each for each in notes if each.startswith(NOTE)]:
            try:
                with nofollow.opened_folder(folders.error, path) as folder:
                    tidy(folder / name)
            except OSError as error:
                faults.append(error)
    if faults:
        raise faults[0]
    return found


def _finished(folders: Folders, path: str, name: str) -> Iterator[str]:
    with (
        nofollow.opened_folder(folders.error, path) as error,
        moves.made_folder(folders.inbox, path) as inbox,
        nofollow.inner(error / name) as stage,
    ):
        if _is_locked(stage.fd):
            yield from _finish(error / name, stage, inbox)


def _finish(stage: Entry, held: OpenFolder, folder: OpenFolder) -> Iterator[str]:
    temporary = folder / stage.name
    for name in nofollow.names_in(held):
        staged = held / name
        beside = (stage.with_name(each) for each in nofollow.names_in(stage.parent))
        source = next(
            (each for each in beside if file_stat.is_same(each, staged)), stage.with_name(name)
        )
        way = Way(source=source, staged=staged, temporary=temporary, target=folder / name)
        is_new = file_stat.is_taken(temporary)
        if is_new and not file_stat.is_copy(staged, temporary):
            _take_back(way, stage)  # The disk that it was on has lost some of it.
            continue
        try:
            with durable.synced(folder, source.parent):
                moves.carry(way)
        except FileExistsError:
            _take_back(way, stage)
        else:
            if is_new:
                yield name
    durable.remove(temporary)  # Without a staged file it is a copy of what still lies in error/.
    durable.remove_empty(stage)


def _take_back(way: Way, stage: Entry) -> None:
    """
    Undo what was done, unless the file has its new name already.
    """
    if file_stat.is_taken(way.staged):
        if not file_stat.is_taken(way.temporary):
            return
        moves.rename_new(way.staged, _free(way.source))
    durable.remove(way.temporary)
    durable.remove_empty(stage)


def _free(path: Where) -> Where:
    named = parse(path.name)
    stem = naming.free_stem(
        named.stem,
        secrets.token_hex(4),
        [named.suffix],
        lambda name: file_stat.is_taken(path.with_name(name)),
    )
    return path.with_name(stem + named.suffix)


def _prefix(inbox: Path) -> str:
    return f"{STAGE}{hashlib.sha256(os.fsencode(inbox.resolve())).hexdigest()[:8]}-"


def _is_locked(fd: int) -> bool:
    """
    Lock a file that is on its way; return False where another process that lives has it.
    """
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # Some network mounts cannot lock a folder.
    return True
