"""
Jobs of several edits, built by hand in work/: each edit is asked for by itself, all are published together.
"""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from builders import NOW, Place, an_attempt, an_edit, member
from engine_world import World, open_world, photo
from retouchd.disk import file_stat
from retouchd.job.model import Edit, Job, Opened, Verdict
from retouchd.sandbox.faults import Fault, FaultKind
from retouchd.service.daemon import Ending
from retouchd.spool.job_state import EditState
from retouchd.spool.phase import Phase, unsealed

WARM, STUDIO = an_edit("warm", prompt="make it sepia"), an_edit("studio", prompt="make it grey")


HEAD = {"status": 200, "headers": {}, "answered_at": NOW.isoformat()}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path) as made:
        made.tell(concurrency=1)  # So that the order of the list is that of the answers.
        yield made


def left(world: World, *edits: Edit, **changes: Any) -> Job:
    """
    Leave a claimed job of these edits in work, as a daemon would that ended right after the claim.
    """
    place = Place.under(world.root)
    picture = world.folders.inbox / "cat.png"
    picture.write_bytes(photo())
    job = place.dropped("cat.txt", stem="cat", edits=edits, **changes)
    image = member("cat.png", file_stat.snapshot(picture))
    job = replace(job, members=(image, *job.members))
    place.spool.open(job)
    assert place.spool.claim(job)
    return job


def keys(world: World) -> list[str]:
    return [seen.headers["idempotency-key"] for seen in world.requests]


async def test_each_edit_is_asked_for_and_all_are_published_together(world: World) -> None:
    """
    In the order of the list, each by its own key; the results share a stem and end on their edits' names.
    """
    job = left(world, WARM, an_edit("studio", prompt="make it grey", parameters={"n": 2}))

    assert await world.once() is Ending.DRAINED

    assert keys(world) == [job.id, f"{job.id}-2"]
    assert world.prompts() == ["make it sepia", "make it grey"]
    assert world.tree("outbox") == ["cat-studio-1.png", "cat-studio-2.png", "cat-warm.png"]
    assert world.tree("done") == ["cat.job.json", "cat.png", "cat.txt"]
    record = world.record("done/cat.job.json")
    assert [each["edit"] for each in record["attempts"]] == [1, 2]
    assert [(each["name"], each["status"]) for each in record["edits"]] == [
        ("warm", "done"),
        ("studio", "done"),
    ]
    assert record["edits"][1]["outputs"] == ["cat-studio-1.png", "cat-studio-2.png"]
    assert record["edits"][1]["request"]["prompt"] == "make it grey"
    first, second = (each["fingerprint"] for each in record["edits"])
    assert first == record["fingerprint"] != second
    (line,) = world.history()
    assert [each["edit"] for each in line["charges"]] == [1, 2]
    assert line["edits"] == [
        {key: each[key] for key in ("name", "fingerprint", "outputs")} for each in record["edits"]
    ]


async def test_what_came_is_published_where_another_edit_is_refused(world: World) -> None:
    """
    The originals go to error/, and the reason says which edit it was.
    """
    left(world, WARM, STUDIO)
    world.faults(Fault(kind=FaultKind.POLICY, times=1))

    assert await world.once() is Ending.DRAINED

    assert world.tree("outbox") == ["cat-studio.png"]
    assert world.tree("error") == ["cat.error.txt", "cat.job.json", "cat.png", "cat.txt"]
    record = world.record("error/cat.job.json")
    assert [each["status"] for each in record["edits"]] == ["error", "done"]
    assert record["edits"][0]["error"]["code"] == "content_policy"
    assert record["edits"][1]["fingerprint"]
    assert record["outputs"] == ["cat-studio.png"]
    assert record["error"]["message"].startswith("warm: ")
    reason = (world.folders.error / "cat.error.txt").read_text()
    assert reason.startswith("warm: ")
    assert "not asked for again while the picture is the same: outbox/cat-studio.png." in reason


async def test_a_fault_of_the_picture_is_told_once(world: World) -> None:
    """
    It is no single edit's: nothing is asked, and nobody reads the same sentence twice.
    """
    place = Place.under(world.root)
    place.claimed("cat.png", "cat.txt", edits=(WARM, STUDIO))

    assert await world.once() is Ending.DRAINED

    assert world.requests == []
    record = world.record("error/cat.job.json")
    assert [each["code"] for each in record["error"]["problems"]] == ["image_unreadable"]
    assert not record["error"]["message"].startswith("warm: ")


async def test_an_edit_that_waits_holds_up_no_other(world: World) -> None:
    """
    While one is to be asked again later the next one is asked.
    """
    job = left(world, WARM, STUDIO)
    world.faults(Fault(kind=FaultKind.STATUS, status=504, times=1))

    assert await world.once() is Ending.DRAINED

    assert keys(world) == [job.id, f"{job.id}-2", job.id]
    assert world.tree("outbox") == ["cat-studio.png", "cat-warm.png"]


@pytest.mark.parametrize("asked", [1, 2])
async def test_a_request_that_was_out_is_in_doubt_for_its_own_edit(
    world: World, asked: int
) -> None:
    """
    After a kill the edit whose answer was awaited is asked once more, and no other one.
    """
    job = left(world, WARM, STUDIO)
    world.faults(Fault(kind=FaultKind.STALL, after=asked - 1, times=1))
    async with world.killing():
        await world.asked(asked)

    assert await world.once() is Ending.DRAINED

    expected = [job.id, f"{job.id}-2"]
    assert sorted(keys(world)) == sorted([*expected, expected[asked - 1]])
    record = world.record("done/cat.job.json")
    codes = [(each["edit"], each["code"]) for each in record["attempts"]]
    assert (asked, "interrupted") in codes
    assert len(codes) == 3


async def test_a_paid_edit_keeps_its_job_in_work_when_the_account_is_at_fault(
    world: World,
) -> None:
    """
    Given back it would be asked for again: the second edit waits where the first one's picture is.
    """
    job = left(world, WARM, STUDIO)
    world.faults(Fault(kind=FaultKind.QUOTA, after=1))

    assert await world.once() is Ending.UNAVAILABLE

    assert world.tree("inbox") == []
    assert [path.name for path in world.jobs()] == [job.id]
    world.faults()
    assert await world.once() is Ending.DRAINED
    assert keys(world).count(job.id) == 1
    assert world.tree("outbox") == ["cat-studio.png", "cat-warm.png"]


async def test_edits_to_different_models_are_fitted_for_each(world: World) -> None:
    """
    What the one takes the other may not: each has uploads of its own.
    """
    left(world, WARM, an_edit("old", model="gpt-image-1", prompt="make it grey"))
    world.bodies = []

    assert await world.once() is Ending.DRAINED

    models = [dict(seen.fields)["model"] for seen in world.requests]
    assert models == ["gpt-image-2", "gpt-image-1"]
    record = world.record("done/cat.job.json")
    assert [each["model"] for each in record["attempts"]] == models


async def test_a_seal_that_was_cut_short_goes_on(world: World) -> None:
    """
    Of two pictures one has come to outputs/ beside another edit's: the other one follows, from where it stands.
    """
    job = left(world, WARM, STUDIO)
    spool = Place.under(world.root).spool
    folder = spool.folder(job.id)
    (folder / unsealed(2)).mkdir()
    (folder / "outputs").mkdir(exist_ok=True)
    spool.close_attempt(job.id, an_attempt(1, Verdict.DONE, http_status=200))
    spool.open_attempt(job.id, (2, 1), Opened(sent_at=NOW))
    with spool.keep(job.id, (2, 1), HEAD) as answer:
        answer.write(b'{"data": []}')  # Whoever decoded it anew would find nothing.
        answer.commit()
    for path in (Path("outputs/1-1.png"), Path("outputs/2-1.png"), Path(unsealed(2), "2-2.png")):
        (folder / path).write_bytes(photo())

    assert await world.once() is Ending.DRAINED

    assert world.requests == []
    assert world.tree("outbox") == ["cat-studio-1.png", "cat-studio-2.png", "cat-warm.png"]


def test_a_job_of_many_edits_is_told_by_the_one_in_turn(tmp_path: Path) -> None:
    """
    Programs see the attempt that is awaited, else that of the first edit without pictures.
    """
    place = Place.under(tmp_path)
    job = place.claimed("cat.png", "cat.txt", edits=(WARM, STUDIO))

    state = place.job_state(job)

    assert state.phase is Phase.CLAIMED
    assert state.in_turn == EditState(whole=state, edit=1)
    assert [each.job.request.prompt for each in state.edits] == ["make it sepia", "make it grey"]
