"""
A disk on which runs die and stand still, each for itself, in one process: stands in for `os` and the C
library inside `disk.durable`, the only module that changes anything in the folders.

A run that died changes nothing any more, whichever thread or `finally` tries to: what it leaves is what
`kill -9` would leave. A run that stands still does so in the midst of a change, so that somebody else
may act between two system calls of it.
"""

import asyncio
import contextlib
import ctypes
import os
import threading
from collections.abc import Callable, Iterator
from contextvars import Context, ContextVar, copy_context
from typing import Any, TypeAlias

import pytest

from retouchd.disk import durable

Moment: TypeAlias = int | str
"""A number of changes from now on, or a name that something is given."""

_CHANGES = ("link", "unlink", "mkdir", "rmdir")


class Died(BaseException):
    """
    The run is dead: what it tries to change now is changed by nobody. No fault that could be handled.
    """


class Life:
    """
    One run as the disk sees it: how many changes it made, where it dies, where it stands still.
    """

    def __init__(self) -> None:
        self.changes = 0
        self.is_dead = False
        self.stands = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._dies: Moment | None = None
        self._pauses: Moment | None = None
        self._goes_on = threading.Event()
        self._lock = threading.RLock()

    def context(self) -> Context:
        """
        Return the context of everything that this run does.
        """
        context = copy_context()
        context.run(_life.set, self)
        return context

    def die(self) -> None:
        """
        Die now; what a thread is in the midst of was the last.
        """
        with self._lock:
            self.is_dead = True
        self._goes_on.set()

    def die_at(self, moment: Moment) -> None:
        """
        Die at that change from now on, half-way where it is a write, or right after that name was given.
        """
        self._dies = self._ahead(moment)

    def stand_at(self, moment: Moment) -> None:
        """
        Stand still before that change from now on, or right after that name was given; `stands` tells when.
        """
        self._goes_on.clear()
        self._pauses = self._ahead(moment)

    def go_on(self) -> None:
        """
        Stand still no longer.
        """
        self._pauses = None
        self.stands.clear()
        self._goes_on.set()

    def renamed(self, target: str) -> None:
        """
        Take in that something got a new name.
        """
        name = os.path.basename(target)
        if name == self._dies:
            self.die()
        elif name == self._pauses:
            self._stand()

    def _ahead(self, moment: Moment) -> Moment:
        return self.changes + moment if isinstance(moment, int) else moment

    def _stand(self) -> None:
        if not self.is_dead:
            self._loop.call_soon_threadsafe(self.stands.set)
            self._goes_on.wait()

    def change(self, act: Callable[[], Any], last_act: Callable[[], object] | None = None) -> Any:
        """
        Take one step on the disk, if the run lives.
        """
        if self.changes + 1 == self._pauses:
            self._stand()
        with self._lock:
            self.changes += 1
            if self.changes == self._dies and not self.is_dead:
                if last_act is not None:
                    last_act()
                self.is_dead = True
            if self.is_dead:
                raise Died
            return act()


_life: ContextVar[Life | None] = ContextVar("life", default=None)


class MortalDisk:
    """
    The system's calls, each made in the name of the run in whose context it is made.

    Nothing is synced: no power is cut here.
    """

    def __getattr__(self, name: str) -> Any:
        call = getattr(os, name)
        if name not in _CHANGES:
            return call
        return lambda *args, **more: _change(lambda: call(*args, **more))

    def fsync(self, fd: int) -> None:
        """
        Leave it at that.
        """

    def open(self, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if not flags & (os.O_CREAT | os.O_TRUNC):
            return os.open(path, flags, mode, dir_fd=dir_fd)
        fd: int = _change(lambda: os.open(path, flags, mode, dir_fd=dir_fd))
        return fd

    def write(self, fd: int, data: Any) -> int:
        half = bytes(data)[: len(data) // 2]
        written: int = _change(lambda: os.write(fd, data), lambda: os.write(fd, half))
        return written

    def rename(self, source: Any, target: Any, **folders: int | None) -> None:
        _change(lambda: os.rename(source, target, **folders))
        _tell(os.fspath(target))

    def renameat2(self, old_at: int, old: bytes, new_at: int, new: bytes, flags: Any) -> int:
        result: int = _change(lambda: _libc.renameat2(old_at, old, new_at, new, flags))
        _tell(os.fsdecode(new))
        return result


_libc = ctypes.CDLL(None, use_errno=True)


def _change(act: Callable[[], Any], last_act: Callable[[], object] | None = None) -> Any:
    life = _life.get()
    return act() if life is None else life.change(act, last_act)


def _tell(target: str) -> None:
    if (life := _life.get()) is not None:
        life.renamed(target)


@contextlib.contextmanager
def mortal_disk() -> Iterator[None]:
    """
    Have every run that has a `Life` live on such a disk.
    """
    disk = MortalDisk()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(durable, "os", disk)
        patch.setattr(durable, "_libc", disk)
        yield
