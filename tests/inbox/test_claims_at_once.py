"""
Several families are claimed at once; what stands in one's way is nobody else's.
"""

import errno
import io
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from engine_world import World, open_world, photo
from faulty_disk import Extent, Fault, FaultyDisk
from retouchd.inbox.claimer import Claimer, Outcome, Pick
from retouchd.job.model import Job

NAMES = [f"{number}.png" for number in range(6)]


def noise(seed: int) -> bytes:
    """
    A picture that differs from others in what it holds alone: nothing of it is compressed.
    """
    image, raw = Image.new("RGB", (16, 16)), io.BytesIO()
    image.putpixel((seed, 0), (200, 100, 0))
    image.save(raw, "PNG", compress_level=0)
    return raw.getvalue()


async def taken(root: Path, like: str) -> World:
    """
    Drop six pictures of different sizes, and let the first operation of that kind fail once.
    """
    disk = FaultyDisk(root=root, fault=Fault(number=errno.EIO, extent=Extent.ONCE, like=like))
    async with open_world(root) as world:
        for number, name in enumerate(NAMES):
            world.drop(name, image=photo(40 + number, 32))
        with disk.installed():
            async with world.running():
                await world.until(lambda: len(world.history()) == len(NAMES))
        assert disk.hit, "the fault was met"
        assert not disk.sins
    return world


@pytest.mark.parametrize(
    "like",
    [
        r"^write work/jobs/[^/]+/job\.json$",
        r"^fsync work/jobs/[^/]+$",
        r"^fsync work/jobs/[^/]+/originals$",
    ],
)
async def test_one_claims_fault_is_no_other_ones(tmp_path: Path, like: str) -> None:
    """
    The one that met it is taken back, says why it waits, and is tried again; the others are done meanwhile.
    """
    world = await taken(tmp_path, like)

    assert len({line["name"] for line in world.events("file.held")}) == 1
    assert sorted(world.requests_by_job().values()) == [1] * len(NAMES)
    assert world.tree("outbox") == NAMES


@pytest.mark.parametrize("like", [r"^fsync inbox$", r"^fsync work/journal\.jsonl$"])
async def test_what_cannot_be_synced_fails_all_that_need_it(tmp_path: Path, like: str) -> None:
    """
    Nobody of them is taken for claimed, all of them are tried again, and none is asked for twice.
    """
    world = await taken(tmp_path, like)

    assert world.events("file.held")
    assert sorted(world.requests_by_job().values()) == [1] * len(NAMES)
    assert world.tree("outbox") == NAMES


async def test_pictures_of_one_size_are_told_apart_by_what_they_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Once anything of theirs had to be read they are claimed together, as any others are.
    """
    settled: list[int] = []
    settle = Claimer.settle

    def noted(self: Claimer, picks: Sequence[Pick], outcomes: Sequence[Outcome]) -> list[Job]:
        settled.append(len(picks))
        return settle(self, picks, outcomes)

    monkeypatch.setattr(Claimer, "settle", noted)
    async with open_world(tmp_path) as world:
        for number in range(7):
            world.drop(f"{number}.png", image=noise(number))

        await world.once()

        assert len(world.requests) == 7
    assert max(settled) > 2


async def test_pictures_that_may_be_the_same_are_claimed_one_after_the_other(
    tmp_path: Path,
) -> None:
    """
    Dropped together, twins are bought once: the second one is known by the first.
    """
    async with open_world(tmp_path) as world:
        for name in ("a.png", "b.png", "c.png"):
            world.drop(name, image=photo(40 + (name == "c.png"), 32))

        await world.once()

        assert len(world.requests) == 2
        assert world.tree("outbox") == ["a.png", "c.png"]
