"""
The steps of a job that need nothing but the disk, taken in a row: each durable, each repeatable.

All of it blocks. A job at its end takes four such steps in a row; each says which folder
it touches, so that one which hangs holds up nothing but the steps that need it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from retouchd.clock import Clock
from retouchd.disk.calls import Folder
from retouchd.disk.threads import Steps
from retouchd.errors import Blocked, FolderAway, Problem
from retouchd.events import emit
from retouchd.events.jobs import JobDone, JobEnding, JobFailed, JobReturned, JobWarning
from retouchd.job.model import Job
from retouchd.job.naming import path_below
from retouchd.job.outcome import End, Over
from retouchd.spool.delivery import Delivery
from retouchd.spool.history import History
from retouchd.spool.job_state import JobState, job_of
from retouchd.spool.phase import Phase
from retouchd.spool.plan import original_in
from retouchd.spool.record import line_of, record, tells_all, warnings_in
from retouchd.spool.spool import Spool

BLOCKED_SECONDS = 5.0
_NOT_BY_DISK = (Phase.CLAIMED, Phase.ASKING, Phase.KEPT, Phase.CLOSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stuck:
    """
    Something stands in a job's way; `job_state` is where it was last seen, None if it could not be read.
    `seconds` is when to try again, None where no time helps; `is_passing` where it is known to go by itself.
    """

    job_state: JobState | None
    reason: str
    seconds: float | None = BLOCKED_SECONDS
    is_passing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class JobGone:
    """
    A job has left the work folder; `job_state` is where it was last seen, None if somebody else ended it.
    """

    job_state: JobState | None
    over: Over


Halt: TypeAlias = JobState | JobGone | Stuck
"""Where a walk ends: at a step that needs more than the disk, at the job's end, or before an obstacle."""


class DiskSteps:
    """
    Takes jobs forward as far as the disk alone can.

    `is_finishing` says whether results are written anew, which takes more than the disk; `on_return` is told
    the folder and the names of files that lie in the inbox again, and why; `on_unread` that a job is over of
    which the disk did not tell all that it is known by, `on_away` why a folder that results go to is not there.
    """

    def __init__(
        self,
        *,
        spool: Spool,
        delivery: Delivery,
        history: History,
        clock: Clock,
        is_finishing: Callable[[Job], bool],
        on_return: Callable[[str, list[str], str], None],
        on_unread: Callable[[], None],
        on_away: Callable[[str], None],
    ) -> None:
        self._spool = spool
        self._delivery = delivery
        self._history = history
        self._clock = clock
        self._is_finishing = is_finishing
        self._on_return = on_return
        self._on_unread = on_unread
        self._on_away = on_away

    def walk(self, job_id: str) -> Steps[Halt]:
        """
        Take the next steps of a job, from wherever it stands.
        """
        job_state = None
        try:
            job_state = self._spool.load(job_id)
            while not self._takes_more(job_state):
                match job_state.phase:
                    case Phase.EMPTY:
                        self._spool.discard(job_id)
                        return JobGone(job_state=job_state, over=Over(End.RETURNED))
                    case Phase.CLAIMING:
                        yield from self._claim(job_of(job_state))
                        yield Folder.WORK
                        job_state = self._spool.load(job_id)
                    case Phase.EDITED | Phase.FINISHED:
                        job_state = yield from self.plan(job_state)
                    case Phase.PUBLISHING:
                        job_state = yield from self._delivery.publish(job_state)
                    case Phase.ARCHIVING:
                        job_state = yield from self._delivery.archive(job_state)
                    case Phase.OVER:
                        yield from self._delivery.tidy(job_state)
                        return JobGone(job_state=job_state, over=self._forget(job_state))
        except (Blocked, OSError) as obstacle:
            return self.met(job_id, job_state, obstacle)
        return job_state

    def _takes_more(self, job_state: JobState) -> bool:
        phase = job_state.phase
        is_finishing = phase is Phase.EDITED and self._is_finishing(job_of(job_state))
        return is_finishing or phase in _NOT_BY_DISK

    def met(self, job_id: str, job_state: JobState | None, obstacle: Exception) -> JobGone | Stuck:
        """
        Return what an obstacle means: where the job is gone, somebody mended it by hand.
        """
        if self._spool.is_gone(job_id):
            return JobGone(job_state=job_state, over=Over(End.RETURNED))
        if isinstance(obstacle, FolderAway):
            self._on_away(str(obstacle))
        return Stuck(job_state=job_state, reason=str(obstacle))

    def give_back(self, job: Job, reason: str) -> Steps[None]:
        """
        Rename a job's files back into the inbox.
        """
        yield Folder.INBOX
        names = self._spool.give_back(job)
        self._on_return(job.folder, names, reason)
        emit(JobReturned(**job.about, reason=reason))

    def plan(
        self,
        job_state: JobState,
        ends: Sequence[Sequence[Problem]] = (),
    ) -> Steps[JobState]:
        """
        Fix how a job ends: with the results of its edits, and their problems.
        """
        return self._delivery.plan(job_state, ends, self._clock.now())

    def _claim(self, job: Job) -> Steps[None]:
        yield Folder.INBOX
        try:
            is_whole = self._spool.claim(job)
        except PermissionError:
            is_whole = False
        if not is_whole:
            yield from self.give_back(
                job, "one of its files is gone, was changed, or may not be moved"
            )

    def _forget(self, job_state: JobState) -> Over:
        job, plan = job_of(job_state), job_state.plan
        assert plan is not None, "a job that is over has a plan"
        self._spool.require_place()  # The history lies in it.
        told = record(job, job_state.attempts, plan)
        line = line_of(told, plan.record_name)
        emit(
            JobEnding(
                **job.about,
                is_done=plan.is_done,
                record=told,
                record_path=path_below(job.folder, plan.record_name),
                original=path_below(job.folder, original_in(job, plan)),
                outputs=[path_below(job.folder, item.target) for item in plan.outputs],
                review=[path_below(job.folder, i.target) for i in plan.outputs if i.is_reviewed],
            )
        )
        self._history.add(line)
        self._spool.discard(job_state.id)
        if plan.is_done and not tells_all(line):
            self._on_unread()  # Now: a job that is in work still is not looked up.
        if plan.is_done:
            warnings = warnings_in(job_state.attempts, plan)
            emit(
                JobDone(
                    **job.about,
                    seconds=round((plan.finished_at - job.claimed_at).total_seconds(), 3),
                    attempts=len(job_state.attempts),
                    usage=job_state.attempts[-1].usage if job_state.attempts else None,
                    cost_usd=line["cost_usd"],
                    outputs=line["outputs"],
                    review=line.get("review", []),
                    warnings=list(warnings),
                )
            )
            for warning in warnings:
                emit(JobWarning(**job.about, message=warning))
            return Over(End.DONE)
        first = plan.problems[0]
        emit(
            JobFailed(
                **job.about,
                code=first.code.value,
                message=first.message,
                outputs=line["outputs"],
            )
        )
        return Over(End.ERROR)
