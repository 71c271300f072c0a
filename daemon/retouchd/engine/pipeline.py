"""
A job's life: `advance` takes it from wherever it stands to its end, or to where it must wait.

There is one step for each phase and no other way forward; a restart runs the same code as a fresh job.
`advance` needs nothing but an id, so any process that holds the work folder can go on with any job.
"""

import asyncio
import contextlib
import datetime as dt
from collections.abc import Callable, Mapping, Sequence

from retouchd.adapters.delivery import Delivery
from retouchd.adapters.history import History
from retouchd.adapters.spool import Spool
from retouchd.adapters.standing import Standing
from retouchd.engine.attempts import Attempts, about
from retouchd.engine.clock import Clock
from retouchd.engine.gathering import Gatherer
from retouchd.engine.judging import FetchLater, Judge
from retouchd.engine.outcome import End, Outcome, Over, Wait
from retouchd.engine.preparing import Prepared, Preparer
from retouchd.engine.spending import Spending
from retouchd.engine.turns import Turns
from retouchd.errors import Blocked, JobCode, Problem
from retouchd.logs import logger
from retouchd.rules.job import Job
from retouchd.rules.naming import RECORD, shown
from retouchd.rules.phase import Phase
from retouchd.rules.record import history_line
from retouchd.rules.retrying import (
    Ask,
    Fail,
    Later,
    Return,
    doubts_in,
)
from retouchd.rules.verdict import Failure

log = logger()

CRASHES_TO_FAIL = 3
RISKY = (Phase.CLAIMED, Phase.KEPT)
"""The phases whose step decodes what somebody else made, and so may bring the process down."""

_BLOCKED_SECONDS = 5.0
_PREPARED_AT_ONCE = 2
"""A decoded picture of 100 megapixels takes 400 MB, and fitting holds it several times over."""


class Pipeline:
    """
    The steps of a job's life, each durable and each repeatable.

    `on_return` is told the folder and the names of files that lie in the inbox again.
    """

    def __init__(
        self,
        *,
        spool: Spool,
        delivery: Delivery,
        history: History,
        gatherer: Gatherer,
        preparer: Preparer,
        attempts: Attempts,
        judge: Judge,
        turns: Turns,
        spending: Spending,
        clock: Clock,
        on_return: Callable[[str, list[str]], None],
    ) -> None:
        self._spool = spool
        self._delivery = delivery
        self._history = history
        self._gatherer = gatherer
        self._preparer = preparer
        self._attempts = attempts
        self._judge = judge
        self._turns = turns
        self._spending = spending
        self._clock = clock
        self._on_return = on_return
        self._prepared: dict[str, Prepared] = {}
        self._decoding = asyncio.Semaphore(_PREPARED_AT_ONCE)
        self._obstacles: dict[str, str] = {}

    @property
    def obstacles(self) -> Mapping[str, str]:
        """
        Return what last stood in the way of which job.
        """
        return self._obstacles

    def stop(self) -> None:
        """
        Have nothing more sent.
        """
        self._turns.stop()

    async def advance(self, job_id: str) -> Outcome:
        """
        Take the next steps of a job until it is over or must wait.
        """
        while True:
            standing = None
            try:
                standing = await asyncio.to_thread(self._spool.load, job_id)
                outcome = await self._step(standing)
            except (Blocked, FetchLater, OSError) as obstacle:
                if await asyncio.to_thread(self._spool.is_gone, job_id):
                    # Somebody mended it by hand.
                    return self._over(job_id, standing, End.RETURNED)
                return self._obstructed(job_id, standing, str(obstacle))
            if outcome is not None:
                return outcome

    async def retrace(self, job_id: str) -> None:
        """
        Take alone the step in which a job may have brought an earlier process down.

        The attempt is noted first; the third note for the same step sends the job to `error/` instead.
        """
        standing = None
        try:
            await self.note_crash(job_id)
            standing = await asyncio.to_thread(self._spool.load, job_id)
            if standing.phase is Phase.KEPT:
                await self._judge_kept(standing)
            elif standing.phase is Phase.CLAIMED:
                await self._prepare(standing)
        except (Blocked, FetchLater, OSError) as obstacle:
            self._obstructed(job_id, standing, str(obstacle))
            with contextlib.suppress(OSError):  # An obstacle that could be told is no crash.
                await asyncio.to_thread(self._spool.clear_crashes, job_id)

    async def release(self, job_id: str) -> None:
        """
        Give a job back to the inbox if it has not been paid for and is not on its way out.
        """
        standing = await asyncio.to_thread(self._spool.load, job_id)
        is_free = standing.phase in (Phase.CLAIMING, Phase.CLAIMED, Phase.CLOSED)
        if is_free and not doubts_in(standing.attempts):
            await self._give_back(_job(standing), "the endpoint is unavailable")
            await asyncio.to_thread(self._spool.discard, job_id)

    async def note_crash(self, job_id: str) -> None:
        """
        Note that the job's present step failed in a way nobody foresaw, if it is one that may.
        """
        standing = await asyncio.to_thread(self._spool.load, job_id)
        if standing.phase in RISKY:
            await asyncio.to_thread(self._spool.add_crash, job_id, standing.phase.value)

    async def _step(self, standing: Standing) -> Outcome | None:
        match standing.phase:
            case Phase.EMPTY:
                await asyncio.to_thread(self._spool.discard, standing.id)
                return self._over(standing.id, standing, End.RETURNED)
            case Phase.CLAIMING:
                await self._claim(_job(standing))
            case Phase.CLAIMED | Phase.CLOSED:
                return await self._decide(standing)
            case Phase.ASKING:
                await self._attempts.interrupted(standing)
            case Phase.KEPT:
                await self._judge_kept(standing)
            case Phase.EDITED:
                await self._plan(standing, ())
            case Phase.PUBLISHING:
                await asyncio.to_thread(self._delivery.publish, standing)
            case Phase.ARCHIVING:
                await asyncio.to_thread(self._delivery.archive, standing)
            case Phase.OVER:
                return await self._forget(standing)
        return None

    async def _claim(self, job: Job) -> None:
        try:
            is_whole = await asyncio.to_thread(self._spool.claim, job)
        except PermissionError:
            is_whole = False
        if not is_whole:
            await self._give_back(job, "a file of it is gone, changed, or may not be taken")

    async def _give_back(self, job: Job, reason: str) -> None:
        names = await asyncio.to_thread(self._spool.give_back, job)
        self._on_return(job.folder, names)
        log.info("job.returned", **about(job), reason=reason)

    async def _decide(self, standing: Standing) -> Outcome | None:
        job = _job(standing)
        match self._turns.next_move(standing, job):
            case Ask():
                return await self._ask(standing, job)
            case Later(until=None, reason=reason):
                return Wait(seconds=None, reason=reason)
            case Later(until=dt.datetime() as until, reason=reason):
                seconds = max(0.0, (until - self._clock.now()).total_seconds())
                return Wait(seconds=seconds, reason=reason, doubts=doubts_in(standing.attempts))
            case Return(reason=reason):
                await self._give_back(job, reason)
            case Fail(problem=problem):
                await self._plan(standing, [problem])
        return None

    async def _ask(self, standing: Standing, job: Job) -> Outcome | None:
        if job.id not in self._prepared:
            await self._prepare(standing)
            return None
        prepared = self._prepared[job.id]
        async with self._turns.taken(standing, job, len(prepared.images)) as wait:
            if wait is not None:
                return wait
            await self._attempts.send(standing, job, prepared)
            # The turn is kept until the verdict is known: the next one must not be sent in ignorance.
            standing = await asyncio.to_thread(self._spool.load, job.id)
            if standing.phase is Phase.KEPT:
                await self._judge_kept(standing)
            elif standing.attempts[-1].code == Failure.UNREADABLE.value:
                del self._prepared[job.id]  # What the file is by now, nobody has judged.
        return None

    async def _prepare(self, standing: Standing) -> None:
        """
        Compare with what was seen, then validate: afterwards the job is prepared, planned or given back.
        """
        job = _job(standing)
        if await self._has_crashed(standing):
            return
        if not standing.attempts and await self._is_changed(job):
            return
        if not job.problems and (obstacle := await asyncio.to_thread(self._gatherer.gather, job)):
            if standing.attempts:
                raise Blocked(obstacle)
            await self._give_back(job, obstacle)
            return
        try:
            async with self._decoding:
                prepared = await asyncio.to_thread(self._preparer.prepare, job)
        except OSError as error:
            if standing.attempts:
                raise
            await self._give_back(job, f"it cannot be read: {error.strerror or error}")
            return
        # Again, as somebody may have gone on writing meanwhile: what was judged is not what lies there now.
        if not standing.attempts and await self._is_changed(job):
            return
        if isinstance(prepared, Prepared):
            self._prepared[job.id] = prepared
        else:
            await self._plan(standing, prepared)
        await self._progressed(standing)

    async def _is_changed(self, job: Job) -> bool:
        """
        Tell whether a file is not the one that was seen in the inbox; if so, the job is given back.
        """
        changed = await asyncio.to_thread(self._preparer.changed, job)
        if changed is None:
            return False
        await self._give_back(job, f"{shown(changed)} was changed while it was claimed")
        return True

    async def _judge_kept(self, standing: Standing) -> None:
        if await self._has_crashed(standing):
            return
        await self._judge.judge(standing)
        await self._progressed(standing)

    async def _has_crashed(self, standing: Standing) -> bool:
        if standing.crashes.count(standing.phase.value) < CRASHES_TO_FAIL:
            return False
        await self._plan(standing, [_crashed(_job(standing))])
        return True

    async def _progressed(self, standing: Standing) -> None:
        if standing.crashes:
            await asyncio.to_thread(self._spool.clear_crashes, standing.id)

    async def _plan(self, standing: Standing, problems: Sequence[Problem]) -> None:
        await asyncio.to_thread(self._delivery.plan, standing, problems, self._clock.now())

    async def _forget(self, standing: Standing) -> Over:
        job, plan = _job(standing), standing.plan
        assert plan is not None, "a job that is over has a plan"
        line = history_line(job, standing.attempts, plan, plan.stem + RECORD)
        await asyncio.to_thread(self._history.add, line)
        await asyncio.to_thread(self._spool.discard, standing.id)
        if plan.is_done:
            log.info(
                "job.done",
                **about(job),
                seconds=round((plan.finished_at - job.claimed_at).total_seconds(), 3),
                attempts=len(standing.attempts),
                usage=standing.attempts[-1].usage if standing.attempts else None,
                cost_usd=line["cost_usd"],
                outputs=line["outputs"],
            )
            return self._over(standing.id, standing, End.DONE)
        first = plan.problems[0]
        log.warning("job.failed", **about(job), code=first.code.value, message=first.message)
        return self._over(standing.id, standing, End.ERROR)

    def _over(self, job_id: str, standing: Standing | None, end: End) -> Over:
        self._prepared.pop(job_id, None)
        self._obstacles.pop(job_id, None)
        self._spending.forget(job_id, standing.attempts if standing else ())
        return Over(end)

    def _obstructed(self, job_id: str, standing: Standing | None, reason: str) -> Wait:
        if self._obstacles.get(job_id) != reason:
            self._obstacles[job_id] = reason
            known = about(standing.job) if standing and standing.job else {"job": job_id}
            log.warning("job.waiting", **known, reason=reason)
        return Wait(seconds=_BLOCKED_SECONDS, reason=reason)


def _job(standing: Standing) -> Job:
    assert standing.job is not None, f"{standing.id} has no job.json"
    return standing.job


def _crashed(job: Job) -> Problem:
    return Problem(
        code=JobCode.CRASHED,
        message=f"retouchd ended unexpectedly {CRASHES_TO_FAIL} times while working on "
        f"{shown(job.members[0].name)}.",
        hint="Please report it, open the picture in another program and save it anew.",
    )
