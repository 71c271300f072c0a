"""
A disk that answers with an error: stands in for `os` and `open` wherever they reach below one folder.

Every operation counts one: opens, reads and looks as well as changes. From the chosen one on it fails:
that one alone, all like it (the same call in the same folder), or all there are, until it is healed.
"""

import builtins
import contextlib
import ctypes
import errno
import io
import os
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Self
from unittest import mock

from retouchd.disk import durable

_LOOKS = ("stat", "lstat", "scandir", "listdir", "access", "readlink")
_OF_PATHS = (*_LOOKS, "open", "mkdir", "rmdir", "unlink", "utime", "chmod")
_OF_TWO_PATHS = ("rename", "link")
_OF_FILES = ("fsync", "fstat", "read", "write", "pread", "preadv", "pwrite", "ftruncate")


class Extent(StrEnum):
    """
    How much fails, once it begins.
    """

    ONCE = "once"
    LIKE = "all like it"
    ALL = "everything"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """
    Which operation fails, with which error, and what else does from then on.

    The first to fail is number `at`, or the first one whose call and path fit the expression `like`.
    """

    number: int
    extent: Extent
    at: int = 0
    like: str = ""

    def begins(self, count: int, operation: str) -> bool:
        """
        Return whether this operation is the first to fail.
        """
        return bool(re.search(self.like, operation)) if self.like else count == self.at


@dataclass(kw_only=True)
class FaultyDisk:
    """
    A disk below `root`; without a `fault` it only counts. `hit` is the operation that failed first.

    `sins` are what no program may do with a failed fsync: ask again, or give the file its name.
    """

    root: Path
    fault: Fault | None = None
    count: int = 0
    hit: str = ""
    sins: list[str] = field(default_factory=list)
    operations: list[str] = field(default_factory=list)
    is_healed: bool = False
    _place: str = ""
    _paths: dict[int, str] = field(default_factory=dict)
    _soiled: set[int] = field(default_factory=set)
    _unsynced: set[int] = field(default_factory=set)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _observer: threading.local = field(default_factory=threading.local)
    _real: dict[str, Any] = field(default_factory=dict)

    @contextlib.contextmanager
    def installed(self) -> Iterator[None]:
        """
        Stand in for the real disk meanwhile.
        """
        names = (*_OF_PATHS, *_OF_TWO_PATHS, *_OF_FILES, "close")
        self._real = {name: getattr(os, name) for name in names}
        with contextlib.ExitStack() as stack:
            for name in _OF_PATHS:
                stack.enter_context(mock.patch.object(os, name, self._by_path(name)))
            for name in _OF_TWO_PATHS:
                stack.enter_context(mock.patch.object(os, name, self._by_two(name)))
            for name in _OF_FILES:
                stack.enter_context(mock.patch.object(os, name, self._by_file(name)))
            stack.enter_context(mock.patch.object(os, "close", self._close))
            self._real["io"] = io.open
            for owner in (io, builtins):
                stack.enter_context(mock.patch.object(owner, "open", self._open_file))
            self._real["libc"] = durable._libc
            stack.enter_context(mock.patch.object(durable, "_libc", self))
            yield

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """
        Let this thread look at the disk as it is.
        """
        self._observer.is_aside = True
        try:
            yield
        finally:
            self._observer.is_aside = False

    def renameat2(self, one: int, old: bytes, two: int, new: bytes, flags: ctypes.c_uint) -> int:
        try:
            source = self._text(old, one if one >= 0 else None)
            self._renamed("renameat2", source, self._text(new, two if two >= 0 else None))
        except OSError as error:
            ctypes.set_errno(error.errno or errno.EIO)
            return -1
        done: int = self._real["libc"].renameat2(one, old, two, new, flags)
        return done

    def _step(self, name: str, path: str) -> bool:
        """
        Count one operation; raises the fault if its time has come. Return whether it was ours at all.
        """
        if getattr(self._observer, "is_aside", False) or not self._is_ours(path):
            return False
        place = path.removeprefix(f"{self.root}/").partition("/")[0]
        with self._lock:
            self.count += 1
            self.operations.append(f"{name} {path.removeprefix(f'{self.root}/')}")
            if self.fault is None or self.is_healed:
                return True
            if not self.hit and self.fault.begins(self.count, self.operations[-1]):
                self.hit, self._place = self.operations[-1], place
            elif not self.hit or self.fault.extent is Extent.ONCE:
                return True
            elif self.fault.extent is Extent.LIKE:
                kind = self.hit.partition(" ")[0]
                if (name, place) != (kind, self._place):
                    return True
        raise OSError(self.fault.number, os.strerror(self.fault.number), path)

    def _is_ours(self, path: str) -> bool:
        return path == str(self.root) or path.startswith(f"{self.root}/")

    def _by_path(self, name: str) -> Callable[..., Any]:
        real = self._real[name]

        def called(path: Any = ".", *rest: Any, **more: Any) -> Any:
            text = self._text(path, more.get("dir_fd"))
            if not self._step(name, text):
                return real(path, *rest, **more)
            if name == "scandir":
                return _Entries(self, text)
            if name == "unlink":
                # The number goes to whatever is made next.
                self._unsynced.discard(_inode(text))
            found = real(path, *rest, **more)
            if name == "open":
                self._paths[found] = text
            return found

        return called

    def _by_two(self, name: str) -> Callable[..., Any]:
        real = self._real[name]

        def called(source: Any, target: Any, **more: Any) -> Any:
            old = self._text(source, more.get("src_dir_fd"))
            self._renamed(name, old, self._text(target, more.get("dst_dir_fd")))
            return real(source, target, **more)

        return called

    def _renamed(self, name: str, source: str, target: str) -> None:
        with self.aside():
            is_unsynced = self._is_ours(source) and _inode(source) in self._unsynced
        if is_unsynced:
            self.sins.append(f"{source} got its name after a failed fsync")
        self._step(name, source if self._is_ours(source) else target)

    def _by_file(self, name: str) -> Callable[..., Any]:
        real = self._real[name]

        def called(fd: int, *rest: Any) -> Any:
            path = self._text(fd)
            if not path:
                return real(fd, *rest)
            if name == "fsync" and fd in self._soiled:
                self.sins.append(f"fsync of {path} was asked for again after it had failed")
            try:
                self._step(name, path)
            except OSError:
                self._spoil(name, fd)
                raise
            if name == "write":
                self._unsynced.discard(self._real["fstat"](fd).st_ino)
            return real(fd, *rest)

        return called

    def _spoil(self, name: str, fd: int) -> None:
        found = self._real["fstat"](fd)
        if name == "fsync" and not _is_folder(found.st_mode):
            self._soiled.add(fd)
            self._unsynced.add(found.st_ino)

    def _close(self, fd: int) -> None:
        self._soiled.discard(fd)
        path = self._paths.pop(fd, None)
        self._real["close"](fd)
        if path is not None:
            self._step("close", path)

    def _open_file(
        self, file: Any, mode: str = "r", buffering: int = -1, *rest: Any, **more: Any
    ) -> Any:
        is_number = isinstance(file, int)
        path = self._paths.get(file, "") if is_number else self._text(file)
        if not path or not self._is_ours(path) or set(mode) - set("rb"):
            if not is_number:
                self._step("open", path)
            return self._real["io"](file, mode, buffering, *rest, **more)
        if not is_number:
            self._step("open", path)
        raw = _Raw(self, path, file, closefd=more.pop("closefd", True))
        if buffering == 0:
            return raw
        buffered = io.BufferedReader(raw)
        if "b" in mode:
            return buffered
        return io.TextIOWrapper(buffered, *rest, **more)

    def _text(self, path: Any, folder: int | None = None) -> str:
        if isinstance(path, int):
            return self._paths.get(path) or self._folder(path)
        text = os.fsdecode(path)
        return f"{self._text(folder)}/{text}" if folder is not None else text

    def _folder(self, fd: int) -> str:
        """
        Return the path of a folder that was opened by another one's descriptor.
        """
        try:
            if _is_folder(self._real["fstat"](fd).st_mode):
                return str(self._real["readlink"](f"/proc/self/fd/{fd}"))
        except OSError:
            pass
        return ""


class _Raw(io.FileIO):
    """
    A file that is read through the disk.
    """

    def __init__(self, disk: FaultyDisk, path: str, file: Any, *, closefd: bool) -> None:
        super().__init__(file, "r", closefd=closefd)
        self._disk = disk
        self._path = path

    def readinto(self, buffer: Any) -> int | None:
        self._disk._step("read", self._path)
        return super().readinto(buffer)

    def read(self, size: int | None = -1) -> bytes:
        self._disk._step("read", self._path)
        return super().read(-1 if size is None else size)

    def readall(self) -> bytes:
        self._disk._step("read", self._path)
        return super().readall()

    def close(self) -> None:
        if not self.closed and self.closefd:
            self._disk._paths.pop(self.fileno(), None)
        super().close()


class _Entries:
    """
    A listing whose entries are looked at through the disk.
    """

    def __init__(self, disk: FaultyDisk, path: str) -> None:
        with disk._real["scandir"](path) as found:
            self._entries = iter([_Entry(disk, each) for each in found])

    def __iter__(self) -> Iterator["_Entry"]:
        return self._entries

    def __next__(self) -> "_Entry":
        return next(self._entries)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def close(self) -> None:
        pass


class _Entry:
    """
    One entry of a listing.
    """

    def __init__(self, disk: FaultyDisk, real: os.DirEntry[str]) -> None:
        self._disk = disk
        self._real = real
        self.name = real.name
        self.path = real.path

    def __fspath__(self) -> str:
        return self.path

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        return self._real.is_dir(follow_symlinks=follow_symlinks)

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        return self._real.is_file(follow_symlinks=follow_symlinks)

    def inode(self) -> int:
        return self._real.inode()

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        self._disk._step("lstat", self.path)
        return self._real.stat(follow_symlinks=follow_symlinks)


def _inode(path: str) -> int:
    try:
        return os.lstat(path).st_ino
    except OSError:
        return 0


def _is_folder(mode: int) -> bool:
    return (mode & 0o170000) == 0o040000
