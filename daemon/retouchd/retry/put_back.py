"""
Files on their way back from `error/` into the inbox, where that lies on another filesystem too.

While a file is on its way a hidden folder beside it holds it under the name that it gets, so whoever finds
the folder knows how to go on. Its name tells the inbox too: several may share one `error/`.
"""

import fcntl
import hashlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from retouchd.disk import cross_device, durable, file_stat, nofollow, renames, trees
from retouchd.disk.cross_device import Way
from retouchd.disk.folders import Folders
from retouchd.disk.nofollow import Entry, OpenFolder, Where
from retouchd.disk.thread_pools import step
from retouchd.job import naming
from retouchd.job.filenames import parse
from retouchd.retry import leftovers
from retouchd.retry.leftovers import NOTE, STAGE


def put_back(source: Entry, target: Entry, inbox: Path) -> None:
    """
    Move one file from `error/` to its name in the inbox, never over another; durable on return.

    Cut short at any moment, it is finished by `finish`. Raises OSError, and leaves the file where it was
    then.
    """
    with durable.synced(target.parent, source.parent):
        if cross_device.moved(source, target):
            return
    stage = source.with_name(f"{_prefix(inbox)}{secrets.token_hex(4)}")
    durable.begin_folder(stage)
    durable.fsync_folder(stage.parent)
    with nofollow.inner(stage) as held:
        _is_locked(held.fd)
        temporary = target.with_name(stage.name)
        way = Way(source=source, staged=held / target.name, temporary=temporary, target=target)
        try:
            cross_device.carry(way)
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
                with nofollow.held(folders.error, path) as folder:
                    leftovers.tidy(folder / name)
            except OSError as error:
                faults.append(error)
    if faults:
        raise faults[0]
    return found


def _finished(folders: Folders, path: str, name: str) -> Iterator[str]:
    with (
        nofollow.held(folders.error, path) as error,
        trees.made_folder(folders.inbox, path) as inbox,
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
                cross_device.carry(way)
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
        renames.rename_new(way.staged, _free(way.source))
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
