"""
The way in: rings, looks and scans keep the backlog true; what is ready is claimed when there is room.

Events are only hints. Everything here works without any, at the pace of the scans.
"""

import asyncio
import contextlib
import datetime as dt
from collections.abc import Callable, Iterable
from functools import partial

from retouchd.adapters.bell import Bell, Ring
from retouchd.engine.attempts import about
from retouchd.engine.backlog import READY, Backlog
from retouchd.engine.claiming import Claimer
from retouchd.engine.clock import Clock
from retouchd.engine.deciding import Decider
from retouchd.engine.holding import Holding
from retouchd.engine.looking import Looker
from retouchd.logs import logger
from retouchd.rules.job import Reference
from retouchd.rules.naming import path_below
from retouchd.rules.watching import scan_pause

log = logger()

_AFTER_CRASH_SECONDS = 5.0
_CLAIMING_SECONDS = 1.0


class Intake:
    """
    Takes turns: looks, decides, claims. `has_room` says whether another may be claimed, `start` takes
    the job's id; `on_change` is called after each turn.
    """

    def __init__(
        self,
        *,
        backlog: Backlog,
        looker: Looker,
        decider: Decider,
        claimer: Claimer,
        rescan_seconds: float,
        clock: Clock,
        has_room: Callable[[], bool],
        start: Callable[[str], None],
        on_change: Callable[[], None],
    ) -> None:
        self._backlog = backlog
        self._looker = looker
        self._decider = decider
        self._claimer = claimer
        self._rescan_seconds = rescan_seconds
        self._clock = clock
        self._has_room = has_room
        self._start = start
        self._on_change = on_change
        self._next_scan = 0.0
        self._scan_every = rescan_seconds
        self.scan_took = 0.0
        self.scanned_at: dt.datetime | None = None
        self._is_stopped = False
        self._is_reconsidering = False
        self._claims = 0
        # The backlog is changed in threads, by one turn at a time.
        self._turning = asyncio.Lock()
        self._wake = asyncio.Event()
        loop = asyncio.get_running_loop()
        self.bell = Bell(partial(loop.call_soon_threadsafe, self._wake.set))

    @property
    def holding(self) -> Holding:
        """
        Return what is ready and yet not claimed.
        """
        return self._claimer.holding

    def stop(self) -> None:
        """
        Have no other turn begin.
        """
        self._is_stopped = True
        self._wake.set()

    def wake(self) -> None:
        """
        Have the next turn begin at once: there may be room again.
        """
        self._wake.set()

    def ring(self, folder: str, names: list[str]) -> None:
        """
        Have these names looked at in the next turn.
        """
        for name in names:
            self.bell.ring(Ring(path=path_below(folder, name)))

    def scan_soon(self) -> None:
        """
        Have the whole inbox looked at in the next turn.
        """
        self._next_scan = 0.0
        self._wake.set()

    def reconsider(self) -> None:
        """
        Have the whole inbox looked at in the next turn, and all that is held there tried again.
        """
        self._is_reconsidering = True
        self.scan_soon()

    def spare(self, references: Iterable[Reference]) -> None:
        """
        Leave alone what jobs have used as references, unless it gets a sidecar of its own.
        """
        self._backlog.sightings.references.spare(references)

    def scan_every(self, seconds: float) -> None:
        """
        Have the whole inbox looked at so often, or less often if that takes long.
        """
        self._scan_every = seconds

    @property
    def scan_pause(self) -> float:
        """
        Return the seconds from the end of a scan to the next one.
        """
        return scan_pause(self._scan_every, self._rescan_seconds, self.scan_took)

    @property
    def steps(self) -> int:
        """
        Return a number that grows with whatever a turn does.
        """
        return self._looker.looks + self._claims

    @property
    def is_turning(self) -> bool:
        """
        Return whether a turn is being taken.
        """
        return self._turning.locked()

    def ready(self) -> int:
        """
        Return how many families wait to be claimed.
        """
        return self._backlog.ready()

    def is_idle(self) -> bool:
        """
        Return whether nothing is ready and nothing will be without somebody's doing.
        """
        is_at_rest = not self.is_turning and not self._wake.is_set()
        return is_at_rest and self._next_scan > 0 and self._backlog.is_settled()

    async def waiting(self) -> list[tuple[str, str, str]]:
        """
        Return every file that waits in the inbox: its folder, its name, the reason.
        """
        async with self._turning:
            now = self._clock.monotonic()
            found = await asyncio.to_thread(list, self._backlog.idle(now))
            held = self._claimer.holding.reasons()
        return [
            (each.folder, each.name, held.get(each[:2], each.reason))
            if each.reason == READY
            else each[:3]
            for each in found
        ]

    async def run(self) -> None:
        """
        Take turns until stopped; a turn that was begun is finished.
        """
        while not self._is_stopped:
            if not await self.turn():
                await asyncio.sleep(_AFTER_CRASH_SECONDS)
            self._on_change()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self._seconds_to_turn())

    async def turn(self) -> bool:
        """
        Look where the bell rang, scan if it is time, then claim what is ready while there is room.

        Return False after a fault that nobody foresaw.
        """
        async with self._turning:
            try:
                await self._turn()
            except Exception:
                # As with jobs: one turn must not end the daemon.
                log.exception("intake.crashed")
                self._next_scan = self._clock.monotonic() + _AFTER_CRASH_SECONDS
                return False
        return True

    async def _turn(self) -> None:
        self._wake.clear()
        rings, is_lost = self.bell.take()
        if is_lost:
            log.warning("watch.overflow", action="scanning the whole inbox")
        if is_lost or self._clock.monotonic() >= self._next_scan:
            began = self._clock.monotonic()
            await asyncio.to_thread(self._looker.scan, "")
            ended = self._clock.monotonic()
            self.scanned_at, self.scan_took = self._clock.now(), ended - began
            self._next_scan = ended + self.scan_pause
            self._claimer.forget()
        if self._is_reconsidering:
            self._is_reconsidering = False
            self._claimer.reconsider()
        await asyncio.to_thread(self._looker.answer, rings)
        unread = await asyncio.to_thread(self._decider.settle, self._clock.monotonic())
        for folder, name, left in unread:
            self._looker.tell(folder, name, left)
        end = self._clock.monotonic() + _CLAIMING_SECONDS
        while self._has_room() and await self.claim_next():
            if self._clock.monotonic() > end:
                self._wake.set()  # To go on after the next looks: a thousand duplicates take long to read.
                return

    async def claim_next(self) -> bool:
        """
        Claim the next ready family; return False when none is left.
        """
        key = self._backlog.take()
        if key is None:
            return False
        self._claims += 1
        try:
            jobs = await asyncio.to_thread(self._claimer.claim, key)
        except Exception:
            # It is ready no longer, and nothing new would be seen of it: only this brings it back.
            self._backlog.try_later(key, self._clock.monotonic() + _AFTER_CRASH_SECONDS)
            raise
        for job in jobs:
            log.info("job.claimed", **about(job), files=[m.name for m in job.members])
            self._start(job.id)
        return True

    def _seconds_to_turn(self) -> float:
        due = self._backlog.next_due()
        until = self._next_scan if due is None else min(due, self._next_scan)
        return max(0.0, until - self._clock.monotonic())
