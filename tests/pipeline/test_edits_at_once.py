"""
Edits of one picture that are out at once: each waits for itself, and none is bought again for another's sake.
"""

import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from engine_world import DAY, World, open_world
from retouchd.sandbox.faults import Fault, FaultKind
from retouchd.service.daemon import Ending
from retouchd.status.collect import jobs_in_work

NAMES = ("warm", "studio", "cold")
LATE = Fault(kind=FaultKind.LATENCY, seconds=100)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path) as made:
        made.tell(concurrency=2)
        yield made


def drop(world: World, name: str = "cat.png", edits: Sequence[str] = NAMES) -> None:
    path = world.folders.inbox / name
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f'[[edits]]\nname = "{edit}"\nprompt = "{edit}"\n' for edit in edits]
    path.with_suffix(".toml").write_text("".join(lines))
    world.drop(name, prompt=None)


def out_at_once(world: World) -> int:
    """
    The most requests that were out at one time.
    """
    moments = [(seen.arrived_at, 1) for seen in world.requests]
    moments += [(seen.ended_at, -1) for seen in world.requests if seen.ended_at is not None]
    out = [0]
    for _, change in sorted(moments):
        out.append(out[-1] + change)
    return max(out)


def told(world: World, *, is_running: bool = False) -> str:
    """
    What status says of the only job in work.
    """
    (job,) = jobs_in_work(world.folders, None, is_running=is_running)
    return str(job["reason"])


async def test_edits_of_a_picture_are_asked_for_at_once_where_there_is_room(world: World) -> None:
    """
    In the list's order, each with a permit of its own: no more than there are slots.
    """
    drop(world, edits=("a", "b", "c", "d", "e"))
    world.faults(LATE)

    assert await world.once() is Ending.DRAINED

    assert world.prompts() == ["a", "b", "c", "d", "e"]
    assert out_at_once(world) == 2
    assert world.tree("outbox") == [f"cat-{name}.png" for name in "abcde"]


async def test_a_picture_of_many_edits_lets_others_go_in_between(world: World) -> None:
    """
    It stands in the queue for a slot as one job, however many edits it asks for.
    """
    drop(world, "many.png", [f"e{number}" for number in range(8)])
    world.faults(LATE)
    async with world.running():
        await world.asked(2)
        for number in range(3):
            world.drop(f"{number}.png", prompt=f"plain {number}")
        await world.until(lambda: len(world.tree("outbox")) == 11)

    plain = [world.prompts().index(f"plain {number}") for number in range(3)]
    assert max(plain) < 8, world.prompts()


async def test_what_waits_delays_only_itself(world: World) -> None:
    """
    An edit that is to be asked again is so when its time comes, while the answer to another one is awaited.
    """
    drop(world)
    world.faults(
        Fault(kind=FaultKind.STALL, times=1),
        Fault(kind=FaultKind.STATUS, status=504, after=1, times=1),
    )
    async with world.killing():
        await world.until(lambda: len(world.in_work("attempt-*-*.json")) == 3, within=60)

        assert world.requests[0].ended_at is None
        opened = {path.stem for path in world.in_work("attempt-*.open")}
        closed = {path.stem for path in world.in_work("attempt-*.json")}
        assert [each.split("-")[2] for each in opened - closed] == ["1"], opened
        assert world.requests_by_job().most_common(1)[0][1] == 2
        assert told(world, is_running=True) == "2 of 3 edits done, 1 sent, no answer yet"

    assert told(world).endswith(
        "1 sent, and retouchd ended before the answer came: it may have been charged"
    )


async def test_an_account_s_fault_leaves_the_others_that_are_out(world: World) -> None:
    """
    The answer that is on its way is kept, the job stays for it, and nothing is asked for that was paid for.
    """
    drop(world)
    world.faults(
        Fault(kind=FaultKind.LATENCY, seconds=100, times=1), Fault(kind=FaultKind.QUOTA, after=1)
    )

    assert await world.once() is Ending.UNAVAILABLE

    assert world.tree("inbox") == []
    assert told(world).startswith("1 of 3 edits done, ")
    asked = world.prompts()
    assert asked[:2] == ["warm", "studio"]
    world.faults()
    assert await world.once() is Ending.DRAINED
    assert world.prompts().count("warm") == 1
    assert world.tree("outbox") == ["cat-cold.png", "cat-studio.png", "cat-warm.png"]


async def test_what_nothing_was_paid_for_goes_back_once_none_is_out(world: World) -> None:
    """
    Of a job both of whose requests are turned away everything lies in the inbox again.
    """
    drop(world)
    world.faults(Fault(kind=FaultKind.KEY))

    assert await world.once() is Ending.UNAVAILABLE

    assert world.tree("inbox") == ["cat.png", "cat.toml"]
    assert world.jobs() == []
    assert world.charged == 0


async def test_a_refused_edit_leaves_the_others_that_are_out(world: World) -> None:
    """
    What came is published once all are over, and the originals go to error/.
    """
    drop(world)
    world.faults(
        Fault(kind=FaultKind.LATENCY, seconds=100, times=1),
        Fault(kind=FaultKind.POLICY, after=1, times=1),
    )

    assert await world.once() is Ending.DRAINED

    assert world.tree("outbox") == ["cat-cold.png", "cat-warm.png"]
    record = world.record("error/cat.job.json")
    assert [each["status"] for each in record["edits"]] == ["done", "error", "done"]
    (failed,) = world.events("job.failed")
    assert failed["outputs"] == record["outputs"] == ["cat-warm.png", "cat-cold.png"]
    (told,) = world.events("request.failed")
    assert told["edit"] == "studio"


async def test_a_probe_is_one_request_however_many_edits_wait(world: World) -> None:
    """
    While the endpoint is down one edit asks whether it is up again, and the others only once it is.
    """
    world.tell(concurrency=5)
    drop(world, edits=("a", "b", "c", "d", "e"))
    world.faults(Fault(kind=FaultKind.STATUS, status=521))
    async with world.running():
        await world.until(lambda: world.events("daemon.paused"))
        before = len(world.requests)
        world.faults(Fault(kind=FaultKind.STALL, times=1))
        await world.asked(before + 1)
        await world.time.still()
        assert len(world.requests) == before + 1
        world.faults()
        await world.until(lambda: world.tree("done"))

    assert world.charged == 5 + 1
    assert len(world.tree("outbox")) == 5


async def test_a_stop_waits_for_both_that_are_out_and_sends_no_other(world: World) -> None:
    """
    What they bring stays in work; the next start asks for what is missing alone.
    """
    drop(world)
    world.faults(LATE)
    async with world.running():
        await world.asked(2)

    assert world.prompts() == ["warm", "studio"]
    assert told(world).startswith("2 of 3 edits done, ")
    world.faults()
    assert await world.once() is Ending.DRAINED
    assert world.prompts() == ["warm", "studio", "cold"]


async def test_a_budget_for_one_more_is_for_one_edit(world: World) -> None:
    """
    Two that are ready at once do not share what is left of it; the rest follows the next day.
    """
    world.tell(images_per_day=4)
    drop(world, "0.png")
    drop(world, "1.png")
    world.faults(LATE)

    assert await world.once() is Ending.UNAVAILABLE

    assert len(world.requests) == 4
    world.time.pass_by(DAY)
    assert await world.once() is Ending.DRAINED
    assert all(times == 1 for times in world.requests_by_job().values())
    assert len(world.tree("outbox")) == 6


async def test_doubts_are_counted_for_each_edit(world: World) -> None:
    """
    Each may be asked once more after an answer that never came: those of others are not its own.
    """
    world.tell(max_in_doubt=1)
    drop(world, edits=("a", "b"))
    world.faults(Fault(kind=FaultKind.STATUS, status=500, times=2))

    assert await world.once() is Ending.DRAINED

    assert sorted(world.prompts()) == ["a", "a", "b", "b"]
    assert world.tree("outbox") == ["cat-a.png", "cat-b.png"]


async def test_three_edits_of_one_picture_are_no_three_files_in_a_row(world: World) -> None:
    """
    The same parameter refused for each of them is that picture's fault, not the configuration's.
    """
    world.tell(concurrency=3)
    drop(world)
    message = "Unknown parameter: 'quality'."
    world.faults(
        Fault(kind=FaultKind.STATUS, status=400, message=message, code="unknown_parameter")
    )

    assert await world.once() is Ending.DRAINED

    assert world.events("daemon.paused") == []
    assert "cat.job.json" in world.tree("error")


async def test_a_fault_nobody_foresaw_leaves_the_others_that_are_out(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    What memory runs out over is read again; a request that is out meanwhile is none the worse for it.
    """
    right = os.open
    tries: list[str] = []

    def out_of_memory(path: Any, *about: Any, **more: Any) -> int:
        if "outputs-2.part" in os.fspath(path) and not tries:
            tries.append(os.fspath(path))
            raise MemoryError
        return right(path, *about, **more)

    monkeypatch.setattr(os, "open", out_of_memory)
    drop(world)
    world.faults(Fault(kind=FaultKind.LATENCY, seconds=100, times=1))

    assert await world.once() is Ending.DRAINED

    assert len(tries) == len(world.events("job.crashed")) == 1
    assert world.prompts() == ["warm", "studio", "cold"]
    assert world.tree("outbox") == ["cat-cold.png", "cat-studio.png", "cat-warm.png"]
