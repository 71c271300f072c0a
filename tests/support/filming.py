"""
What a run leaves that dies at one of its changes of the disk, without a run for each of them: one that lives
is filmed, and each frame of the film is put back on the disk as if the run had died there.

A process that dies at a change leaves what lies in the folders at that moment: nobody else can change
anything then, as the disk holds them off (`crashing.py`). Of a power cut each frame also knows what it loses,
and loses it by the same rules, once it is back on the disk.
"""

import contextlib
import multiprocessing
import os
import shutil
import stat
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from crashing import Change, FailingDisk, lose

Number = tuple[int, int]
"""Device and inode of a file."""


@dataclass(frozen=True, slots=True)
class Entry:
    """
    One name in a frame, and what stands behind it; a folder has no bytes.
    """

    path: str
    mode: int
    number: Number
    mtime_ns: int
    data: bytes | None


@dataclass(frozen=True, kw_only=True)
class Frame:
    """
    All that lies there at one step, folders before what is in them, and what a power cut loses of it.
    """

    step: int
    entries: tuple[Entry, ...]
    unsynced: Mapping[Number, int]
    changes: Sequence[Change]

    def is_as(self, other: "Frame") -> bool:
        """
        Return whether it shows the same, and nothing is lost of either.
        """
        is_lost = any((self.unsynced, self.changes, other.unsynced, other.changes))
        return self.entries == other.entries and not is_lost

    def develop(
        self, roots: Iterable[Path], kept: Mapping[Number, str] = MappingProxyType({})
    ) -> None:
        """
        Put it back in place of what lies there, then lose what would have been lost.

        What is `kept`, by further names, is the same file again.
        """
        for root in roots:
            clear(root)
        paths: dict[Number, str] = {}
        for entry in self.entries:
            if entry.data is None:
                os.mkdir(entry.path)
            elif source := paths.get(entry.number) or kept.get(entry.number):
                os.link(source, entry.path)
            else:
                _write(entry.path, entry.data)
            os.chmod(entry.path, entry.mode)
            if entry.data is not None:
                os.utime(entry.path, ns=(entry.mtime_ns, entry.mtime_ns))
                paths[entry.number] = entry.path
        # What has no name any more is lost anyway.
        files = [(paths[number], size) for number, size in self.unsynced.items() if number in paths]
        lose(files, self.changes)


class FilmingDisk(FailingDisk):
    """
    A disk that never fails: it takes a frame of `roots` at every so many of its steps, where others die.
    """

    def __init__(
        self, roots: Sequence[Path], *, first: int = 1, stride: int = 1, **how: Any
    ) -> None:
        super().__init__(**how)
        self._roots = roots
        self._first = first
        self._stride = stride
        self._known: dict[bytes, bytes] = {}
        self.frames: list[Frame] = []

    def _reached(self, last_act: Callable[[], int]) -> int:
        if self.count < self._first or (self.count - self._first) % self._stride:
            return 0
        begun = last_act()
        frame = Frame(
            step=self.count,
            entries=tuple(entry for root in self._roots for entry in self._seen(root)),
            unsynced={number: size for number, (_, size) in self._unsynced.items()},
            changes=[Change({*each.folders}, each.undo) for each in self._changes],
        )
        self.frames.append(frame)
        return begun

    def _seen(self, root: Path) -> Iterator[Entry]:
        with contextlib.suppress(FileNotFoundError):
            yield from self._entries(os.fspath(root), os.lstat(root))

    def _entries(self, path: str, about: os.stat_result) -> Iterator[Entry]:
        number, mode = (about.st_dev, about.st_ino), stat.S_IMODE(about.st_mode)
        if not stat.S_ISDIR(about.st_mode):
            with open(path, "rb", buffering=0) as file:
                data = file.readall()
            # Most of it is on every frame.
            yield Entry(path, mode, number, about.st_mtime_ns, self._known.setdefault(data, data))
            return
        yield Entry(path, mode, number, about.st_mtime_ns, None)
        with os.scandir(path) as found:
            inside = sorted(found, key=lambda each: each.name)
        for each in inside:
            yield from self._entries(each.path, each.stat(follow_symlinks=False))


def filmed(act: Callable[[], object], disk: FilmingDisk) -> list[Frame]:
    """
    Act in a child process on a disk that films; return the film. What the act raises, the child says.
    """
    ours, theirs = multiprocessing.Pipe(duplex=False)
    child = os.fork()
    if not child:
        try:
            disk.install()
            act()
            theirs.send(disk.frames)
            os._exit(0)
        except BaseException:  # noqa: BLE001 - the child must never return into pytest
            traceback.print_exc()
            os._exit(2)
    theirs.close()
    film: list[Frame] = []
    with ours, contextlib.suppress(EOFError):
        film = ours.recv()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code == 0, f"what was filmed ended with {code}"
    return film


def keep(paths: Iterable[Path], place: Path) -> dict[Number, str]:
    """
    Give files further names in a new folder on their disk, and return these: their numbers stay theirs so.
    """
    place.mkdir()
    kept = {}
    for count, path in enumerate(paths):
        name = os.fspath(place / str(count))
        os.link(path, name)
        about = path.lstat()
        kept[about.st_dev, about.st_ino] = name
    return kept


def clear(root: Path) -> None:
    """
    Remove a file, or a folder with all that is in it, if it is there.
    """
    if root.is_dir():
        shutil.rmtree(root)
    else:
        root.unlink(missing_ok=True)


def _write(path: str, data: bytes) -> None:
    with open(path, "xb", buffering=0) as file:
        file.write(data)
