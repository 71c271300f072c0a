"""
An answer is paid for: it is kept whole on disk before anybody looks at it, however long the disk resists.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

from retouchd.adapters.edits import NoAnswer
from retouchd.adapters.files import DurableFile
from retouchd.adapters.spool import Spool
from retouchd.logs import logger

log = logger()

_MEMORY = 64 << 20
_PATCH = 4 << 20
"""So much of an answer is held at most: nearly all are whole then, and need one write and one fsync."""
_RETRY_SECONDS = 5.0


class Keeper:
    """
    Keeps answers, any number at once; all that are on their way share so many bytes of memory.
    """

    def __init__(self, spool: Spool, *, memory: int = _MEMORY) -> None:
        self._spool = spool
        self._memory = memory
        self._at_once = 0

    async def keep(
        self, job_id: str, number: int, head: dict[str, Any], chunks: AsyncIterator[bytes]
    ) -> None:
        """
        Write an answer as it comes; it is durable under its name on return.

        Where the disk fails (full, most often) the bytes stay in memory until it takes them: they leave it
        only when they are durable, as what a failed fsync left behind need not be what was written. Of an
        answer that breaks off nothing stays: an endpoint that never ends could fill the disk attempt by
        attempt.
        """
        sink = _Sink(self._spool, job_id, number, head)
        self._at_once += 1
        try:
            async for chunk in chunks:
                sink.rest += chunk
                if len(sink.rest) >= min(_PATCH, self._memory // self._at_once):
                    await asyncio.to_thread(sink.flush)
            while not await asyncio.to_thread(sink.commit):
                log.error("answer.held", job=job_id, bytes=len(sink.rest), reason=sink.failure)
                await asyncio.sleep(_RETRY_SECONDS)
        except NoAnswer:
            with contextlib.suppress(OSError):
                await asyncio.to_thread(self._spool.drop_half_kept, job_id, number)
            raise
        finally:
            self._at_once -= 1
            sink.close()


class _Sink:
    """
    Bytes on their way to disk: so many `_durable` ones, and the `rest` still in memory.
    """

    def __init__(self, spool: Spool, job_id: str, number: int, head: dict[str, Any]) -> None:
        self._open = partial(spool.keep, job_id, number, head)
        self._read_back = partial(spool.half_kept, job_id, number)
        self._drop = partial(spool.drop_half_kept, job_id, number)
        self._file: DurableFile | None = None
        self._durable = 0
        self.rest = bytearray()
        self.failure = ""

    def flush(self) -> None:
        """
        Make the rest durable, unless the disk has failed before.
        """
        if self.failure:
            return
        try:
            self._write().sync()
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

    def _write(self) -> DurableFile:
        if self._file is None:
            self._file = self._open()
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
