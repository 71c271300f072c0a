"""
Judges kept answers: pictures decoded and sealed, or a verdict without any.
"""

import asyncio
import contextlib
import datetime as dt
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import TypeVar

from retouchd.answer import stored_answer
from retouchd.answer.body import (
    AnswerFault,
    Found,
    Inline,
    Link,
    ReadAnswer,
    Whole,
    read_answer,
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
from retouchd.answer.received import warnings_of
from retouchd.answer.stored_answer import KeptAnswer
from retouchd.disk.threads import in_work
from retouchd.endpoint.client import EditsClient, FetchPrivate
from retouchd.errors import Blocked
from retouchd.job.model import Verdict
from retouchd.pipeline.attempts import Judged
from retouchd.pipeline.crash_notes import FETCHED, crash_step
from retouchd.pipeline.results import Downloads, Fetched, Results, WithheldError
from retouchd.spool.job_state import EditState
from retouchd.spool.spool import Spool

T = TypeVar("T")

MAX_BODY_BYTES = 1 << 29
_FRUITLESS_BYTES = 64 << 20
"""What is kept of an answer that broke off and holds no picture; one without end comes more than once."""
_LASTING = frozenset(
    {AnswerFault.HTML, AnswerFault.ASYNCHRONOUS, AnswerFault.FOREIGN, AnswerFault.MODERATED}
)
"""What the next answer would be as well."""


_AT_ONCE = 2
"""So many answers are judged at a time, in the order in which they were whole: else all would end together."""


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

    async def judge(self, edit_state: EditState, close: Callable[[Judged], T]) -> T:
        """
        Judge a kept answer; on success `outputs/` stands whole before. Fetches what the answer only names.
        Return what `close` makes of the verdict, which is called in the same thread.

        Raises FetchLater, and WithheldError where the picture lies at an address that is not allowed.
        """
        self._downloads.check_due(edit_state)
        fetched: dict[Link, Fetched] = {}
        with contextlib.ExitStack() as files:
            closed = await self._in_order(edit_state, close)
            while isinstance(closed, _Wanted):
                fetched |= await self._downloads.fetch(
                    edit_state,
                    closed.links,
                    closed.answered_at,
                    files,
                    is_awaited=closed.is_awaited,
                )
                closed = await self._judge_fetched(edit_state, close, fetched)
        return closed

    async def judge_unfetched(self, edit_state: EditState) -> Judged | None:
        """
        Judge a kept answer by what it holds itself; None if it names what is to be fetched, which is looked at
        with a note on disk then.
        """
        judged = await in_work(self._judge, edit_state)
        if isinstance(judged, _Wanted):
            self._suspects.add(edit_state.key)
            return None
        return judged

    async def _in_order(self, edit_state: EditState, close: Callable[[Judged], T]) -> T | _Wanted:
        async with self._order:
            return await in_work(self._judge_and_close, edit_state, close)

    async def _judge_fetched(
        self, edit_state: EditState, close: Callable[[Judged], T], fetched: Mapping[Link, Fetched]
    ) -> T | _Wanted:
        """
        Judge by what was fetched; for a suspect alone, with a note on disk for as long as it takes.
        """
        take = partial(self._judge_and_close, edit_state, close, fetched)
        if edit_state.key not in self._suspects:
            return await in_work(take)
        step = crash_step(FETCHED, edit_state)
        async with self._alone:
            await in_work(self._spool.add_crash, edit_state.id, step)
            try:
                closed = await in_work(take)
            except Exception:
                with contextlib.suppress(Blocked, OSError):
                    await in_work(self._spool.clear_crashes, edit_state.id, step)
                raise
            await in_work(self._spool.clear_crashes, edit_state.id, step)
            self._suspects.discard(edit_state.key)
        return closed

    def _judge_and_close(
        self,
        edit_state: EditState,
        close: Callable[[Judged], T],
        fetched: Mapping[Link, Fetched] = MappingProxyType({}),
    ) -> T | _Wanted:
        judged = self._judge(edit_state, fetched)
        return judged if isinstance(judged, _Wanted) else close(judged)

    def _judge(
        self, edit_state: EditState, fetched: Mapping[Link, Fetched] = MappingProxyType({})
    ) -> Judged | _Wanted:
        """
        Judge by the answer and what was fetched for it; return what is still to be fetched, if anything is.

        Blocks, and needs nothing but the disk.
        """
        with self._answer(edit_state) as answer:
            head = answer.head
            answered_at = dt.datetime.fromisoformat(head["answered_at"])
            reply = _reply_in(answer)
            sealed = self._seal(edit_state, answer, reply, fetched)
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
            self._spool.cut_answer(edit_state.id, edit_state.answer, _FRUITLESS_BYTES)
        return Judged(
            judgement=judgement,
            closed_at=answered_at,
            head=head,
            pictures=max(sealed.pictures, len(reply.pictures)),
            usage=reply.usage,
            stated=reply.stated,
            warnings=self._warnings(edit_state) if sealed.pictures else (),
            is_fetched=bool(fetched or _links_in((*reply.sure, *reply.guesses))),
        )

    def _warnings(self, edit_state: EditState) -> tuple[str, ...]:
        return warnings_of(edit_state.job.request, self._results.received(edit_state))

    def _answer(self, edit_state: EditState) -> AbstractContextManager[KeptAnswer]:
        path = self._spool.folder(edit_state.id) / edit_state.answer
        return stored_answer.opened(path, limit=MAX_BODY_BYTES, hidden=self._client.secrets)

    def _seal(
        self,
        edit_state: EditState,
        answer: KeptAnswer,
        reply: ReadAnswer,
        fetched: Mapping[Link, Fetched],
    ) -> _Sealed:
        """
        Seal what can be decoded: of the pictures meant as such, and where there is none of the others.
        """
        if edit_state.is_half_sealed:
            self._results.go_on_sealing(edit_state)
            return _Sealed(pictures=len(self._results.received(edit_state)))
        if edit_state.outputs:
            return _Sealed(pictures=len(edit_state.outputs))
        faults: list[str] = []
        for tier in (reply.sure, reply.guesses):
            is_awaited = tier == reply.sure
            links = _links_in(tier)
            if missing := tuple(link for link in links if link not in fetched):
                return _Sealed(links=missing, is_awaited=is_awaited)
            if not tier:
                continue
            count, found = self._results.seal(
                edit_state,
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
