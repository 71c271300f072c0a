"""
The signs of life of a run, for the service manager: more time to start and stop, and its watchdog.

The watchdog hears of a run only while this loop turns, the inbox gets looked at, and the disk below the
work folder answers. A far folder that hangs is no reason to end a run, since no start would mend it: it is a
pause, and told. See sd_notify(3) and sd_watchdog_enabled(3).
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from retouchd.clock import Clock
from retouchd.disk.thread_pools import Folder
from retouchd.events import emit
from retouchd.events.run import DaemonStuck, DaemonUnstuck
from retouchd.inbox.intake import Intake
from retouchd.service.background import running
from retouchd.service.liveness import Motion, observed, stuck
from retouchd.service.notify import notify, watchdog_seconds
from retouchd.throttle.disk_monitor import DiskMonitor

_EXTEND_USEC = 30_000_000
_EXTEND_SECONDS = 5.0
_BEAT_SECONDS = 30.0
_REST_SECONDS = 1.0
_ORGANS = {
    "inbox": "a look at the inbox has not come any further for a long time",
    "work": "the disk of the work folder has not answered for a long time: see to it",
}


@contextlib.asynccontextmanager
async def extending(status: Callable[[], str]) -> AsyncIterator[None]:
    """
    Ask the manager for more time while something lasts that may take long, and say what it is.
    """
    async with running(_extend(status)):
        yield


async def _extend(status: Callable[[], str]) -> None:
    while True:
        notify(f"EXTEND_TIMEOUT_USEC={_EXTEND_USEC}", f"STATUS={status()}")
        await asyncio.sleep(_EXTEND_SECONDS)


class StatusLine:
    """
    The one line that the manager shows of a run: true within a second, and never told more often than that.
    """

    def __init__(self) -> None:
        self._text = self._told = ""
        self._rest: asyncio.TimerHandle | None = None

    def say(self, text: str) -> None:
        """
        Let the line be this from now on.
        """
        self._text = text
        if self._rest is None:
            self._tell()

    def close(self) -> None:
        """
        Say no more.
        """
        if self._rest is not None:
            self._rest.cancel()

    def _tell(self) -> None:
        self._rest = None
        if self._text != self._told:
            notify(f"STATUS={self._text}")
            self._told = self._text
            self._rest = asyncio.get_running_loop().call_later(_REST_SECONDS, self._tell)


class Liveness:
    """
    Watches whether a run gets on, and feeds the watchdog as long as it does.
    """

    def __init__(self, *, intake: Intake, disks: DiskMonitor, clock: Clock) -> None:
        self._intake = intake
        self._disks = disks
        self._clock = clock
        self._motions: dict[str, Motion] = {}
        self._answers = 0
        self._asking: asyncio.Future[None] | None = None
        self._stuck: str | None = None

    async def run(self) -> None:
        """
        Look twice in the watchdog's time, or now and then where there is none; until cancelled.
        """
        allowed = watchdog_seconds()
        pause = min(allowed / 2, _BEAT_SECONDS) if allowed else _BEAT_SECONDS
        while True:
            self.beat()
            await asyncio.sleep(pause)

    def beat(self) -> None:
        """
        Look at the run once, and tell the manager unless it is stuck.
        """
        now = self._clock.monotonic()
        if self._asking is None:
            self._asking = asyncio.ensure_future(self._ask_the_disk())
        self._see("work", self._answers, now, is_at_work=True)
        is_looking = self._intake.is_turning and not self._disks.is_hung(Folder.INBOX)
        self._see("inbox", self._intake.steps, now, is_at_work=is_looking)
        self._tell(stuck(self._motions, now))
        if self._stuck is None:
            notify("WATCHDOG=1")

    def _see(self, name: str, steps: int, now: float, *, is_at_work: bool) -> None:
        before = self._motions.get(name)
        self._motions[name] = observed(before, steps, now, is_at_work=is_at_work)

    async def _ask_the_disk(self) -> None:
        # Jobs need a free thread as well: where none is left, nothing gets on either.
        try:
            await self._disks.look()
            self._answers += 1
        finally:
            self._asking = None

    def _tell(self, organ: str | None) -> None:
        if organ == self._stuck:
            return
        if organ is not None:
            emit(DaemonStuck(reason=_ORGANS[organ]))
        else:
            emit(DaemonUnstuck())
        self._stuck = organ
