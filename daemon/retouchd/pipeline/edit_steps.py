"""
The steps of one edit of a job: prepared, permitted, opened, sent, judged, closed; until it has its pictures, or
has failed.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from retouchd.answer.classify import Failure
from retouchd.disk.thread_pools import Folder
from retouchd.disk.threads import Steps, follow, in_work
from retouchd.errors import Blocked, JobCode, Problem
from retouchd.inbox.duplicates import Duplicates
from retouchd.inbox.held import HeldError, NotYetError
from retouchd.job.model import Attempt, Job, Verdict, Wait
from retouchd.job.naming import shown
from retouchd.pipeline.attempts import Attempts, Judged
from retouchd.pipeline.disk_steps import DiskSteps, JobGone, Stuck
from retouchd.pipeline.judge import FETCHED, Judge, crash_step
from retouchd.pipeline.kept_results import KeptResults
from retouchd.pipeline.prepare import NotReadyError, Prepared, Preparer
from retouchd.pipeline.results import FetchLater, WithheldError
from retouchd.spool.job_state import EditState, JobState, job_of
from retouchd.spool.phase import Phase
from retouchd.spool.spool import Spool
from retouchd.throttle.admission import Admission
from retouchd.throttle.retry import Ask, Fail, Return, count_in_doubt

CRASHES_TO_FAIL = 3

_PREPARED_AT_ONCE = 2
"""A decoded picture of 100 megapixels takes 400 MB, and fitting holds it several times over."""
_PAID_SECONDS = 60.0
"""How long until it is looked again whether a result that was paid for lies in its place."""
_SOON_SECONDS = 0.5
"""How long a job that an earlier process left waits until it is known what was done before."""


class EditSteps:
    """
    Takes edits forward, each step durable and repeatable.

    `failed` holds by job and edit the problems of those that are over without a picture: what an edit came to
    is decided once in a run, whatever becomes of the others meanwhile.
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
        kept_results: KeptResults,
    ) -> None:
        self._spool = spool
        self._disk_steps = disk_steps
        self._preparer = preparer
        self._attempts = attempts
        self._judge = judge
        self._admission = admission
        self._duplicates = duplicates
        self._kept_results = kept_results
        self._prepared: defaultdict[str, dict[int, Prepared]] = defaultdict(dict)
        self._unclosed: dict[str, tuple[EditState, Judged]] = {}
        self._decoding = asyncio.Semaphore(_PREPARED_AT_ONCE)
        self.failed: defaultdict[str, dict[int, Sequence[Problem]]] = defaultdict(dict)

    def forget(self, job_id: str) -> None:
        """
        Take in that a job is over.
        """
        self._prepared.pop(job_id, None)
        self.failed.pop(job_id, None)
        for key in [each for each, (of, _) in self._unclosed.items() if of.id == job_id]:
            del self._unclosed[key]

    def ends(self, job_state: JobState) -> list[Sequence[Problem]]:
        """
        Return the problems with which each edit is over, none of one that has its pictures.
        """
        failed = self.failed.get(job_state.id, {})
        return [() if each.is_had else failed.get(each.edit, ()) for each in job_state.edits]

    def is_over(self, edit_state: EditState) -> bool:
        """
        Return whether an edit has its pictures, now or from before, or has failed.
        """
        failed = self.failed.get(edit_state.id, {})
        return edit_state.is_had or edit_state.edit in failed or edit_state.phase is Phase.EDITED

    async def step(self, edit_state: EditState) -> Wait | JobGone | Stuck | None:
        """
        Take the next step of an edit, or return why it must wait.
        """
        job_state = edit_state.whole
        try:
            if edit_state.key in self._unclosed:
                await self._close(*self._unclosed[edit_state.key])
                return None
            match edit_state.phase:
                case Phase.ASKING:
                    closed = await in_work(self._attempts.close_interrupted, edit_state)
                    self._admission.release(edit_state, closed)
                case Phase.KEPT:
                    await self._judge_kept(edit_state)
                case _:
                    return await self._decide(edit_state)
        except (Blocked, FetchLater, OSError) as obstacle:
            halt = await in_work(self._disk_steps.met, job_state.id, job_state, obstacle)
            if isinstance(halt, Stuck) and isinstance(obstacle, FetchLater):
                return replace(halt, seconds=obstacle.seconds, is_passing=True)
            return halt
        return None

    async def retrace(self, edit_state: EditState) -> None:
        """
        Take the step alone in which an edit may have brought an earlier process down.
        """
        if edit_state.phase is Phase.KEPT:
            await self._judge_alone(edit_state)
        else:
            await self._prepare(edit_state)

    def _fail(self, edit_state: EditState, problems: Sequence[Problem]) -> None:
        """
        Take in that an edit is over without a picture; a fault of the job's own files is one of all its edits.
        """
        is_of_all = bool(edit_state.job.problems)
        for each in edit_state.whole.edits if is_of_all else [edit_state]:
            self.failed[each.id][each.edit] = problems

    async def _decide(self, edit_state: EditState) -> Wait | None:
        if self._kept_results.is_due(edit_state):
            take = partial(self._kept_results.take, edit_state)
            if (why := await follow(take, key=edit_state.key)) is None:
                return None
            if why:
                return Wait(seconds=_PAID_SECONDS, reason=why, is_stranded=True)
        match self._admission.next_move(edit_state):
            case Ask():
                return await self._ask(edit_state)
            case Wait() as wait:
                return wait
            case Return(reason=reason) if edit_state.whole.may_be_paid:
                in_doubt_count = count_in_doubt(edit_state.attempts)
                return Wait(seconds=None, reason=reason, in_doubt_count=in_doubt_count)
            case Return(reason=reason):
                await self._give_back(edit_state.whole, reason)
            case Fail(problem=problem):
                self._fail(edit_state, [problem])
        return None

    async def _ask(self, edit_state: EditState) -> Wait | None:
        if not self._is_prepared(edit_state) and not await self._prepare(edit_state):
            return None
        job_id, whole = edit_state.id, edit_state.whole
        is_begun = any(attempt.verdict is Verdict.DONE for attempt in whole.attempts)
        if self._duplicates.is_left(job_id) and not is_begun:
            try:
                await follow(partial(self._check_left, job_of(whole)), key=job_id)
            except NotYetError as early:
                reason = str(early)
                return Wait(seconds=_SOON_SECONDS, reason=reason, is_stranded=early.is_stuck)
            except HeldError as held:
                await self._give_back(whole, str(held))
                return None
        prepared = self._prepared[job_id][edit_state.first_alike]
        is_prepared = partial(self._is_prepared, edit_state)
        images = len(prepared.images)
        async with self._admission.permit(edit_state, images, is_prepared) as permit:
            if isinstance(permit, Wait):
                return permit
            asking = await self._attempts.open(edit_state, permit, prepared)
            self._admission.note_opened(asking)
            # A reload may have come while that was noted; nothing comes in between from here on.
            if is_prepared():
                unanswered = await self._attempts.send(asking, prepared)
            else:
                unanswered = self._attempts.withheld()
            # The permit is kept until the verdict is known: the next request must not be sent in ignorance.
            if unanswered is None:
                attempt = await self._judge_answer(asking.kept())
            else:
                attempt = await self._close(asking, unanswered)
        if attempt.code == Failure.UNREADABLE.value:
            del self._prepared[job_id]  # What the file is by now, nobody has judged.
        return None

    async def _judge_answer(self, kept: EditState) -> Attempt:
        try:
            judged = await self._judge.judge(kept)
        except WithheldError:
            self._admission.note_withheld(kept)
            raise
        return await self._close(kept, judged)

    async def _close(self, edit_state: EditState, judged: Judged) -> Attempt:
        # Where the disk does not take it, nobody else knows what became of the request.
        self._unclosed[edit_state.key] = edit_state, judged
        closed = await in_work(self._attempts.close, edit_state, judged)
        del self._unclosed[edit_state.key]
        self._admission.release(edit_state, closed)
        if edit_state.whole.crashes:
            await in_work(self._progressed, edit_state.whole)
        return closed.attempt

    def _check_left(self, job: Job) -> Steps[None]:
        yield Folder.DONE
        self._duplicates.check_left(job)

    def _is_prepared(self, edit_state: EditState) -> bool:
        known = self._prepared[edit_state.id].get(edit_state.first_alike)
        return known is not None and self._preparer.still_holds(known)

    async def _prepare(self, edit_state: EditState) -> bool:
        """
        Compare with what was seen, then validate: tell whether the edit is prepared, else it has failed, or the
        job was given back.
        """
        whole = edit_state.whole
        if _has_crashed(edit_state):
            self._fail(edit_state, [_crashed(edit_state.job)])
            return False
        try:
            if edit_state.job.references:
                await follow(partial(self._preparer.gather, whole), key=whole.id)
            async with self._decoding:
                found = await in_work(self._looked_over, edit_state)
        except NotReadyError as reason:
            await self._give_back(whole, str(reason))
            return False
        if isinstance(found, Prepared):
            self._prepared[whole.id][edit_state.first_alike] = found
            return True
        self._fail(edit_state, found)
        if whole.crashes:
            await in_work(self._progressed, whole)
        return False

    def _looked_over(self, edit_state: EditState) -> Prepared | list[Problem]:
        found = self._preparer.ready(edit_state)
        if isinstance(found, Prepared):
            self._progressed(edit_state.whole)
        return found

    async def _give_back(self, job_state: JobState, reason: str) -> None:
        await follow(
            partial(self._disk_steps.give_back, job_of(job_state), reason), key=job_state.id
        )

    async def _judge_kept(self, edit_state: EditState) -> None:
        if _has_crashed(edit_state):
            await self._put_aside(edit_state)
            return
        await self._judge_answer(edit_state)

    async def _judge_alone(self, edit_state: EditState) -> None:
        """
        Judge by the answer itself. What it only names is fetched in the ordinary run: that may take hours, and
        a process that is killed while it waits was not brought down by it.
        """
        if _has_crashed(edit_state):
            await self._put_aside(edit_state)
            return
        judged = await self._judge.judge_unfetched(edit_state)
        if judged is None:
            step = crash_step(edit_state.phase.value, edit_state)
            await in_work(self._spool.clear_crashes, edit_state.id, step)
            return
        await self._close(edit_state, judged)

    async def _put_aside(self, edit_state: EditState) -> None:
        """
        Close an attempt whose answer brings processes down; it ends the edit.
        """
        problem = _crashed(edit_state.job)
        closed = await in_work(self._attempts.close_unread, edit_state, problem)
        self._admission.release(edit_state, closed)

    def _progressed(self, job_state: JobState) -> None:
        if job_state.crashes:
            self._spool.clear_crashes(job_state.id)


def _has_crashed(edit_state: EditState) -> bool:
    phase = edit_state.phase
    steps = {phase.value, *([FETCHED] if phase is Phase.KEPT else [])}
    names = {crash_step(each, edit_state) for each in steps}
    return sum(each in names for each in edit_state.whole.crashes) >= CRASHES_TO_FAIL


def _crashed(job: Job) -> Problem:
    return Problem(
        code=JobCode.CRASHED,
        message=f"retouchd ended unexpectedly {CRASHES_TO_FAIL} times while working on "
        f"{shown(job.members[0].name)}.",
        hint="Please report it, open the picture in another program and save it anew.",
    )
