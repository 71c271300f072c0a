"""
A disk that answers with errors: at any operation, once or for a while, the run goes on or says why it waits.

Here a share of all faults is tried, `make sweep` tries each. Then the product is broken on purpose.
"""

import asyncio
import errno
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine_world import open_world, photo
from fault_plots import survive
from faulty_disk import Extent, Fault, FaultyDisk
from process import opened
from retouchd.pipeline import response_writer

pytestmark = pytest.mark.slow(45)

SHARES = [
    ("near", Extent.ONCE, 23),
    ("near", Extent.LIKE, 55),
    ("near", Extent.ALL, 57),
    ("far", Extent.ONCE, 35),
    ("far", Extent.LIKE, 37),
    ("edits", Extent.LIKE, 55),
]
"""The world, how much fails, and every how manieth operation is tried; the errors take turns."""

ANSWER = r"^fsync .*/attempt-1-1\.part"


def start(folder: Path, world: str, extent: Extent, every: int) -> subprocess.Popen[bytes]:
    script = Path(__file__).parents[1] / "support/fault_plots.py"
    folder.mkdir()
    command = [sys.executable, *map(str, (script, folder, world, extent, every // 2, every))]
    return opened(command, cwd=folder, stdout=subprocess.PIPE)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("lane", [SHARES[:2], SHARES[2:]], ids=["first", "second"])
def test_no_fault_of_the_disk_loses_or_silences_anything(
    tmp_path: Path, lane: list[tuple[str, Extent, int]]
) -> None:
    """
    Nothing is lost or paid twice, all that waits says why, and once the disk is mended all is finished.
    """
    for world, extent, every in lane:
        with start(tmp_path / f"{world} {extent}", world, extent, every) as process:
            outcome: dict[str, Any] = json.loads(process.communicate()[0])
        assert not outcome["broken"]
        assert sum(outcome["survived"].values()) > 15, "faults were met"


def broken_by(tmp_path: Path, like: str) -> str:
    """
    Let the operation of that kind fail once; return the promise that is broken, if any.
    """
    return broken_at(tmp_path, Fault(number=errno.EIO, extent=Extent.ONCE, like=like))


def broken_at(root: Path, fault: Fault, world: str = "near") -> str:
    disk = FaultyDisk(root=root / "root", fault=fault)
    try:
        asyncio.run(survive(world, disk))
    except AssertionError as broken:
        return str(broken)
    assert disk.hit, "the fault was met"
    return ""


def ask_the_same_file_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Break the keeping: after a failed fsync the same file is synced again, as if the next one told the truth.
    """

    def trusting(self: Any) -> None:
        self.failure = None
        self.rest.clear()

    monkeypatch.setattr(response_writer._Pending, "_take_back", trusting)


def let_the_answer_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Break the keeping: what the disk does not take is forgotten.
    """
    commit = response_writer._Pending.commit
    monkeypatch.setattr(response_writer._Pending, "commit", lambda self: commit(self) or True)


def test_an_answer_survives_a_failed_fsync(tmp_path: Path) -> None:
    """
    The product as it is, where the mutants below fail.
    """
    assert not broken_by(tmp_path, ANSWER)


@pytest.mark.parametrize("world", ["near", "far"])
def test_a_picture_that_the_disk_does_not_show_is_not_bought_again(
    tmp_path: Path, world: str
) -> None:
    """
    That the disk fails while a received picture is looked at says nothing about the picture.
    """
    whole = FaultyDisk(root=tmp_path / "whole")
    asyncio.run(survive(world, whole))
    looks = [
        number
        for number, operation in enumerate(whole.operations, 1)
        if re.match(r"p?read .*outputs-1\.part", operation)
    ]
    assert looks, "it was looked at"

    for at in looks:
        fault = Fault(number=errno.EIO, extent=Extent.ONCE, at=at)
        assert not broken_at(tmp_path / str(at), fault, world), whole.operations[at - 1]


async def dropped_twice(disk: FaultyDisk) -> tuple[int, dict[str, str]]:
    """
    Drop a picture, and once it is done the same one again, and its result; return how many requests that
    took, and what waits then.
    """
    async with open_world(disk.root) as world:
        picture = photo()
        world.tell(settle_seconds=1)
        (world.folders.inbox / "_prompt.txt").write_text("make it blue")
        with disk.installed():
            async with world.running() as daemon:
                world.drop("cat.png", None, image=picture)
                await world.until(world.history)
                world.drop("again.png", None, image=picture)
                with disk.aside():
                    result = (world.folders.outbox / "cat.png").read_bytes()
                (world.folders.inbox / "result.png").write_bytes(result)
                await world.noticed(daemon, "result.png")
                await asyncio.sleep(60)  # Of skipped time: they have settled by then.
                await world.until(lambda: not world.jobs())
                return len(world.requests), await world.reasons(daemon)


@pytest.mark.parametrize("read", ["originals/cat.png", "outputs/1-1.png"])
def test_what_the_disk_did_not_tell_of_a_finished_job_is_looked_up_before_the_next_claim(
    tmp_path: Path, read: str
) -> None:
    """
    What a job is known by is read last when it is planned; where that fails, its picture is published all
    the same.
    """
    whole = FaultyDisk(root=tmp_path / "whole")
    assert asyncio.run(dropped_twice(whole))[0] == 1
    last = max(n for n, each in enumerate(whole.operations, 1) if re.match(f"open .*{read}$", each))
    disk = FaultyDisk(
        root=tmp_path / "faulty", fault=Fault(number=errno.EIO, extent=Extent.ONCE, at=last)
    )

    requests, waiting = asyncio.run(dropped_twice(disk))

    assert disk.hit.endswith(read)
    assert requests == 1
    assert "again.png" in waiting
    assert "result.png" in waiting


@pytest.mark.parametrize(
    ("mutant", "promise"),
    [
        (ask_the_same_file_again, "asked for again after it had failed"),
        (let_the_answer_go, "asked too often"),
    ],
)
def test_a_broken_keeping_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mutant: Any, promise: str
) -> None:
    """
    Each mutant breaks one promise, and the check says which.
    """
    mutant(monkeypatch)

    assert promise in broken_by(tmp_path, ANSWER)
