"""
The gate between the jobs and the endpoint: concurrency slots, rate limits, and the breaker with its one probe.
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
from retouchd.tasks import Changes
from retouchd.throttle import breaker
from retouchd.throttle.breaker import AttemptReport, BreakerState, LocalBlock, Pause, PauseCause
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
    The mutable state that decides who may send: breaker, concurrency limit, requests of the last minute, probe.

    The rules are pure functions in `breaker` and `concurrency`; `changes` wakes those who wait.
    """

    def __init__(self, *, concurrency: int, clock: Clock, rates: Rates | None = None) -> None:
        self._clock = clock
        self._rates = rates or Rates()
        self._limit = ConcurrencyLimit(most=concurrency, now=concurrency)
        self._free = asyncio.Condition()
        self._taken = 0
        self._out: dict[str, float] = {}
        self._succeeded_at = float("-inf")
        self._sent: tuple[Sent, ...] = ()
        self.changes = Changes()
        self._breaker = BreakerState()
        self._may_probe: str | None = None
        self._probing: str | None = None
        self.due_since: dt.datetime | None = None

    @property
    def pause_cause(self) -> PauseCause | None:
        """
        Return why sending is paused, None while it is not.
        """
        return self._breaker.pause.cause if self._breaker.pause else None

    @property
    def pause(self) -> Pause | None:
        """
        Return the present pause, None where there is none.
        """
        return self._breaker.pause

    @property
    def reason(self) -> str:
        """
        Return the sentence that goes with the pause, empty where there is none.
        """
        return self._breaker.pause.reason if self._breaker.pause else ""

    def admits(self, job_id: str) -> bool:
        """
        Return whether this job may send now.
        """
        return self._breaker.pause is None or self._may_probe == job_id

    @property
    def concurrency(self) -> int:
        """
        Return how many requests may be in flight at once for now.
        """
        return self._limit.now

    @property
    def in_flight(self) -> int:
        """
        Return how many requests are in flight.
        """
        return len(self._out)

    def wait_for_turn(self, images: int) -> tuple[float, str]:
        """
        Return for how long a request with so many pictures may not be sent, and why: (0, "") if it may.
        """
        now = self._clock.monotonic()
        if self._breaker.not_before > now:
            return self._breaker.not_before - now, "the endpoint asked for a pause"
        wait = seconds_to_wait(self._rates, self._sent, images, now)
        return wait, "the limit per minute is reached" if wait else ""

    def note_sent(self, job_id: str, key: str, images: int) -> None:
        """
        Take in that a job's request with so many pictures is being sent; `key` is that of its edit. Where the
        job may probe, this is the probe.
        """
        now = self._clock.monotonic()
        self._sent = (*within_the_minute(self._sent, now), (now, images))
        self._out[key] = now
        if self.is_probe(job_id):
            self._may_probe, self._probing = None, key

    def note_over(self, key: str) -> None:
        """
        Take in that an edit's request is in flight no more, reported or not.
        """
        self._out.pop(key, None)
        if self._probing == key:
            self._probing = None
            self.changes.tell()

    def seconds_to_probe(self) -> float | None:
        """
        Return the time until the next probe may be sent, None without a pause.
        """
        if self._breaker.pause is None:
            return None
        return max(0.0, self._breaker.pause.probe_at - self._clock.monotonic())

    @contextlib.asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """
        Wait for a free concurrency slot, and hold it.
        """
        async with self._free:
            await self._free.wait_for(lambda: self._taken < self._limit.now)
            self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1
            async with self._free:
                self._free.notify(max(1, self._limit.now - self._taken))

    async def adopt(self, *, concurrency: int, rates: Rates) -> None:
        """
        Apply other limits from now on.
        """
        self._rates = rates
        if concurrency != self._limit.most:
            self._limit = ConcurrencyLimit(most=concurrency, now=concurrency)
        self.changes.tell()
        async with self._free:
            self._free.notify_all()

    def let_probe(self, job_id: str) -> None:
        """
        Let this one job send during the pause, for one request.
        """
        self._may_probe = job_id
        self.changes.tell()

    def end_probe(self, job_id: str) -> None:
        """
        Take the permission back, if it was not used.
        """
        if self._may_probe == job_id:
            self._may_probe = None
            self.changes.tell()

    @property
    def is_probing(self) -> bool:
        """
        Return whether a probe is in flight, or about to be.
        """
        return self._may_probe is not None or self._probing is not None

    @property
    def is_shut(self) -> bool:
        """
        Return whether sending is paused and stays so for a time: no probe is due or in flight.
        """
        return (
            self._breaker.pause is not None and not self.is_probing and self.seconds_to_probe() != 0
        )

    def is_probe(self, job_id: str) -> bool:
        """
        Return whether the next request of this job is a probe.
        """
        return self._breaker.pause is not None and self._may_probe == job_id

    def report(self, report: AttemptReport) -> None:
        """
        Take in what an attempt came to; a changed pause is logged and told to everyone who waits.
        """
        sent_at = self._out.get(report.key, report.now)
        self.note_over(report.key)
        if report.verdict is Verdict.DONE:
            self._succeeded_at = report.now
        elif report.may_slow_pool and self._is_serving(report.now):
            report = replace(report, slows_pool=True)
        self._adapt(report, sent_at)
        self._move(breaker.after(self._breaker, report))

    def block(self, block: LocalBlock) -> None:
        """
        Pause sending for a cause of our own, until that is looked at again.
        """
        self._move(breaker.blocked(self._breaker, block, self._clock.monotonic()))

    def unblock(self) -> None:
        """
        End a block.
        """
        self._move(breaker.unblocked(self._breaker))

    def restore(self, pause: Pause) -> None:
        """
        Begin with the pause of an earlier process.
        """
        self._move(breaker.restored(pause))

    def wake(self) -> None:
        """
        Make every waiting job and the next probe due at once.
        """
        self.due_since = self._clock.now()
        self._move(breaker.probe_now(self._breaker, self._clock.monotonic()))
        self.changes.tell()

    def _is_serving(self, now: float) -> bool:
        """
        Tell whether the endpoint seems to serve others while it turns one away.
        """
        return bool(self._out) or now - self._succeeded_at <= _THRIVES_SECONDS

    def _adapt(self, report: AttemptReport, sent_at: float) -> None:
        before = self._limit
        if report.slows_pool:
            served = len(self._out) if report.may_slow_pool else None
            self._limit = narrowed(before, sent_at=sent_at, now=report.now, served=served)
        elif report.verdict is Verdict.DONE:
            self._limit = widened(before)
        if self._limit.now < before.now:
            emit(PoolNarrowed(at_once=self._limit.now, most=before.most))
        elif self._limit.now == before.most > before.now:
            emit(PoolWidened(at_once=before.most))

    def _move(self, state: BreakerState) -> None:
        before, self._breaker = self._breaker.pause, state
        pause = state.pause
        if pause is not None and (before is None or before.cause is not pause.cause):
            wait = round(pause.probe_at - self._clock.monotonic())
            emit(DaemonPaused(cause=pause.cause.value, reason=pause.reason, probe_in=wait))
        if pause is None and before is not None:
            emit(DaemonResumed(after=before.cause.value))
            self.due_since = self._clock.now()
        if pause != before:
            self.changes.tell()
