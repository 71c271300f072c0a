"""
What comes back from work again and again is taken less and less often, told of, and taken in the end.
"""

import itertools
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine_world import World, open_world
from retouchd.disk import moves
from retouchd.disk.nofollow import Where
from retouchd.inbox.return_backoff import ReturnBackoffs

PLACE = ("pets", "cat.png")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path) as opened:
        yield opened


def test_a_first_return_or_two_hold_nothing() -> None:
    """
    An outage gives jobs back, too: nobody waits for it longer than it lasts.
    """
    returns = ReturnBackoffs()
    for now in (0.0, 1.0):
        returns.note(PLACE, "the endpoint is unavailable", now)
        assert returns.held(PLACE, now) is None


def test_pauses_grow_up_to_five_minutes() -> None:
    """
    From two seconds on, each twice as long as the one before, for one file alone.
    """
    returns, now, pauses = ReturnBackoffs(), 0.0, []
    for _ in range(14):
        returns.note(PLACE, "it was changed", now)
        held = returns.held(PLACE, now)
        pauses.append(held.until - now if held else 0.0)
        now = held.until if held else now + 1

    assert pauses == [0, 0, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300, 300]
    assert returns.held(("pets", "dog.png"), now) is None


@pytest.mark.parametrize("reasons", [["one"], ["one", "another"]])
def test_the_reason_counts_and_names_the_last_cause(reasons: list[str]) -> None:
    """
    Whatever the causes were.
    """
    returns = ReturnBackoffs()
    for number, reason in zip(range(4), itertools.cycle(reasons), strict=False):
        returns.note(PLACE, reason, float(number))

    held = returns.held(PLACE, 3.0)

    assert held is not None
    assert "4 times" in held.sentence
    assert reasons[-1] in held.sentence


def test_what_stays_away_for_long_begins_anew() -> None:
    """
    Two outages on one day are no loop.
    """
    returns = ReturnBackoffs()
    for now in (0.0, 60.0, 120.0, 180.0):
        returns.note(PLACE, "the endpoint is unavailable", now)
        assert returns.held(PLACE, now) is None
    returns.forget(1000.0)
    assert returns._found == {}


async def test_a_file_that_always_changes_while_it_is_taken(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A program sets its time again and again: few claims, the reason in the status, one line in the log; once the
    program is done, one request.
    """
    take, numbers = moves.take, itertools.count(1)
    is_over = False

    def touched(source: Where, target: Path) -> None:
        take(source, target)
        if target.name == "cat.png" and not is_over:
            os.utime(target, ns=(0, next(numbers) * 10**9))

    monkeypatch.setattr(moves, "take", touched)
    world.drop("cat.png")
    world.drop("dog.png")
    async with world.running() as daemon:
        began = world.time.seconds()
        await world.until(lambda: world.time.seconds() > began + 600)

        assert world.tree("outbox") == ["dog.png"]
        returned = world.events("job.returned")
        assert 5 < len(returned) < 12
        assert len(world.events("file.returning")) == 1
        reason = (await world.reasons(daemon))["cat.png"]
        assert f"{len(returned)} times in a row" in reason
        assert "changed while it was taken" in reason

        is_over = True
        await world.until(lambda: "cat.png" in world.tree("outbox"))
    assert len(world.requests) == 2


async def _nothing() -> None:
    """
    Change no setting.
    """


async def test_somebody_who_reconsiders_need_not_wait(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    After SIGHUP all that is held is taken at once.
    """
    take, numbers = moves.take, itertools.count(1)
    is_over = False

    def touched(source: Where, target: Path) -> None:
        take(source, target)
        if target.name == "cat.png" and not is_over:
            os.utime(target, ns=(0, next(numbers) * 10**9))

    monkeypatch.setattr(moves, "take", touched)
    world.drop("cat.png")
    async with world.running() as daemon:
        await world.until(lambda: len(world.events("job.returned")) == 9)
        is_over = True
        await daemon.reload(_nothing)
        asked_at = world.time.seconds()
        await world.until(lambda: "cat.png" in world.tree("outbox"))
        assert world.time.seconds() < asked_at + 20
