"""
The six folders: their places, the proof at start that they can be what they are for, and making missing ones.

Folders that are missing at a start: made where no run has worked with them yet, and left alone where one has.

A share that is not mounted looks like a folder that was never made, so `folders.json` in the work folder holds
the places of earlier runs, each as an absolute path and as one relative to the work folder.

The folder for reviews may be missing, as nobody who asks for none needs it; who does waits until it is there.
"""

import contextlib
import json
import os
import secrets
import stat
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields
from itertools import combinations
from pathlib import Path
from typing import Any

from retouchd.disk import durable
from retouchd.disk.calls import Folder, at
from retouchd.disk.filesystems import kept_by_unit
from retouchd.disk.mounts import points_in
from retouchd.disk.nofollow import OpenFolder
from retouchd.disk.probes import PROBE, clear_probes, names_of_probes, unmovable, unnamable


@dataclass(frozen=True, slots=True, kw_only=True)
class Folders:
    """
    Where the person's folders and the daemon's own stand, as absolute paths.
    """

    inbox: Path
    outbox: Path
    review: Path
    done: Path
    error: Path
    work: Path

    def items(self) -> Iterator[tuple[str, Path]]:
        """
        Return each folder's key in the configuration with its path.
        """
        for each in fields(self):
            yield f"folders.{each.name}", getattr(self, each.name)

    def by_name(self) -> dict[Folder, Path]:
        """
        Return each folder's place.
        """
        return {name: getattr(self, name) for name in Folder}

    def needed(self) -> Iterator[tuple[str, Path]]:
        """
        Return what `items` does, without a folder for reviews that is not there.
        """
        for key, path in self.items():
            if path is not self.review or _is_there(Folder.REVIEW, path):
                yield key, path

    def results(self) -> dict[Folder, Path]:
        """
        Return where results may lie: published at once, or kept for somebody to look at them first.
        """
        return {Folder.OUTBOX: self.outbox, Folder.REVIEW: self.review}

    def hold(self, path: Path) -> bool:
        """
        Return whether a folder is one of these or lies inside one, links seen through.
        """
        above = set(_lineage(path))
        return any(_lineage(place)[0] in above for _, place in self.needed())

    def place_of(self, path: str) -> tuple[Folder, Path]:
        """
        Return in which of `results` that path is taken, the outbox where it is in neither.
        """
        for folder, root in self.results().items():
            with at(folder):
                if os.path.lexists(root / path):
                    return folder, root
        return Folder.OUTBOX, self.outbox

    def make(self) -> list[str]:
        """
        Make the folders that are missing; return a sentence for each one that cannot be made.
        """
        problems = []
        for key, path in self.items():
            try:
                durable.make_folder(path)
            except OSError as error:
                problems.append(
                    f"{key}: {path} cannot be made: {error.strerror}. "
                    "Make it by hand, or give it another place."
                )
        return problems

    def problems(self) -> list[str]:
        """
        Return a sentence for each reason why these folders cannot work together.
        """
        needed = dict(self.needed())
        found = [problem for key, path in needed.items() if (problem := _unusable(key, path))]
        if found:
            return found
        lineages = {}
        for key, path in self.items():
            with _marked(key):
                lineages[key] = _lineage(path)
        found = [
            problem
            for (key, path), (other_key, other) in combinations(self.items(), 2)
            if (problem := _overlap(key, path, other_key, other, lineages))
        ]
        if found:
            return found
        self._clear_probes()
        ends = (self.outbox, self.review, self.done, self.error)
        for key, place in needed.items():
            with _marked(key):
                if place in ends and (problem := unnamable(place, key, self.work)):
                    found.append(problem)
        with at(Folder.INBOX):
            problem = unmovable(self.inbox, self.work)
        return [problem, *found] if problem else found

    def _clear_probes(self) -> None:
        """
        Remove what starts left that were killed half-way; where that cannot be, the next start tries again.
        """
        with contextlib.suppress(OSError):
            names = names_of_probes(self.work)
            for key, place in self.items():  # The marks in work come last.
                with _marked(key):
                    clear_probes(place, names, self.work)

    def unwritable(self) -> list[str]:
        """
        Return a sentence for each folder in which, tried with a file of our own, nothing can be written.
        """
        return [problem for key, path in self.needed() if (problem := _unwritable(key, path))]

    def inbox_problem(self) -> str:
        """
        Return why nothing can be claimed from the inbox, empty if it can.
        """
        problem = _unusable("folders.inbox", self.inbox)
        return problem or unmovable(self.inbox, self.work) or ""


def _unusable(key: str, path: Path) -> str | None:
    with _marked(key):
        if kept := kept_by_unit(path):
            return f"{key}: {kept}"
        try:
            is_there = is_folder(path)
        except PermissionError:
            return f"{key}: {path} may not be looked at by this user. Change the mode of what it lies in."
        if not is_there:
            return (
                f"{key}: {path} is not there. Make it, or run `retouchd init`; "
                "if it was there before, see whether its disk is mounted."
            )
        if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
            return (
                f"{key}: {path} may not be read and written by this user. Change its owner or mode."
            )
        os.statvfs(path)  # What is known of a folder by heart says nothing of a share that is dead.
    return None


def is_folder(path: Path) -> bool:
    """
    Return whether a folder is there. Raises OSError where this user may not even ask, or its disk fails.
    """
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _marked(key: str) -> AbstractContextManager[None]:
    return at(Folder(key.partition(".")[2]))


def _unwritable(key: str, path: Path) -> str | None:
    probe = path / f"{PROBE}{secrets.token_hex(4)}"
    with _marked(key):
        try:
            probe.write_bytes(b"x")
        except OSError as error:
            return f"{key}: nothing can be written into {path}: {error.strerror}."
        finally:
            probe.unlink(missing_ok=True)
    return None


def _overlap(
    key: str,
    path: Path,
    other_key: str,
    other: Path,
    lineages: Mapping[str, list[tuple[int, int]]],
) -> str | None:
    """
    Compare by device and inode, so that links and bind mounts are seen through.
    """
    own, others = lineages[key], lineages[other_key]
    if own[0] == others[0] or path == other:
        return f"{key} and {other_key} are the same folder, {path}. Give each a place of its own."
    if own[0] in others:
        return f"{other_key}: {other} lies inside {key}, {path}. Give it a place outside."
    if others[0] in own:
        return f"{key}: {path} lies inside {other_key}, {other}. Give it a place outside."
    return None


def _lineage(path: Path) -> list[tuple[int, int]]:
    """
    Return device and inode of a folder and of each one above it.
    """
    real = path.resolve()
    there = [each.stat() if each.exists() else None for each in (real, *real.parents)]
    return [(each.st_dev, each.st_ino) if each else _NOT_THERE for each in there]


_NOT_THERE = (-1, -1)
"""Device and inode of no folder."""
_MEMORY = "folders.json"
_FSTAB = Path("/etc/fstab")
_MODE = 0o770
"""Who shares pictures with everybody opens their folder."""
_RESULTS = (Folder.OUTBOX, Folder.REVIEW, Folder.DONE, Folder.ERROR)


def make_missing(folders: Folders, fstab: Path = _FSTAB) -> list[Path]:
    """
    Make the folders that are missing, all or none of them, that for reviews apart from the others; return those
    that were made.

    None is made that a run has worked with, whose parent folder is not there, is a link or may not be written
    by this user, that would lie in another of them, or where fstab names a disk that is not mounted.
    """
    made = _made_of(folders, set(Folder) - {Folder.REVIEW}, fstab)
    if all(
        _is_there(name, path)
        for name, path in folders.by_name().items()
        if name is not Folder.REVIEW
    ):
        made += _made_of(folders, {Folder.REVIEW}, fstab)
    return made


def _made_of(folders: Folders, names: AbstractSet[Folder], fstab: Path) -> list[Path]:
    places = folders.by_name()
    missing = {name: places[name] for name in names if not _is_there(name, places[name])}
    missing = {name: missing[name] for name in Folder if name in missing}
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
        if name is not Folder.WORK and (name is not Folder.REVIEW or _is_there(name, place))
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
        there = [name for name in _RESULTS if name not in missing and _is_there(name, places[name])]
        return any(_holds_something(name, places[name]) for name in there)
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
