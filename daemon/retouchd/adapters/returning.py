"""
Files on their way back from `error/` into the inbox, where that lies on another filesystem too.

While a file is on its way a hidden folder beside it holds it under the name that it gets, so whoever finds
the folder knows how to go on. Its name tells the inbox too: several may share one `error/`.
"""

import contextlib
import fcntl
import hashlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from retouchd.adapters import carrying, files, presence
from retouchd.adapters.carrying import Way
from retouchd.adapters.folders import Folders
from retouchd.adapters.thread_pools import step
from retouchd.rules import naming
from retouchd.rules.names import parse

STAGE = ".retouchd-retry-"


def put_back(source: Path, target: Path, inbox: Path) -> None:
    """
    Move one file from `error/` to its name in the inbox, never over another; durable on return.

    Cut short at any moment, it is finished by `finish`. Raises OSError, and leaves the file where it was
    then.
    """
    with files.synced(target.parent, source.parent):
        if carrying.moved(source, target):
            return
    stage = source.parent / f"{_prefix(inbox)}{secrets.token_hex(4)}"
    files.make_folder(stage)
    with _held(stage):
        staged, temporary = stage / target.name, target.with_name(stage.name)
        way = Way(source=source, staged=staged, temporary=temporary, target=target)
        try:
            carrying.carry(way)
        except OSError:
            _take_back(way)
            raise
        files.remove_empty(stage)


def finish(folders: Folders) -> list[str]:
    """
    Finish what was cut short; return the files that came into the inbox by it, as paths below it.

    A file whose name was taken meanwhile goes back into `error/`. Raises OSError.
    """
    found: list[str] = []
    if folders.inbox.stat().st_dev != folders.work.stat().st_dev:
        return found  # It is away: from an empty mount point nothing must be concluded.
    prefix = _prefix(folders.inbox)
    for place, names, _ in os.walk(folders.error):
        step()
        below = Path(place).relative_to(folders.error).as_posix()
        below = "" if below == "." else below
        for name in [each for each in names if each.startswith(prefix)]:
            names.remove(name)
            with _held(Path(place) / name) as is_ours:
                if is_ours:
                    came = _finish(Path(place) / name, folders.inbox / below)
                    found += [naming.path_below(below, each) for each in came]
    return found


def _finish(stage: Path, folder: Path) -> Iterator[str]:
    temporary = folder / stage.name
    for name in os.listdir(stage):  # noqa: PTH208 - names alone
        staged = stage / name
        source = next(
            (each for each in stage.parent.iterdir() if presence.is_same(each, staged)),
            stage.parent / name,
        )
        way = Way(source=source, staged=staged, temporary=temporary, target=folder / name)
        is_new = presence.is_taken(temporary)
        try:
            with files.synced(folder, source.parent):
                carrying.carry(way)
        except FileExistsError:
            _take_back(way)
        else:
            if is_new:
                yield name
    files.remove(temporary)  # Without a staged file it is a copy of what still lies in error/.
    files.remove_empty(stage)


def _take_back(way: Way) -> None:
    """
    Undo what was done, unless the file has its new name already.
    """
    if presence.is_taken(way.staged):
        if not presence.is_taken(way.temporary):
            return
        files.rename_new(way.staged, _free(way.source))
    files.remove(way.temporary)
    files.remove_empty(way.staged.parent)


def _free(path: Path) -> Path:
    named = parse(path.name)
    stem = naming.free_stem(
        named.stem,
        secrets.token_hex(4),
        [named.suffix],
        lambda name: presence.is_taken(path.with_name(name)),
    )
    return path.with_name(stem + named.suffix)


def _prefix(inbox: Path) -> str:
    return f"{STAGE}{hashlib.sha256(os.fsencode(inbox.resolve())).hexdigest()[:8]}-"


@contextlib.contextmanager
def _held(stage: Path) -> Iterator[bool]:
    """
    Hold a file that is on its way; give False where another process that lives does.
    """
    fd = os.open(stage, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield _is_locked(fd)
    finally:
        os.close(fd)


def _is_locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # Some network mounts cannot lock a folder.
    return True
