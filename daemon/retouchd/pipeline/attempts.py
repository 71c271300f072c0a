"""
The life of one request: a durable note that it is opened, the request, its answer kept, a durable close.
"""

import datetime as dt
import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from retouchd.answer.classify import Failure, Judgement, as_met_by, judge_failure, problem_of
from retouchd.answer.retry_after import rest_after
from retouchd.clock import Clock
from retouchd.disk.threads import in_work
from retouchd.endpoint.client import Answer, EditsClient, NoAnswer, NotSent, UploadUnreadable
from retouchd.errors import Problem
from retouchd.events import emit
from retouchd.events.jobs import RequestFailed, RequestSent
from retouchd.job.model import Attempt, Opened, Request, Verdict
from retouchd.money.pricing import FREE, PriceList, cost, estimated, perhaps_charged
from retouchd.pipeline.prepare import Prepared
from retouchd.pipeline.response_writer import ResponseWriter
from retouchd.request.matching import MATCHES
from retouchd.spool.job_state import EditState
from retouchd.spool.spool import Spool
from retouchd.throttle.admission import Closed
from retouchd.throttle.retry import IN_DOUBT_SECONDS, backoff


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """
    What a request came to: `closed_at` is when the last byte came or the wait ended, `pictures` how many the
    answer held, `stated` what the endpoint says that it costs, `warnings` what is other than asked for.
    """

    judgement: Judgement
    closed_at: dt.datetime
    head: dict[str, Any] | None = None
    pictures: int = 0
    usage: Mapping[str, Any] | None = None
    stated: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    is_fetched: bool = False


class Attempts:
    """
    Opens, sends and closes attempts.
    """

    def __init__(
        self, *, spool: Spool, client: EditsClient, clock: Clock, prices: PriceList
    ) -> None:
        self._spool = spool
        self._client = client
        self._clock = clock
        self._prices = prices
        self._response_writer = ResponseWriter(spool)

    async def open(self, edit_state: EditState, permit: Opened, prepared: Prepared) -> EditState:
        """
        Note durably that the permitted request is about to be sent; return how the edit stands then.
        """
        job, number = edit_state.job, edit_state.number + 1
        opened = replace(
            permit, removed=prepared.removed, size=prepared.size, canvas=prepared.canvas
        )
        await in_work(self._spool.open_attempt, job.id, (edit_state.edit, number), opened)
        emit(
            RequestSent(**job.about, edit=edit_state.name, attempt=number, model=job.request.model)
        )
        return edit_state.asking(number, opened)

    async def send(self, asking: EditState, prepared: Prepared) -> Judged | None:
        """
        Send an opened request; return None once its answer is durable, what became of it if none came.
        """
        job = asking.job
        try:
            async with self._client.ask(
                request=_as_sent(job.request, prepared),
                images=prepared.images,
                mask=prepared.mask,
                key=asking.key,
            ) as answer:
                head = self._head(answer)
                await self._response_writer.keep(
                    job.id,
                    (asking.edit, asking.number),
                    head,
                    answer.chunks(),
                    cost_usd=asking.opened.estimate_usd,
                )
                return None
        except UploadUnreadable as failure:
            judgement = judge_failure(Failure.UNREADABLE, str(failure))
        except NotSent as failure:
            judgement = judge_failure(Failure.NOT_SENT, str(failure))
        except NoAnswer as failure:
            judgement = judge_failure(Failure.NO_ANSWER, str(failure))
        return Judged(judgement=judgement, closed_at=self._clock.now())

    def withheld(self) -> Judged:
        """
        Return what becomes of an opened request for which the settings were changed before it was sent.
        """
        message = (
            "The configuration was changed before this request was sent; it is made ready anew."
        )
        judgement = judge_failure(Failure.OUTDATED, message)
        return Judged(judgement=judgement, closed_at=self._clock.now())

    def tell_lost(self) -> None:
        """
        Tell of each answer that was abandoned before it was durable. From any thread.
        """
        self._response_writer.tell_lost()

    def close(self, edit_state: EditState, judged: Judged) -> Closed:
        """
        Close the last attempt with its verdict. Blocks.
        """
        opened, job, head = edit_state.opened, edit_state.job, judged.head
        judgement = as_met_by(judged.judgement, job)
        is_refused = judgement.verdict is Verdict.REFUSED
        pictures, prices = judged.pictures, self._prices(job.request.model)
        match judgement.verdict:
            case Verdict.DONE:
                asked = job.sized(opened.size)
                charge = cost(
                    prices, asked, pictures=pictures, usage=judged.usage, stated=judged.stated
                )
            case Verdict.IN_DOUBT:
                charge = perhaps_charged(prices, opened.estimate_usd, judged.stated)
                pictures = opened.pictures
            case _:
                charge, pictures = FREE, 0
        attempt = Attempt(
            edit=edit_state.edit,
            number=edit_state.number,
            model=edit_state.job.request.model,
            verdict=judgement.verdict,
            sent_at=opened.sent_at,
            closed_at=judged.closed_at,
            seconds=max(0.0, (judged.closed_at - opened.sent_at).total_seconds()),
            http_status=head["status"] if head else None,
            code=judgement.code,
            message=judgement.message,
            request_id=judgement.request_id,
            retry_at=self._retry_at(edit_state, judgement),
            probe=opened.probe,
            usage=judged.usage,
            problem=problem_of(judgement, job) if is_refused or judgement.is_final else None,
            cost_usd=charge.usd,
            cost_from=charge.source,
            pictures=pictures,
            removed=opened.removed,
            size=opened.size,
            canvas=opened.canvas,
            warnings=judged.warnings,
        )
        is_derived = attempt.verdict is Verdict.DONE and not judged.is_fetched
        self._spool.close_attempt(edit_state.id, attempt, is_derived=is_derived)
        if attempt.verdict is not Verdict.DONE:
            _log_failure(edit_state, attempt, self._clock.now())
        rest = rest_after(head["headers"]) if head else 0.0
        is_alone = attempt.verdict is not Verdict.DONE and self._is_alone()
        return Closed(attempt=attempt, judgement=judgement, rest=rest, is_alone=is_alone)

    def close_interrupted(self, edit_state: EditState) -> Closed:
        """
        Close an attempt that an earlier process left open: it may have been paid for. Blocks.
        """
        message = "retouchd ended while this request was on its way."
        return self._close_in_doubt(edit_state, "interrupted", message)

    def close_unread(self, edit_state: EditState, problem: Problem) -> Closed:
        """
        Close an attempt whose answer cannot be read: it may have been paid for, and ends the job. Blocks.
        """
        return self._close_in_doubt(edit_state, problem.code.value, problem.message, problem)

    def _close_in_doubt(
        self, edit_state: EditState, code: str, message: str, problem: Problem | None = None
    ) -> Closed:
        judgement = judge_failure(Failure.NO_ANSWER, message)
        opened = edit_state.opened
        attempt = Attempt(
            edit=edit_state.edit,
            number=edit_state.number,
            model=edit_state.job.request.model,
            verdict=Verdict.IN_DOUBT,
            sent_at=opened.sent_at,
            closed_at=self._clock.now(),
            seconds=0.0,
            code=code,
            message=judgement.message,
            retry_at=self._retry_at(edit_state, judgement) if problem is None else None,
            probe=opened.probe,
            problem=problem,
            cost_usd=opened.estimate_usd,
            cost_from=estimated(opened.estimate_usd).source,
            pictures=opened.pictures,
            removed=opened.removed,
            size=opened.size,
            canvas=opened.canvas,
        )
        self._spool.close_attempt(edit_state.id, attempt)
        _log_failure(edit_state, attempt, self._clock.now())
        return Closed(attempt=attempt, judgement=judgement)

    def _head(self, answer: Answer) -> dict[str, Any]:
        return {
            "status": answer.head.status,
            "headers": answer.head.headers,
            "answered_at": self._clock.now().isoformat(),
            **({"is_cut": True} if answer.is_cut else {}),
        }

    def _retry_at(self, edit_state: EditState, judgement: Judgement) -> dt.datetime | None:
        jitter = random.random()  # noqa: S311 - jitter, not a secret
        if judgement.is_final:
            return None
        if judgement.verdict is Verdict.TRANSIENT:
            wait = backoff(len(edit_state.attempts) + 1, jitter)
            wait = max(wait, judgement.retry_after or 0.0)
        elif judgement.verdict is Verdict.IN_DOUBT:
            wait = IN_DOUBT_SECONDS * jitter
        else:
            return None
        return self._clock.now() + dt.timedelta(seconds=wait)

    def _is_alone(self) -> bool:
        try:
            return len(self._spool.ids()) == 1
        except OSError:
            return False  # The verdict is durable and told, whatever the disk does meanwhile.


def _as_sent(request: Request, prepared: Prepared) -> Request:
    """
    Return a request with the size that "match" comes to, without any where the model knows none.
    """
    parameters = {
        key: value
        for key, value in request.parameters.items()
        if not (key == "size" and value in MATCHES)
    }
    if prepared.size:
        parameters["size"] = prepared.size
    return replace(request, parameters=parameters)


def _log_failure(edit_state: EditState, attempt: Attempt, now: dt.datetime) -> None:
    retry_in = None
    if attempt.retry_at is not None:
        retry_in = round(max(0.0, (attempt.retry_at - now).total_seconds()), 1)
    emit(
        RequestFailed(
            **edit_state.job.about,
            edit=edit_state.name,
            attempt=attempt.number,
            verdict=attempt.verdict.value,
            http_status=attempt.http_status,
            code=attempt.code,
            message=attempt.message,
            retry_in=retry_in,
        )
    )
