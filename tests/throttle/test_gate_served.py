"""
How fast, how many at once, and whether at all: the gate over real requests and real disks.
"""

import json
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine_world import World, moment, open_world, photo
from retouchd.inbox.readiness import Patience
from retouchd.sandbox.faults import Fault, FaultKind
from retouchd.service.daemon import Ending
from retouchd.throttle.concurrency import Rates


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path) as world:
        yield world


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """
    A disk of its own, of 20 MB.
    """
    place = tmp_path / "small"
    place.mkdir()
    if os.geteuid():
        pytest.skip("only root can mount a disk")
    _mount("-t", "tmpfs", "-o", "size=20m", "tmpfs", str(place))
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def _mount(*arguments: str) -> None:
    found = subprocess.run(["mount", *arguments], capture_output=True, check=False, text=True)
    if found.returncode:
        pytest.skip(f"no disk can be mounted here: {found.stderr.strip()}")


def fault(kind: FaultKind, **more: object) -> Fault:
    return Fault(kind=kind, **more)  # type: ignore[arg-type]


def drop_many(world: World, count: int) -> None:
    for number in range(count):
        world.drop(f"job{number:02}.png", image=photo(seed=number))


@pytest.mark.parametrize(
    "rates", [Rates(requests_per_minute=5), Rates(images_per_minute=5)], ids=["requests", "images"]
)
async def test_no_minute_sees_more_than_its_limit(world: World, rates: Rates) -> None:
    """
    Twelve pictures at five a minute: five, five and two, and nobody is turned away.
    """
    world.tell(rates=rates, concurrency=8)
    drop_many(world, 12)

    await world.once()

    sent = sorted(
        moment(attempt["sent_at"]).timestamp()
        for path in world.folders.done.glob("*.job.json")
        for attempt in json.loads(path.read_bytes())["attempts"]
    )
    assert len(sent) == len(world.tree("outbox")) == 12
    assert [round((at - sent[0]) / 60) for at in sent] == [0] * 5 + [1] * 5 + [2] * 2


async def test_a_429_halves_what_is_out_at_once_and_successes_widen_it(world: World) -> None:
    """
    From eight to four at the first word of the endpoint, and back to eight by itself.
    """
    world.tell(concurrency=8)
    drop_many(world, 60)
    world.faults(fault(FaultKind.RATE, times=1))

    await world.once()

    assert [line["at_once"] for line in world.events("pool.narrowed")] == [4]
    assert [line["at_once"] for line in world.events("pool.widened")] == [8]
    assert len(world.tree("outbox")) == 60


async def test_what_the_headers_say_of_a_reset_holds_for_everybody(world: World) -> None:
    """
    A 429 that names only when its ration is full again: nobody asks before.
    """
    world.tell(concurrency=1)
    drop_many(world, 1)
    limits = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "2m0s"}
    wrong = fault(FaultKind.STATUS, status=429, headers=limits, times=1)
    world.faults(wrong)

    await world.once()

    first, second = (
        moment(attempt["sent_at"]) for attempt in world.record("done/job00.job.json")["attempts"]
    )
    assert (second - first).total_seconds() >= 119


async def test_a_pause_survives_a_restart_with_one_probe(world: World) -> None:
    """
    The new process knows the reason, asks once, and waits longer than the old one did.
    """
    drop_many(world, 6)
    world.faults(fault(FaultKind.QUOTA))
    async with world.running():
        await world.until(lambda: world.events("daemon.paused") and not world.jobs())
    before = len(world.requests)

    async with world.running() as daemon:
        await world.until(daemon.status.report)
        report = daemon.status.report()
        await world.asked(before + 1)
        await world.until(lambda: not world.jobs())
        await world.time.still()
        asked = len(world.requests)
        after = daemon.status.report()

    assert report is not None
    assert report.pause is not None
    assert report.pause.cause == "account"
    assert asked == before + 1
    assert after is not None
    assert after.pause is not None
    assert (after.pause.next_probe - world.clock.now()).total_seconds() > 100
    assert world.tree("error") == []


async def test_another_configuration_begins_with_an_open_gate(world: World) -> None:
    """
    Who has put in another key need not wait, and sees no pause that is over.
    """
    drop_many(world, 6)
    world.faults(fault(FaultKind.KEY))
    assert await world.once() is Ending.UNAVAILABLE
    world.faults()
    world.settings = replace(world.settings, fingerprint=lambda: "another")

    async with world.running() as daemon:
        assert daemon.status.trouble == ""
        await world.until(lambda: len(world.tree("outbox")) == 6, within=20)


async def test_once_asks_again_after_a_pause(world: World) -> None:
    """
    Run by the clock it probes once each time; when the account works again, it does the rest.
    """
    drop_many(world, 6)
    world.faults(fault(FaultKind.QUOTA))
    assert await world.once() is Ending.UNAVAILABLE
    before = len(world.requests)

    assert await world.once() is Ending.UNAVAILABLE
    assert len(world.requests) == before + 1
    world.faults()

    assert await world.once() is Ending.DRAINED
    assert len(world.tree("outbox")) == 6
    assert world.tree("inbox") == []


async def test_no_room_for_the_answer_pauses_before_anything_is_spent(
    world: World, small_disk: Path
) -> None:
    """
    The outbox's disk is full: nothing is sent, the files stay, and with room it goes on by itself.
    """
    (small_disk / "ballast").write_bytes(bytes(18 << 20))
    world.settings = replace(
        world.settings, folders=replace(world.folders, outbox=small_disk / "outbox")
    )
    world.settings.folders.make()
    drop_many(world, 3)

    async with world.running() as daemon:
        await world.until(lambda: world.events("daemon.paused") and not world.jobs())
        assert world.requests == []
        assert len(world.tree("inbox")) == 6
        assert str(small_disk) in daemon.status.trouble
        assert "make room" in daemon.status.trouble
        _mount("-o", "remount,size=900m", str(small_disk))
        await world.until(lambda: len(list((small_disk / "outbox").glob("*.png"))) == 3, within=60)

    assert [line["cause"] for line in world.events("daemon.paused")] == ["disk"]
    assert len(world.events("daemon.resumed")) == 1
    assert world.tree("error") == []


async def test_a_read_only_target_is_found_before_anything_is_spent(
    world: World, small_disk: Path
) -> None:
    """
    A done folder that nothing can be written to: no request is made that could not be filed.
    """
    world.settings = replace(
        world.settings, folders=replace(world.folders, done=small_disk / "done")
    )
    world.settings.folders.make()
    drop_many(world, 1)

    world.tell(patience=Patience(settle_seconds=20))

    async with world.running() as daemon:
        await world.until(lambda: world.scanned_at(daemon))
        _mount("-o", "remount,ro", str(small_disk))
        await world.until(lambda: world.events("daemon.paused"))
        assert "read-only" in daemon.status.trouble
        assert world.requests == []
        _mount("-o", "remount,rw", str(small_disk))
        await world.until((small_disk / "done/job00.png").exists, within=60)

    assert world.charged == 1
