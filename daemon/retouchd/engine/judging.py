"""
What a kept answer came to: pictures decoded and sealed, or a verdict without any.
"""

import asyncio
import contextlib
import datetime as dt
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TypeAlias

from retouchd.adapters import answers
from retouchd.adapters.answers import KeptAnswer
from retouchd.adapters.disk_threads import in_work
from retouchd.adapters.edits import EditsClient, FetchPrivate
from retouchd.adapters.spool import Spool
from retouchd.adapters.standing import Standing, job_of
from retouchd.engine.attempts import Attempts, Closed
from retouchd.engine.downloads import Downloads, FetchLater
from retouchd.engine.results import Fetched, Results
from retouchd.errors import Blocked
from retouchd.rules.answer import Fault, Found, Inline, Link, Reply, Whole, read_answer
from retouchd.rules.errorbody import request_id_of, safe_text
from retouchd.rules.job import Verdict
from retouchd.rules.key_source import as_told
from retouchd.rules.phase import OUTPUTS
from retouchd.rules.received import warnings_of
from retouchd.rules.verdict import (
    Failure,
    Judgement,
    judge_answer,
    judge_bad_success,
    judge_failure,
)

MAX_BODY_BYTES = 1 << 29
_FRUITLESS_BYTES = 64 << 20
"""What is kept of an answer that broke off and holds no picture; one without end comes more than once."""
_LASTING = frozenset({Fault.HTML, Fault.ASYNCHRONOUS, Fault.FOREIGN})
"""What the next answer would be as well."""


FETCHED = "fetched"
"""The step in which a picture is decoded that was fetched; a note of a crash says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """
    What is still to be fetched before a kept answer can be judged; `is_awaited` where it may take its time.
    """

    standing: Standing
    links: tuple[Link, ...]
    is_awaited: bool
    answered_at: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Withheld:
    """
    A picture lies where the configuration does not let us go.
    """

    standing: Standing
    reason: str


Ruling: TypeAlias = Closed | Wanted | Withheld
"""What a kept answer came to so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Harvest:
    """
    The pictures of an answer: how many were sealed, what is wrong with the others, what is still missing.
    """

    pictures: int = 0
    faults: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()
    is_awaited: bool = True


class Judge:
    """
    Reads kept answers. The answer on disk is never thrown away here, so judging may be repeated.
    """

    def __init__(
        self, *, spool: Spool, client: EditsClient, attempts: Attempts, downloads: Downloads
    ) -> None:
        self._spool = spool
        self._client = client
        self._attempts = attempts
        self._downloads = downloads
        self._results = Results(spool)
        self._suspects: set[str] = set()
        self._alone = asyncio.Lock()

    def suspect(self, job_id: str) -> None:
        """
        Take what will be fetched for this job for what may have brought an earlier process down.
        """
        self._suspects.add(job_id)

    async def judge(self, standing: Standing) -> Closed:
        """
        Close the kept attempt; on success `outputs/` stands whole before. Raises FetchLater.
        """
        self._downloads.check_due(standing.id)
        return await self.conclude(standing, await in_work(self.rule, standing))

    async def conclude(self, standing: Standing, ruling: Ruling) -> Closed:
        """
        Fetch what is still to be fetched and judge again; then let it count. Raises FetchLater.
        """
        fetched: dict[Link, Fetched] = {}
        with contextlib.ExitStack() as files:
            while isinstance(ruling, Wanted):
                fetched |= await self._downloads.fetch(
                    standing.id,
                    ruling.links,
                    ruling.answered_at,
                    files,
                    is_awaited=ruling.is_awaited,
                )
                ruling = await self._rule_fetched(ruling.standing, fetched)
        if isinstance(ruling, Withheld):
            self._attempts.tell_withheld(ruling.standing)
            raise FetchLater(f"its picture is paid for but not fetched: {ruling.reason}", None)
        self._attempts.tell(standing, ruling)
        return ruling

    async def _rule_fetched(self, standing: Standing, fetched: Mapping[Link, Fetched]) -> Ruling:
        """
        Judge by what was fetched; for a suspect alone, with a note on disk for as long as it takes.
        """
        if standing.id not in self._suspects:
            return await in_work(self.rule, standing, fetched)
        async with self._alone:
            await in_work(self._spool.add_crash, standing.id, FETCHED)
            try:
                ruling = await in_work(self.rule, standing, fetched)
            except Exception:
                with contextlib.suppress(Blocked, OSError):
                    await in_work(self._spool.clear_crashes, standing.id, FETCHED)
                raise
            await in_work(self._spool.clear_crashes, standing.id, FETCHED)
            self._suspects.discard(standing.id)
        return ruling

    def rule(
        self, standing: Standing, fetched: Mapping[Link, Fetched] = MappingProxyType({})
    ) -> Ruling:
        """
        Judge by the answer and what was fetched for it; return what is still to be fetched, if anything is.

        Blocks, and needs nothing but the disk.
        """
        with self._answer(standing.id, standing.number) as answer:
            head = answer.head
            answered_at = dt.datetime.fromisoformat(head["answered_at"])
            reply = _reply_in(answer)
            harvest = self._harvest(standing, answer, reply, fetched)
            if harvest.links:
                return Wanted(
                    standing=standing,
                    links=harvest.links,
                    is_awaited=harvest.is_awaited,
                    answered_at=answered_at,
                )
            private = [each for each in fetched.values() if isinstance(each, FetchPrivate)]
            if private and not harvest.pictures:
                return Withheld(standing=standing, reason=str(private[0]))
            judgement = as_told(
                _judgement(answer, reply, harvest, answered_at), self._client.key_source
            )
        if answer.broken and not harvest.pictures:
            self._spool.cut_answer(standing.id, standing.number, _FRUITLESS_BYTES)
        return self._attempts.close(
            standing,
            judgement,
            closed_at=answered_at,
            head=head,
            pictures=max(harvest.pictures, len(reply.pictures)),
            usage=reply.usage,
            warnings=self._warnings(standing) if harvest.pictures else (),
        )

    def _warnings(self, standing: Standing) -> tuple[str, ...]:
        return warnings_of(job_of(standing).request, self._results.received(standing.id))

    def _answer(self, job_id: str, number: int) -> AbstractContextManager[KeptAnswer]:
        path = self._spool.answer(job_id, number)
        return answers.opened(path, limit=MAX_BODY_BYTES, hidden=self._client.secrets)

    def _harvest(
        self,
        standing: Standing,
        answer: KeptAnswer,
        reply: Reply,
        fetched: Mapping[Link, Fetched],
    ) -> _Harvest:
        """
        Seal what can be decoded: of the pictures meant as such, and where there is none of the others.
        """
        if standing.below(OUTPUTS):
            return _Harvest(pictures=len(standing.below(OUTPUTS)))
        faults: list[str] = []
        for tier in (reply.sure, reply.guesses):
            is_awaited = tier == reply.sure
            links = _links_in(tier)
            if missing := tuple(link for link in links if link not in fetched):
                return _Harvest(links=missing, is_awaited=is_awaited)
            if not tier:
                continue
            count, found = self._results.seal(
                standing.id,
                answer,
                tier,
                fetched,
                is_proof_needed=not (is_awaited and _is_success(answer)),
            )
            if count:
                return _Harvest(pictures=count, faults=tuple(found))
            faults += found if is_awaited else []
        return _Harvest(faults=tuple(faults))


def _reply_in(answer: KeptAnswer) -> Reply:
    """
    Return what an answer holds; where it is no success, nothing but the pictures it holds itself.
    """
    if _is_success(answer):
        return read_answer(answer.skeleton.body)
    if answer.head["status"] < 400:
        return Reply()
    found = read_answer(answer.skeleton.body).sure
    return Reply(found=tuple(each for each in found if isinstance(each.picture, Inline | Whole)))


def _is_success(answer: KeptAnswer) -> bool:
    return 200 <= int(answer.head["status"]) < 300


def _links_in(tier: tuple[Found, ...]) -> tuple[Link, ...]:
    return tuple(each.picture for each in tier if isinstance(each.picture, Link))


def _judgement(
    answer: KeptAnswer, reply: Reply, harvest: _Harvest, answered_at: dt.datetime
) -> Judgement:
    headers, body = answer.head["headers"], answer.skeleton.body
    if harvest.pictures:
        return Judgement(
            verdict=Verdict.DONE,
            code="",
            message=safe_text("; ".join(harvest.faults)),
            request_id=request_id_of(headers),
        )
    if not _is_success(answer):
        is_cut = bool(answer.head.get("is_cut"))
        return judge_answer(answer.head["status"], headers, body, answered_at, is_cut=is_cut)
    if answer.broken:
        judgement = judge_failure(Failure.NO_ANSWER, answer.broken)
        return replace(judgement, request_id=request_id_of(headers))
    fault = "something that cannot be opened" if harvest.faults else str(reply.fault)
    text = "; ".join(harvest.faults) or reply.text
    judgement = judge_bad_success(fault, text, headers, body, answered_at)
    is_lasting = bool(_links_in(reply.sure)) or reply.fault in _LASTING
    return replace(judgement, is_final=is_lasting and judgement.verdict is Verdict.IN_DOUBT)
