"""
The lock of a work folder: one daemon at a time, and whether the last one ended cleanly.

The kernel drops the lock with the process, so none is ever stale. The lock's file holds the number of
the process until it ends cleanly; found filled, the last end was not.
"""

import contextlib
import fcntl
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from retouchd.errors import WorkFolderHeld

_TRIES = 4
_BEAT_SECONDS = 0.05


def holder(work: Path) -> int | None:
    """
    Return the process that holds a work folder, 0 where its number cannot be told, None if nobody does.

    Raises OSError where this user may not look.
    """
    try:
        fd = os.open(work / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        number = os.pread(fd, 32, 0).strip()
        return int(number) if number.isdigit() else 0
    finally:
        os.close(fd)
    return None


class WorkLock:
    """
    The hold on a work folder; a context manager. Raises WorkFolderHeld where another process has it.
    """

    def __init__(self, work: Path) -> None:
        self._work = work
        self._fd = -1
        self.was_clean = True

    def __enter__(self) -> Self:
        self._fd = os.open(self._work / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            self._take()
        except BaseException:
            with contextlib.suppress(OSError):
                os.close(self._fd)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        # What fails here only makes this end look unclean: the next start looks twice.
        with contextlib.suppress(OSError):
            if kind is None:
                os.ftruncate(self._fd, 0)
        with contextlib.suppress(OSError):
            os.close(self._fd)

    def _take(self) -> None:
        try:
            self._lock()
        except BlockingIOError as error:
            holder = os.pread(self._fd, 32, 0).decode("ascii", "replace").strip()
            msg = (
                f"Another retouchd{f' (process {holder})' if holder else ''} holds {self._work}. "
                "Stop it first, or give this one a work folder of its own (folders.work)."
            )
            raise WorkFolderHeld(msg) from error
        self.was_clean = os.fstat(self._fd).st_size == 0
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)

    def _lock(self) -> None:
        """
        Try more than once: one who only asks for the holder has the lock for a moment too.
        """
        for _ in range(_TRIES - 1):
            try:
                return fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(_BEAT_SECONDS)
        return fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
