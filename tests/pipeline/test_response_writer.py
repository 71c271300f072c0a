"""
A paid answer on a disk that resists.
"""

import asyncio
import contextlib
import errno
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from builders import NOW, Place
from retouchd.disk import durable
from retouchd.endpoint.client import NoAnswer
from retouchd.job.model import AttemptKey, Opened
from retouchd.pipeline import response_writer
from retouchd.pipeline.response_writer import ResponseWriter
from retouchd.spool.spool import Spool

PATCH = 1 << 20


class FailingOnce:
    """
    The system with a disk that fails at its second write of an answer.
    """

    def __init__(self) -> None:
        self.writes = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def write(self, fd: int, data: bytes) -> int:
        is_patch = len(data) >= PATCH
        self.writes += is_patch
        if is_patch and self.writes == 2:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return os.write(fd, data)


class BlindOnce(Spool):
    """
    A spool whose disk cannot even be read back at the first try.
    """

    looks = 0

    def half_kept(self, job_id: str, key: AttemptKey) -> bytes:
        self.looks += 1
        if self.looks == 1:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return super().half_kept(job_id, key)


async def in_chunks(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), PATCH):
        yield body[start : start + PATCH]


async def test_an_answer_outlives_a_disk_that_neither_writes_nor_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    What was written before the fault is read back as soon as it can be; the answer is kept whole.
    """
    place = Place.under(tmp_path)
    job = place.claimed("cat.png", "cat.txt")
    place.spool.open_attempt(job.id, (1, 1), Opened(sent_at=NOW))
    spool = BlindOnce(work=place.folders.work, inbox=place.folders.inbox)
    monkeypatch.setattr(response_writer, "_RETRY_SECONDS", 0.01)
    monkeypatch.setattr(durable, "os", FailingOnce())
    body = os.urandom(3 * PATCH + 7)

    await ResponseWriter(spool, memory=PATCH).keep(job.id, (1, 1), {"status": 200}, in_chunks(body))

    head, _, kept = spool.answer(job.id, (1, 1)).read_bytes().partition(b"\n")
    assert spool.looks == 2
    assert (json.loads(head), kept) == ({"status": 200}, body)


class Forgetful:
    """
    The system with a disk whose first fsync of a file fails, and takes along what was not durable.
    """

    def __init__(self) -> None:
        self.has_failed = False

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def fsync(self, fd: int) -> None:
        if not self.has_failed:
            self.has_failed = True
            path = Path(f"/proc/self/fd/{fd}").readlink()
            path.write_bytes(bytes(path.stat().st_size))
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        os.fsync(fd)


class UnsyncedJournal:
    """
    The system with a disk on which the first fsync of the journal fails.
    """

    def __init__(self) -> None:
        self.has_failed = False

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def fsync(self, fd: int) -> None:
        name = Path(f"/proc/self/fd/{fd}").readlink().name
        if name == "journal.jsonl" and not self.has_failed:
            self.has_failed = True
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        os.fsync(fd)


class UnsyncedFolder:
    """
    The system with a disk on which the first fsync of a folder fails.
    """

    def __init__(self) -> None:
        self.has_failed = False

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def fsync(self, fd: int) -> None:
        if Path(f"/proc/self/fd/{fd}").readlink().is_dir() and not self.has_failed:
            self.has_failed = True
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        os.fsync(fd)


@pytest.mark.parametrize("size", [7, PATCH + 7])
@pytest.mark.parametrize(
    ("disk", "number"),
    [(Forgetful, 1), (Forgetful, 2), (UnsyncedJournal, 1), (UnsyncedFolder, 2)],
)
async def test_what_a_failed_fsync_left_is_never_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, disk: type[Any], number: int, size: int
) -> None:
    """
    The answer is written anew from memory; one that has its name already is not waited for for ever.
    """
    place = Place.under(tmp_path)
    job = place.claimed("cat.png", "cat.txt")
    place.spool.open_attempt(job.id, (1, number), Opened(sent_at=NOW))
    monkeypatch.setattr(response_writer, "_RETRY_SECONDS", 0.01)
    failing = disk()
    monkeypatch.setattr(durable, "os", failing)
    body = os.urandom(size)

    async with asyncio.timeout(20):
        await ResponseWriter(place.spool, memory=PATCH).keep(
            job.id, (1, number), {"status": 200}, in_chunks(body)
        )

    assert failing.has_failed
    head, _, kept = place.spool.answer(job.id, (1, number)).read_bytes().partition(b"\n")
    assert (json.loads(head), kept) == ({"status": 200}, body)


@pytest.mark.parametrize("size", [7, PATCH + 7, 3 * PATCH])
async def test_an_answer_that_breaks_off_is_kept_and_says_so(tmp_path: Path, size: int) -> None:
    """
    Every byte that came is there, however much of it was written before; the head line has the reason.
    """
    place = Place.under(tmp_path)
    job = place.claimed("cat.png", "cat.txt")
    place.spool.open_attempt(job.id, (1, 1), Opened(sent_at=NOW))
    body = os.urandom(size)

    async def broken() -> AsyncIterator[bytes]:
        async for chunk in in_chunks(body):
            yield chunk
        raise NoAnswer("the answer broke off: „Verbindung zurückgesetzt“ " + "é" * 100)

    await ResponseWriter(place.spool, memory=PATCH).keep(job.id, (1, 1), {"status": 200}, broken())

    head, _, kept = place.spool.answer(job.id, (1, 1)).read_bytes().partition(b"\n")
    assert kept == body
    assert json.loads(head)["status"] == 200
    assert json.loads(head)["broken"].startswith("the answer broke off: „Verbindung")


@pytest.mark.parametrize(("status", "is_kept"), [(200, False), (429, True)])
async def test_a_head_alone_is_kept_where_it_says_something(
    tmp_path: Path,
    status: int,
    is_kept: bool,  # noqa: FBT001 - one column of the table
) -> None:
    """
    A refusal is one without its words as well; a success without a body is nothing.
    """
    place = Place.under(tmp_path)
    job = place.claimed("cat.png", "cat.txt")
    place.spool.open_attempt(job.id, (1, 1), Opened(sent_at=NOW))

    async def broken() -> AsyncIterator[bytes]:
        raise NoAnswer("the answer broke off")
        yield b""

    expectation = contextlib.nullcontext() if is_kept else pytest.raises(NoAnswer)
    with expectation:
        await ResponseWriter(place.spool).keep(job.id, (1, 1), {"status": status}, broken())
    assert place.spool.answer(job.id, (1, 1)).exists() == is_kept


class Counting(Spool):
    """
    A work folder that notes, whenever an answer begins to be written, how many are kept already.
    """

    kept: list[int]

    def keep(self, job_id: str, *args: Any, **more: Any) -> Any:
        self.kept.append(sum(self.answer(each, (1, 1)).exists() for each in self.ids()))
        return super().keep(job_id, *args, **more)


async def test_of_answers_that_come_together_one_is_kept_before_the_next_is_written(
    tmp_path: Path,
) -> None:
    """
    Otherwise all of them would be whole at the end, and nobody could be judged before.
    """
    place = Place.under(tmp_path)
    jobs = [place.claimed(f"{number}.png", f"{number}.txt") for number in range(12)]
    for job in jobs:
        place.spool.open_attempt(job.id, (1, 1), Opened(sent_at=NOW))
    spool = Counting(work=place.folders.work, inbox=place.folders.inbox)
    spool.kept = []
    writer = ResponseWriter(spool)

    await asyncio.gather(
        *(writer.keep(job.id, (1, 1), {"status": 200}, in_chunks(b"{}")) for job in jobs)
    )

    assert len(spool.kept) == len(jobs)
    assert all(there >= number - 1 for number, there in enumerate(spool.kept)), spool.kept
