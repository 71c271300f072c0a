"""
Blocking disk calls for asyncio: each says which of the six folders it touches, so that a hung one holds up
nothing else.

A system call on a dead network mount may block for minutes, and nothing gets its thread back before. What
is called in `work` touches no other folder, so an answer can be kept whatever hangs elsewhere. The process
ends without the threads that hang.
"""

import asyncio
import contextlib
import os
import weakref
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import Future
from contextvars import ContextVar, copy_context
from functools import partial
from pathlib import Path
from typing import Any, ParamSpec, TypeAlias, TypeVar, cast

from retouchd.disk.calls import CHECK_SECONDS, Folder, Task
from retouchd.disk.hang_detector import HangDetector
from retouchd.disk.thread_pools import Pool
from retouchd.errors import FolderUnresponsive
from retouchd.job.naming import shown

P = ParamSpec("P")
T = TypeVar("T")

PATIENCE_SECONDS = 10.0
"""How long a call may block before its folder is unresponsive; a sleeping disk needs a few to spin up."""
_SYNC_CHECK_SECONDS = 0.05


Steps: TypeAlias = Generator[Folder, None, T]
"""A function in steps: each folder that it yields is the one that what comes next touches."""

_SIZE = max(1, min(8, (os.cpu_count() or 1) - 1))
"""Calls at once that do not wait for a disk: the loop needs a core, and more would only contend."""


class DiskThreads:
    """
    The threads of one run, and which folders do not answer: `unresponsive` has a sentence for each.

    Enter it and the functions of this module use it. `on_change` is called on the loop whenever a folder stops
    answering or answers again.
    """

    def __init__(
        self,
        folders: Mapping[Folder, Path] | None = None,
        *,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self._folders = folders or {}
        self._on_change = on_change
        self._pool = Pool(_SIZE, "disk")
        weakref.finalize(self, self._pool.retire)
        self._detector = HangDetector(PATIENCE_SECONDS)
        self._waiting = 0
        self._timer: asyncio.TimerHandle | None = None
        self._looking: set[asyncio.Future[Any]] = set()
        self._chains: dict[str, _Chain] = {}
        self.unresponsive: dict[Folder, str] = {}

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """
        Be the threads of the present task, and of the tasks it makes.
        """
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)

    def holds_up(self, *keys: str) -> str:
        """
        Return the sentence of the unresponsive folder that holds up the steps of all these keys, empty if none
        does.
        """
        chains = [self._chains.get(key) for key in keys]
        found = [
            (self.unresponsive.get(each.folder) or self._of_work) if each else "" for each in chains
        ]
        return found[0] if all(found) else ""

    @property
    def _of_work(self) -> str:
        return self.unresponsive.get(Folder.WORK, "")

    @property
    def reason(self) -> str:
        """
        Return a sentence for what does not answer, empty while all folders do.
        """
        return next(iter(self.unresponsive.values()), "")

    async def settle(self) -> None:
        """
        Wait for the calls that are still running, but for those that hang.
        """
        while any(call.folder not in self.unresponsive for call in set(self._pool.calls)):
            self._arm()
            await asyncio.sleep(_SYNC_CHECK_SECONDS)

    async def run(
        self, folder: Folder, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """
        Call a function that touches this folder and `work` alone, however long that takes.
        """
        call = partial(copy_context().run, function, *args, **kwargs)
        return cast(T, await self._ended(_Function(folder, call)))

    async def follow(self, begin: Callable[[], Steps[T]], *, key: str = "") -> T:
        """
        Take the steps of a function, the first ones in `work`; `key` is whose steps they are.
        """
        chain = _Chain(begin())
        if key:
            self._chains[key] = chain
        try:
            return cast(T, await self._ended(chain))
        finally:
            if key:
                self._chains.pop(key, None)

    async def in_any(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """
        Call a function that touches any folders, each marked by `at`, for one who can go on without its end.

        Raises FolderUnresponsive as soon as any folder does not answer.
        """
        return await self.attempt(Folder.WORK, function, *args, **kwargs)

    async def attempt(
        self, folder: Folder, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """
        Call a function as `run` does, for one who can go on without its end.

        Raises FolderUnresponsive as soon as any folder does not answer; the call goes on by itself.
        """
        if self.unresponsive:
            raise self._refusal()
        call = partial(copy_context().run, function, *args, **kwargs)
        answer = self._started(_Function(folder, call))
        self._looking.add(answer)
        try:
            with self._checked():
                return cast(T, await answer)
        finally:
            self._looking.discard(answer)

    async def _ended(self, task: Task) -> Any:
        """
        Return what a task came to; called off where nobody waits for it before it has begun.
        """
        with self._checked():
            try:
                return await self._started(task)
            except asyncio.CancelledError:
                task.call_off()
                raise

    def _started(self, task: Task) -> asyncio.Future[Any]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()

        def tell(result: Any, error: BaseException | None) -> None:
            with contextlib.suppress(RuntimeError):  # A loop that is closed has nobody who waits.
                loop.call_soon_threadsafe(_settle, answer, result, error)

        task.on_end = tell
        self._pool.start(task)
        return answer

    @contextlib.contextmanager
    def _checked(self) -> Iterator[None]:
        """
        Have the calls checked now and then meanwhile; with nothing to do, nothing wakes the machine.
        """
        self._waiting += 1
        self._arm()
        try:
            yield
        finally:
            self._waiting -= 1
            if not self._waiting and not self.unresponsive and self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def _arm(self) -> None:
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(CHECK_SECONDS, self._check)

    def _check(self) -> None:
        self._timer = None
        calls = set(self._pool.calls)
        if calls or self.unresponsive:
            self._arm()
        self._detector.check(calls)
        self._pool.relieve(self._detector.blocked)
        hung = self._detector.hung
        if hung != set(self.unresponsive):
            self.unresponsive = {folder: self._sentence(folder) for folder in sorted(hung)}
            for answer in self._looking if hung else ():
                if not answer.done():
                    answer.set_exception(self._refusal())
            self._on_change()

    def _refusal(self) -> FolderUnresponsive:
        return FolderUnresponsive(self.reason)

    def _sentence(self, folder: Folder) -> str:
        sentence = unresponsive(folder, self._folders.get(folder, Path(folder)))
        return f"{sentence} retouchd goes on by itself when it answers."


class _Function(Task):
    """
    A function that touches one folder.
    """

    def __init__(self, folder: Folder, function: Callable[[], Any]) -> None:
        super().__init__(folder)
        self._function = function

    def leg(self) -> None:
        """
        Call it.
        """
        self.result = self._function()


class _Chain(Task):
    """
    A function in steps.
    """

    def __init__(self, steps: Steps[Any]) -> None:
        super().__init__(Folder.WORK)
        self._steps = steps

    def leg(self) -> Folder | None:
        """
        Take the next steps.
        """
        try:
            return next(self._steps)
        except StopIteration as stop:
            self.result = stop.value
            return None


_current: ContextVar[DiskThreads | None] = ContextVar("disk_threads", default=None)
_spare: list[DiskThreads] = []


def current() -> DiskThreads:
    """
    Return the threads of the present run; outside of one, those that all others share.
    """
    threads = _current.get()
    if threads is None:
        if not _spare:
            _spare.append(DiskThreads())
        threads = _spare[0]
    return threads


async def run(folder: Folder, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """
    Call a function that touches a folder: see `DiskThreads.run`.
    """
    return await current().run(folder, function, *args, **kwargs)


async def in_work(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """
    Call a function that touches the work folder alone.
    """
    return await current().run(Folder.WORK, function, *args, **kwargs)


async def follow(begin: Callable[[], Steps[T]], *, key: str = "") -> T:
    """
    Take the steps of a function, each in the pool that it asks for: see `DiskThreads.follow`.
    """
    return await current().follow(begin, key=key)


async def attempt(
    folder: Folder, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
) -> T:
    """
    Call a function that may be given up: see `DiskThreads.attempt`.
    """
    return await current().attempt(folder, function, *args, **kwargs)


async def in_any(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """
    Call a function that touches any folders: see `DiskThreads.in_any`.
    """
    return await current().in_any(function, *args, **kwargs)


def all_steps(steps: Steps[T]) -> T:
    """
    Take all steps in the present thread, for those who have no loop.
    """
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            result: T = stop.value
            return result


def answered(function: Callable[[], T], folders: Mapping[Folder, Path], seconds: float) -> T:
    """
    Call a function in a thread of its own and wait for it, for those without a loop; it marks folders by `at`.

    Raises FolderUnresponsive, which names the folder, where it is blocked for so many seconds.
    """
    pool, detector = Pool(1, "disk"), HangDetector(seconds)
    task = _Function(Folder.WORK, partial(copy_context().run, function))
    ended: Future[T] = Future()
    task.on_end = partial(_end, ended)
    pool.start(task)
    pool.retire()
    while not ended.done():
        with contextlib.suppress(TimeoutError):
            return ended.result(_SYNC_CHECK_SECONDS)
        detector.check(set(pool.calls))
        for folder in sorted(detector.hung):
            raise FolderUnresponsive(unresponsive(folder, folders[folder]), folder)
    return ended.result()


def unresponsive(folder: Folder, path: Path) -> str:
    """
    Return the sentence about a folder that does not answer.
    """
    return f"folders.{folder}: {shown(str(path))} does not answer; see to its disk or its network share."


def _settle(answer: asyncio.Future[T], result: T, error: BaseException | None) -> None:
    if not answer.done():
        _end(answer, result, error)


def _end(answer: asyncio.Future[T] | Future[T], result: T, error: BaseException | None) -> None:
    if error is not None:
        answer.set_exception(error)
    else:
        answer.set_result(result)
