"""
One request from opening to verdict: opened durably, its answer kept before it is read, then closed.
"""

import datetime as dt
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from retouchd.adapters.disk_threads import in_work
from retouchd.adapters.edits import Answer, EditsClient, NoAnswer, NotSent, Unreadable
from retouchd.adapters.spool import Spool
from retouchd.adapters.standing import Standing, job_of, opened_of
from retouchd.engine.clock import Clock
from retouchd.engine.gate import Gate
from retouchd.engine.keeping import Keeper
from retouchd.engine.preparing import Prepared
from retouchd.engine.spending import Spending
from retouchd.logs import logger
from retouchd.rules.blame import as_met_by, problem_of
from retouchd.rules.charges import closing, opening
from retouchd.rules.job import Attempt, Job, Opened, Verdict
from retouchd.rules.pacing import Report
from retouchd.rules.pricing import PriceList, cost, estimate, pictures_asked
from retouchd.rules.retry_after import rest_after
from retouchd.rules.retrying import IN_DOUBT_SECONDS, backoff
from retouchd.rules.verdict import Failure, Judgement, judge_failure
from retouchd.rules.wire import fields_of

log = logger()

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """
    An attempt as it was closed, and what the gate should hear of it; `rest` in seconds, `is_alone` says of a
    failed one that no other job was in work.
    """

    attempt: Attempt
    judgement: Judgement
    rest: float
    is_alone: bool


class Attempts:
    """
    Opens, sends and closes attempts, and tells the gate what they came to.
    """

    def __init__(
        self,
        *,
        spool: Spool,
        client: EditsClient,
        gate: Gate,
        clock: Clock,
        prices: PriceList,
        spending: Spending,
    ) -> None:
        self._spool = spool
        self._client = client
        self._gate = gate
        self._clock = clock
        self._prices = prices
        self._spending = spending
        self._keeper = Keeper(spool)
        self._sent: set[str] = set()
        self._turned_away: dict[str, dt.datetime] = {}
        self.others_succeeded_at: dt.datetime | None = None

    def turned_away_beside(self, job_id: str) -> dt.datetime | None:
        """
        Return when a job other than this was last told that too much is asked at once.
        """
        return max((at for each, at in self._turned_away.items() if each != job_id), default=None)

    async def send(
        self,
        standing: Standing,
        job: Job,
        prepared: Prepared,
        judged: Callable[[Standing], T],
    ) -> Closed | T:
        """
        Make the next attempt; return it closed without an answer, or what its kept answer is `judged` to be.
        """
        number = standing.number + 1
        opened = Opened(
            sent_at=self._clock.now(),
            probe=self._gate.is_probe(job.id),
            pictures=pictures_asked(job.request),
            estimate_usd=estimate(self._prices(job.request.model), job),
            removed=prepared.removed,
        )
        # Reserved before anything else can happen: two requests must not share what is left of a budget.
        self._spending.note(job.id, number, opening(opened))
        asking = standing.asking(number, opened)
        try:
            await in_work(self._spool.open_attempt, job.id, number, opened)
        except OSError:
            self._spending.take_back(job.id, number)
            raise
        self._sent.add(job.id)
        log.info("request.sent", **about(job), attempt=number, model=job.request.model)
        try:
            async with self._client.ask(
                fields=fields_of(job.request),
                images=prepared.images,
                mask=prepared.mask,
                key=job.id,
            ) as answer:
                return await self._keeper.keep(
                    job.id,
                    number,
                    self._head(answer),
                    answer.chunks(),
                    partial(judged, asking.kept()),
                )
        except Unreadable as failure:
            judgement = judge_failure(Failure.UNREADABLE, str(failure))
        except NotSent as failure:
            judgement = judge_failure(Failure.NOT_SENT, str(failure))
        except NoAnswer as failure:
            judgement = judge_failure(Failure.NO_ANSWER, str(failure))
        return await in_work(self.close, asking, judgement, closed_at=self._clock.now())

    def close(
        self,
        standing: Standing,
        judgement: Judgement,
        *,
        closed_at: dt.datetime,
        head: dict[str, Any] | None = None,
        pictures: int = 0,
        usage: Mapping[str, Any] | None = None,
        warnings: tuple[str, ...] = (),
    ) -> Closed:
        """
        Close the last attempt with its verdict; what is returned is still to be told. Blocks.

        `closed_at` is when the last byte came or the wait ended, `pictures` how many the answer held,
        `warnings` what is other than asked for.
        """
        opened, job = opened_of(standing), job_of(standing)
        judgement = as_met_by(judgement, job)
        is_refused = judgement.verdict is Verdict.REFUSED
        match judgement.verdict:
            case Verdict.DONE:
                prices = self._prices(job.request.model)
                cost_usd = cost(prices, job, pictures=pictures, usage=usage)
            case Verdict.IN_DOUBT:
                cost_usd, pictures = opened.estimate_usd, opened.pictures
            case _:
                cost_usd, pictures = 0.0, 0
        attempt = Attempt(
            number=standing.number,
            verdict=judgement.verdict,
            sent_at=opened.sent_at,
            closed_at=closed_at,
            seconds=max(0.0, (closed_at - opened.sent_at).total_seconds()),
            http_status=head["status"] if head else None,
            code=judgement.code,
            message=judgement.message,
            request_id=judgement.request_id,
            retry_at=self._retry_at(standing, judgement),
            probe=opened.probe,
            usage=usage,
            problem=problem_of(judgement, job) if is_refused or judgement.is_final else None,
            cost_usd=cost_usd,
            pictures=pictures,
            removed=opened.removed,
            warnings=warnings,
        )
        self._spool.close_attempt(standing.id, attempt)
        rest = rest_after(head["headers"]) if head else 0.0
        is_alone = attempt.verdict is not Verdict.DONE and self._is_alone()
        return Closed(attempt=attempt, judgement=judgement, rest=rest, is_alone=is_alone)

    async def interrupted(self, standing: Standing) -> None:
        """
        Close an attempt that an earlier process left open: it may have been paid for.
        """
        judgement = judge_failure(
            Failure.NO_ANSWER, "retouchd ended while this request was on its way."
        )
        opened = opened_of(standing)
        attempt = Attempt(
            number=standing.number,
            verdict=Verdict.IN_DOUBT,
            sent_at=opened.sent_at,
            closed_at=self._clock.now(),
            seconds=0.0,
            code="interrupted",
            message=judgement.message,
            retry_at=self._retry_at(standing, judgement),
            cost_usd=opened.estimate_usd,
            pictures=opened.pictures,
            removed=opened.removed,
        )
        await in_work(self._spool.close_attempt, standing.id, attempt)
        self._spending.note(standing.id, attempt.number, closing(attempt))
        _log_failure(standing, attempt, self._clock.now())

    def _head(self, answer: Answer) -> dict[str, Any]:
        return {
            "status": answer.head.status,
            "headers": answer.head.headers,
            "answered_at": self._clock.now().isoformat(),
            **({"is_cut": True} if answer.is_cut else {}),
        }

    def _retry_at(self, standing: Standing, judgement: Judgement) -> dt.datetime | None:
        luck = random.random()  # noqa: S311 - jitter, not a secret
        if judgement.is_final:
            return None
        if judgement.verdict is Verdict.TRANSIENT:
            wait = backoff(len(standing.attempts) + 1, luck)
            wait = max(wait, judgement.retry_after or 0.0)
        elif judgement.verdict is Verdict.IN_DOUBT:
            wait = IN_DOUBT_SECONDS * luck
        else:
            return None
        return self._clock.now() + dt.timedelta(seconds=wait)

    def tell(self, standing: Standing, closed: Closed) -> None:
        """
        Let a closed attempt count, and report it to the gate.
        """
        attempt, judgement = closed.attempt, closed.judgement
        self._spending.note(standing.id, attempt.number, closing(attempt))
        if attempt.verdict is Verdict.DONE:
            self.others_succeeded_at = attempt.closed_at
        else:
            _log_failure(standing, attempt, self._clock.now())
        if judgement.slows_pool or judgement.may_slow_pool:
            self._turned_away.pop(standing.id, None)
            self._turned_away[standing.id] = attempt.closed_at
            if len(self._turned_away) > 2:  # Whoever asks is one of them at most.
                del self._turned_away[next(iter(self._turned_away))]
        if standing.id not in self._sent:
            return  # Kept by an earlier process: it says nothing about now.
        self._sent.remove(standing.id)
        self._gate.report(
            Report(
                job_id=standing.id,
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
                now=self._clock.monotonic(),
                is_only_job=closed.is_alone,
            )
        )

    def tell_withheld(self, standing: Standing) -> None:
        """
        Report to the gate, once, that a paid picture lies where the configuration does not let us go.
        """
        if standing.id not in self._sent:
            return
        self._sent.remove(standing.id)
        self._gate.report(
            Report(
                job_id=standing.id,
                common_fault="the picture lies at a private address, which endpoint.allow_private_urls "
                "does not allow",
                verdict=Verdict.IN_DOUBT,
                is_endpoint_failure=False,
                slows_pool=False,
                retry_after=0.0,
                reason="",
                is_probe=opened_of(standing).probe,
                now=self._clock.monotonic(),
                is_only_job=False,
            )
        )

    def _is_alone(self) -> bool:
        try:
            return len(self._spool.ids()) == 1
        except OSError:
            return False  # The verdict is durable and told, whatever the disk does meanwhile.


def about(job: Job) -> dict[str, Any]:
    """
    Return what every line about a job says of it.
    """
    return {"job": job.id, "folder": job.folder, "name": job.members[0].name}


def _log_failure(standing: Standing, attempt: Attempt, now: dt.datetime) -> None:
    retry_in = None
    if attempt.retry_at is not None:
        retry_in = round(max(0.0, (attempt.retry_at - now).total_seconds()), 1)
    log.warning(
        "request.failed",
        **(about(standing.job) if standing.job else {"job": standing.id}),
        attempt=attempt.number,
        verdict=attempt.verdict.value,
        http_status=attempt.http_status,
        code=attempt.code,
        message=attempt.message,
        retry_in=retry_in,
    )
