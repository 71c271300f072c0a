"""
What a kept answer came to: pictures decoded and sealed, or a verdict without any.
"""

import asyncio
import binascii
import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from retouchd.adapters import images
from retouchd.adapters.decoding import ImageFault
from retouchd.adapters.edits import (
    EditsClient,
    FetchFailed,
    FetchRefused,
    Head,
    decoded,
)
from retouchd.adapters.spool import Spool
from retouchd.adapters.standing import Standing
from retouchd.engine.attempts import Attempts
from retouchd.engine.clock import Clock
from retouchd.rules.answer import Reply, read_answer
from retouchd.rules.errorbody import LOOKED_AT, request_id_of, safe_text
from retouchd.rules.job import Verdict
from retouchd.rules.phase import OUTPUTS
from retouchd.rules.pictures import Inline, Link
from retouchd.rules.verdict import Judgement, judge_answer, judge_bad_success

MAX_BODY_BYTES = 1 << 29
_URL_LIVES = dt.timedelta(minutes=60)
_SLICE = 1 << 20
_URL_ALPHABET = str.maketrans("-_", "+/")


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
        max_megapixels: float,
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
        head, raw = await asyncio.to_thread(self._spool.kept, standing.id, number)
        answered_at = dt.datetime.fromisoformat(head["answered_at"])
        body = await asyncio.to_thread(_unpacked, head, raw)
        headers = {name: self._client.without_key(each) for name, each in head["headers"].items()}
        if 200 <= head["status"] < 300:
            reply = await asyncio.to_thread(read_answer, body)
            judgement = await self._judge_success(standing, headers, body, reply, answered_at)
        else:
            reply = Reply()
            said = self._without_key(body)
            judgement = judge_answer(head["status"], headers, said, answered_at)
        await self._attempts.close(
            standing,
            number,
            judgement,
            closed_at=answered_at,
            head=head,
            pictures=len(reply.pictures),
            usage=reply.usage,
        )

    async def _judge_success(
        self,
        standing: Standing,
        headers: Mapping[str, str],
        body: bytes,
        reply: Reply,
        answered_at: dt.datetime,
    ) -> Judgement:
        faults = await self._decode(standing, reply, answered_at)
        if len(faults) < len(reply.pictures):
            request_id = request_id_of(headers)
            message = safe_text("; ".join(faults))
            return Judgement(verdict=Verdict.DONE, code="", message=message, request_id=request_id)
        fault = "something that cannot be opened" if faults else str(reply.fault)
        text = self._client.without_key("; ".join(faults) or reply.text or "")
        return judge_bad_success(fault, text, headers, self._without_key(body), answered_at)

    def _without_key(self, body: bytes) -> bytes:
        start = body[:LOOKED_AT].decode(errors="surrogateescape")
        return self._client.without_key(start).encode(errors="surrogateescape") + body[LOOKED_AT:]

    async def _decode(
        self, standing: Standing, reply: Reply, answered_at: dt.datetime
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
                blocks = await self._blocks(picture, answered_at)
                await asyncio.to_thread(self._store, standing.id, number, blocks)
            except (FetchRefused, ImageFault, binascii.Error) as fault:
                faults.append(f"picture {number}: {fault}")
        if len(faults) < len(reply.pictures):
            await asyncio.to_thread(self._spool.seal_outputs, standing.id)
        return faults

    async def _blocks(self, picture: Inline | Link, answered_at: dt.datetime) -> Iterable[bytes]:
        if isinstance(picture, Inline):
            return _unbase64(picture.data)
        try:
            async with self._client.fetch(picture.url) as answer:
                return [chunk async for chunk in answer.chunks()]
        except FetchFailed as failure:
            if self._clock.now() - answered_at > _URL_LIVES:
                raise FetchRefused(str(failure)) from failure
            raise FetchLater(str(failure)) from failure

    def _store(self, job_id: str, number: int, blocks: Iterable[bytes]) -> None:
        path = self._spool.output(job_id, number)
        try:
            self._spool.add_output(path, blocks)
            extension = images.check_output(path, max_megapixels=self._max_megapixels)
        except (ImageFault, binascii.Error):
            self._spool.drop_output(path)
            raise
        self._spool.name_output(path, extension)


def _unpacked(head: Mapping[str, Any], raw: bytes) -> bytes:
    return decoded(raw, Head(status=head["status"], headers=head["headers"]), MAX_BODY_BYTES)


def _unbase64(text: str) -> Iterator[bytes]:
    """
    Decode in slices: decoding holds the interpreter, and a long hold would stall everything else.

    Relays send the alphabet of urls too, and leave the padding out.
    """
    if not text.isascii():
        raise binascii.Error("it is no base64")
    text = text.rstrip("=").translate(_URL_ALPHABET)
    text += "=" * (-len(text) % 4)
    for start in range(0, len(text), _SLICE):
        yield binascii.a2b_base64(text[start : start + _SLICE], strict_mode=True)
