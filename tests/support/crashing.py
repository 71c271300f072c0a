"""
A disk that fails at a chosen moment: stands in for `os` and the C library inside `disk.durable`.

Every mutation counts one. At the chosen one the process dies, after half the bytes where it is a write.
With `power_cut` it loses before that what no fsync made durable: written bytes that were not synced, and
names whose folder was not; a file renamed between folders may then stand in neither, or in both.
"""

import ctypes
import errno
import functools
import os
import shutil
import stat
import threading
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from retouchd.disk import durable

DIED = 137


@dataclass(slots=True)
class Change:
    """
    A changed name that is not durable yet: the folders still to be synced, and how it is lost.
    """

    folders: set[str]
    undo: Callable[[set[str]], None]


def lose(unsynced: Iterable[tuple[int | str, int]], changes: Sequence[Change]) -> None:
    """
    Lose what a power cut does: of files, given open or by their names, all but their durable bytes, then names.
    """
    for file, durable_size in unsynced:
        os.truncate(file, durable_size)
    for change in reversed(changes):
        change.undo(change.folders)


def _one_at_a_time(act: Callable[..., Any]) -> Callable[..., Any]:
    """
    Keep other threads from changing anything while the disk acts, or dies.
    """

    @functools.wraps(act)
    def locked(self: "FailingDisk", *args: Any, **more: Any) -> Any:
        with self.lock:
            return act(self, *args, **more)

    return locked


class FailingDisk:
    """
    Installed with `install`, it counts mutations and dies at number `die_at` (0: never).

    What a power cut may bring back is kept on `shelf`. One that `is_plain` knows neither links nor renames that
    refuse a taken name. Changes of names that hold what is `spared` do not count, nor, where there is any, do
    those of paths that hold nothing of what `counts`.
    """

    def __init__(
        self,
        *,
        die_at: int = 0,
        power_cut: bool = False,
        shelf: Path = Path("/nowhere"),
        is_plain: bool = False,
        spared: str = "",
        counts: tuple[str, ...] = (),
    ) -> None:
        self.count = 0
        self.lock = threading.RLock()
        self._die_at = die_at
        self._power_cut = power_cut
        self._changes: list[Change] = []
        self._unsynced: dict[tuple[int, int], tuple[int, int]] = {}
        self._shelf = shelf
        self._is_plain = is_plain
        self._spared = spared
        self._counts = counts
        self._kept = 0

    def install(self) -> None:
        """
        Take the place of the real disk; meant for a process of its own.
        """
        vars(durable).update(os=self, _libc=self)

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    @_one_at_a_time
    def open(self, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        path = _whole(path, dir_fd)
        if not flags & (os.O_CREAT | os.O_TRUNC):
            return os.open(path, flags, mode)
        self._step(path)
        is_new = not os.path.lexists(path)
        fd = os.open(path, flags, mode)
        if is_new:
            self._changed(path, _unlink)
        if flags & os.O_TRUNC:
            self._soil(fd)
        return fd

    @_one_at_a_time
    def write(self, fd: int, data: Any) -> int:
        self._soil(fd)
        begun = self._step(_path_of(fd), lambda: os.write(fd, data[: len(data) // 2]))
        return begun + os.write(fd, data[begun:])

    @_one_at_a_time
    def fsync(self, fd: int) -> None:
        self._step(_path_of(fd))
        os.fsync(fd)
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            folder = _path_of(fd)
            for change in self._changes:
                change.folders.discard(folder)
            self._changes = [change for change in self._changes if change.folders]
        else:
            self._clean(fd)

    @_one_at_a_time
    def rename(
        self,
        source: Any,
        target: Any,
        *,
        src_dir_fd: int | None = None,
        dst_dir_fd: int | None = None,
    ) -> None:
        source, target = _whole(source, src_dir_fd), _whole(target, dst_dir_fd)
        self._step(source)
        overwritten = self._keep(target)
        os.rename(source, target)
        self._renamed(source, target, overwritten)

    @_one_at_a_time
    def renameat2(self, old_at: int, old: bytes, new_at: int, new: bytes, _: ctypes.c_uint) -> int:
        if self._is_plain:
            ctypes.set_errno(errno.EINVAL)
            return -1
        old, new = os.fsencode(_whole(old, old_at)), os.fsencode(_whole(new, new_at))
        self._step(old)
        if os.path.lexists(new):
            ctypes.set_errno(errno.EEXIST)
            return -1
        try:
            os.rename(old, new)
        except OSError as error:
            ctypes.set_errno(error.errno or errno.EIO)
            return -1
        self._renamed(os.fsdecode(old), os.fsdecode(new), None)
        return 0

    def link(self, source: Any, target: Any, **_: Any) -> None:
        assert self._is_plain, "nothing is linked where renames refuse"
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), source, None, target)

    @_one_at_a_time
    def unlink(self, path: Any, *, dir_fd: int | None = None) -> None:
        path = _whole(path, dir_fd)
        self._step(path)
        kept = self._keep(path)
        os.unlink(path)
        if kept:
            self._changed(path, _link, kept)

    @_one_at_a_time
    def mkdir(self, path: Any, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        path = _whole(path, dir_fd)
        self._step(path)
        os.mkdir(path, mode)
        self._changed(path, _remove_tree)

    @_one_at_a_time
    def rmdir(self, path: Any, *, dir_fd: int | None = None) -> None:
        path = _whole(path, dir_fd)
        self._step(path)
        os.rmdir(path)
        self._changed(path, _make_again)

    def _step(self, path: Any, last_act: Callable[[], int] = lambda: 0) -> int:
        """
        Count one change, unless it is spared; return how many bytes its last act has written already.
        """
        if self._spared and self._spared in os.path.basename(os.fsdecode(path)):
            return 0
        if self._counts and not any(each in os.fsdecode(path) for each in self._counts):
            return 0
        self.count += 1
        return self._reached(last_act)

    def _reached(self, last_act: Callable[[], int]) -> int:
        """
        Die, if it is time.
        """
        if self.count == self._die_at:
            last_act()
            try:
                if self._power_cut:
                    lose(self._unsynced.values(), self._changes)
            except BaseException:  # noqa: BLE001 - a disk that fails to fail must not look like success
                traceback.print_exc()
                os._exit(2)
            os._exit(DIED)
        return 0

    def _soil(self, fd: int) -> None:
        if self._power_cut:
            found = os.fstat(fd)
            key = (found.st_dev, found.st_ino)
            if key not in self._unsynced:
                again = os.open(f"/proc/self/fd/{fd}", os.O_RDWR)
                self._unsynced[key] = (again, found.st_size)

    def _clean(self, fd: int) -> None:
        found = os.fstat(fd)
        if (kept := self._unsynced.pop((found.st_dev, found.st_ino), None)) is not None:
            os.close(kept[0])

    def _renamed(self, source: Any, target: Any, overwritten: str | None) -> None:
        if self._power_cut:
            old, new = _folder(source), _folder(target)
            undo = partial(_rename_back, (old, source), (new, target), overwritten)
            self._changes.append(Change({old, new}, undo))

    def _changed(self, path: Any, undo: Callable[..., None], *about: Any) -> None:
        if self._power_cut:
            self._changes.append(Change({_folder(path)}, partial(undo, *about, path)))

    def _keep(self, path: Any) -> str | None:
        if not self._power_cut or not os.path.lexists(path):
            return None
        self._kept += 1
        self._shelf.mkdir(exist_ok=True)
        kept = os.fspath(self._shelf / str(self._kept))
        _link(path, kept)
        return kept


def _whole(path: Any, folder: int | None) -> Any:
    """
    Return the path of a name in an open folder.
    """
    if folder is None or folder < 0:
        return path
    return os.path.join(os.readlink(f"/proc/self/fd/{folder}"), os.fsdecode(path))


def _path_of(fd: int) -> str:
    return os.readlink(f"/proc/self/fd/{fd}")


def _rename_back(
    before: tuple[str, Any], after: tuple[str, Any], overwritten: str | None, unsynced: set[str]
) -> None:
    (old, source), (new, target) = before, after
    if old == new and not os.path.isdir(old):
        return  # The folder is durably gone, and so are its names.
    if new in unsynced and old in unsynced:
        os.rename(target, source)
    elif new in unsynced:
        _remove_tree(target)
    else:
        _appear_again(target, source)
        return
    if overwritten:
        _link(overwritten, target)


def _make_again(path: Any, _: set[str]) -> None:
    if os.path.isdir(_folder(path)):
        os.mkdir(path)


def _link(source: Any, target: Any, *_: set[str]) -> None:
    if not os.path.isdir(_folder(target)):
        return  # Its folder is durably gone, and so is the name.
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        shutil.copy2(source, target)


def _folder(path: Any) -> str:
    return os.path.realpath(os.path.dirname(os.fsdecode(path)))


def _unlink(path: Any, *_: set[str]) -> None:
    if os.path.lexists(path):
        os.unlink(path)


def _appear_again(target: Any, source: Any) -> None:
    if os.path.isfile(target):
        _link(target, source)


def _remove_tree(path: Any, *_: set[str]) -> None:
    if not os.path.isdir(path):
        _unlink(path)  # It may be durably gone: renamed away and removed there.
        return
    for name in os.listdir(path):
        _remove_tree(os.path.join(path, name))
    os.rmdir(path)


def dying(act: Callable[[], object], disk: FailingDisk) -> int:
    """
    Act in a child process on a disk that fails; return its exit code: 0, or `DIED` where the disk failed.
    """
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        disk.install()
        act()
        os._exit(0)
    except BaseException:  # noqa: BLE001 - the child must never return into pytest
        os._exit(2)
