"""
A deadline for waiting on the network that does not run while this process stands still.
"""

import asyncio
import contextlib
from collections.abc import Coroutine, Iterator
from typing import Any, Self, TypeVar

T = TypeVar("T")

_TICK = 1.0
"""Seconds waited at once: a standstill within them is taken for waiting."""
_STANDSTILL = 0.5
"""Who comes so many seconds late has stood still."""
_GRACE = 5.0
"""Seconds left after standstills, given once in all, and for what lies in the socket: it may be an answer."""


class Expired(Exception):
    """
    Time is up. Not a TimeoutError: that is the kernel's word for a connection that died.
    """


class Deadline:
    """
    So many seconds from now; a part of another deadline ends with that one at the latest.

    A process that was stopped, frozen or held up has not waited: the time is given back.
    """

    def __init__(self, seconds: float, *, whole: Self | None = None) -> None:
        self._clock = asyncio.get_running_loop().time
        self._whole = whole
        if whole is not None:
            whole.look()
        self._looked = self._clock()
        self._at = self._looked + seconds
        self._grace = _GRACE

    @property
    def end(self) -> float:
        """
        When time is up, by the event loop's clock.
        """
        return self._at if self._whole is None else min(self._at, self._whole.end)

    @property
    def is_over(self) -> bool:
        """
        Whether time is up.
        """
        return self._clock() >= self.end

    def check(self) -> None:
        """
        Raise Expired if time is up. Look at what is awaited before.
        """
        self.look()
        if self.is_over:
            raise Expired

    def heard(self) -> None:
        """
        Let count what has come, though time is up. Raises Expired some seconds later, whatever still comes.
        """
        self.look()
        if self._looked >= self.end + _GRACE:
            raise Expired

    async def wait(self, ready: asyncio.Future[None]) -> None:
        """
        Wait until `ready` is done or for a while, and not much beyond the deadline.
        """
        self.look()
        due = min(self.end, self._looked + _TICK)
        timer = asyncio.get_running_loop().call_at(due, wake, ready)
        try:
            await ready
        finally:
            timer.cancel()
            self.look(expected_at=due)

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """
        Return what comes of some work. Raises Expired when time is up, after cancelling it.
        """
        task = asyncio.create_task(work)
        try:
            while not task.done():
                self.check()
                await self.wait(_end_of(task))
            return task.result()
        finally:
            task.cancel()
            await asyncio.wait([task])

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """
        Let time pass that is not spent waiting for the network.
        """
        self.look()
        before = self._looked
        try:
            yield
        finally:
            now = self._clock()
            self.extend(now - before)
            self.note_alive(now)

    def look(self, *, expected_at: float | None = None) -> None:
        """
        Give back the time of a standstill, if it is late: after `expected_at`, or, where nothing was to be
        waited for, after the last look.
        """
        now = self._clock()
        late = now - (self._looked if expected_at is None else expected_at)
        if late > _STANDSTILL:
            self.extend(late, is_standstill=True)
        self.note_alive(now)

    def note_alive(self, now: float) -> None:
        """
        Note when this process was alive.
        """
        self._looked = now
        if self._whole is not None:
            self._whole.note_alive(now)

    def extend(self, seconds: float, *, is_standstill: bool = False) -> None:
        """
        Move the end by so many seconds; after a standstill, to some seconds from now at least, as far as these
        were not given before.
        """
        self._at += seconds
        if is_standstill:
            lacking = min(self._grace, max(0.0, self._clock() + _GRACE - self._at))
            self._at += lacking
            self._grace -= lacking
        if self._whole is not None:
            self._whole.extend(seconds, is_standstill=is_standstill)


def _end_of(task: asyncio.Task[Any]) -> asyncio.Future[None]:
    ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    task.add_done_callback(lambda _: wake(ready))
    return ready


def wake(ready: asyncio.Future[None]) -> None:
    """
    Let whoever waits for a future go on; a no-op where it is done.
    """
    if not ready.done():
        ready.set_result(None)
