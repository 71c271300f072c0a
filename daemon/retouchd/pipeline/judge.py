"""
Judges kept answers: pictures decoded and sealed, or a verdict without any.
"""

import asyncio
import contextlib
import datetime as dt
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from types import MappingProxyType

from retouchd.answer import stored_answer
from retouchd.answer.body import (
    AnswerFault,
    Found,
    Inline,
    Link,
    ReadAnswer,
    Whole,
    read_answer,
    warnings_of,
)
from retouchd.answer.classify import (
    Failure,
    Judgement,
    as_told,
    judge_answer,
    judge_bad_success,
    judge_failure,
)
from retouchd.answer.error_body import request_id_of, safe_text
from retouchd.answer.stored_answer import KeptAnswer
from retouchd.disk.threads import in_work
from retouchd.endpoint.client import EditsClient, FetchPrivate
from retouchd.errors import Blocked
from retouchd.job.model import Verdict
from retouchd.pipeline.attempts import Judged
from retouchd.pipeline.results import Downloads, Fetched, Results, WithheldError
from retouchd.spool.job_directory import JobState, job_of
from retouchd.spool.phase import OUTPUTS
from retouchd.spool.spool import Spool

MAX_BODY_BYTES = 1 << 29
_FRUITLESS_BYTES = 64 << 20
"""What is kept of an answer that broke off and holds no picture; one without end comes more than once."""
_LASTING = frozenset({AnswerFault.HTML, AnswerFault.ASYNCHRONOUS, AnswerFault.FOREIGN})
"""What the next answer would be as well."""


_AT_ONCE = 2
"""So many answers are judged at a time, in the order in which they were whole: else all would end together."""

FETCHED = "fetched"
"""The step in which a picture is decoded that was fetched; a note of a crash says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """
    What is still to be fetched before a kept answer can be judged; `is_awaited` where it may take its time.
    """

    links: tuple[Link, ...]
    is_awaited: bool
    answered_at: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sealed:
    """
    The pictures of an answer: how many were sealed, what is wrong with the others, what is still missing.
    """

    pictures: int = 0
    faults: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()
    is_awaited: bool = True


class Judge:
    """
    Judges kept answers. The answer on disk is never thrown away here, so judging may be repeated.
    """

    def __init__(self, *, spool: Spool, client: EditsClient, downloads: Downloads) -> None:
        self._spool = spool
        self._client = client
        self._downloads = downloads
        self._results = Results(spool)
        self._suspects: set[str] = set()
        self._alone = asyncio.Lock()
        self._order = asyncio.Semaphore(_AT_ONCE)

    async def judge(self, job_state: JobState) -> Judged:
        """
        Judge a kept answer; on success `outputs/` stands whole before. Fetches what the answer only names.

        Raises FetchLater, and WithheldError where the picture lies at an address that is not allowed.
        """
        self._downloads.check_due(job_state.id)
        fetched: dict[Link, Fetched] = {}
        with contextlib.ExitStack() as files:
            judged = await self._in_order(job_state)
            while isinstance(judged, _Wanted):
                fetched |= await self._downloads.fetch(
                    job_state.id,
                    judged.links,
                    judged.answered_at,
                    files,
                    is_awaited=judged.is_awaited,
                )
                judged = await self._judge_fetched(job_state, fetched)
        return judged

    async def judge_unfetched(self, job_state: JobState) -> Judged | None:
        """
        Judge a kept answer by what it holds itself; None if it names what is to be fetched, which is looked at
        with a note on disk then.
        """
        judged = await in_work(self._judge, job_state)
        if isinstance(judged, _Wanted):
            self._suspects.add(job_state.id)
            return None
        return judged

    async def _in_order(self, job_state: JobState) -> Judged | _Wanted:
        async with self._order:
            return await in_work(self._judge, job_state)

    async def _judge_fetched(
        self, job_state: JobState, fetched: Mapping[Link, Fetched]
    ) -> Judged | _Wanted:
        """
        Judge by what was fetched; for a suspect alone, with a note on disk for as long as it takes.
        """
        if job_state.id not in self._suspects:
            return await in_work(self._judge, job_state, fetched)
        async with self._alone:
            await in_work(self._spool.add_crash, job_state.id, FETCHED)
            try:
                judged = await in_work(self._judge, job_state, fetched)
            except Exception:
                with contextlib.suppress(Blocked, OSError):
                    await in_work(self._spool.clear_crashes, job_state.id, FETCHED)
                raise
            await in_work(self._spool.clear_crashes, job_state.id, FETCHED)
            self._suspects.discard(job_state.id)
        return judged

    def _judge(
        self, job_state: JobState, fetched: Mapping[Link, Fetched] = MappingProxyType({})
    ) -> Judged | _Wanted:
        """
        Judge by the answer and what was fetched for it; return what is still to be fetched, if anything is.

        Blocks, and needs nothing but the disk.
        """
        with self._answer(job_state.id, job_state.number) as answer:
            head = answer.head
            answered_at = dt.datetime.fromisoformat(head["answered_at"])
            reply = _reply_in(answer)
            sealed = self._seal(job_state, answer, reply, fetched)
            if sealed.links:
                return _Wanted(
                    links=sealed.links, is_awaited=sealed.is_awaited, answered_at=answered_at
                )
            private = [each for each in fetched.values() if isinstance(each, FetchPrivate)]
            if private and not sealed.pictures:
                raise WithheldError(str(private[0]))
            judgement = as_told(
                _judgement(answer, reply, sealed, answered_at), self._client.key_source
            )
        if answer.broken and not sealed.pictures:
            self._spool.cut_answer(job_state.id, job_state.number, _FRUITLESS_BYTES)
        return Judged(
            judgement=judgement,
            closed_at=answered_at,
            head=head,
            pictures=max(sealed.pictures, len(reply.pictures)),
            usage=reply.usage,
            stated=reply.stated,
            warnings=self._warnings(job_state) if sealed.pictures else (),
        )

    def _warnings(self, job_state: JobState) -> tuple[str, ...]:
        return warnings_of(job_of(job_state).request, self._results.received(job_state.id))

    def _answer(self, job_id: str, number: int) -> AbstractContextManager[KeptAnswer]:
        path = self._spool.answer(job_id, number)
        return stored_answer.opened(path, limit=MAX_BODY_BYTES, hidden=self._client.secrets)

    def _seal(
        self,
        job_state: JobState,
        answer: KeptAnswer,
        reply: ReadAnswer,
        fetched: Mapping[Link, Fetched],
    ) -> _Sealed:
        """
        Seal what can be decoded: of the pictures meant as such, and where there is none of the others.
        """
        if job_state.below(OUTPUTS):
            return _Sealed(pictures=len(job_state.below(OUTPUTS)))
        faults: list[str] = []
        for tier in (reply.sure, reply.guesses):
            is_awaited = tier == reply.sure
            links = _links_in(tier)
            if missing := tuple(link for link in links if link not in fetched):
                return _Sealed(links=missing, is_awaited=is_awaited)
            if not tier:
                continue
            count, found = self._results.seal(
                job_state.id,
                answer,
                tier,
                fetched,
                is_proof_needed=not (is_awaited and _is_success(answer)),
            )
            if count:
                return _Sealed(pictures=count, faults=tuple(found))
            faults += found if is_awaited else []
        return _Sealed(faults=tuple(faults))


def _reply_in(answer: KeptAnswer) -> ReadAnswer:
    """
    Return what an answer holds; where it is no success, nothing but the pictures it holds itself.
    """
    if _is_success(answer):
        return read_answer(answer.large_body.body, answer.head["headers"])
    if answer.head["status"] < 400:
        return ReadAnswer()
    found = read_answer(answer.large_body.body).sure
    return ReadAnswer(
        found=tuple(each for each in found if isinstance(each.picture, Inline | Whole))
    )


def _is_success(answer: KeptAnswer) -> bool:
    return 200 <= int(answer.head["status"]) < 300


def _links_in(tier: tuple[Found, ...]) -> tuple[Link, ...]:
    return tuple(each.picture for each in tier if isinstance(each.picture, Link))


def _judgement(
    answer: KeptAnswer, reply: ReadAnswer, sealed: _Sealed, answered_at: dt.datetime
) -> Judgement:
    headers, body = answer.head["headers"], answer.large_body.body
    if sealed.pictures:
        return Judgement(
            verdict=Verdict.DONE,
            code="",
            message=safe_text("; ".join(sealed.faults)),
            request_id=request_id_of(headers),
        )
    if not _is_success(answer):
        is_cut = bool(answer.head.get("is_cut"))
        return judge_answer(answer.head["status"], headers, body, answered_at, is_cut=is_cut)
    if answer.broken:
        judgement = judge_failure(Failure.NO_ANSWER, answer.broken)
        return replace(judgement, request_id=request_id_of(headers))
    fault = "something that cannot be opened" if sealed.faults else str(reply.fault)
    text = "; ".join(sealed.faults) or reply.text
    judgement = judge_bad_success(fault, text, headers, body, answered_at)
    is_lasting = bool(_links_in(reply.sure)) or reply.fault in _LASTING
    return replace(judgement, is_final=is_lasting and judgement.verdict is Verdict.IN_DOUBT)
