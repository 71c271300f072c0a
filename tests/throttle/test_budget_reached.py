"""
A budget that is reached: nothing more is sent until local midnight, and nothing is lost.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine_world import DAY, HOUR, World, open_world, photo
from retouchd.money.budget import Allowance, next_midnight
from retouchd.sandbox.faults import Fault, FaultKind
from retouchd.service.daemon import Ending

SMALL = {"size": "1024x1024", "quality": "low"}
DEAREST = 0.01875
"""What a request for one small picture reserves, a little more."""
USUAL = 0.0123
"""What it comes to, a little more: the picture that goes in is cheaper."""


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path) as world:
        world.tell(parameters=SMALL)
        # Midnight is an hour away, whenever the test runs: each minute until then is lived through.
        now = world.clock.now()
        world.clock.jump += (next_midnight(now) - now).total_seconds() - HOUR
        for number in range(6):
            world.drop(f"job{number}.png", image=photo(seed=number))
        yield world


@pytest.mark.parametrize(
    "allowance",
    [Allowance(images_per_day=2), Allowance(usd_per_day=0.042)],
    ids=["images", "usd"],
)
async def test_a_reached_budget_pauses_until_midnight(world: World, allowance: Allowance) -> None:
    """
    Two pictures a day: two are made at once, two more at midnight, and the daemon says why it waits.
    """
    world.tell(allowance=allowance)

    async with world.running() as daemon:
        await world.until(lambda: world.events("daemon.paused") and not world.jobs())
        assert len(world.requests) == world.charged == len(world.tree("outbox")) == 2
        assert len(world.tree("inbox")) == 8
        report = daemon.status.report()
        assert report is not None
        assert report.pause is not None
        assert report.pause.cause == "budget"
        assert "budget" in report.pause.reason
        midnight = next_midnight(world.clock.now())
        assert abs((report.pause.next_probe - midnight).total_seconds()) < 2
        await world.until(lambda: len(world.tree("outbox")) == 4, within=DAY + 120)
        assert world.clock.now() >= midnight

    assert world.tree("error") == []


async def test_the_inbox_is_taken_up_at_midnight_without_a_look_at_it(world: World) -> None:
    """
    The end of a pause wakes by itself, however seldom the inbox is looked at as a whole.
    """
    world.tell(allowance=Allowance(images_per_day=2), rescan_seconds=30 * DAY)

    async with world.running():
        await world.until(lambda: world.events("daemon.paused") and not world.jobs())
        await world.until(lambda: len(world.tree("outbox")) == 4, within=DAY + 120)


async def test_requests_at_once_share_what_is_left(world: World) -> None:
    """
    Four places, money for two: what is on its way is reserved before the next one is looked at.
    """
    world.tell(allowance=Allowance(images_per_day=2), concurrency=4)
    world.faults(Fault(kind=FaultKind.LATENCY, seconds=30))

    assert await world.once() is Ending.UNAVAILABLE

    assert len(world.requests) == 2
    assert len(world.tree("inbox")) == 8


async def test_a_pause_is_as_old_as_it_is_after_a_restart(world: World) -> None:
    """
    Since when nothing is sent is written down; after midnight, or with another budget, it begins anew.
    """
    world.tell(allowance=Allowance(images_per_day=2))
    since = []
    for hours in (0, 0.5, 24):
        world.clock.jump += hours * HOUR
        async with world.running() as daemon:
            await world.until(lambda: (report := daemon.status.report()) and report.pause)
            report = daemon.status.report()
            assert report is not None
            assert report.pause is not None
            since.append(report.pause.since)

    first, second, third = since
    assert abs((second - first).total_seconds()) < 2
    assert (third - first).total_seconds() > 20 * HOUR


async def test_looking_again_does_not_lift_a_budget_that_is_spent(world: World) -> None:
    """
    A person's word makes it look again; only midnight or another budget makes it go on.
    """
    world.tell(allowance=Allowance(images_per_day=2))

    async with world.running() as daemon:
        await world.until(lambda: world.events("daemon.paused") and not world.jobs())
        daemon.look_again()
        await world.time.still()
        assert "budget" in daemon.status.trouble

    assert len(world.requests) == 2
    assert len(world.events("daemon.paused")) == 1


@pytest.mark.parametrize("concurrency", [1, 2, 4, 8])
async def test_reservations_alone_pause_nothing(world: World, concurrency: int) -> None:
    """
    Each request reserves several times what it comes to, and one reservation fits beside five pictures: all six
    are made, however many at once, and nobody waits for midnight.
    """
    world.tell(allowance=Allowance(usd_per_day=DEAREST + 5 * USUAL), concurrency=concurrency)
    world.faults(Fault(kind=FaultKind.LATENCY, seconds=30))
    began = world.clock.now()

    assert await world.once() is Ending.DRAINED

    assert len(world.tree("outbox")) == 6
    assert world.events("daemon.paused") == []
    assert (world.clock.now() - began).total_seconds() < HOUR / 2


async def test_the_pause_comes_when_nothing_is_reserved(world: World) -> None:
    """
    Money for three pictures beside what a fourth may cost: four are made, and then it is midnight's turn.
    """
    world.tell(allowance=Allowance(usd_per_day=DEAREST + 3.5 * USUAL), concurrency=6)
    world.faults(Fault(kind=FaultKind.LATENCY, seconds=30))

    async with world.running() as daemon:
        await world.until(lambda: world.events("daemon.paused"))
        assert len(world.tree("outbox")) == 4
        assert "reserved" not in daemon.status.trouble
        assert "spent" in daemon.status.trouble


@pytest.mark.parametrize(
    "wrong",
    [
        Fault(kind=FaultKind.OVERLOADED, times=3),
        Fault(kind=FaultKind.POLICY, times=3),
        Fault(kind=FaultKind.RATE, times=3),
    ],
    ids=["unavailable", "refused", "limited"],
)
async def test_what_is_turned_away_frees_its_share_at_once(world: World, wrong: Fault) -> None:
    """
    The budget holds one reservation at a time; three requests that cost nothing leave it whole.
    """
    world.tell(allowance=Allowance(usd_per_day=DEAREST + 5 * USUAL), concurrency=4)
    world.faults(wrong, Fault(kind=FaultKind.LATENCY, seconds=30))

    await world.once()

    refused = 3 if wrong.kind is FaultKind.POLICY else 0
    assert len(world.tree("outbox")) == 6 - refused
    assert world.events("daemon.paused") == []
