"""
Admission of requests to one endpoint: whether one may go now, and what its answer means for the next.
"""

import contextlib
import datetime as dt
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from retouchd.answer.classify import Judgement
from retouchd.clock import Clock
from retouchd.job.model import Attempt, Job, Opened, Verdict
from retouchd.job.naming import shown
from retouchd.job.outcome import Wait
from retouchd.money.budget import Allowance, closing, opening
from retouchd.money.pricing import estimate, pictures_asked
from retouchd.request.models import Prices
from retouchd.spool.job_state import EditState
from retouchd.throttle.breaker import AttemptReport, LocalBlock
from retouchd.throttle.concurrency import Rates
from retouchd.throttle.gate import Gate
from retouchd.throttle.ledger import Ledger
from retouchd.throttle.preflight import Preflight
from retouchd.throttle.retry import (
    Ask,
    Fail,
    Later,
    RetryBudget,
    RetryContext,
    Return,
    count_in_doubt,
    next_move,
)

NextMove: TypeAlias = Ask | Wait | Return | Fail

PRIVATE_URL = (
    "the picture lies at a private address, which endpoint.allow_private_urls does not allow"
)


class AdmissionSettings(Protocol):
    """
    What the configuration says of sending at this moment; a reload changes it.
    """

    @property
    def concurrency(self) -> int:
        """
        Return how many requests may be out at once.
        """

    @property
    def rates(self) -> Rates:
        """
        Return how many requests and pictures may be sent a minute.
        """

    @property
    def retry_budget(self) -> RetryBudget:
        """
        Return how often a job may be asked.
        """

    @property
    def fingerprint(self) -> str:
        """
        Return what tells this configuration from others.
        """

    def allowance(self) -> Allowance:
        """
        Return what a day may cost.
        """

    def prices(self, model: str) -> Prices:
        """
        Return what a model costs.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """
    An attempt as it was closed, and what admission should know of it; `rest` in seconds, `is_alone` says of a
    failed one that no other job was in work.
    """

    attempt: Attempt
    judgement: Judgement
    rest: float = 0.0
    is_alone: bool = False


class Admission:
    """
    Grants permission to send: a concurrency slot, reserved disk space and budget, and no pause of the breaker.

    There is one for each endpoint.
    """

    def __init__(
        self,
        *,
        gate: Gate,
        preflight: Preflight,
        ledger: Ledger,
        clock: Clock,
        settings: AdmissionSettings,
    ) -> None:
        self._gate = gate
        self._preflight = preflight
        self._ledger = ledger
        self._clock = clock
        self._settings = settings
        self._unopened: set[str] = set()
        self._unreported: set[str] = set()
        self._turned_away: dict[str, dt.datetime] = {}
        self._succeeded_at: dt.datetime | None = None
        self._is_stopping = False

    def stop(self) -> None:
        """
        Permit nothing any more.
        """
        self._is_stopping = True
        self._gate.changes.tell()

    async def adopt(self) -> None:
        """
        Apply the limits of the settings now in force.
        """
        await self._gate.adopt(concurrency=self._settings.concurrency, rates=self._settings.rates)

    def next_move(self, edit_state: EditState) -> NextMove:
        """
        Return what becomes of an edit whose attempts, if any, brought no picture.
        """
        job = edit_state.job
        name = shown(job.members[0].name)
        budget, retry_context = self._settings.retry_budget, self._retry_context(edit_state)
        move = next_move(name, edit_state.attempts, budget, retry_context)
        if not isinstance(move, Later):
            return move
        if move.until is None:
            return Wait(seconds=None, reason=move.reason)
        seconds = max(0.0, (move.until - self._clock.now()).total_seconds())
        return Wait(
            seconds=seconds, reason=move.reason, in_doubt_count=count_in_doubt(edit_state.attempts)
        )

    @contextlib.asynccontextmanager
    async def permit(
        self, edit_state: EditState, images: int, is_prepared: Callable[[], bool], *, size: str = ""
    ) -> AsyncIterator[Opened | Wait]:
        """
        Yield what is to be noted of a request with so many pictures, which may be sent then, or why it must
        wait. Its slot is held until the verdict is known. `size` is the one that "match" came to, "" else.

        Settings may have changed while it waited, so that what was prepared is so no longer.

        Raises Blocked where only this job cannot be sent.
        """
        job = edit_state.job.sized(size)
        async with self._gate.slot(), self._preflight.reserved(job) as lack:
            # Only now: a look at the disks takes its time, and much may have changed meanwhile.
            wait = self._held_up(edit_state, lack, images)
            if wait is None and not is_prepared():
                wait = Wait(seconds=0.0, reason="the settings were changed meanwhile")
            if wait is not None:
                yield wait
                return
            # Nothing is awaited between the look at the budget and this: nobody shares what is left of it.
            permit = self._opened(job)
            attempt = edit_state.edit, edit_state.number + 1
            self._unopened.add(edit_state.key)
            self._ledger.note(job.id, attempt, opening(permit))
            self._gate.note_sent(job.id, edit_state.key, images)
            try:
                yield permit
            finally:
                self._gate.note_over(edit_state.key)
                if edit_state.key in self._unopened:
                    self._unopened.remove(edit_state.key)
                    self._ledger.take_back(job.id, attempt)

    def note_opened(self, edit_state: EditState) -> None:
        """
        Take in that a permitted request is in flight: its reservation stands until it is released.
        """
        self._unopened.discard(edit_state.key)
        self._unreported.add(edit_state.key)

    def release(self, edit_state: EditState, closed: Closed) -> None:
        """
        Take in what a request came to: its cost counts, and it says when the next one may go.
        """
        attempt, judgement = closed.attempt, closed.judgement
        self._ledger.note(edit_state.id, attempt.key, closing(attempt))
        if attempt.verdict is Verdict.DONE:
            self._succeeded_at = attempt.closed_at
        if judgement.slows_pool or judgement.may_slow_pool:
            self._turned_away.pop(edit_state.key, None)
            self._turned_away[edit_state.key] = attempt.closed_at
            if len(self._turned_away) > 2:  # Whoever asks is one of them at most.
                del self._turned_away[next(iter(self._turned_away))]
        self._report(edit_state, attempt_report(edit_state, closed, self._clock.monotonic()))

    def note_withheld(self, edit_state: EditState) -> None:
        """
        Take in that a paid picture lies where the configuration does not let us go.
        """
        self._report(
            edit_state,
            AttemptReport(
                job_id=edit_state.id,
                key=edit_state.key,
                common_fault=PRIVATE_URL,
                verdict=Verdict.IN_DOUBT,
                is_endpoint_failure=False,
                slows_pool=False,
                retry_after=0.0,
                reason="",
                is_probe=edit_state.opened.probe,
                now=self._clock.monotonic(),
                is_only_job=False,
            ),
        )

    def end_probe(self, job_id: str) -> None:
        """
        Take back the permission to probe, if it was not used.
        """
        self._gate.end_probe(job_id)

    def forget(self, job_id: str, attempts: Iterable[Attempt]) -> None:
        """
        Settle the charges of a job that is over.
        """
        self._unreported -= {key for key in self._unreported if key.startswith(job_id)}
        self._ledger.forget(job_id, attempts)

    def _report(self, edit_state: EditState, report: AttemptReport) -> None:
        if edit_state.key in self._unreported:  # Of an earlier process, it says nothing about now.
            self._unreported.remove(edit_state.key)
            self._gate.report(report)

    def _opened(self, job: Job) -> Opened:
        return Opened(
            sent_at=self._clock.now(),
            probe=self._gate.is_probe(job.id),
            pictures=pictures_asked(job.request),
            estimate_usd=estimate(self._settings.prices(job.request.model), job),
        )

    def _held_up(
        self, edit_state: EditState, lack: LocalBlock | Wait | None, images: int
    ) -> Wait | None:
        if self._is_stopping:
            return Wait(seconds=None, reason="retouchd is stopping")
        if not isinstance(self.next_move(edit_state), Ask):
            return Wait(seconds=0.0, reason=self._gate.reason)
        if not self._gate.admits(edit_state.id):
            in_doubt_count = count_in_doubt(edit_state.attempts)
            return Wait(seconds=None, reason=self._gate.reason, in_doubt_count=in_doubt_count)
        if lack is not None:
            return self._without(lack)
        seconds, reason = self._gate.wait_for_turn(images)
        if seconds and not self._gate.is_probe(edit_state.id):
            return Wait(seconds=seconds, reason=reason)
        return None

    def _without(self, lack: LocalBlock | Wait) -> Wait:
        if isinstance(lack, Wait):
            return lack
        self._gate.block(lack)
        # What becomes of it during a pause is decided anew, at once.
        return Wait(seconds=0.0, reason=lack.reason)

    def _retry_context(self, edit_state: EditState) -> RetryContext:
        is_probe = self._gate.is_probe(edit_state.id)
        now = self._clock.now()
        turned_away = [at for each, at in self._turned_away.items() if each != edit_state.key]
        return RetryContext(
            now=now,
            pause_cause=None if is_probe else self._gate.pause_cause,
            others_succeeded_at=self._succeeded_at,
            others_turned_away_at=max(turned_away, default=None),
            due_since=now if is_probe else self._gate.due_since,
        )


def attempt_report(edit_state: EditState, closed: Closed, now: float) -> AttemptReport:
    """
    Return what a closed attempt tells the breaker, `now` on the monotonic clock.
    """
    attempt, judgement = closed.attempt, closed.judgement
    return AttemptReport(
        job_id=edit_state.id,
        key=edit_state.key,
        common_fault=judgement.common_fault,
        verdict=attempt.verdict,
        is_endpoint_failure=judgement.endpoint_failure,
        may_slow_pool=judgement.may_slow_pool,
        may_hide_account=judgement.may_hide_account,
        slows_pool=judgement.slows_pool,
        retry_after=judgement.retry_after or 0.0,
        rest=closed.rest,
        reason=judgement.reason,
        is_probe=attempt.probe,
        now=now,
        is_only_job=closed.is_alone,
    )
