"""
An attempt that the disk would not have opened or closed: what this process knows of it holds all the same.
"""

import errno
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from engine_world import World, open_world
from retouchd.disk import durable
from retouchd.pictures import inspect
from retouchd.service.daemon import Ending


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path) as world:
        yield world


class FailingDisk:
    """
    Stands for `os` in the one module that writes: the first syncs fail of the journal that tells of such a
    document, or the first writes of the document.
    """

    def __init__(self, name: str, *, times: int, is_written: bool = True) -> None:
        self._name = name
        self._is_written = is_written
        self.times = times

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def write(self, fd: int, data: bytes) -> int:
        if not self._is_written and _path_of(fd).name == self._name:
            self._fail()
        return os.write(fd, data)

    def fsync(self, fd: int) -> None:
        path = _path_of(fd)
        is_told = path.name == "journal.jsonl" and self._name.encode() in path.read_bytes()
        if self._is_written and is_told:
            self._fail()
        os.fsync(fd)

    def _fail(self) -> None:
        if self.times:
            self.times -= 1
            raise OSError(errno.EIO, os.strerror(errno.EIO))


def _path_of(fd: int) -> Path:
    return Path(os.readlink(f"/proc/self/fd/{fd}"))


async def test_a_request_that_was_never_sent_is_not_in_doubt(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The note that it is about to be sent may be on the disk, but this process knows that it went no further.
    """
    world.tell(max_in_doubt=0)
    world.drop("cat.png")
    disk = FailingDisk("attempt-1-1.open", times=1)
    monkeypatch.setattr(durable, "os", disk)

    assert await world.once() is Ending.DRAINED

    assert not disk.times
    assert world.verdicts("done/cat.job.json") == ["done"]
    assert world.record("done/cat.job.json")["in_doubt_usd"] == 0
    assert len(world.requests) == 1


@pytest.mark.parametrize("is_written", [False, True], ids=["not written", "not durable"])
async def test_what_became_of_a_request_is_not_forgotten_while_the_disk_fails(
    world: World, monkeypatch: pytest.MonkeyPatch, *, is_written: bool
) -> None:
    """
    Nobody listened, so nothing was paid, and the verdict cannot be written: it is what counts once it can.
    """
    world.tell(max_in_doubt=0, usd_per_day=9.0)
    world.drop("cat.png")
    await world.go_down()
    disk = FailingDisk("attempt-1-1.json", times=1, is_written=is_written)
    monkeypatch.setattr(durable, "os", disk)

    async with world.running() as daemon:
        await world.until(lambda: world.in_work("attempt-1-1.json") and not disk.times)
        await world.until(lambda: world.events("request.failed"))
        await world.time.still()
        assert not daemon._lane.ledger.today().committed_usd
        await world.come_up()
        await world.until(lambda: world.events("job.done") or world.events("job.failed"))

    assert world.verdicts("done/cat.job.json") == ["transient", "done"]
    assert len(world.requests) == 1


async def test_an_answer_that_brings_processes_down_may_have_been_charged(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Put aside unread, it counts in the record and in the sums of the day.
    """
    world.drop("cat.png")

    def out_of_memory(_: Path) -> str:
        raise MemoryError("made up")

    monkeypatch.setattr(inspect, "check_output", out_of_memory)
    daemon = world.daemon()
    await world.once(daemon)

    record = world.record("error/cat.job.json")
    assert record["error"]["code"] == "crashed"
    assert [each["verdict"] for each in record["attempts"]] == ["in_doubt"]
    assert record["in_doubt_usd"] > 0
    spend = daemon._lane.ledger.today()
    assert float(spend.in_doubt_usd) == record["in_doubt_usd"]
    assert spend.images == 1
    assert not spend.reserved_usd
    assert "cat.response" in world.tree("error")
    assert len(world.requests) == 1
