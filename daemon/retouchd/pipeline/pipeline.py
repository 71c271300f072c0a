"""
A job's life: `advance` takes it from wherever it stands to its end, or to where it must wait.

There is one step for each phase and no other way forward; a restart runs the same code as a fresh job.
`advance` needs nothing but an id, so any process that holds the work folder can go on with any job.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from retouchd.answer.classify import Failure
from retouchd.clock import Clock
from retouchd.disk.thread_pools import Folder
from retouchd.disk.threads import Steps, follow, in_work
from retouchd.errors import Blocked, JobCode, Problem
from retouchd.events import emit
from retouchd.events.jobs import JobWaiting
from retouchd.inbox.duplicates import Duplicates
from retouchd.inbox.held import HeldError, NotYetError
from retouchd.job.model import Attempt, Job, Outcome, Over, Wait
from retouchd.job.naming import shown
from retouchd.pipeline.attempts import Attempts, Judged
from retouchd.pipeline.disk_steps import DiskSteps, JobGone, Stuck
from retouchd.pipeline.judge import FETCHED, Judge
from retouchd.pipeline.prepare import NotReadyError, Prepared, Preparer
from retouchd.pipeline.results import FetchLater, WithheldError
from retouchd.spool.job_directory import JobState, job_of
from retouchd.spool.phase import Phase
from retouchd.spool.spool import Spool
from retouchd.throttle.admission import Admission
from retouchd.throttle.retry import Ask, Fail, Return, count_in_doubt

CRASHES_TO_FAIL = 3
RISKY = (Phase.CLAIMED, Phase.KEPT)
"""The phases whose step decodes what somebody else made, and so may bring the process down."""

_PREPARED_AT_ONCE = 2
"""A decoded picture of 100 megapixels takes 400 MB, and fitting holds it several times over."""
_PASSING_SECONDS = 60.0
"""How long something may stand in a job's way before nobody expects that it goes by itself."""
_SOON_SECONDS = 0.5
"""How long a job that an earlier process left waits until it is known what was done before."""


class Pipeline:
    """
    The steps of a job's life, each durable and each repeatable.
    """

    def __init__(
        self,
        *,
        spool: Spool,
        disk_steps: DiskSteps,
        preparer: Preparer,
        attempts: Attempts,
        judge: Judge,
        admission: Admission,
        duplicates: Duplicates,
        clock: Clock,
    ) -> None:
        self._spool = spool
        self._disk_steps = disk_steps
        self._preparer = preparer
        self._attempts = attempts
        self._judge = judge
        self._admission = admission
        self._duplicates = duplicates
        self._clock = clock
        self._prepared: dict[str, Prepared] = {}
        self._unclosed: dict[str, tuple[JobState, Judged]] = {}
        self._decoding = asyncio.Semaphore(_PREPARED_AT_ONCE)
        self._obstacles: dict[str, str] = {}
        self._met_at: dict[str, float] = {}

    @property
    def obstacles(self) -> Mapping[str, str]:
        """
        Return what last stood in the way of which job.
        """
        return self._obstacles

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
        Take alone the step in which a job may have brought an earlier process down.

        The attempt is noted first; the third note for the same step sends the job to `error/` instead.
        """
        job_state = None
        try:
            await self.note_crash(job_id)
            job_state = await in_work(self._spool.load, job_id)
            if job_state.phase is Phase.KEPT:
                await self._judge_alone(job_state)
            elif job_state.phase is Phase.CLAIMED:
                await self._prepare(job_state)
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
        if is_free and not count_in_doubt(job_state.attempts):
            await self._give_back(job_state, "the endpoint is unavailable")
            await in_work(self._spool.discard, job_id)

    async def note_crash(self, job_id: str) -> None:
        """
        Note that the job's present step failed in a way nobody foresaw, if it is one that may.
        """
        job_state = await in_work(self._spool.load, job_id)
        if job_state.phase in RISKY:
            await in_work(self._spool.add_crash, job_id, job_state.phase.value)

    async def _step(self, job_state: JobState) -> Wait | JobGone | Stuck | None:
        """
        Take the step of a job for which the disk alone is not enough.
        """
        try:
            if job_state.id in self._unclosed:
                await self._close(*self._unclosed[job_state.id])
                return None
            match job_state.phase:
                case Phase.ASKING:
                    closed = await in_work(self._attempts.close_interrupted, job_state)
                    self._admission.release(job_state, closed)
                case Phase.KEPT:
                    await self._judge_kept(job_state)
                case _:
                    return await self._decide(job_state)
        except (Blocked, FetchLater, OSError) as obstacle:
            halt = await in_work(self._disk_steps.met, job_state.id, job_state, obstacle)
            if isinstance(halt, Stuck) and isinstance(obstacle, FetchLater):
                return replace(halt, seconds=obstacle.seconds, is_passing=True)
            return halt
        return None

    async def _decide(self, job_state: JobState) -> Wait | None:
        match self._admission.next_move(job_state):
            case Ask():
                return await self._ask(job_state)
            case Wait() as wait:
                return wait
            case Return(reason=reason):
                await self._give_back(job_state, reason)
            case Fail(problem=problem):
                await self._plan(job_state, [problem])
        return None

    async def _ask(self, job_state: JobState) -> Wait | None:
        job_id = job_state.id
        if not self._is_prepared(job_id) and not await self._prepare(job_state):
            return None
        if self._duplicates.is_left(job_id):
            try:
                await follow(partial(self._check_left, job_of(job_state)), key=job_id)
            except NotYetError as early:
                reason = str(early)
                return Wait(seconds=_SOON_SECONDS, reason=reason, is_stranded=early.is_stuck)
            except HeldError as held:
                await self._give_back(job_state, str(held))
                return None
        prepared = self._prepared[job_id]
        is_prepared = partial(self._is_prepared, job_id)
        async with self._admission.permit(job_state, len(prepared.images), is_prepared) as permit:
            if isinstance(permit, Wait):
                return permit
            asking = await self._attempts.open(job_state, permit, prepared)
            self._admission.note_opened(job_id)
            unanswered = await self._attempts.send(asking, prepared)
            # The permit is kept until the verdict is known: the next request must not be sent in ignorance.
            if unanswered is None:
                attempt = await self._judge_answer(asking.kept())
            else:
                attempt = await self._close(asking, unanswered)
        if attempt.code == Failure.UNREADABLE.value:
            del self._prepared[job_id]  # What the file is by now, nobody has judged.
        return None

    async def _judge_answer(self, kept: JobState) -> Attempt:
        try:
            judged = await self._judge.judge(kept)
        except WithheldError:
            self._admission.note_withheld(kept)
            raise
        return await self._close(kept, judged)

    async def _close(self, job_state: JobState, judged: Judged) -> Attempt:
        # Where the disk does not take it, nobody else knows what became of the request.
        self._unclosed[job_state.id] = job_state, judged
        closed = await in_work(self._attempts.close, job_state, judged)
        del self._unclosed[job_state.id]
        self._admission.release(job_state, closed)
        if job_state.crashes:
            await in_work(self._progressed, job_state)
        return closed.attempt

    def _check_left(self, job: Job) -> Steps[None]:
        yield Folder.DONE
        self._duplicates.check_left(job)

    def _is_prepared(self, job_id: str) -> bool:
        known = self._prepared.get(job_id)
        return known is not None and self._preparer.still_holds(known)

    async def _prepare(self, job_state: JobState) -> bool:
        """
        Compare with what was seen, then validate: tell whether the job is prepared, else it is planned or
        given back.
        """
        if _has_crashed(job_state):
            await self._plan(job_state, [_crashed(job_of(job_state))])
            return False
        try:
            if job_of(job_state).references:
                await follow(partial(self._preparer.gather, job_state), key=job_state.id)
            async with self._decoding:
                found = await in_work(self._looked_over, job_state)
        except NotReadyError as reason:
            await self._give_back(job_state, str(reason))
            return False
        if isinstance(found, Prepared):
            self._prepared[job_state.id] = found
            return True
        await self._plan(job_state, found)
        if job_state.crashes:
            await in_work(self._progressed, job_state)
        return False

    def _looked_over(self, job_state: JobState) -> Prepared | list[Problem]:
        found = self._preparer.ready(job_state)
        if isinstance(found, Prepared):
            self._progressed(job_state)
        return found

    async def _give_back(self, job_state: JobState, reason: str) -> None:
        await follow(
            partial(self._disk_steps.give_back, job_of(job_state), reason), key=job_state.id
        )

    async def _plan(self, job_state: JobState, problems: list[Problem]) -> None:
        await follow(partial(self._disk_steps.plan, job_state, problems), key=job_state.id)

    async def _judge_kept(self, job_state: JobState) -> None:
        if _has_crashed(job_state):
            await self._put_aside(job_state)
            return
        await self._judge_answer(job_state)

    async def _judge_alone(self, job_state: JobState) -> None:
        """
        Judge by the answer itself. What it only names is fetched in the ordinary run: that may take hours, and
        a process that is killed while it waits was not brought down by it.
        """
        if _has_crashed(job_state):
            await self._put_aside(job_state)
            return
        judged = await self._judge.judge_unfetched(job_state)
        if judged is None:
            await in_work(self._spool.clear_crashes, job_state.id, job_state.phase.value)
            return
        await self._close(job_state, judged)

    async def _put_aside(self, job_state: JobState) -> None:
        """
        Close an attempt whose answer brings processes down; it ends the job.
        """
        problem = _crashed(job_of(job_state))
        closed = await in_work(self._attempts.close_unread, job_state, problem)
        self._admission.release(job_state, closed)

    def _progressed(self, job_state: JobState) -> None:
        if job_state.crashes:
            self._spool.clear_crashes(job_state.id)

    def _over(self, job_id: str, left: JobGone) -> Over:
        self._prepared.pop(job_id, None)
        self._unclosed.pop(job_id, None)
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


def _has_crashed(job_state: JobState) -> bool:
    steps = {job_state.phase.value, *([FETCHED] if job_state.phase is Phase.KEPT else [])}
    return sum(each in steps for each in job_state.crashes) >= CRASHES_TO_FAIL


def _crashed(job: Job) -> Problem:
    return Problem(
        code=JobCode.CRASHED,
        message=f"retouchd ended unexpectedly {CRASHES_TO_FAIL} times while working on "
        f"{shown(job.members[0].name)}.",
        hint="Please report it, open the picture in another program and save it anew.",
    )
