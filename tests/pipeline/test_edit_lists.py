"""
Several edits of one picture, as sidecars and folder files name them: from the inbox to the outbox.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine_world import World, open_world
from retouchd.sandbox.faults import Fault, FaultKind
from retouchd.service.daemon import Ending
from retouchd.spool.fingerprint import Policy

TWO = """
prompt_after = "Keep faces as they are."
[[edits]]
name = "warm"
prompt = "make it sepia"
[[edits]]
name = "studio"
prompt = "make it grey"
quality = "high"
"""
THREE = TWO + '[[edits]]\nname = "cold"\nprompt = "make it blue"\n'


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path) as made:
        yield made


def drop(world: World, name: str = "cat.png", sidecar: str = TWO) -> None:
    path = world.folders.inbox / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".toml").write_text(sidecar)
    world.drop(name, prompt=None)


def back(world: World, *names: str) -> None:
    """
    Drag files out of error/ back into the inbox.
    """
    for name in names:
        (world.folders.error / name).rename(world.folders.inbox / name)


async def test_two_edits_of_a_sidecar_become_two_results_of_one_picture(world: World) -> None:
    """
    Each is a request of its own, with its own keys over those of both.
    """
    drop(world)

    assert await world.once() is Ending.DRAINED

    assert world.tree("outbox") == ["cat-studio.png", "cat-warm.png"]
    assert world.tree("done") == ["cat.job.json", "cat.png", "cat.toml"]
    assert world.prompts() == [
        "make it sepia\n\nKeep faces as they are.",
        "make it grey\n\nKeep faces as they are.",
    ]
    assert [dict(seen.fields).get("quality") for seen in world.requests] == [None, "high"]
    record = world.record("done/cat.job.json")
    assert [each["name"] for each in record["edits"]] == ["warm", "studio"]
    assert record["edits"][1]["request"]["from"]["quality"] == "cat.toml"


@pytest.mark.parametrize("with_record", [True, False])
async def test_a_retry_asks_only_for_what_is_missing(world: World, *, with_record: bool) -> None:
    """
    Of three edits one is refused: dropped back, mended, it alone is asked for, and joins the others' stem.
    """
    (world.folders.outbox / "cat-cold.png").write_bytes(b"another's")
    drop(world, sidecar=THREE)
    world.faults(Fault(kind=FaultKind.POLICY, after=1, times=1))
    assert await world.once() is Ending.DRAINED
    assert world.tree("outbox") == ["cat-cold.png", "cat_2-cold.png", "cat_2-warm.png"]

    back(world, "cat.png", "cat.toml", *(["cat.job.json", "cat.error.txt"] if with_record else []))
    mended = THREE.replace("make it grey", "make it greyer")
    (world.folders.inbox / "cat.toml").write_text(mended)
    assert await world.once() is Ending.DRAINED

    assert [prompt.partition("\n")[0] for prompt in world.prompts()] == [
        "make it sepia",
        "make it grey",
        "make it blue",
        "make it greyer",
    ]
    assert world.tree("outbox") == [
        "cat-cold.png",
        "cat_2-cold.png",
        "cat_2-studio.png",
        "cat_2-warm.png",
    ]
    record = world.record("done/cat.job.json")
    assert [(each["name"], each["status"]) for each in record["edits"]] == [
        ("warm", "had"),
        ("studio", "done"),
        ("cold", "had"),
    ]
    assert record["edits"][0]["outputs"] == ["cat_2-warm.png"]
    assert record["outputs"] == ["cat_2-studio.png"]
    assert world.tree("inbox") == []


async def test_a_record_tells_what_is_done_even_where_duplicates_run(world: World) -> None:
    """
    Whoever has duplicates edited again still does not pay twice for a retry.
    """
    world.tell(duplicates=Policy.RUN)
    drop(world)
    world.faults(Fault(kind=FaultKind.POLICY, times=1))
    assert await world.once() is Ending.DRAINED

    back(world, "cat.png", "cat.toml", "cat.job.json", "cat.error.txt")
    world.faults()
    assert await world.once() is Ending.DRAINED

    assert len(world.requests) == 3
    assert world.tree("outbox") == ["cat-studio.png", "cat-warm.png"]


async def test_what_was_done_in_all_its_edits_waits_as_a_duplicate(world: World) -> None:
    """
    It is not asked for again, whatever the edits are called, and the reason names all results.
    """
    drop(world)
    assert await world.once() is Ending.DRAINED
    for name in ("cat.png", "cat.toml"):
        (world.folders.done / name).rename(world.folders.inbox / name)
    (world.folders.inbox / "cat.toml").write_text(TWO.replace("warm", "hot"))

    assert await world.once() is Ending.DRAINED

    assert len(world.requests) == 2
    assert world.tree("inbox") == ["cat.png", "cat.toml"]
