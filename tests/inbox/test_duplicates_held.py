"""
What was asked for already is not bought again: it waits, is named with its result, and costs nothing.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from engine_world import World, held, open_world, photo, put
from opening import watch_openings
from retouchd.sandbox.faults import Fault, FaultKind
from retouchd.spool.fingerprint import Policy


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path) as made:
        yield made


async def test_what_is_done_already_waits_and_is_named(world: World) -> None:
    """
    A copy of a finished job lies in the inbox, through restarts, with the earlier result; nothing is sent.
    """
    world.drop("cat.png", image=photo())
    await world.once()
    world.drop("again/kitten.png", image=photo())

    for _ in range(2):
        reasons = await held(world)
        assert set(reasons) == {"again/kitten.png", "again/kitten.txt"}
        for reason in reasons.values():
            assert "outbox/cat.png" in reason
            assert "done/cat.job.json" in reason

    assert len(world.requests) == 1
    assert world.tree("inbox") == ["again/kitten.png", "again/kitten.txt"]
    assert world.jobs() == []


async def test_the_same_name_again_and_again(world: World) -> None:
    """
    What a cron job copies into the inbox every hour is bought once.
    """
    world.drop("cat.png", image=photo())
    async with world.running() as daemon:
        await world.until(world.history)
        for _ in range(3):
            world.lines.clear()
            world.drop("cat.png", image=photo())
            daemon.look_again()
            await world.until(lambda: world.events("file.held"))
            assert "outbox/cat.png" in (await world.reasons(daemon))["cat.png"]
            (world.folders.inbox / "cat.png").unlink()
            (world.folders.inbox / "cat.txt").unlink()
            daemon.look_again()
            await world.time.still()

    assert len(world.requests) == 1


@pytest.mark.parametrize("what", ["prompt", "parameter", "bytes", "mask", "reference"])
async def test_another_request_is_run(world: World, what: str) -> None:
    """
    Whatever of it differs, it is another job, though the picture has the same size.
    """
    one, *others = (photo(seed=seed) for seed in range(64))
    same_size = next(each for each in others if len(each) == len(one))
    world.drop("cat.png", image=one)
    await world.once()
    mask = photo(mode="RGBA") if what == "mask" else None
    prompt = "make it grey" if what == "prompt" else "make it blue"
    if what == "parameter":
        put(world, "dog.toml", 'size = "1024x1024"')
    if what == "reference":
        put(world, "_refs/floor.png", photo(seed=999))
        put(world, "dog.toml", 'images = ["_refs/floor.png"]')
    world.drop("dog.png", prompt, image=same_size if what == "bytes" else one, mask=mask)

    assert not [name for name in await held(world) if name.startswith("dog")]

    assert len(world.requests) == 2
    assert world.tree("outbox") == ["cat.png", "dog.png"]


async def test_the_same_with_mask_and_reference_waits(world: World) -> None:
    """
    All that is sent with a picture counts, and is known again by its bytes.
    """
    put(world, "_refs/floor.png", photo(seed=9))
    put(world, "_refs/copy.png", photo(seed=9))
    mask = photo(mode="RGBA")
    put(world, "cat.toml", 'images = ["_refs/floor.png"]')
    world.drop("cat.png", image=photo(), mask=mask)
    await world.once()
    put(world, "dog.toml", 'images = ["_refs/copy.png"]')
    world.drop("dog.png", image=photo(), mask=mask)

    assert "outbox/cat.png" in (await held(world))["dog.png"]

    assert len(world.requests) == 1


async def test_run_buys_it_again(world: World) -> None:
    """
    With `intake.duplicates = "run"` every drop is a job.
    """
    world.tell(duplicates=Policy.RUN)
    for name in ("cat.png", "dog.png"):
        world.drop(name, image=photo())
    await world.once()
    world.drop("cat.png", image=photo())

    assert await held(world) == {}

    assert len(world.requests) == 3
    assert world.tree("outbox") == ["cat.png", "cat_2.png", "dog.png"]


async def test_two_at_once(world: World) -> None:
    """
    The first runs, the second waits for it and is then held with its result.
    """
    world.drop("a/x.png", image=photo())
    world.drop("b/x.png", image=photo())

    reasons = await held(world)

    assert set(reasons) == {"b/x.png", "b/x.txt"}
    assert "outbox/a/x.png" in reasons["b/x.png"]
    assert len(world.requests) == 1


async def test_the_twin_of_a_job_in_work_waits_for_its_end(world: World) -> None:
    """
    It is not claimed while its twin is being edited, and says so.
    """
    world.faults(Fault(kind=FaultKind.LATENCY, seconds=100, times=1))
    world.drop("cat.png", image=photo())
    async with world.running() as daemon:
        await world.asked(1)
        world.time.is_skipping = False
        world.drop("cat.png", image=photo())
        daemon.look_again()
        await world.until(lambda: daemon.status.ready == 0 and world.events("file.held"))
        assert "waits for its end" in (await world.reasons(daemon))["cat.png"]
        world.time.is_skipping = True
        await world.until(world.history)
        await world.until(lambda: len(world.events("file.held")) == 2)
        assert "outbox/cat.png" in (await world.reasons(daemon))["cat.png"]

    assert len(world.requests) == 1


async def test_the_twin_of_a_job_that_fails_runs(world: World) -> None:
    """
    Only what was done is a reason not to ask again.
    """
    world.faults(Fault(kind=FaultKind.POLICY, times=1))
    world.drop("a.png", image=photo())
    world.drop("b.png", image=photo())

    assert await held(world) == {}

    assert "a.png" in world.tree("error")
    assert world.tree("outbox") == ["b.png"]


async def test_a_twin_in_work_is_known_after_a_restart(world: World) -> None:
    """
    A daemon that died before the history was written knows the job from its directory.
    """
    world.faults(Fault(kind=FaultKind.LATENCY, seconds=5))
    world.drop("pets/cat.png", image=photo())
    async with world.killing():
        await world.until(lambda: world.in_work("attempt-*.open"))
        obstacle = put(world, "../done/pets", "in the way")
        await world.until(lambda: world.events("job.waiting"))
        assert world.tree("outbox") == ["pets/cat.png"]
    world.drop("copy.png", image=photo())
    async with world.killing() as daemon:
        await world.noticed(daemon, "copy.png")
        await world.until(lambda: world.events("file.held"))
        assert "waits for its end" in (await world.reasons(daemon))["copy.png"]
    obstacle.unlink()

    assert "outbox/pets/cat.png" in (await held(world))["copy.png"]

    assert len(world.requests) == 1


async def test_what_neither_history_nor_record_tell_of_is_run(world: World) -> None:
    """
    Lines and records of the first versions have no fingerprint: without the original nothing is known.
    """
    world.drop("cat.png", image=photo())
    await world.once()
    for path in (world.folders.work / "history.jsonl", world.folders.done / "cat.job.json"):
        path.write_bytes(path.read_bytes().replace(b'"fingerprint"', b'"other"'))
    (world.folders.done / "cat.png").unlink()
    world.drop("cat.png", image=photo())

    assert await held(world) == {}

    assert len(world.requests) == 2


async def test_it_is_tried_again_when_its_prompt_changes_or_on_a_word(world: World) -> None:
    """
    A changed prompt lets it run; so does a new look after the earlier job was struck from the history and
    its record was taken away.
    """
    world.drop("cat.png", image=photo())
    await world.once()
    world.drop("a.png", image=photo())
    world.drop("b.png", image=photo())
    async with world.running() as daemon:
        await world.until(lambda: world.events("file.held"))
        assert set(await world.reasons(daemon)) == {"a.png", "a.txt", "b.png", "b.txt"}
        put(world, "a.txt", "make it grey")
        await world.until(lambda: "a.png" in world.tree("outbox"))
        (world.folders.done / "cat.job.json").unlink()
        (world.folders.work / "history.jsonl").write_bytes(b"")
        daemon.look_again()
        await world.until(lambda: "b.png" in world.tree("outbox"))

    assert len(world.requests) == 3


async def test_nothing_is_read_again_by_scans(world: World) -> None:
    """
    A duplicate is judged once, not at every look at the inbox.
    """
    world.drop("cat.png", image=photo())
    await world.once()
    world.drop("copy.png", image=photo())
    async with world.running() as daemon:
        await world.until(lambda: world.events("file.held"))
        scanned, opened = world.scanned_at(daemon), watch_openings()
        await world.until(lambda: world.scanned_at(daemon) != scanned)
        await world.time.still()

    assert "copy.png" not in opened


async def test_a_history_removed_right_after_a_job(world: World) -> None:
    """
    Whatever was read of it until then: the record of that job is looked up.
    """
    world.drop("cat.png", image=photo())
    async with world.running() as daemon:
        await world.until(world.history)
        (world.folders.work / "history.jsonl").unlink()
        world.drop("copy.png", image=photo())
        daemon.look_again()
        await world.until(
            lambda: any("outbox/cat.png" in each["reason"] for each in world.events("file.held"))
        )

    assert len(world.requests) == 1
