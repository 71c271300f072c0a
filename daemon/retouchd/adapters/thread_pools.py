"""
Bounded pools of daemon threads for blocking disk calls, and how a hung call is told from a slow one.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from enum import StrEnum
from functools import partial
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

CHECK_SECONDS = 1.0
"""How often to look whether calls get on."""
_LATE = 3
"""A check that comes so many times too late was itself held up: it says nothing about the disks."""


class Folder(StrEnum):
    """
    The five folders, as the configuration names them.
    """

    WORK = "work"
    INBOX = "inbox"
    OUTBOX = "outbox"
    DONE = "done"
    ERROR = "error"


class Call:
    """
    One call while a thread runs it: the folder it is in, a count of its steps, and the thread's CPU clock.
    """

    __slots__ = ("clock", "folder", "steps")

    def __init__(self, folder: Folder, clock: int) -> None:
        self.folder = folder
        self.clock = clock
        self.steps = 0


_thread = threading.local()


def step() -> None:
    """
    Note that the present thread's call gets on: slow is not hung.
    """
    call: Call | None = getattr(_thread, "call", None)
    if call is not None:
        call.steps += 1


@contextlib.contextmanager
def at(folder: Folder) -> Iterator[None]:
    """
    Hold this folder answerable for what blocks the present thread within the context.
    """
    call: Call | None = getattr(_thread, "call", None)
    if call is None:
        yield
        return
    before, call.folder = call.folder, folder
    call.steps += 1
    try:
        yield
    finally:
        call.folder = before
        call.steps += 1


class Pool(Executor):
    """
    A bounded number of daemon threads, started when they are needed, that nothing ever joins.
    """

    def __init__(self, folder: Folder, size: int, name: str) -> None:
        self._folder = folder
        self._size = size
        self._name = name
        self._queue: SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._lock = threading.Lock()
        self._threads = 0
        self.calls: set[Call] = set()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """
        Have a function called by the next free thread.
        """
        future: Future[T] = Future()
        self._queue.put((future, partial(fn, *args, **kwargs)))
        if not self._idle.acquire(blocking=False):
            self._grow()
        return future

    def _grow(self) -> None:
        with self._lock:
            if self._threads < self._size:
                self._threads += 1
                name = f"{self._name}-{self._threads}"
                threading.Thread(target=self._serve, name=name, daemon=True).start()

    def _serve(self) -> None:
        clock = time.pthread_getcpuclockid(threading.get_ident())
        while True:
            future, function = self._queue.get()
            if future.set_running_or_notify_cancel():
                self._call(clock, future, function)
            del future, function  # What it returned must not live until the next call.
            self._idle.release()

    def _call(self, clock: int, future: Future[Any], function: Callable[[], Any]) -> None:
        call = _thread.call = Call(self._folder, clock)
        self.calls.add(call)
        try:
            result = function()
        except BaseException as error:  # noqa: BLE001 - whoever waits for it gets it
            self.calls.discard(call)
            future.set_exception(error)
        else:
            self.calls.discard(call)
            future.set_result(result)
        finally:
            _thread.call = None


class Patience:
    """
    Tells which calls have been blocked for too long: no step, and next to no CPU, for so many seconds.
    """

    def __init__(self, seconds: float, every: float) -> None:
        self._seconds = seconds
        self._every = every
        self._known: dict[Call, tuple[int, float, float]] = {}
        self._checked_at = time.monotonic()

    def hung(self, calls: Iterable[Call]) -> set[Folder]:
        """
        Return the folders of blocked calls, of all that are running now.
        """
        now = time.monotonic()
        if now - self._checked_at > _LATE * max(self._every, CHECK_SECONDS):
            self._known.clear()
        self._checked_at = now
        known, self._known = self._known, {}
        found = set()
        for call in calls:
            steps, busy = call.steps, _cpu_seconds(call.clock)
            before = known.get(call)
            is_same = before is not None and before[0] == steps
            self._known[call] = before if before is not None and is_same else (steps, busy, now)
            _, busy_before, since = self._known[call]
            if now - since - (busy - busy_before) > self._seconds:
                found.add(call.folder)
        # Every call may touch the work folder besides its own: where that hangs, the others are not to blame.
        return {Folder.WORK} if Folder.WORK in found else found


def _cpu_seconds(clock: int) -> float:
    return time.clock_gettime(clock)
