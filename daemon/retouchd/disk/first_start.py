"""
Folders that are missing at a start: made where no run has worked with them yet, and left alone where one has.

A share that is not mounted looks like a folder that was never made, so `folders.json` in the work folder holds
the places of earlier runs, each as an absolute path and as one relative to the work folder.
"""

import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from retouchd.disk import durable
from retouchd.disk.folders import Folders
from retouchd.disk.mounts import points_in
from retouchd.disk.nofollow import OpenFolder
from retouchd.disk.thread_pools import Folder, at

_MEMORY = "folders.json"
_FSTAB = Path("/etc/fstab")
_MODE = 0o770
"""Who shares pictures with everybody opens their folder."""
_RESULTS = (Folder.OUTBOX, Folder.DONE, Folder.ERROR)


def make_missing(folders: Folders, fstab: Path = _FSTAB) -> list[Path]:
    """
    Make the folders that are missing, all or none of them; return those that were made.

    None is made that a run has worked with, whose parent folder is not there, is a link or may not be written
    by this user, that would lie in another of the five, or where fstab names a disk that is not mounted.
    """
    places = folders.by_name()
    missing = {name: path for name, path in places.items() if not _is_there(name, path)}
    points = _unmounted(fstab) if missing else set()
    for name, path in missing.items():
        others = [other for key, other in places.items() if key is not name]
        is_apart = path not in others and not any(other in path.parents for other in others)
        if not is_apart or not points.isdisjoint([path, *path.parents]):
            return []
    if not missing or _was_there(missing, places):
        return []
    if not all(_may_be_made(path) for path in missing.values()):
        return []
    for path in missing.values():
        _make(path)
    return list(missing.values())


def remember(folders: Folders) -> None:
    """
    Note in the work folder that a run works with these folders.
    """
    path = folders.work / _MEMORY
    memory = _read(path) or {}
    noted = {
        name: sorted({*memory.get(name, ()), *_spellings(place, folders.work)})
        for name, place in folders.by_name().items()
        if name is not Folder.WORK
    }
    if noted != memory:
        durable.write(path, json.dumps(noted, indent=1).encode())


def _is_there(name: Folder, path: Path) -> bool:
    """
    Return whether anything has the name; what cannot be told is left to the look at the folders.
    """
    with at(name):
        try:
            os.lstat(path)
        except FileNotFoundError:
            return False
        except OSError:
            return True
    return True


def _was_there(missing: Mapping[Folder, Path], places: Mapping[Folder, Path]) -> bool:
    """
    Return whether a run has worked with one of the missing folders, or whether that cannot be told.
    """
    work = places[Folder.WORK]
    if Folder.WORK in missing:
        return any(_holds_something(name, places[name]) for name in _RESULTS if name not in missing)
    if not os.path.lexists(work / _MEMORY):
        return os.path.lexists(work / "lock")
    memory = _read(work / _MEMORY)
    if memory is None:
        return True
    return any(
        not _spellings(path, work).isdisjoint(memory.get(name, ()))
        for name, path in missing.items()
    )


def _holds_something(name: Folder, path: Path) -> bool:
    with at(name):
        try:
            return any(os.scandir(path))
        except OSError:
            return True


def _spellings(place: Path, work: Path) -> set[str]:
    return {os.fspath(place), os.path.relpath(place, work)}


def _read(path: Path) -> dict[str, list[str]] | None:
    """
    Return what is remembered, None where that is nothing or damaged.
    """
    try:
        found: Any = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or not all(isinstance(each, list) for each in found.values()):
        return None
    return found


def _unmounted(fstab: Path) -> set[Path]:
    """
    Return where disks are to be mounted and none is.
    """
    try:
        text = fstab.read_text("utf-8", "surrogateescape")
    except OSError:
        return set()
    return {Path(point) for point in points_in(text) if not os.path.ismount(point)}


def _may_be_made(path: Path) -> bool:
    try:
        found = path.parent.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and os.access(
        path.parent, os.W_OK | os.X_OK, effective_ids=True
    )


def _make(path: Path) -> None:
    fd = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        parent = OpenFolder(path.parent, fd)
        durable.begin_folder(parent / path.name, _MODE)
        durable.fsync_folder(parent)
    finally:
        os.close(fd)
