"""
A budget that is reached: nothing more is sent until local midnight, and nothing is lost.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine_world import DAY, World, open_world, photo
from retouchd.engine.daemon import Ending
from retouchd.rules.spending import Allowance, next_midnight
from retouchd.sandbox.faults import Fault, FaultKind

SMALL = {"size": "1024x1024", "quality": "low"}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path) as world:
        world.tell(parameters=SMALL)
        for number in range(6):
            world.drop(f"job{number}.png", image=photo(seed=number))
        yield world


@pytest.mark.parametrize(
    "allowance",
    [Allowance(images_per_day=2), Allowance(usd_per_day=0.045)],
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
        report = daemon.report()
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


async def test_looking_again_does_not_lift_a_budget_that_is_spent(world: World) -> None:
    """
    A person's word makes it look again; only midnight or another budget makes it go on.
    """
    world.tell(allowance=Allowance(images_per_day=2))

    async with world.running() as daemon:
        await world.until(lambda: world.events("daemon.paused") and not world.jobs())
        daemon.look_again()
        await world.time.still()
        assert "budget" in daemon.trouble

    assert len(world.requests) == 2
    assert len(world.events("daemon.paused")) == 1
