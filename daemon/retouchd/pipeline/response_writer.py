"""
Buffers and writes answers, which are paid for: whole on disk before anybody reads them, however long the disk
resists.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any, TypeVar

from retouchd.disk.durable import DurableFile
from retouchd.disk.threads import in_work
from retouchd.endpoint.client import NoAnswer
from retouchd.errors import Blocked
from retouchd.events import emit
from retouchd.events.jobs import AnswerHeld, AnswerLost
from retouchd.job.model import AttemptKey
from retouchd.spool.answer_file import head_line
from retouchd.spool.spool import Spool

T = TypeVar("T")

_MEMORY = 32 << 20
_PATCH = 4 << 20
"""So much of an answer is held at most: nearly all are whole then, and need one write and one fsync."""
_AT_ONCE = 2
_RETRY_SECONDS = 5.0
_REMOVED = "its folder in work/ was removed before the answer came"
_ABANDONED = "retouchd was stopped at once, and the disk of the work folder had not taken it yet"
_LONGEST_REASON = 80
_SPARE = 6 * _LONGEST_REASON + len(', "broken": ""')
"""Bytes that a head line may grow by: a character takes six at most in JSON."""


class ResponseWriter:
    """
    Writes answers to disk as they come, any number at once; all share a buffer of so many bytes, or twice that
    where they are many.

    Of answers that come together only a few are written at a time, in the order in which they were whole:
    written side by side all of them would be through at the end, and nobody before.
    """

    def __init__(self, spool: Spool, *, memory: int = _MEMORY) -> None:
        self._spool = spool
        self._memory = memory
        self._all_pending: set[_Pending] = set()
        self._abandoned: list[_Pending] = []
        self._order = asyncio.Semaphore(_AT_ONCE)

    async def keep(
        self,
        job_id: str,
        key: AttemptKey,
        head: dict[str, Any],
        chunks: AsyncIterator[bytes],
        *,
        cost_usd: float | None = None,
    ) -> None:
        """
        Write an answer as it comes; return once it is durable under its name.

        Where the disk fails (full, most often) the bytes stay in memory until it takes them: they leave it
        only when they are durable, as what a failed fsync left behind need not be what was written.

        An answer that breaks off is kept as far as it came, and its head line says why (`broken`): it may
        hold all that was paid for. Raises NoAnswer where it can hold nothing.

        Cancelled, it leaves the answer to the thread that may be writing it: see `tell_lost`.
        """
        pending = _Pending(self._spool, job_id, key, head, cost_usd)
        self._all_pending.add(pending)
        try:
            try:
                async for chunk in chunks:
                    pending.rest += chunk
                    if self._is_much(pending):
                        await self._in_order(pending.flush)
            except NoAnswer as failure:
                if pending.is_empty and 200 <= head["status"] < 300:
                    raise
                pending.end_broken(str(failure))
            while not await self._in_order(pending.commit):
                if await in_work(self._spool.is_gone, job_id):
                    emit(pending.lost(_REMOVED))
                    raise Blocked(_REMOVED)
                emit(AnswerHeld(job=job_id, bytes=len(pending.rest), reason=pending.failure))
                await asyncio.sleep(_RETRY_SECONDS)
        except asyncio.CancelledError:
            self._abandoned.append(pending)
            raise
        finally:
            self._all_pending.remove(pending)
            if pending not in self._abandoned:
                pending.close()

    def tell_lost(self) -> None:
        """
        Tell of each answer that nobody waits for any more and that is in memory alone, once. From any thread.
        """
        while self._abandoned:
            pending = self._abandoned.pop()
            if not pending.is_kept and not pending.is_empty:
                emit(pending.lost(_ABANDONED))

    def _is_much(self, pending: "_Pending") -> bool:
        """
        Tell whether an answer holds as much memory as it may.
        """
        held = len(pending.rest)
        if held < _PATCH and sum(len(each.rest) for each in self._all_pending) < self._memory:
            return False
        return held >= min(_PATCH, self._memory // len(self._all_pending))

    async def _in_order(self, task: Callable[[], T]) -> T:
        async with self._order:
            return await in_work(task)


class _Pending:
    """
    The buffer of one answer: so many bytes are `_durable`, the `rest` is in memory alone until all `is_kept`.
    """

    def __init__(
        self,
        spool: Spool,
        job_id: str,
        key: AttemptKey,
        head: dict[str, Any],
        cost_usd: float | None,
    ) -> None:
        self._job_id = job_id
        self._cost_usd = cost_usd
        self._head = head
        self._open = partial(spool.keep, job_id, key)
        self._read_back = partial(spool.half_kept, job_id, key)
        self._drop = partial(spool.drop_half_kept, job_id, key)
        self._file: DurableFile | None = None
        self._durable = 0
        self._is_amended = False
        self.rest = bytearray()
        self.failure = ""
        self.is_kept = False

    @property
    def is_empty(self) -> bool:
        """
        Return whether nothing of the body has come.
        """
        return not self.rest and not self._durable

    def lost(self, reason: str) -> AnswerLost:
        """
        Return the event of its loss.
        """
        size = self._durable + len(self.rest)
        return AnswerLost(job=self._job_id, bytes=size, reason=reason, cost_usd=self._cost_usd)

    def end_broken(self, reason: str) -> None:
        """
        Take in that nothing more comes, although the answer is not whole.
        """
        self._head = {**self._head, "broken": reason[:_LONGEST_REASON]}
        self._is_amended = True

    def flush(self) -> None:
        """
        Make the rest durable, unless the disk has failed before.
        """
        if self.failure:
            return
        try:
            self._write(_SPARE).sync()
        except OSError as error:
            self.failure = str(error)
        else:
            self._durable += len(self.rest)
            self.rest.clear()

    def commit(self) -> bool:
        """
        Write what is left and give the file its name; return False if the disk does not take it.

        After a failure another file is begun: a failed fsync must not be trusted a second time.
        """
        try:
            if self.failure:
                self._take_back()
            self._write().commit()
        except OSError as error:
            self.failure = str(error)
            return False
        self.is_kept = True
        return True

    def close(self) -> None:
        """
        Let go of the file.
        """
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(
                OSError
            ):  # What is durable is, and the rest is still in memory.
                file.close()

    def _write(self, spare: int = 0) -> DurableFile:
        if self._file is None:
            self._file = self._open(self._head, spare=spare)
        elif self._is_amended:
            self._file.amend(head_line(self._head).rstrip(b"\n"))
        self._file.write(self.rest)
        return self._file

    def _take_back(self) -> None:
        """
        Take what is durable into memory again, and clear the way for another file.
        """
        if self._durable:
            self.rest[:0] = self._read_back()[: self._durable]
            self._durable = 0
        self.close()
        self._drop()
        self.failure = ""
