"""
One pool of daemon threads for blocking disk calls, in which calls that hang in one folder hold up no other.

Few calls run at once, since more would only contend for the interpreter's lock. One that waits for a disk
does not count: another takes its place while it flushes, and while it is in a folder that was slow of late or
in which a call is blocked; so does one that takes long, even if it gets on. What needs a folder that is full
waits in a queue of its own.
"""

import contextlib
import threading
import time
from collections import Counter, deque
from collections.abc import Collection, Iterator

from retouchd.disk.calls import CHECK_SECONDS, Call, Folder, Task, of_thread

_AT_ONCE = 4
"""Calls in one folder other than work, hung ones included."""
_SLOW_SECONDS = 0.01
_RECENT = 32
_TELLING = 16
"""Fewer stays tell nothing."""
_MOST_LENT = 32
"""Besides those in folders in which a call is blocked: they may not come back."""


@contextlib.contextmanager
def flushing() -> Iterator[None]:
    """
    Have another thread run in place of the present one, which only waits for a disk to flush.
    """
    call: Call | None = getattr(of_thread, "call", None)
    if call is None:
        yield
        return
    pool: Pool = of_thread.pool
    began, before = time.monotonic(), call.flushed
    has_lent = pool.begin_flush(call)
    try:
        yield
    finally:
        pool.end_flush(call, has_lent=has_lent)
        call.flushed = before + time.monotonic() - began


class _Worker:
    """
    A thread, as its pool sees it: once `wake` is released it takes its `task` and runs it, or ends where there
    is none.
    """

    __slots__ = ("task", "wake")

    def __init__(self, task: Task) -> None:
        self.task: Task | None = task
        self.wake = threading.Lock()
        self.wake.acquire()


class Pool:
    """
    So many threads, started when they are needed and kept, that nothing ever joins; `calls` are those that run
    now.

    A task is handed to one thread, the last one that had nothing to do. A queue that all of them wait for would
    wake a second one for each task (`queue.SimpleQueue` of Python 3.11 does), which needs the interpreter
    only to find nothing.
    """

    def __init__(self, size: int, name: str) -> None:
        self._size = size
        self._name = name
        # A finalizer may retire it at any allocation, of the thread that holds the lock too.
        self._lock = threading.RLock()
        self._ready: deque[Task] = deque()
        """Tasks that may run as soon as a thread may."""
        self._running = 0
        self._idle: list[_Worker] = []
        self._lent = 0
        """Calls that wait for a disk, and have lent their place."""
        self._flushing: Counter[Folder] = Counter()
        """Calls that flush."""
        self._stuck: Collection[Folder] = ()
        """Folders in which a call is blocked."""
        self._waited: dict[Folder, deque[float]] = {
            folder: deque(maxlen=_RECENT) for folder in Folder
        }
        """For how many seconds calls have waited of late that were in a folder, flushes not counted."""
        self._far: Counter[Folder] = Counter()
        self._parked: dict[Folder, deque[Task]] = {folder: deque() for folder in Folder}
        self.calls: set[Call] = set()

    def start(self, task: Task) -> None:
        """
        Have a task run as soon as there is a thread for it and its folder takes one more.
        """
        with self._lock:
            if self._enters(task):
                self._ready.append(task)
                try:
                    self._hand_out()
                except RuntimeError:  # There is no thread at all, so nothing else is queued either.
                    self._ready.clear()
                    self._leave(task.folder)
                    raise

    def retire(self) -> None:
        """
        Take nothing more: each thread ends once nothing is queued.
        """
        with self._lock:
            self._size = 0
            for worker in self._idle:
                worker.wake.release()
            self._idle.clear()

    def relieve(self, blocked: Collection[Folder]) -> None:
        """
        Let others run in place of calls that take long, and of those that come to folders in which any is
        blocked.
        """
        with self._lock:
            self._stuck = blocked
            began_by = time.monotonic() - CHECK_SECONDS / 2
            for call in self.calls:
                if call.since < began_by:
                    self._lend(call)
            self._unpark()

    def come_to(self, call: Call) -> None:
        """
        Let another call run in place of one that has come to a folder in which any is blocked.
        """
        if call.folder in self._stuck:
            with self._lock:
                self._lend(call)

    def begin_flush(self, call: Call) -> bool:
        """
        Let another call run while this one flushes, and one more come to its folder; return whether it has lent
        its place for it, and not before.
        """
        with self._lock:
            has_lent = self._lend(call)
            self._flushing[call.folder] += 1
            self._unpark()
            return has_lent

    def end_flush(self, call: Call, *, has_lent: bool) -> None:
        """
        Take in that a call has flushed, and whether it had lent its place for it. It goes on at once.
        """
        with self._lock:
            self._flushing[call.folder] -= 1
            if has_lent:
                self._take_back(call)

    def _lend(self, call: Call) -> bool:
        """
        Let another call run in place of this one, if it has not done so; return whether. With the lock held, as
        all that follows where nothing else is said.
        """
        if call.has_lent or not self._may_lend(call):
            return False
        call.has_lent = True
        self._lent += 1
        self._hand_out()
        return True

    def _may_lend(self, call: Call) -> bool:
        if not self._stuck:
            return self._lent < _MOST_LENT
        others = sum(each.has_lent and each.folder not in self._stuck for each in self.calls)
        return call.folder in self._stuck or others < _MOST_LENT

    def _take_back(self, call: Call) -> None:
        self._lent -= call.has_lent
        call.has_lent = False

    def _is_slow(self, folder: Folder) -> bool:
        """
        Say whether a folder is slow: a call is blocked there, or all took long of late but for the quarter that
        may have had nothing to do. What the longest take is no measure: a thread waits for a core and the
        interpreter's lock, too.
        """
        recent = sorted(self._waited[folder])
        is_slow = len(recent) >= _TELLING and recent[len(recent) // 4] > _SLOW_SECONDS
        return is_slow or folder in self._stuck

    def _hand_out(self) -> None:
        """
        Give threads what is ready, as far as more of them may run. Where no more can be started, it waits for
        one of those that run, or for `relieve`.

        Raises RuntimeError where none runs, either.
        """
        while self._ready and self._running < self._size + self._lent:
            if self._idle:
                worker = self._idle.pop()
                worker.task = self._ready.popleft()
                worker.wake.release()
            else:
                try:
                    self._start_thread(self._ready[0])
                except RuntimeError:
                    if self._running:
                        return
                    raise
                self._ready.popleft()
            self._running += 1

    def _start_thread(self, first: Task) -> None:
        # As its argument it would stay for as long as the thread does, and whose task it is with it.
        given = (_Worker(first),)
        threading.Thread(target=self._serve, args=given, name=self._name, daemon=True).start()

    def _enters(self, task: Task) -> bool:
        """
        Return whether the folder of a task takes one more; if not, it is parked until one leaves.
        """
        if task.folder is Folder.WORK:
            return True
        takes = self._takes(task.folder)
        if takes:
            self._far[task.folder] += 1
        else:
            self._parked[task.folder].append(task)
        return takes

    def _takes(self, folder: Folder) -> bool:
        flushing = 0 if folder in self._stuck else self._flushing[folder]
        return self._far[folder] < _AT_ONCE + flushing

    def _leave(self, folder: Folder) -> None:
        if folder is not Folder.WORK:
            self._far[folder] -= 1
            self._unpark()

    def _unpark(self) -> None:
        """
        Hand out what was parked, as far as folders take more now.
        """
        for folder, parked in self._parked.items():
            while parked and self._takes(folder):
                self._far[folder] += 1
                self._ready.append(parked.popleft())
        self._hand_out()

    def _serve(self, worker: _Worker) -> None:
        """
        Run tasks, one after the other, for as long as the pool lives. Without the lock.
        """
        clock = time.pthread_getcpuclockid(threading.get_ident())
        of_thread.pool = self
        task, worker.task = worker.task, None
        while task is not None:
            self._run(task, clock)
            task = None  # What goes with it goes before the lock is taken.
            with self._lock:
                task = self._following(worker)
            if task is None:
                worker.wake.acquire()
                task, worker.task = worker.task, None

    def _following(self, worker: _Worker) -> Task | None:
        """
        Return what a thread that has run a task is to run next; without any it is idle, or may end at once.
        """
        if self._ready and (self._running <= self._size + self._lent or not self._size):
            return self._ready.popleft()
        self._running -= 1
        if self._size:
            self._idle.append(worker)
        else:
            worker.wake.release()
        return None

    def _run(self, task: Task, clock: int) -> None:
        """
        Run a task to its end, or to a folder that is full. Without the lock.
        """
        error: BaseException | None = None
        is_wanted = task.is_begun or task.begin()
        if is_wanted:
            call = of_thread.call = Call(task.folder, clock, threading.get_native_id())
            with self._lock:
                self.calls.add(call)
            try:
                while True:
                    following, error = self._stay(task, call)
                    if following is None:
                        break
                    if not self._moves(task, call, following):
                        return  # Whoever leaves that folder has it go on.
            finally:
                with self._lock:
                    self.calls.discard(call)
                    self._take_back(call)
                of_thread.call = None
        with self._lock:
            self._leave(task.folder)
        if is_wanted:
            on_end, task.on_end = task.on_end, lambda *_: None
            try:
                on_end(task.result, error)
            finally:
                # An error leads to this frame, and so to itself: it would stay until the collector looks.
                del on_end, error

    def _stay(self, task: Task, call: Call) -> tuple[Folder | None, BaseException | None]:
        """
        Run a leg, and note how long it waited for its folder. Without the lock.
        """
        with self._lock:
            if self._is_slow(call.folder):
                self._lend(call)
        call.since, worked, call.flushed = time.monotonic(), time.thread_time(), 0.0
        try:
            return task.advance()
        finally:
            busy = time.thread_time() - worked + call.flushed
            waited = time.monotonic() - call.since - busy
            with self._lock:
                self._waited[call.folder].append(waited)

    def _moves(self, task: Task, call: Call, following: Folder) -> bool:
        """
        Have a task go on in another folder; return whether that takes one more now. Without the lock.
        """
        with self._lock:
            self._take_back(call)
            call.steps += 1
            if following is task.folder:
                return True
            before, task.folder = task.folder, following
            self._leave(before)
            call.folder = following
            return self._enters(task)
