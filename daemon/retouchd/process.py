"""
The process: the memory it keeps, the files it may open, tasks beside a block of code, changes they wait for.

How much memory the process keeps: the C library's own choice grows with its threads, for months. A count of
changes that tasks wait on without missing one. A task that runs while a block of code does. How many files and
sockets this process may have open at once.
"""

import asyncio
import contextlib
import ctypes
import os
import resource
import signal
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, TypeVar, cast

from retouchd.errors import ConfigurationError

T = TypeVar("T")

_libc = ctypes.CDLL(None)

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
_ARENAS = 2
_LARGE = 2 << 20
_PR_SET_PDEATHSIG = 1


def few_arenas() -> None:
    """
    Have all threads share two heaps; to be called before there are threads. See mallopt(3).

    By default each thread gets one of its own, and what one of them let go serves no other. What is large
    lies in none of them, so that it goes back to the kernel at once; by default "large" grows with what was
    let go. Does nothing where the C library is another.
    """
    with contextlib.suppress(AttributeError, OSError):
        _libc.mallopt(_M_ARENA_MAX, _ARENAS)
        _libc.mallopt(_M_MMAP_THRESHOLD, _LARGE)
        _libc.mallopt(_M_TRIM_THRESHOLD, 2 * _LARGE)


def trim_memory() -> None:
    """
    Give back to the kernel what is kept for later. See malloc_trim(3).

    Tables that grow leave behind the smaller ones they were. Does nothing where the C library is another.
    """
    with contextlib.suppress(AttributeError, OSError):
        _libc.malloc_trim(0)


def end_with_parent(parent: int) -> None:
    """
    Have this process killed once the one with that id, which started it, has ended, even if it is stopped. See
    prctl(2).
    """
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # It ended before.
        os._exit(1)


class Changes:
    """
    Counts changes and wakes everyone who waits for the next one.
    """

    def __init__(self) -> None:
        self.count = 0
        self._changed = asyncio.Event()
        self._parts: list[Changes] = []

    def tell(self) -> None:
        """
        Have everyone who waits look again.
        """
        self.count += 1
        self._changed.set()
        self._changed = asyncio.Event()
        for part in self._parts:
            part.tell()

    @contextlib.contextmanager
    def part(self) -> Iterator["Changes"]:
        """
        Yield a count of its own for a few of those who wait: it counts these changes, too.
        """
        part = Changes()
        self._parts.append(part)
        try:
            yield part
        finally:
            self._parts.remove(part)

    async def wait(self, since: int, within: float | None = None) -> None:
        """
        Wait until the count is another than `since`, or for so many seconds.

        Whoever reads the count before it decides to wait misses no change that came meanwhile.
        """
        if self.count == since:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(within):
                    await self._changed.wait()


@contextlib.asynccontextmanager
async def running(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """
    Run it beside the block, and cancel it when that ends.
    """
    task = asyncio.ensure_future(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def in_own_thread(function: Callable[[], T]) -> T:
    """
    Call a function in a thread that is made for it, which may hang for as long as it likes: it takes no other's
    place, and the process ends without it.
    """
    loop = asyncio.get_running_loop()
    found: asyncio.Future[T] = loop.create_future()

    def hand_on(value: T | None, error: BaseException | None) -> None:
        if found.done():
            return
        if error is not None:
            found.set_exception(error)
        else:
            found.set_result(cast(T, value))

    def call() -> None:
        value, error = None, None
        try:
            value = function()
        except Exception as raised:  # noqa: BLE001 - handed on to whoever waits
            error = raised
        with contextlib.suppress(RuntimeError):  # The loop is closed: nobody waits any more.
            loop.call_soon_threadsafe(hand_on, value, error)

    threading.Thread(target=call, daemon=True).start()
    return await found


_FILES, _FILES_OF_A_JOB = 64, 8
"""Amply: folders held open, logs, watches, threads' own; and a picture, mask, references, socket, answer."""


def allow_open_files(concurrency: int, connections: int = 0) -> None:
    """
    Let as many files be open as this process may ever have, with so many `connections` of others.

    Raises ConfigurationError where that is too few: in the midst of a job it would look like any other fault of
    a disk.
    """
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES + _FILES_OF_A_JOB * concurrency + connections
    if most != resource.RLIM_INFINITY and most < wanted:
        msg = (
            f"No more than {most} files may be open at once, and {wanted} may be needed: raise `ulimit -n`, "
            "or LimitNOFILE= of the unit, or lower endpoint.concurrency."
        )
        raise ConfigurationError([msg])
    if now != resource.RLIM_INFINITY and now < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
