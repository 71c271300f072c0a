"""
A crowd in one folder, of whatever kind, does not hold up the first job of another.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from engine_world import HOUR, World, open_world, photo, put
from retouchd.inbox import intake
from retouchd.sandbox.faults import Fault, FaultKind

CROWD = 40
LONG_AGO = 1_000_000_000


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path) as made:
        made.tell(concurrency=1, orphan_seconds=0)
        yield made


def broken(world: World, number: int) -> None:
    put(world, f"a/{number}.txt", "make it blue")
    put(world, f"a/{number}.png", f"no picture {number}")


def without_prompt(world: World, number: int) -> None:
    put(world, f"a/{number}.png", photo(seed=number))


def invalid_sidecars(world: World, number: int) -> None:
    put(world, f"a/{number}.toml", "sise = 3\n")
    put(world, f"a/{number}.png", photo(seed=number))


def duplicates(world: World, number: int) -> None:
    put(world, f"a/{number}.txt", "make it blue")
    put(world, f"a/{number}.png", photo(seed=1))


def a_tree(world: World, number: int) -> None:
    put(world, f"a/{number % 7}/{number}/deep/x.txt", "make it blue")
    put(world, f"a/{number % 7}/{number}/deep/x.png", photo(seed=number))


def held_by_their_folder(world: World, number: int) -> None:
    put(world, "a/_edit.toml", "sise = 3\n")
    put(world, f"a/{number}.txt", "make it blue")
    put(world, f"a/{number}.png", photo(seed=number))


def waiting_for_references(world: World, number: int) -> None:
    put(world, f"a/{number}.toml", 'prompt = "blue"\nimages = ["_refs/none.png"]\n')
    put(world, f"a/{number}.png", photo(seed=number))


def naming_one_another(world: World, number: int) -> None:
    names = ", ".join(f'"{each}.png"' for each in range(number + 1, number + 9))
    put(world, f"a/{number}.toml", f'prompt = "blue"\nimages = [{names}]\n')
    put(world, f"a/{number}.png", photo(seed=number))


def naming_the_other(world: World, number: int) -> None:
    put(world, f"a/{number}.toml", 'prompt = "blue"\nimages = ["../b/good.png"]\n')
    put(world, f"a/{number}.png", photo(seed=number))


def ambiguous(world: World, number: int) -> None:
    put(world, f"a/{number}.txt", "make it blue")
    put(world, f"a/{number}.png.txt", "make it red")
    put(world, f"a/{number}.png", photo(seed=number))


def good_ones(world: World, number: int) -> None:
    put(world, f"a/{number}.txt", "make it blue")
    put(world, f"a/{number}.png", photo(seed=number))


def in_the_inbox_itself(world: World, number: int) -> None:
    put(world, f"{number}.txt", "make it blue")
    put(world, f"{number}.png", f"no picture {number}")


CROWDS = [
    broken,
    without_prompt,
    invalid_sidecars,
    duplicates,
    a_tree,
    held_by_their_folder,
    waiting_for_references,
    naming_one_another,
    naming_the_other,
    ambiguous,
    good_ones,
    in_the_inbox_itself,
]


@pytest.mark.parametrize("crowd", CROWDS, ids=lambda crowd: crowd.__name__)
async def test_a_crowd_holds_no_other_folder_up(
    world: World, monkeypatch: pytest.MonkeyPatch, crowd: Callable[[World, int], None]
) -> None:
    """
    Older by far and decided about in many turns, it has at most a few jobs claimed before the other's only one.
    """
    monkeypatch.setattr(intake, "_DECISIONS", 10)
    for number in range(CROWD):
        crowd(world, number)
    for path in world.folders.inbox.rglob("*.*"):
        os.utime(path, (LONG_AGO, LONG_AGO))
    put(world, "b/good.txt", "make it grey")
    put(world, "b/good.png", photo(seed=9999))

    async with world.running():
        await world.until(lambda: "make it grey" in world.prompts(), within=120)

    claimed = [f"{line['folder']}/{line['name']}" for line in world.events("job.claimed")]
    assert claimed.index("b/good.png") <= 4


async def test_a_folder_that_never_rests_holds_no_other_up(world: World) -> None:
    """
    Its files are written again and again; the other's are taken meanwhile.
    """
    world.tell(settle_seconds=2, prompt="make it grey")
    number = 0
    async with world.running() as daemon:
        put(world, "b/good.png", photo(seed=9999))
        while not world.tree("outbox"):
            number += 1
            assert number < 60
            for name in range(30):
                put(world, f"a/{name}.png", b"%d" % number)
            daemon.look_again()
            await asyncio.sleep(0.5)

    assert world.tree("outbox") == ["b/good.png"]


async def test_retries_of_one_folder_leave_room_for_another(world: World) -> None:
    """
    A crowd whose requests fail again and again; the other's first one comes in its turn.
    """
    world.tell(concurrency=2)
    world.faults(Fault(kind=FaultKind.STATUS, status=429, times=3))
    for number in range(20):
        good_ones(world, number)
        os.utime(world.folders.inbox / f"a/{number}.png", (LONG_AGO, LONG_AGO))
    put(world, "b/good.txt", "make it grey")
    put(world, "b/good.png", photo(seed=9999))
    async with world.running():
        await world.until(lambda: "make it grey" in world.prompts(), within=600)

    assert world.prompts().index("make it grey") <= 8


@pytest.mark.parametrize(
    ("blocked", "crowd"), [("error", broken), ("outbox", good_ones), ("done", good_ones)]
)
async def test_a_folder_that_cannot_be_written_holds_no_other_up(
    world: World, blocked: str, crowd: Callable[[World, int], None]
) -> None:
    """
    Its jobs wait in work/, all of them that may be there; those of others are claimed, sent and delivered, also
    after a restart.
    """
    for number in range(9):
        crowd(world, number)
    obstacle = getattr(world.folders, blocked) / "a"
    obstacle.write_text("in the way")
    async with world.running():
        await asyncio.sleep(600)
        assert len(world.jobs()) == 2
        for number in range(3):
            world.drop(f"b/{number}.png", "make it grey", image=photo(seed=100 + number))
        expected = {f"b/{number}.png" for number in range(3)}
        await world.until(lambda: expected <= set(world.tree("outbox")), within=HOUR)
        await world.until(lambda: len(world.jobs()) == 2, within=60)  # The last is archived.
    async with world.running():
        world.drop("c/last.png", "make it grey", image=photo(seed=200))
        await world.until(lambda: "c/last.png" in world.tree("outbox"), within=HOUR)
        obstacle.unlink()
        await world.until(lambda: not world.tree("inbox") and not world.jobs(), within=HOUR)

    assert world.prompts().count("make it grey") == 4
