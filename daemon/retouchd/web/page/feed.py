"""
What wakes the pages that are open: that something has changed, never what.

A browser asks for what it shows whenever it hears of a change. Nothing is kept for one that does not listen, so
that it costs the run nothing, however many there are.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

from retouchd.events import Event, listen
from retouchd.events.inbox import FileEvent
from retouchd.events.jobs import JobEvent, JobWaiting
from retouchd.events.run import DaemonPaused, DaemonReady, DaemonResumed, DaemonStopping
from retouchd.tasks import Changes

_APART_SECONDS = 0.3
"""Changes that follow one another more quickly are told as one."""
_SOON_SECONDS = 1.5
_BEAT_SECONDS = 5.0
"""Of what no event tells, such as a file that goes on growing, a page learns so soon; behind a change sooner,
as the day's figures are not counted at each."""
_TOLD = (
    JobEvent,
    JobWaiting,
    FileEvent,
    DaemonReady,
    DaemonPaused,
    DaemonResumed,
    DaemonStopping,
)


class Feed:
    """
    Hears of events in any thread; those who wait for the next change live on the listener's loop.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._changes: Changes | None = None
        self._is_told = False
        self._is_closed = False
        self.readers = 0

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """
        Wake those who wait on this loop.
        """
        self._loop, self._changes = loop, Changes()

    @contextlib.contextmanager
    def hearing(self) -> Iterator[None]:
        """
        Hear meanwhile.
        """
        unlisten = listen(self._hear)
        try:
            yield
        finally:
            unlisten()

    def close(self) -> None:
        """
        End what is being told: the listener ends. From any thread.
        """
        self._is_closed = True
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # It has ended already.
                self._loop.call_soon_threadsafe(self._wake)

    @property
    def version(self) -> int:
        """
        Return how often anything has changed.
        """
        return self._changes.count if self._changes is not None else 0

    async def messages(self) -> AsyncIterator[bytes]:
        """
        Yield server-sent events, one at a change and one at every beat.
        """
        assert self._changes is not None, "it is attached before it is asked"
        self.readers += 1
        try:
            yield b"retry: 2000\n\n"
            told = -1
            while not self._is_closed:
                within = _BEAT_SECONDS if told == self._changes.count else _SOON_SECONDS
                told = self._changes.count
                yield b"data: %d\n\n" % told
                await asyncio.sleep(_APART_SECONDS)
                await self._changes.wait(told, within)
        finally:
            self.readers -= 1

    def _hear(self, event: Event) -> None:
        if self._is_told or not isinstance(event, _TOLD):
            return
        if self._loop is not None:
            self._is_told = True
            with contextlib.suppress(RuntimeError):  # The listener has ended.
                self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        self._is_told = False
        if self._changes is not None:
            self._changes.tell()
