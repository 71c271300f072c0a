"""
What a kept answer came to: pictures decoded and sealed, or a verdict without any.
"""

import asyncio
import binascii
import contextlib
import datetime as dt
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

from retouchd.adapters import answers, images
from retouchd.adapters.answers import KeptAnswer
from retouchd.adapters.decoding import ImageFault
from retouchd.adapters.edits import EditsClient, FetchFailed, FetchRefused
from retouchd.adapters.spool import Spool
from retouchd.adapters.standing import Standing
from retouchd.engine.attempts import Attempts, Closed
from retouchd.engine.clock import Clock
from retouchd.rules.answer import Reply, read_answer
from retouchd.rules.errorbody import request_id_of, safe_text
from retouchd.rules.job import Verdict
from retouchd.rules.phase import OUTPUTS
from retouchd.rules.pictures import Inline, Link
from retouchd.rules.verdict import Judgement, judge_answer, judge_bad_success

MAX_BODY_BYTES = 1 << 29
_URL_LIVES = dt.timedelta(minutes=60)


class FetchLater(Exception):
    """
    A paid picture lies behind a url that cannot be reached now; it is fetched again, never bought again.
    """


_Fetched: TypeAlias = Iterable[bytes] | FetchRefused
"""The bytes behind a url, or why there are none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """
    Pictures that are still to be fetched for a kept answer, by their numbers in it.
    """

    standing: Standing
    links: Mapping[int, Link]
    answered_at: dt.datetime


Ruling: TypeAlias = Closed | Wanted
"""What a kept answer came to so far."""


class Judge:
    """
    Reads kept answers. The answer on disk is never thrown away here, so judging may be repeated.
    """

    def __init__(
        self,
        *,
        spool: Spool,
        client: EditsClient,
        attempts: Attempts,
        clock: Clock,
    ) -> None:
        self._spool = spool
        self._client = client
        self._attempts = attempts
        self._clock = clock

    async def judge(self, standing: Standing) -> Closed:
        """
        Close the kept attempt; on success `outputs/` stands whole before. Raises FetchLater.
        """
        return await self.conclude(standing, await asyncio.to_thread(self.rule, standing))

    async def conclude(self, standing: Standing, ruling: Ruling) -> Closed:
        """
        Fetch what is still to be fetched and judge again; then let it count. Raises FetchLater.
        """
        if isinstance(ruling, Wanted):
            with contextlib.ExitStack() as files:
                fetched = {
                    number: await self._fetched(standing.id, link, ruling.answered_at, files)
                    for number, link in ruling.links.items()
                }
                ruling = await asyncio.to_thread(self.rule, ruling.standing, fetched)
        assert isinstance(ruling, Closed), "all that was wanted was fetched"
        self._attempts.tell(standing, ruling)
        return ruling

    def rule(
        self, standing: Standing, fetched: Mapping[int, _Fetched] = MappingProxyType({})
    ) -> Ruling:
        """
        Judge by the answer and what was fetched for it; return what is still to be fetched, if anything is.

        Blocks, and needs nothing but the disk.
        """
        with self._answer(standing.id, standing.number) as answer:
            head = answer.head
            answered_at = dt.datetime.fromisoformat(head["answered_at"])
            if 200 <= head["status"] < 300:
                reply = read_answer(answer.skeleton.body)
                links = {
                    number: picture
                    for number, picture in enumerate(reply.pictures, 1)
                    if isinstance(picture, Link) and number not in fetched
                }
                if links and not standing.below(OUTPUTS):
                    return Wanted(standing=standing, links=links, answered_at=answered_at)
                judgement = self._judge_success(standing, answer, reply, fetched)
            else:
                reply = Reply()
                body = answer.skeleton.body
                judgement = judge_answer(head["status"], head["headers"], body, answered_at)
        return self._attempts.close(
            standing,
            judgement,
            closed_at=answered_at,
            head=head,
            pictures=len(reply.pictures),
            usage=reply.usage,
        )

    def _answer(self, job_id: str, number: int) -> AbstractContextManager[KeptAnswer]:
        path = self._spool.answer(job_id, number)
        return answers.opened(path, limit=MAX_BODY_BYTES, hidden=self._client.secrets)

    def _judge_success(
        self,
        standing: Standing,
        answer: KeptAnswer,
        reply: Reply,
        fetched: Mapping[int, _Fetched],
    ) -> Judgement:
        headers, body = answer.head["headers"], answer.skeleton.body
        faults = self._decode(standing, answer, reply, fetched)
        if len(faults) < len(reply.pictures):
            return Judgement(
                verdict=Verdict.DONE,
                code="",
                message=safe_text("; ".join(faults)),
                request_id=request_id_of(headers),
            )
        fault = "something that cannot be opened" if faults else str(reply.fault)
        text = "; ".join(faults) or reply.text
        answered_at = dt.datetime.fromisoformat(answer.head["answered_at"])
        return judge_bad_success(fault, text, headers, body, answered_at)

    def _decode(
        self,
        standing: Standing,
        answer: KeptAnswer,
        reply: Reply,
        fetched: Mapping[int, _Fetched],
    ) -> list[str]:
        """
        Seal every picture that can be decoded; return what is wrong with the others.
        """
        if standing.below(OUTPUTS) or not reply.pictures:
            return []
        self._spool.begin_outputs(standing.id)
        faults = []
        for number, picture in enumerate(reply.pictures, 1):
            try:
                self._store(standing.id, number, _blocks(answer, picture, fetched.get(number)))
            except (FetchRefused, ImageFault, binascii.Error) as fault:
                faults.append(f"picture {number}: {fault}")
        if len(faults) < len(reply.pictures):
            self._spool.seal_outputs(standing.id)
        return faults

    async def _fetched(
        self, job_id: str, link: Link, answered_at: dt.datetime, files: contextlib.ExitStack
    ) -> _Fetched:
        try:
            async with self._client.fetch(link.url) as fetched:
                file = await answers.spilled(fetched.chunks(), self._spool.folder(job_id))
            return answers.blocks_of(files.enter_context(file))
        except FetchRefused as refusal:
            return refusal
        except FetchFailed as failure:
            if self._clock.now() - answered_at > _URL_LIVES:
                return FetchRefused(str(failure))
            raise FetchLater(str(failure)) from failure

    def _store(self, job_id: str, number: int, blocks: Iterable[bytes]) -> None:
        path = self._spool.output(job_id, number)
        try:
            self._spool.add_output(path, blocks)
            extension = images.check_output(path)
        except (ImageFault, binascii.Error):
            self._spool.drop_output(path)
            raise
        self._spool.name_output(path, extension)


def _blocks(
    answer: KeptAnswer, picture: Inline | Link, fetched: _Fetched | None
) -> Iterable[bytes]:
    if isinstance(picture, Inline):
        return answer.picture(picture.data)
    if isinstance(fetched, FetchRefused):
        raise fetched
    assert fetched is not None, "judged only when all was fetched"
    return fetched
