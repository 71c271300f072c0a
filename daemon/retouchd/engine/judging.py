"""
What a kept answer came to: pictures decoded and sealed, or a verdict without any.
"""

import asyncio
import binascii
import contextlib
import datetime as dt
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager

from retouchd.adapters import answers, images
from retouchd.adapters.answers import KeptAnswer
from retouchd.adapters.decoding import ImageFault
from retouchd.adapters.edits import EditsClient, FetchFailed, FetchRefused
from retouchd.adapters.spool import Spool
from retouchd.adapters.standing import Standing
from retouchd.engine.attempts import Attempts
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
        max_megapixels: Callable[[], float],
    ) -> None:
        self._spool = spool
        self._client = client
        self._attempts = attempts
        self._clock = clock
        self._max_megapixels = max_megapixels

    async def judge(self, standing: Standing) -> None:
        """
        Close the kept attempt; on success `outputs/` stands whole before. Raises FetchLater.
        """
        number = standing.number
        with contextlib.ExitStack() as stack:
            answer = await asyncio.to_thread(
                lambda: stack.enter_context(self._answer(standing.id, number))
            )
            head = answer.head
            answered_at = dt.datetime.fromisoformat(head["answered_at"])
            if 200 <= head["status"] < 300:
                reply = await asyncio.to_thread(read_answer, answer.skeleton.body)
                judgement = await self._judge_success(standing, answer, reply, answered_at)
            else:
                reply = Reply()
                body = answer.skeleton.body
                judgement = judge_answer(head["status"], head["headers"], body, answered_at)
        await self._attempts.close(
            standing,
            number,
            judgement,
            closed_at=answered_at,
            head=head,
            pictures=len(reply.pictures),
            usage=reply.usage,
        )

    def _answer(self, job_id: str, number: int) -> AbstractContextManager[KeptAnswer]:
        path = self._spool.answer(job_id, number)
        return answers.opened(path, limit=MAX_BODY_BYTES, hidden=self._client.secrets)

    async def _judge_success(
        self, standing: Standing, answer: KeptAnswer, reply: Reply, answered_at: dt.datetime
    ) -> Judgement:
        headers, body = answer.head["headers"], answer.skeleton.body
        faults = await self._decode(standing, answer, reply, answered_at)
        if len(faults) < len(reply.pictures):
            return Judgement(
                verdict=Verdict.DONE,
                code="",
                message=safe_text("; ".join(faults)),
                request_id=request_id_of(headers),
            )
        fault = "something that cannot be opened" if faults else str(reply.fault)
        text = "; ".join(faults) or reply.text
        return judge_bad_success(fault, text, headers, body, answered_at)

    async def _decode(
        self, standing: Standing, answer: KeptAnswer, reply: Reply, answered_at: dt.datetime
    ) -> list[str]:
        """
        Seal every picture that can be decoded; return what is wrong with the others.
        """
        if standing.below(OUTPUTS) or not reply.pictures:
            return []
        await asyncio.to_thread(self._spool.begin_outputs, standing.id)
        faults = []
        for number, picture in enumerate(reply.pictures, 1):
            try:
                blocks = await self._blocks(standing.id, answer, picture, answered_at)
                await asyncio.to_thread(self._store, standing.id, number, blocks)
            except (FetchRefused, ImageFault, binascii.Error) as fault:
                faults.append(f"picture {number}: {fault}")
        if len(faults) < len(reply.pictures):
            await asyncio.to_thread(self._spool.seal_outputs, standing.id)
        return faults

    async def _blocks(
        self, job_id: str, answer: KeptAnswer, picture: Inline | Link, answered_at: dt.datetime
    ) -> Iterable[bytes]:
        if isinstance(picture, Inline):
            return answer.picture(picture.data)
        try:
            async with self._client.fetch(picture.url) as fetched:
                return await answers.spilled(fetched.chunks(), self._spool.folder(job_id))
        except FetchFailed as failure:
            if self._clock.now() - answered_at > _URL_LIVES:
                raise FetchRefused(str(failure)) from failure
            raise FetchLater(str(failure)) from failure

    def _store(self, job_id: str, number: int, blocks: Iterable[bytes]) -> None:
        path = self._spool.output(job_id, number)
        try:
            self._spool.add_output(path, blocks)
            extension = images.check_output(path, max_megapixels=self._max_megapixels())
        except (ImageFault, binascii.Error):
            self._spool.drop_output(path)
            raise
        self._spool.name_output(path, extension)
