"""
The lock of a work folder: one daemon at a time, and whether the last one ended cleanly.

Two locks are held, and either one held by somebody else refuses: flock on the folder itself, which nobody can
remove and replace under a daemon, and on the file `lock` in it, which older versions look at. The kernel drops
them with the process, so none is ever stale. The file holds the number of the process until it ends cleanly;
found filled, the last end was not. Some network filesystems do not lock folders: there the file has to do.
"""

import contextlib
import datetime as dt
import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from retouchd.disk.filesystems import leads_to
from retouchd.errors import WorkFolderHeld
from retouchd.job.naming import shown

_TRIES = 4
_BEAT_SECONDS = 0.05
_UNSUPPORTED = {errno.EBADF, errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def holder(work: Path) -> int | None:
    """
    Return the process that holds a work folder, 0 where its number cannot be told, None if nobody does.

    Raises OSError where this user may not look.
    """
    is_held = False
    number = b""
    with contextlib.suppress(FileNotFoundError, IsADirectoryError), _opened(work / "lock") as fd:
        is_held = _is_held(fd)
        if stat.S_ISREG(os.fstat(fd).st_mode):
            number = os.pread(fd, 32, 0).strip()
    with contextlib.suppress(FileNotFoundError, PermissionError), _opened(work) as fd:
        is_held = is_held or _is_held(fd)
    if not is_held:
        return None
    return int(number) if number.isdigit() else 0


def last_end(work: Path) -> tuple[bool, dt.datetime] | None:
    """
    Return whether the last daemon on a work folder ended cleanly, with the moment at which it did; of one that
    did not, with the moment of its start. None where there was none.
    """
    try:
        found = (work / "lock").stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_size == 0, dt.datetime.fromtimestamp(found.st_mtime, dt.UTC)


class WorkLock:
    """
    The hold on a work folder; a context manager. Raises WorkFolderHeld where another process has it.

    A hold that `is_passing` is no daemon's: its end says nothing about how the last daemon ended.
    """

    def __init__(self, work: Path, *, is_passing: bool = False) -> None:
        self.work = work
        self._is_passing = is_passing
        self._folder = -1
        self._file = -1
        self.was_clean = True

    def __enter__(self) -> Self:
        try:
            self._folder = os.open(self.work, _FOLDER)
            self._file = _open_file(self.work / "lock")
            self._take()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        # What fails here only makes this end look unclean: the next start looks twice.
        with contextlib.suppress(OSError):
            if kind is None and (self.was_clean or not self._is_passing):
                os.ftruncate(self._file, 0)
        self._close()

    @property
    def is_in_place(self) -> bool:
        """
        Return whether the folder that is held is still the one that has the name.
        """
        return leads_to(self.work, self._folder)

    @property
    def is_removed(self) -> bool:
        """
        Return whether the folder that is held has been deleted, not only moved or covered, or its disk failed.
        """
        try:
            return os.fstat(self._folder).st_nlink == 0
        except OSError:
            return False

    def has(self, name: str) -> bool:
        """
        Return whether the folder that is held, wherever it is by now, has this in it.
        """
        try:
            os.lstat(name, dir_fd=self._folder)
        except FileNotFoundError:
            return False
        return True

    @property
    def path(self) -> Path:
        """
        Return a path of the folder that is held, wherever it is by now; only this process can use it.
        """
        return Path(f"/proc/self/fd/{self._folder}")

    def obstacle(self) -> str:
        """
        Return why nothing may be begun on the work folder, empty if it may.
        """
        if self.is_in_place:
            return ""
        name = shown(str(self.work))
        if self.is_removed:
            return f"the work folder {name} was removed: make it again, then restart retouchd."
        where = shown(self._whereabouts())
        return (
            f"{name} is not the work folder any more, which is now {where}: put it back in its place. "
            "What is under way goes on there."
        )

    def renew(self) -> None:
        """
        Put the lock file back where somebody removed it: older versions look at nothing else.
        """
        path = self.work / "lock"
        with contextlib.suppress(OSError):
            if not self.is_in_place or _is_same(path, self._file):
                return
            fd = _open_file(path)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _sign(fd)
            except OSError:
                os.close(fd)
                raise
            os.close(self._file)
            self._file = fd

    def _whereabouts(self) -> str:
        with contextlib.suppress(OSError):
            found = self.path.readlink()
            if os.path.samestat(found.stat(), os.fstat(self._folder)):
                return str(found)
        return "on a disk that is not mounted any more"

    def _take(self) -> None:
        try:
            _lock(self._file)
            with _where_supported():
                _lock(self._folder)
        except BlockingIOError as error:
            holder = os.pread(self._file, 32, 0).decode("ascii", "replace").strip()
            msg = (
                f"Another retouchd{f' (process {holder})' if holder else ''} holds {self.work}. "
                "Stop it first, or give this one a work folder of its own (folders.work)."
            )
            raise WorkFolderHeld(msg) from error
        self.was_clean = os.fstat(self._file).st_size == 0
        _sign(self._file)

    def _close(self) -> None:
        for fd in (self._file, self._folder):
            if fd >= 0:
                with contextlib.suppress(OSError):
                    os.close(fd)
        self._file = self._folder = -1


def _open_file(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)


def _sign(fd: int) -> None:
    os.ftruncate(fd, 0)
    os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)


def _lock(fd: int) -> None:
    """
    Try more than once: one who only asks for the holder has the lock for a moment too.
    """
    for _ in range(_TRIES - 1):
        try:
            return fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_BEAT_SECONDS)
    return fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is_held(fd: int) -> bool:
    try:
        with _where_supported():
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _is_same(path: Path, fd: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(fd))
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def _where_supported() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)
