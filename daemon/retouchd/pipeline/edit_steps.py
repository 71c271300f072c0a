"""
The steps of one edit of a job: prepared, permitted, opened, sent, judged, closed; until it has its pictures, or
has failed.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeAlias

from retouchd.answer.classify import Failure
from retouchd.disk.calls import Folder
from retouchd.disk.threads import Steps, follow, in_work
from retouchd.errors import Blocked, Problem
from retouchd.inbox.duplicates import Duplicates
from retouchd.inbox.held import HeldError, NotYetError
from retouchd.job.model import Verdict
from retouchd.job.outcome import Wait
from retouchd.pipeline.attempts import Attempts, Judged
from retouchd.pipeline.crash_notes import crash_step, crash_steps, crashed, has_crashed
from retouchd.pipeline.disk_steps import DiskSteps, JobGone, Stuck
from retouchd.pipeline.judge import Judge
from retouchd.pipeline.kept_results import KeptResults
from retouchd.pipeline.prepare import NotReadyError, Prepared, Preparer
from retouchd.pipeline.results import FetchLater, WithheldError
from retouchd.spool.job_state import EditState, JobState, job_of
from retouchd.spool.phase import Phase
from retouchd.spool.spool import Spool
from retouchd.throttle.admission import Admission, Closed
from retouchd.throttle.retry import Ask, Fail, Return, count_in_doubt

_PREPARED_AT_ONCE = 2
"""A decoded picture of 100 megapixels takes 400 MB, and fitting holds it several times over."""
_PAID_SECONDS = 60.0
"""How long until it is looked again whether a result that was paid for lies in its place."""
_SOON_SECONDS = 0.5
"""How long a job that an earlier process left waits until it is known what was done before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveBack:
    """
    An edit wants its whole job to go back to the inbox: it waits until the others have come to rest. One that
    `was_done` elsewhere wants so even where something may have been paid for.
    """

    reason: str
    was_done: bool = False
    seconds: None = None


Halt: TypeAlias = Wait | Stuck | GiveBack | JobGone
"""What keeps an edit from going on."""


@dataclass(frozen=True, slots=True)
class _Asking:
    """
    A request that was opened, and what is sent with it.
    """

    edit_state: EditState
    prepared: Prepared


@dataclass(slots=True)
class _Known:
    """
    What a run knows of a job: what is `prepared`, by the first edit that it serves; the problems of the edits
    that are `over`, none of those that have their pictures. Edits have the `turn` to begin one after the other.
    """

    prepared: dict[int, Prepared] = field(default_factory=dict)
    over: dict[int, Sequence[Problem]] = field(default_factory=dict)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class EditSteps:
    """
    Takes edits forward, each step durable and repeatable; those of one job may be taken forward at once.

    What an edit came to is decided once in a run, whatever becomes of the others meanwhile.
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
        self._known: defaultdict[str, _Known] = defaultdict(_Known)
        self._unclosed: dict[str, tuple[EditState, Judged]] = {}
        self._decoding = asyncio.Semaphore(_PREPARED_AT_ONCE)

    def forget(self, job_id: str) -> None:
        """
        Take in that a job is over.
        """
        self._known.pop(job_id, None)
        for key in [each for each, (of, _) in list(self._unclosed.items()) if of.id == job_id]:
            del self._unclosed[key]

    def ends(self, job_state: JobState) -> list[Sequence[Problem]]:
        """
        Return the problems with which each edit is over, none of one that has its pictures.
        """
        over = self._known[job_state.id].over
        return [() if each.is_had else over.get(each.edit, ()) for each in job_state.edits]

    def is_over(self, edit_state: EditState) -> bool:
        """
        Return whether an edit has its pictures, now or from before, or has failed.
        """
        is_known = edit_state.edit in self._known[edit_state.id].over
        return is_known or edit_state.is_had or edit_state.phase is Phase.EDITED

    async def step(self, edit_state: EditState) -> Halt | None:
        """
        Take the next step of an edit, or return what keeps it from going on.
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
            self._known[each.id].over[each.edit] = problems

    async def _decide(self, edit_state: EditState) -> Wait | GiveBack | None:
        if self._kept_results.is_due(edit_state):
            take = partial(self._kept_results.take, edit_state)
            why = await follow(take, key=edit_state.key)
            if why is None or why:
                return _taken(edit_state, why)
        match self._admission.next_move(edit_state):
            case Ask():
                return await self._ask(edit_state)
            case Wait() as wait:
                return wait
            case Return(reason=reason):
                return _returned(edit_state, reason)
            case Fail(problem=problem):
                self._fail(edit_state, [problem])
        return None

    async def _ask(self, edit_state: EditState) -> Wait | GiveBack | None:
        async with contextlib.AsyncExitStack() as permit:
            # In the order of the list, and in the queue for a slot as one job beside the others.
            async with self._known[edit_state.id].turn:
                asking = await self._opened(edit_state, permit)
            if not isinstance(asking, _Asking):
                return asking
            opened, prepared = asking.edit_state, asking.prepared
            # A reload may have come while that was noted; nothing comes in between from here on.
            if self._is_prepared(edit_state):
                unanswered = await self._attempts.send(opened, prepared)
            else:
                unanswered = self._attempts.withheld()
            # The permit is kept until the verdict is known: the next request must not be sent in ignorance.
            if unanswered is None:
                closed = await self._judge_answer(opened.kept())
            else:
                closed = await self._close(opened, unanswered)
        if closed.attempt.code == Failure.UNREADABLE.value:
            # What the file is by now, nobody has judged.
            self._known[edit_state.id].prepared.clear()
        return None

    async def _opened(
        self, edit_state: EditState, permit: contextlib.AsyncExitStack
    ) -> _Asking | Wait | GiveBack | None:
        """
        Prepare a request, get the permit for it, and open it.
        """
        if not self._is_prepared(edit_state) and (back := await self._prepare(edit_state)):
            return back
        if not self._is_prepared(edit_state):
            return None
        if (held := await self._check_left(edit_state)) is not None:
            return held
        prepared = self._known[edit_state.id].prepared[edit_state.first_alike]
        is_prepared = partial(self._is_prepared, edit_state)
        images = len(prepared.images)
        permitted = await permit.enter_async_context(
            self._admission.permit(edit_state, images, is_prepared, size=prepared.size)
        )
        if isinstance(permitted, Wait):
            return permitted
        opened = await self._attempts.open(edit_state, permitted, prepared)
        self._admission.note_opened(opened)
        return _Asking(opened, prepared)

    async def _judge_answer(self, kept: EditState) -> Closed:
        try:
            closed = await self._judge.judge(kept, partial(self._close_on_disk, kept))
        except WithheldError:
            self._admission.note_withheld(kept)
            raise
        return await self._released(kept, closed)

    async def _close(self, edit_state: EditState, judged: Judged) -> Closed:
        closed = await in_work(self._close_on_disk, edit_state, judged)
        return await self._released(edit_state, closed)

    def _close_on_disk(self, edit_state: EditState, judged: Judged) -> Closed:
        # Where the disk does not take it, nobody else knows what became of the request.
        self._unclosed[edit_state.key] = edit_state, judged
        closed = self._attempts.close(edit_state, judged)
        del self._unclosed[edit_state.key]
        return closed

    async def _released(self, edit_state: EditState, closed: Closed) -> Closed:
        self._admission.release(edit_state, closed)
        if closed.attempt.verdict is Verdict.DONE:
            self._known[edit_state.id].over[edit_state.edit] = ()
        if edit_state.whole.crashes:
            await in_work(self._progressed, edit_state)
        return closed

    async def _check_left(self, edit_state: EditState) -> Wait | GiveBack | None:
        """
        Look whether a job of an earlier process has been done since, before anything is asked for it.
        """
        job = job_of(edit_state.whole)
        is_begun = any(attempt.verdict is Verdict.DONE for attempt in edit_state.whole.attempts)
        if not self._duplicates.is_left(job.id) or is_begun:
            return None

        def check() -> Steps[None]:
            yield Folder.DONE
            self._duplicates.check_left(job)

        try:
            await follow(check, key=edit_state.key)
        except NotYetError as early:
            reason = str(early)
            return Wait(seconds=_SOON_SECONDS, reason=reason, is_stranded=early.is_stuck)
        except HeldError as held:
            return GiveBack(reason=str(held), was_done=True)
        return None

    def _is_prepared(self, edit_state: EditState) -> bool:
        known = self._known[edit_state.id].prepared.get(edit_state.first_alike)
        return known is not None and self._preparer.still_holds(known)

    async def _prepare(self, edit_state: EditState) -> GiveBack | None:
        """
        Compare with what was seen, then validate: the edit is prepared then, or has failed, unless the job is
        to be given back.
        """
        whole = edit_state.whole
        if has_crashed(edit_state):
            self._fail(edit_state, [crashed(edit_state.job)])
            return None
        try:
            if edit_state.job.references:
                await follow(partial(self._preparer.gather, whole), key=edit_state.key)
            async with self._decoding:
                found = await in_work(self._looked_over, edit_state)
        except NotReadyError as reason:
            return GiveBack(reason=str(reason))
        if isinstance(found, Prepared):
            self._known[whole.id].prepared[edit_state.first_alike] = found
            return None
        self._fail(edit_state, found)
        if whole.crashes:
            await in_work(self._progressed, edit_state)
        return None

    def _looked_over(self, edit_state: EditState) -> Prepared | list[Problem]:
        found = self._preparer.ready(edit_state)
        if isinstance(found, Prepared):
            self._progressed(edit_state)
        return found

    async def _judge_kept(self, edit_state: EditState) -> None:
        if has_crashed(edit_state):
            await self._put_aside(edit_state)
            return
        await self._judge_answer(edit_state)

    async def _judge_alone(self, edit_state: EditState) -> None:
        """
        Judge by the answer itself. What it only names is fetched in the ordinary run: that may take hours, and
        a process that is killed while it waits was not brought down by it.
        """
        if has_crashed(edit_state):
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
        closed = await in_work(self._attempts.close_unread, edit_state, crashed(edit_state.job))
        self._admission.release(edit_state, closed)

    def _progressed(self, edit_state: EditState) -> None:
        """
        Forget that the edit may have brought processes down; what is noted of others stays.
        """
        for step in crash_steps(edit_state).intersection(edit_state.whole.crashes):
            self._spool.clear_crashes(edit_state.id, step)


def _taken(edit_state: EditState, why: str | None) -> Wait | GiveBack | None:
    """
    Return how it goes on where what came before was taken, or why it was not: that is waited for in the inbox.
    """
    if why is None:
        return None
    if edit_state.whole.may_be_paid:
        return Wait(seconds=_PAID_SECONDS, reason=why, is_stranded=True)
    return GiveBack(reason=why)


def _returned(edit_state: EditState, reason: str) -> Wait | GiveBack:
    """
    Return what becomes of an edit for which nothing can be done for now: paid work stays where it is.
    """
    if not edit_state.whole.may_be_paid:
        return GiveBack(reason=reason)
    return Wait(seconds=None, reason=reason, in_doubt_count=count_in_doubt(edit_state.attempts))
