"""
The gate between the jobs and the endpoint: so many requests at once, none while it is held, one probe.
"""

import asyncio
import contextlib
import datetime as dt
from collections.abc import AsyncIterator

from retouchd.engine.clock import Clock
from retouchd.logs import logger
from retouchd.rules import pacing
from retouchd.rules.pacing import Cause, Hold, Pace, Report

log = logger()


class Gate:
    """
    Who may send. What it decides is in `rules.pacing`; this holds its memory and tells those who wait.
    """

    def __init__(self, *, concurrency: int, clock: Clock) -> None:
        self._clock = clock
        self._slots = asyncio.Semaphore(concurrency)
        self._changed = asyncio.Event()
        self._pace = Pace()
        self._probe: str | None = None
        self.due_since: dt.datetime | None = None

    @property
    def hold(self) -> Cause | None:
        """
        Return why the gate is held, None while it is open.
        """
        return self._pace.hold.cause if self._pace.hold else None

    @property
    def held(self) -> Hold | None:
        """
        Return the hold itself, None while the gate is open.
        """
        return self._pace.hold

    @property
    def reason(self) -> str:
        """
        Return the sentence that goes with the hold, empty while the gate is open.
        """
        return self._pace.hold.reason if self._pace.hold else ""

    def admits(self, job_id: str) -> bool:
        """
        Return whether this job may send now.
        """
        return self._pace.hold is None or self._probe == job_id

    def seconds_closed(self) -> float:
        """
        Return for how long nobody may send because the endpoint asked for a pause.
        """
        return max(0.0, self._pace.not_before - self._clock.monotonic())

    def seconds_to_probe(self) -> float | None:
        """
        Return the time until the next probe may pass, None while the gate is open.
        """
        if self._pace.hold is None:
            return None
        return max(0.0, self._pace.hold.probe_at - self._clock.monotonic())

    @contextlib.asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """
        Wait for a free place among the requests at once, and hold it.
        """
        async with self._slots:
            yield

    def let_probe(self, job_id: str) -> None:
        """
        Let this one job through while the gate is held, for one request.
        """
        self._probe = job_id
        self.tell()

    def end_probe(self, job_id: str) -> None:
        """
        Take the permission back, used or not.
        """
        if self._probe == job_id:
            self._probe = None
            self.tell()

    @property
    def is_probing(self) -> bool:
        """
        Return whether a probe is on its way.
        """
        return self._probe is not None

    def is_probe(self, job_id: str) -> bool:
        """
        Return whether a request of this job is a probe.
        """
        return self._pace.hold is not None and self._probe == job_id

    def report(self, report: Report) -> None:
        """
        Take in what an attempt came to; a changed hold is logged and told to everyone who waits.
        """
        self.end_probe(report.job_id)
        self._move(pacing.after(self._pace, report))

    def wake(self) -> None:
        """
        Make every waiting job and the next probe due at once.
        """
        self.due_since = self._clock.now()
        self._move(pacing.probe_now(self._pace, self._clock.monotonic()))
        self.tell()

    async def change(self, within: float | None) -> None:
        """
        Wait until the gate's state has changed, or for so many seconds.
        """
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), within)

    def _move(self, pace: Pace) -> None:
        before, self._pace = self._pace.hold, pace
        hold = pace.hold
        if hold is not None and (before is None or before.cause is not hold.cause):
            wait = round(hold.probe_at - self._clock.monotonic())
            log.warning("daemon.paused", cause=hold.cause.value, reason=hold.reason, probe_in=wait)
        if hold is None and before is not None:
            log.info("daemon.resumed", after=before.cause.value)
            self.due_since = self._clock.now()
        if hold != before:
            self.tell()

    def tell(self) -> None:
        """
        Have everyone who waits look again.
        """
        self._changed.set()
        self._changed = asyncio.Event()
