"""
A result never becomes an original by itself: an outbox that is synced back into the inbox buys nothing.
"""

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from engine_world import World, held, open_world, photo, put
from retouchd.disk.folders import Folders
from retouchd.sandbox.faults import Fault, FaultKind
from retouchd.spool.fingerprint import Policy


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path) as made:
        yield made


async def edited(world: World, name: str = "cat.png", prompt: str = "make it blue") -> bytes:
    """
    Have a picture edited; return its result.
    """
    world.drop(name, prompt)
    await world.once()
    return (world.folders.outbox / name).read_bytes()


def sync(world: World, below: str = "") -> None:
    """
    Bring the outbox into the inbox, as a program does that syncs folders.
    """
    target = world.folders.inbox / below
    shutil.copytree(world.folders.outbox, target, dirs_exist_ok=True, copy_function=shutil.copy2)


@pytest.mark.parametrize("below", ["", "from-outbox"])
async def test_an_outbox_synced_into_the_inbox_buys_nothing(world: World, below: str) -> None:
    """
    However often it is synced, with a prompt for everything in the inbox: no result is edited.
    """
    put(world, "_prompt.txt", "make it blue")
    for name in ("a.png", "shoes/b.png"):
        world.drop(name, None)
    await world.once()
    for _ in range(3):
        sync(world, below)
        reasons = await held(world)
        assert set(reasons) == {f"{below}/a.png".lstrip("/"), f"{below}/shoes/b.png".lstrip("/")}
        assert "it is a result: outbox/" in reasons[f"{below}/a.png".lstrip("/")]
        assert "done/a.job.json" in reasons[f"{below}/a.png".lstrip("/")]
        assert 'intake.duplicates to "run"' in reasons[f"{below}/shoes/b.png".lstrip("/")]

    assert len(world.requests) == 2


async def test_each_result_that_comes_back_is_logged(world: World) -> None:
    """
    Also where two have the same bytes: each file that is not taken has its line.
    """
    result = await edited(world)
    put(world, "_prompt.txt", "make it grey")
    for name in ("a.png", "b.png", "shoes/c.png"):
        put(world, name, result)
    await held(world)

    names = [f"{each['folder']}/{each['name']}" for each in world.events("file.held")]
    assert sorted(names) == ["/a.png", "/b.png", "shoes/c.png"]


async def test_a_sync_while_it_runs(world: World) -> None:
    """
    What a sync program brings back while the daemon works is noticed just so.
    """
    put(world, "_prompt.txt", "make it blue")
    world.drop("cat.png", None)
    async with world.running() as daemon:
        await world.until(world.history)
        for _ in range(3):
            sync(world)
            daemon.look_again()
            await world.until(lambda: world.events("file.held"))
            await world.time.still()

    assert len(world.requests) == 1


@pytest.mark.parametrize("way", ["renamed", "touched", "other ending"])
async def test_its_bytes_tell_a_result(world: World, way: str) -> None:
    """
    Neither its name nor its times matter.
    """
    result = await edited(world)
    put(world, "_prompt.txt", "make it grey")
    name = {"renamed": "dog.png", "touched": "cat.png", "other ending": "cat.jpg"}[way]
    os.utime(put(world, name, result), (1, 1))

    assert "it is a result" in (await held(world))[name]
    assert len(world.requests) == 1


async def test_what_another_program_wrote_anew_is_an_original(world: World) -> None:
    """
    Other bytes are another picture: nobody can tell that it was a result.
    """
    await edited(world)
    put(world, "_prompt.txt", "make it grey")
    put(world, "again.png", photo(seed=77))

    assert await held(world) == {}
    assert len(world.requests) == 2


@pytest.mark.parametrize("sidecar", ["cat.txt", "cat.png.txt", "cat.toml"])
async def test_a_prompt_of_its_own_lets_it_run(world: World, sidecar: str) -> None:
    """
    Who asks for an edit of a result gets it, also when the prompt comes later.
    """
    result = await edited(world)
    put(world, "_prompt.txt", "make it grey")
    put(world, "cat.png", result)
    assert set(await held(world)) == {"cat.png"}
    put(world, sidecar, 'prompt = "invert"' if sidecar.endswith("toml") else "invert")

    assert await held(world) == {}

    assert world.prompts() == ["make it blue", "invert"]
    assert world.tree("outbox") == ["cat.png", "cat_2.png"]


@pytest.mark.parametrize("other", ["cat.mask.png", "_edit.toml", "cat.toml"])
async def test_anything_but_a_prompt_does_not(world: World, other: str) -> None:
    """
    A mask, or parameters, may be there for another reason.
    """
    result = await edited(world)
    put(world, "_prompt.txt", "make it grey")
    content = photo(mode="RGBA") if other.endswith("png") else 'quality = "low"'
    put(world, other, content)
    put(world, "cat.png", result)

    assert "it is a result" in (await held(world))["cat.png"]
    assert len(world.requests) == 1


async def test_run_edits_results_too(world: World) -> None:
    """
    `intake.duplicates = "run"` takes whatever comes.
    """
    world.tell(duplicates=Policy.RUN)
    result = await edited(world)
    put(world, "cat.txt", "invert")
    put(world, "cat.png", result)

    assert await held(world) == {}
    assert len(world.requests) == 2


async def test_what_was_an_original_is_one(world: World) -> None:
    """
    A result that somebody had edited is an original from then on, with any prompt.
    """
    result = await edited(world)
    world.drop("second.png", "invert", image=result)
    await world.once()
    put(world, "_prompt.txt", "make it grey")
    put(world, "third.png", result)

    assert await held(world) == {}
    assert world.prompts() == ["make it blue", "invert", "make it grey"]


async def test_all_results_of_a_job_count(world: World) -> None:
    """
    Of several pictures each is known.
    """
    world.tell(parameters={"n": 3})
    world.drop("cat.png")
    await world.once()
    put(world, "_prompt.txt", "make it grey")
    sync(world)

    assert set(await held(world)) == {"cat-1.png", "cat-2.png", "cat-3.png"}
    assert len(world.requests) == 1


async def test_the_result_of_a_job_that_cannot_end_is_known(world: World) -> None:
    """
    It is published, and may come back before the job is over: through a restart, too.
    """
    world.faults(Fault(kind=FaultKind.LATENCY, seconds=5))
    world.drop("pets/cat.png")
    async with world.killing():
        await world.until(lambda: world.in_work("attempt-*.open"))
        obstacle = put(world, "../done/pets", "in the way")
        await world.until(lambda: world.events("job.waiting"))
        assert world.tree("outbox") == ["pets/cat.png"]
    put(world, "_prompt.txt", "make it grey")
    shutil.copy(world.folders.outbox / "pets/cat.png", world.folders.inbox / "back.png")
    async with world.killing() as daemon:
        await world.noticed(daemon, "back.png")
        await world.until(lambda: world.events("file.held"))
        assert "just published as outbox/pets/cat.png" in (await world.reasons(daemon))["back.png"]
    obstacle.unlink()

    assert "outbox/pets/cat.png" in (await held(world))["back.png"]

    assert len(world.requests) == 1


async def test_each_daemon_knows_its_own_results_only(world: World, tmp_path: Path) -> None:
    """
    One's outbox may be the other's inbox, even where both share `done/` and one reads the other's records.
    """
    await edited(world)
    first = world.folders
    second = Folders(
        inbox=first.outbox,
        outbox=tmp_path / "outbox-2",
        review=tmp_path / "review-2",
        done=first.done,
        error=first.error,
        work=tmp_path / "work-2",
    )
    assert not second.make()
    put(world, "../outbox/_prompt.txt", "make it grey")
    world.tell(folders=second)
    world.folders = second

    assert await held(world) == {}

    assert world.prompts() == ["make it blue", "make it grey"]
    assert world.tree("outbox") == ["cat.png"]


async def test_results_are_known_from_records_alone(world: World) -> None:
    """
    With the history gone and the outbox tidied, the records in `done/` tell of them.
    """
    result = await edited(world)
    (world.folders.work / "history.jsonl").unlink()
    (world.folders.outbox / "cat.png").unlink()
    put(world, "_prompt.txt", "make it grey")
    put(world, "cat.png", result)

    assert "outbox/cat.png" in (await held(world))["cat.png"]
    assert len(world.requests) == 1


@pytest.mark.parametrize(
    "name", ["cat.received.png", "cat-1.received.webp", "Cat-warm.Received.JPG"]
)
async def test_what_an_endpoint_gave_is_no_picture(world: World, name: str) -> None:
    """
    It is left alone, and who asks reads why.
    """
    put(world, "_prompt.txt", "make it grey")
    put(world, name, photo())

    reasons = await held(world)

    assert "not taken: what an endpoint gave" in reasons[name]
    assert world.requests == []
