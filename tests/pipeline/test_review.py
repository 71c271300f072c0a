"""
Results that somebody is to look at first: in `review/`, and in the outbox once they were moved there.
"""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine_world import World, held, open_world, photo, put


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path) as made:
        yield made


async def test_a_result_to_be_reviewed_is_not_in_the_outbox(world: World) -> None:
    """
    The job is done; its record and the history say where the result is. A name in `review/` is taken.
    """
    put(world, "pets/_edit.toml", "output.review = true\n")
    world.drop("pets/cat.png", "make it blue")
    await world.once()
    world.drop("pets/cat.png", "make it grey")
    await world.once()

    assert world.tree("outbox") == []
    assert world.tree("review") == ["pets/cat.png", "pets/cat_2.png"]
    record = world.record("done/pets/cat.job.json")
    assert (record["status"], record["review"]) == ("done", ["pets/cat.png"])
    assert record["outbox"] == str(world.folders.outbox)
    assert record["edits"][0]["output"] == {"review": True}
    assert [each["review"] for each in world.history()] == [["pets/cat.png"], ["pets/cat_2.png"]]
    assert [each["review"] for each in world.events("job.done")] == [
        ["pets/cat.png"],
        ["pets/cat_2.png"],
    ]


async def test_each_edit_says_whether_it_is_reviewed(world: World) -> None:
    """
    Of one picture's results some are published at once; all have one stem that is free in both folders.
    """
    (world.folders.review / "cat-warm.png").write_bytes(b"waits here")
    world.drop("cat.png", None)
    put(
        world,
        "cat.toml",
        '[[edits]]\nname = "warm"\nprompt = "make it sepia"\noutput.review = true\n'
        '[[edits]]\nname = "cold"\nprompt = "make it blue"\n',
    )

    await world.once()

    assert world.tree("outbox") == ["cat_2-cold.png"]
    assert world.tree("review") == ["cat-warm.png", "cat_2-warm.png"]


@pytest.mark.parametrize("place", ["review", "outbox"])
async def test_a_reviewed_result_is_known_when_it_comes_back(world: World, place: str) -> None:
    """
    Before it was approved and after: it is a result, and what asked for it is not asked for again.
    """
    world.tell(output={"output.review": True})
    picture = photo()
    world.drop("cat.png", "make it blue", image=picture)
    await world.once()
    result = world.folders.review / "cat.png"
    if place == "outbox":
        shutil.move(result, world.folders.outbox / "cat.png")
        result = world.folders.outbox / "cat.png"
    put(world, "_prompt.txt", "make it grey")
    shutil.copy(result, world.folders.inbox / "back.png")
    world.drop("again.png", "make it blue", image=picture)

    waiting = await held(world)
    assert "it is a result: review/cat.png" in waiting["back.png"]
    assert "already: review/cat.png, recorded in done/cat.job.json" in waiting["again.png"]
    assert len(world.requests) == 1


async def test_nothing_is_paid_while_the_folder_for_reviews_is_away(world: World) -> None:
    """
    Who asks for a review waits until it is there; nobody else does.
    """
    world.folders.review.rmdir()
    world.drop("cat.png", "make it blue")
    put(world, "cat.toml", "output.review = true\n")
    world.drop("dog.png", "make it grey")

    async with world.running():
        await world.until(lambda: world.tree("outbox") == ["dog.png"])
        await world.until(lambda: world.events("job.waiting"))
        assert "review" in world.events("job.waiting")[0]["reason"]
        assert len(world.requests) == 1
        world.folders.review.mkdir()
        await world.until(lambda: world.tree("review") == ["cat.png"])

    assert len(world.requests) == 2
