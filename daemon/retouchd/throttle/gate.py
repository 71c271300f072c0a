"""
The gate between the jobs and the endpoint: so many requests at once and a minute, none while it is held
but for one probe.
"""

import asyncio
import contextlib
import datetime as dt
from collections.abc import AsyncIterator
from dataclasses import replace

from retouchd.clock import Clock
from retouchd.events import emit
from retouchd.events.run import DaemonPaused, DaemonResumed, PoolNarrowed, PoolWidened
from retouchd.job.model import Verdict
from retouchd.process import Changes
from retouchd.throttle import breaker
from retouchd.throttle.breaker import AttemptReport, BreakerState, GatePause, LocalBlock, PauseCause
from retouchd.throttle.concurrency import (
    ConcurrencyLimit,
    Rates,
    Sent,
    narrowed,
    seconds_to_wait,
    widened,
    within_the_minute,
)

_THRIVES_SECONDS = 60.0
"""An endpoint that brought a picture so short a time ago is not taken for one that is down."""


class Gate:
    """
    Who may send. What it decides is in `breaker`, `concurrency` and `rates`; this holds their
    memory and tells those who wait by `changes`.
    """

    def __init__(self, *, concurrency: int, clock: Clock, rates: Rates | None = None) -> None:
        self._clock = clock
        self._rates = rates or Rates()
        self._width = ConcurrencyLimit(most=concurrency, now=concurrency)
        self._free = asyncio.Condition()
        self._taken = 0
        self._out: dict[str, float] = {}
        self._succeeded_at = float("-inf")
        self._sent: tuple[Sent, ...] = ()
        self.changes = Changes()
        self._pace = BreakerState()
        self._probe: str | None = None
        self.due_since: dt.datetime | None = None

    @property
    def hold(self) -> PauseCause | None:
        """
        Return why the gate is held, None while it is open.
        """
        return self._pace.hold.cause if self._pace.hold else None

    @property
    def held(self) -> GatePause | None:
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

    @property
    def width(self) -> int:
        """
        Return how many requests may be out at once for now.
        """
        return self._width.now

    def wait_for_turn(self, images: int) -> tuple[float, str]:
        """
        Return for how long a request with so many pictures may not be sent, and why: (0, "") if it may.
        """
        now = self._clock.monotonic()
        if self._pace.not_before > now:
            return self._pace.not_before - now, "the endpoint asked for a pause"
        wait = seconds_to_wait(self._rates, self._sent, images, now)
        return wait, "the limit per minute is reached" if wait else ""

    def note_sent(self, job_id: str, images: int) -> None:
        """
        Take in that a request with so many pictures is being sent.
        """
        now = self._clock.monotonic()
        self._sent = (*within_the_minute(self._sent, now), (now, images))
        self._out[job_id] = now

    def note_over(self, job_id: str) -> None:
        """
        Take in that a job's request is out no more, reported or not.
        """
        self._out.pop(job_id, None)

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
        async with self._free:
            await self._free.wait_for(lambda: self._taken < self._width.now)
            self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1
            async with self._free:
                self._free.notify(max(1, self._width.now - self._taken))

    async def adopt(self, *, concurrency: int, rates: Rates) -> None:
        """
        Hold to other limits from now on.
        """
        self._rates = rates
        if concurrency != self._width.most:
            self._width = ConcurrencyLimit(most=concurrency, now=concurrency)
        self.changes.tell()
        async with self._free:
            self._free.notify_all()

    def let_probe(self, job_id: str) -> None:
        """
        Let this one job through while the gate is held, for one request.
        """
        self._probe = job_id
        self.changes.tell()

    def end_probe(self, job_id: str) -> None:
        """
        Take the permission back, used or not.
        """
        if self._probe == job_id:
            self._probe = None
            self.changes.tell()

    @property
    def is_probing(self) -> bool:
        """
        Return whether a probe is on its way.
        """
        return self._probe is not None

    @property
    def is_shut(self) -> bool:
        """
        Return whether the gate is held and stays so for a time: no probe is due or on its way.
        """
        return self._pace.hold is not None and not self.is_probing and self.seconds_to_probe() != 0

    def is_probe(self, job_id: str) -> bool:
        """
        Return whether a request of this job is a probe.
        """
        return self._pace.hold is not None and self._probe == job_id

    def report(self, report: AttemptReport) -> None:
        """
        Take in what an attempt came to; a changed hold is logged and told to everyone who waits.
        """
        self.end_probe(report.job_id)
        sent_at = self._out.pop(report.job_id, report.now)
        if report.verdict is Verdict.DONE:
            self._succeeded_at = report.now
        elif report.may_slow_pool and self._is_serving(report.now):
            report = replace(report, slows_pool=True)
        self._adapt(report, sent_at)
        self._move(breaker.after(self._pace, report))

    def bar(self, bar: LocalBlock) -> None:
        """
        Let nobody through for a cause of our own, until it is looked at again.
        """
        self._move(breaker.barred(self._pace, bar, self._clock.monotonic()))

    def lift(self) -> None:
        """
        Take the bar away.
        """
        self._move(breaker.lifted(self._pace))

    def restore(self, hold: GatePause) -> None:
        """
        Begin with the hold of an earlier process.
        """
        self._move(breaker.resumed(hold))

    def wake(self) -> None:
        """
        Make every waiting job and the next probe due at once.
        """
        self.due_since = self._clock.now()
        self._move(breaker.probe_now(self._pace, self._clock.monotonic()))
        self.changes.tell()

    def _is_serving(self, now: float) -> bool:
        """
        Tell whether the endpoint seems to serve others while it turns one away.
        """
        return bool(self._out) or now - self._succeeded_at <= _THRIVES_SECONDS

    def _adapt(self, report: AttemptReport, sent_at: float) -> None:
        before = self._width
        if report.slows_pool:
            served = len(self._out) if report.may_slow_pool else None
            self._width = narrowed(before, sent_at=sent_at, now=report.now, served=served)
        elif report.verdict is Verdict.DONE:
            self._width = widened(before)
        if self._width.now < before.now:
            emit(PoolNarrowed(at_once=self._width.now, most=before.most))
        elif self._width.now == before.most > before.now:
            emit(PoolWidened(at_once=before.most))

    def _move(self, pace: BreakerState) -> None:
        before, self._pace = self._pace.hold, pace
        hold = pace.hold
        if hold is not None and (before is None or before.cause is not hold.cause):
            wait = round(hold.probe_at - self._clock.monotonic())
            emit(DaemonPaused(cause=hold.cause.value, reason=hold.reason, probe_in=wait))
        if hold is None and before is not None:
            emit(DaemonResumed(after=before.cause.value))
            self.due_since = self._clock.now()
        if hold != before:
            self.changes.tell()
