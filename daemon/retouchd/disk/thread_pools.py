"""
One pool of daemon threads for blocking disk calls, in which calls that hang in one folder hold up no other.

As many calls run at once as there are threads, since more would only contend for the interpreter's lock. Some
threads are kept for calls that touch nothing but the work folder. A call that blocks in another folder for a
moment no longer counts: another thread takes its place, and what needs that folder waits in a queue of its own.
"""

import contextlib
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Callable, Iterator
from enum import StrEnum
from queue import SimpleQueue
from typing import Any

CHECK_SECONDS = 0.25
"""How often to look whether calls get on; one that does not for so long has its thread replaced."""
_KEPT_FOR_WORK = 2
_AT_ONCE = 4
"""Calls in one folder other than work, hung ones included."""
_SLOW_FLUSH_SECONDS = 0.002
_RECENT_FLUSHES = 32
_TELLING_FLUSHES = 16
"""Of so many flushes one may have found nothing to write; fewer tell nothing."""
_MOST_FLUSHING = 32


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
    One call while a thread runs it: the folder it is in, a count of its steps, and the thread.
    """

    __slots__ = ("clock", "folder", "steps", "thread")

    def __init__(self, folder: Folder, clock: int, thread: int = 0) -> None:
        self.folder = folder
        self.clock = clock
        self.thread = thread
        self.steps = 0

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


_thread = threading.local()


def step() -> None:
    """
    Note that the present thread's call gets on: slow is not hung.
    """
    call: Call | None = getattr(_thread, "call", None)
    if call is not None:
        call.steps += 1


@contextlib.contextmanager
def flushing() -> Iterator[None]:
    """
    Have another thread run in place of the present one, which only waits for a disk to flush. Where disks are
    quick at that, nobody would gain by it.
    """
    pool: Pool | None = getattr(_thread, "pool", None)
    if pool is None:
        yield
        return
    call: Call | None = getattr(_thread, "call", None)
    folder = call.folder if call is not None else Folder.WORK
    began = time.monotonic()
    is_lent = pool.lend(folder)
    try:
        yield
    finally:
        pool.take_back(folder, time.monotonic() - began, is_lent=is_lent)


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


class Pool:
    """
    So many threads, started when they are needed and kept, that nothing ever joins; `calls` are those that run
    now.
    """

    def __init__(self, size: int, name: str) -> None:
        self._size = size
        self._name = name
        self._ready: SimpleQueue[Task | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0
        self._spare = 0
        """Threads of which there are more than may run."""
        self._turns: SimpleQueue[bool] = SimpleQueue()
        """What spare threads wait for: whether one more may run, or is to end."""
        self._idle = 0
        """Threads that nothing is queued for."""
        self._unclaimed = 0
        """Queued tasks for which no thread has been set aside."""
        self._blocked = 0
        self._flushing: Counter[Folder] = Counter()
        """Calls that wait for a flush, and have lent their thread."""
        self._flush_seconds: dict[Folder, deque[float]] = {
            folder: deque(maxlen=_RECENT_FLUSHES) for folder in Folder
        }
        self._far: Counter[Folder] = Counter()
        self._parked: dict[Folder, deque[Task]] = {folder: deque() for folder in Folder}
        self.calls: set[Call] = set()

    def start(self, task: Task) -> None:
        """
        Have a task run as soon as there is a thread for it and its folder takes one more.
        """
        if task.folder is Folder.WORK or self._enter(task):
            self._queue(task)

    def retire(self) -> None:
        """
        Take nothing more: each thread ends once nothing is queued.
        """
        with self._lock:
            self._size = self._blocked = 0
            for _ in range(self._idle):
                self._ready.put(None)
            for _ in range(self._spare):
                self._turns.put(False)
            self._threads -= self._idle
            self._idle = self._spare = 0

    def relieve(self, blocked: int) -> None:
        """
        Take in how many calls are blocked in other folders: so many threads more may run.
        """
        with self._lock:
            self._blocked = blocked
            freed = self._unpark()
        for task in freed:
            self._queue(task)
        self._set_aside()

    def lend(self, folder: Folder) -> bool:
        """
        Let one more thread run, in this folder or another one, while the present one waits for a flush there;
        return whether it may.
        """
        with self._lock:
            is_lent = self._is_slow(folder) and self._flushing.total() < _MOST_FLUSHING
            if not is_lent:
                return False
            self._flushing[folder] += 1
            freed = self._unpark()
        for task in freed:
            self._queue(task)
        self._set_aside()
        return True

    def take_back(self, folder: Folder, seconds: float, *, is_lent: bool) -> None:
        """
        Take in that a flush in a folder is over, how long it took, and whether it had lent its thread.
        """
        with self._lock:
            if is_lent:
                self._flushing[folder] -= 1
            self._flush_seconds[folder].append(seconds)

    def _is_slow(self, folder: Folder) -> bool:
        """
        Say whether the disk of a folder is slow to flush: then the quickest took long of late, but for a few
        that found nothing to write. What others take is no measure of a disk: a thread that is through with one
        still waits for a core and the interpreter's lock.
        """
        recent = sorted(self._flush_seconds[folder])
        if len(recent) < _TELLING_FLUSHES:
            return False
        return recent[len(recent) // _TELLING_FLUSHES] > _SLOW_FLUSH_SECONDS

    @property
    def _limit(self) -> int:
        return self._size and self._size + self._blocked + self._flushing.total()

    def _set_aside(self) -> None:
        """
        Start threads for what is queued, as far as more may run.
        """
        with self._lock:
            while self._unclaimed and self._grow():
                self._unclaimed -= 1

    def _queue(self, task: Task) -> None:
        with self._lock:
            if self._idle:
                self._idle -= 1
            elif not self._grow():
                self._unclaimed += 1
            self._ready.put(task)

    def _grow(self) -> bool:
        if self._threads >= self._limit:
            return False
        self._threads += 1
        if self._spare:
            self._spare -= 1
            self._turns.put(True)
        else:
            threading.Thread(target=self._serve, name=self._name, daemon=True).start()
        return True

    def _enter(self, task: Task) -> bool:
        with self._lock:
            if self._takes(task.folder):
                self._far[task.folder] += 1
                return True
            self._parked[task.folder].append(task)
            return False

    def _leave(self, folder: Folder) -> None:
        with self._lock:
            self._far[folder] -= 1
            freed = self._unpark()
        for task in freed:
            self._queue(task)

    def _takes(self, folder: Folder) -> bool:
        most = max(1, self._size - _KEPT_FOR_WORK) + self._blocked + self._flushing.total()
        at_once = _AT_ONCE + self._flushing[folder]
        return self._far[folder] < at_once and self._far.total() < most

    def _unpark(self) -> list[Task]:
        freed = []
        for folder, parked in self._parked.items():
            while parked and self._takes(folder):
                self._far[folder] += 1
                freed.append(parked.popleft())
        return freed

    def _serve(self) -> None:
        clock = time.pthread_getcpuclockid(threading.get_ident())
        _thread.pool = self
        while (task := self._ready.get()) is not None:
            self._run(task, clock)
            if not self._is_needed() and not self._turns.get():
                return

    def _is_needed(self) -> bool:
        """
        Return whether a thread that has run a task may run the next one; else it is spare, or told to end.
        """
        with self._lock:
            may_run = self._threads <= self._limit
            if self._unclaimed and (may_run or not self._size):
                self._unclaimed -= 1
                return True
            if may_run:
                self._idle += 1
                return True
            self._threads -= 1
            if self._size:
                self._spare += 1
            else:
                self._turns.put(False)
            return False

    def _run(self, task: Task, clock: int) -> None:
        if not task.is_begun and not task.begin():
            return self._leave_last(task)
        call = _thread.call = Call(task.folder, clock, threading.get_native_id())
        self.calls.add(call)
        try:
            while True:
                following, error = task.advance()
                if following is None:
                    break
                if following is task.folder:
                    continue
                before, task.folder = task.folder, following
                if before is not Folder.WORK:
                    self._leave(before)
                if following is not Folder.WORK and not self._enter(task):
                    return None  # Whoever leaves that folder has it go on.
                call.folder = following
                call.steps += 1
        finally:
            self.calls.discard(call)
            _thread.call = None
        self._leave_last(task)
        return task.on_end(task.result, error)

    def _leave_last(self, task: Task) -> None:
        if task.folder is not Folder.WORK:
            self._leave(task.folder)
