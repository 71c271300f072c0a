"""
A job's life: `advance` takes it from wherever it stands to its end, or to where it must wait.

There is one step for each phase and no other way forward; a restart runs the same code as a fresh job.
`advance` needs nothing but an id, so any process that holds the work folder can go on with any job.
"""

import asyncio
import contextlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from math import inf

from retouchd.clock import Clock
from retouchd.disk.threads import follow, in_work
from retouchd.errors import Blocked
from retouchd.events import emit
from retouchd.events.jobs import JobWaiting
from retouchd.job.model import Verdict
from retouchd.job.outcome import Outcome, Over, Wait
from retouchd.pipeline.crash_notes import CRASHES_TO_FAIL, crash_step
from retouchd.pipeline.disk_steps import DiskSteps, JobGone, Stuck
from retouchd.pipeline.edit_steps import EditSteps, GiveBack, Halt
from retouchd.pipeline.edits_at_once import EditsAtOnce
from retouchd.pipeline.finish import Finisher
from retouchd.pipeline.results import FetchLater
from retouchd.spool.job_state import JobState, job_of
from retouchd.spool.phase import Phase
from retouchd.spool.spool import Spool
from retouchd.tasks import Changes
from retouchd.throttle.admission import Admission

_DECODING = (Phase.CLAIMED, Phase.KEPT)
RISKY = (*_DECODING, Phase.EDITED)
"""The phases whose step decodes what somebody else made, and so may bring the process down."""

_ASKED = (Phase.CLAIMED, Phase.ASKING, Phase.KEPT, Phase.CLOSED)
"""Where a job stands while some of its edits are not over."""
_FINISHING = Phase.EDITED.value
_UNFINISHED = f"retouchd ended unexpectedly {CRASHES_TO_FAIL} times while it finished the result."
_PASSING_SECONDS = 60.0
"""How long something may stand in a job's way before nobody expects that it goes by itself."""


class Pipeline:
    """
    The steps of a job's life, each durable and each repeatable.
    """

    def __init__(
        self,
        *,
        spool: Spool,
        disk_steps: DiskSteps,
        edit_steps: EditSteps,
        finisher: Finisher,
        admission: Admission,
        changes: Changes,
        clock: Clock,
    ) -> None:
        self._spool = spool
        self._disk_steps = disk_steps
        self._edit_steps = edit_steps
        self._finisher = finisher
        self._admission = admission
        self._clock = clock
        self._edits_at_once = EditsAtOnce(spool=spool, edit_steps=edit_steps, changes=changes)
        self._finishing = asyncio.Lock()
        self._obstacles: dict[str, str] = {}
        self._met_at: dict[str, float] = {}

    @property
    def obstacles(self) -> Mapping[str, str]:
        """
        Return what last stood in the way of which job.
        """
        return self._obstacles

    def strands(self, job_id: str) -> Collection[str]:
        """
        Return the keys under which the disk's threads take the present steps of a job: those of its edits that
        are under way at once, else its id.
        """
        return self._edits_at_once.under_way(job_id) or (job_id,)

    async def advance(self, job_id: str) -> Outcome:
        """
        Take the next steps of a job until it is over or must wait.
        """
        try:
            while True:
                halt = await follow(partial(self._disk_steps.walk, job_id), key=job_id)
                match await self._step(halt) if isinstance(halt, JobState) else halt:
                    case JobGone() as left:
                        return self._over(job_id, left)
                    case Stuck() as stuck:
                        return self._obstructed(job_id, stuck)
                    case Wait() as wait:
                        return wait
        finally:
            self._admission.end_probe(job_id)

    async def retrace(self, job_id: str) -> None:
        """
        Take alone the steps in which a job may have brought an earlier process down.

        The attempt is noted first; the third note for the same step ends the edit with a problem instead.
        """
        job_state = None
        try:
            job_state = await in_work(self._spool.load, job_id)
            risky = self._risky(job_state)
            for edit in risky:
                await in_work(self._spool.add_crash, job_id, _step_name(job_state, edit))
                job_state = await in_work(self._spool.load, job_id)
                await self._retrace_edit(job_state, edit)
                job_state = await in_work(self._spool.load, job_id)
            if risky and self._is_over_for_all(job_state):
                await self._end(job_state)
        except (Blocked, FetchLater, OSError) as obstacle:
            self._obstructed(job_id, Stuck(job_state=job_state, reason=str(obstacle)))
            with contextlib.suppress(OSError):  # An obstacle that could be told is no crash.
                await in_work(self._spool.clear_crashes, job_id)

    async def release(self, job_id: str) -> None:
        """
        Give a job back to the inbox if it has not been paid for and is not on its way out.
        """
        job_state = await in_work(self._spool.load, job_id)
        is_free = job_state.phase in (Phase.CLAIMING, Phase.CLAIMED, Phase.CLOSED)
        if is_free and not job_state.may_be_paid:
            reason = "the endpoint is unavailable"
            back = partial(self._disk_steps.give_back, job_of(job_state), reason)
            await follow(back, key=job_id)
            await in_work(self._spool.discard, job_id)

    async def note_crash(self, job_id: str) -> None:
        """
        Note that the job's present step failed in a way nobody foresaw, if it is one that may.
        """
        job_state = await in_work(self._spool.load, job_id)
        risky = self._risky(job_state)
        edit = self._edits_at_once.failed.pop(job_id, 0)
        if edit in risky:
            await in_work(self._spool.add_crash, job_id, _step_name(job_state, edit))

    def _risky(self, job_state: JobState) -> list[int]:
        """
        Return the edits whose next step may bring the process down; 0 is the finishing of all.
        """
        if job_state.phase is Phase.EDITED:
            return [0] if self._finisher.is_asked(job_of(job_state)) else []
        if job_state.phase not in _ASKED:
            return []
        edits = (each for each in job_state.edits if not each.is_had)
        return [each.edit for each in edits if each.phase in _DECODING]

    async def _retrace_edit(self, job_state: JobState, edit: int) -> None:
        if edit:
            await self._edit_steps.retrace(job_state.edits[edit - 1])
        else:
            await self._end(job_state)

    async def _step(self, job_state: JobState) -> Wait | JobGone | Stuck | None:
        """
        Take a job further for which the disk alone is not enough: its edits, all at once, as far as they can
        go; once all are over, its end.
        """
        left = [each for each in job_state.edits if not self._edit_steps.is_over(each)]
        try:
            if left:
                return await self._rested(job_state.id, await self._edits_at_once.advance(left))
            await self._end(job_state)
        except (Blocked, OSError) as obstacle:
            if not left:  # An obstacle that could be told is no crash.
                with contextlib.suppress(OSError):
                    await in_work(self._spool.clear_crashes, job_state.id)
            return await in_work(self._disk_steps.met, job_state.id, job_state, obstacle)
        return None

    async def _rested(self, job_id: str, halts: Sequence[Halt]) -> Wait | JobGone | Stuck | None:
        """
        Return what keeps a job from going on, none of whose edits is under way; give it back if one wants it.
        """
        waits = [each for each in halts if isinstance(each, Wait | Stuck)]
        backs = [each for each in halts if isinstance(each, GiveBack)]
        if gone := next((each for each in halts if isinstance(each, JobGone)), None):
            return gone
        if not backs:
            return _soonest(waits) if waits else None
        job_state = await in_work(self._spool.load, job_id)
        if any(_may_go_back(job_state, each) for each in backs):
            back = partial(self._disk_steps.give_back, job_of(job_state), backs[0].reason)
            await follow(back, key=job_id)
        return None  # What was paid for meanwhile keeps it here: the edits decide anew.

    def _is_over_for_all(self, job_state: JobState) -> bool:
        is_asked = job_state.phase in (*_ASKED, Phase.EDITED)
        return is_asked and all(map(self._edit_steps.is_over, job_state.edits))

    async def _end(self, job_state: JobState) -> None:
        """
        Finish the results of a job whose edits are all over, and fix its end.
        """
        ends = self._edit_steps.ends(job_state)
        if self._finisher.is_asked(job_of(job_state)) and job_state.results:
            async with self._finishing:
                if any(ends):  # What its phase does not tell the next start.
                    await in_work(self._spool.add_crash, job_state.id, _FINISHING)
                    job_state = await in_work(self._spool.load, job_state.id)
                if job_state.crashes.count(_FINISHING) < CRASHES_TO_FAIL:
                    job_state = await self._finisher.finish(job_state)
                else:
                    job_state = await self._finisher.give_up(job_state, _UNFINISHED)
        plan = partial(self._disk_steps.plan, job_state, ends if any(ends) else ())
        await follow(plan, key=job_state.id)
        if job_state.crashes:
            await in_work(self._spool.clear_crashes, job_state.id)

    def _over(self, job_id: str, left: JobGone) -> Over:
        self._edit_steps.forget(job_id)
        self._edits_at_once.failed.pop(job_id, None)
        self._obstacles.pop(job_id, None)
        self._met_at.pop(job_id, None)
        self._admission.forget(job_id, left.job_state.attempts if left.job_state else ())
        return left.over

    def _obstructed(self, job_id: str, stuck: Stuck) -> Wait:
        now = self._clock.monotonic()
        if self._obstacles.get(job_id) != stuck.reason:
            self._obstacles[job_id] = stuck.reason
            self._met_at[job_id] = now
            job_state = stuck.job_state
            if job_state and job_state.job:
                emit(JobWaiting(**job_state.job.about, reason=stuck.reason))
            else:
                emit(JobWaiting(job=job_id, reason=stuck.reason))
        has_stayed = now - self._met_at[job_id] >= _PASSING_SECONDS
        is_stranded = stuck.seconds is None or (has_stayed and not stuck.is_passing)
        return Wait(seconds=stuck.seconds, reason=stuck.reason, is_stranded=is_stranded)


def _step_name(job_state: JobState, edit: int) -> str:
    """
    Return how a note of a crash calls the present step of an edit; 0 is the finishing of all.
    """
    if not edit:
        return _FINISHING
    edit_state = job_state.edits[edit - 1]
    return crash_step(edit_state.phase.value, edit_state)


def _may_go_back(job_state: JobState, back: GiveBack) -> bool:
    """
    Return whether nothing is lost with what a job asked for so far.
    """
    is_paid = any(attempt.verdict is Verdict.DONE for attempt in job_state.attempts)
    return not (is_paid if back.was_done else job_state.may_be_paid)


def _soonest(halts: Sequence[Wait | Stuck]) -> Wait | Stuck:
    """
    Return when and why a job is looked at again of which several edits wait: what stands in its way comes
    first.
    """
    times = [each.seconds for each in halts if each.seconds is not None]
    seconds = min(times, default=None)
    stuck = next((each for each in halts if isinstance(each, Stuck)), None)
    if stuck is not None:
        return replace(stuck, seconds=seconds)
    waits = [each for each in halts if isinstance(each, Wait)]
    counts = [each.in_doubt_count for each in waits if each.in_doubt_count is not None]
    return Wait(
        seconds=seconds,
        reason=min(waits, key=lambda each: inf if each.seconds is None else each.seconds).reason,
        in_doubt_count=max(counts, default=None),
        is_stranded=all(each.is_stranded for each in waits),
    )
