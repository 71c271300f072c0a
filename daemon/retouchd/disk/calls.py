"""
Blocking disk calls: what a thread runs, which of the six folders it is in meanwhile, and whether it gets on.
"""

import contextlib
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Any

CHECK_SECONDS = 0.25
"""How often to look whether calls get on, and which of them take so long that another one takes their place."""


class Folder(StrEnum):
    """
    The six folders, as the configuration names them.
    """

    WORK = "work"
    INBOX = "inbox"
    OUTBOX = "outbox"
    REVIEW = "review"
    DONE = "done"
    ERROR = "error"


class Call:
    """
    One call while a thread runs it: the folder it is in, a count of its steps, and the thread; since when it is
    there, whether it has lent its place for as long as it is, or while it flushes; for how many seconds it has
    flushed there.
    """

    __slots__ = ("clock", "flushed", "folder", "has_lent", "since", "steps", "thread")

    def __init__(self, folder: Folder, clock: int, thread: int = 0) -> None:
        self.folder = folder
        self.clock = clock
        self.thread = thread
        self.steps = 0
        self.since = time.monotonic()
        self.has_lent = False
        self.flushed = 0.0

    @property
    def busy(self) -> float:
        """
        Return for how many seconds its thread has run, or would have if a processor had been free.
        """
        return time.clock_gettime(self.clock) + _queued(self.thread)


def _queued(thread: int) -> float:
    """
    Return for how many seconds a thread has waited for a processor; 0 where the kernel does not tell.
    """
    try:
        # Plain calls: this is asked a few times a second of each thread that is at work.
        with open(f"/proc/self/task/{thread}/schedstat", "rb") as file:  # noqa: PTH123
            return int(file.read().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


class Task(ABC):
    """
    What the pool is given: legs, each in one folder. `on_end` is called after the last one, in its thread, with
    the result and the error with which it ended.
    """

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.on_end: Callable[[Any, BaseException | None], None] = lambda *_: None
        self.result: Any = None
        self.is_begun = False
        self._claim = threading.Lock()

    @abstractmethod
    def leg(self) -> Folder | None:
        """
        Run up to where another folder is needed, and return that; None at the end, with the `result`.
        """

    def begin(self) -> bool:
        """
        Return whether it may begin: not if it was called off.
        """
        self.is_begun = self._claim.acquire(blocking=False)
        return self.is_begun

    def call_off(self) -> None:
        """
        Have it not begin any more, if it has not begun.
        """
        self._claim.acquire(blocking=False)

    def advance(self) -> tuple[Folder | None, BaseException | None]:
        """
        Run a leg; return the folder that is needed next, or the error with which it ended.
        """
        try:
            return self.leg(), None
        except BaseException as error:  # noqa: BLE001 - whoever waits for it gets it
            return None, error


of_thread = threading.local()
"""`call`: what the present thread runs; `pool`: whose thread it is."""


def step() -> None:
    """
    Note that the present thread's call gets on: slow is not hung.
    """
    call: Call | None = getattr(of_thread, "call", None)
    if call is not None:
        call.steps += 1


@contextlib.contextmanager
def at(folder: Folder) -> Iterator[None]:
    """
    Hold this folder answerable for what blocks the present thread within the context.
    """
    call: Call | None = getattr(of_thread, "call", None)
    if call is None:
        yield
        return
    before, call.folder = call.folder, folder
    call.steps += 1
    of_thread.pool.come_to(call)
    try:
        yield
    finally:
        call.folder = before
        call.steps += 1
