"""
What was paid for and could not be finished: a photo that comes back is finished from what came for it, however
it comes back, and never bought again.
"""

import json
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from engine_world import World, held, open_world
from retouchd.disk.folders import Folders
from retouchd.retry.error_folder import groups_below
from retouchd.retry.put_back import put_back_group
from retouchd.spool.fingerprint import Policy
from sample_pictures import encoded
from simulated_model import mask_of, photo

SIZE = (300, 200)
RECEIVED = "cat.received.jpg"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """
    A world in whose `error/shoes` lies a photo that was edited, paid for, and could not be finished.
    """
    async with open_world(tmp_path) as made:
        output = {"output.protect": True, "output.format": "source"}
        # What comes is small then: all of it is searched for the key at the end.
        small = {"output_format": "jpeg", "output_compression": 30}
        made.tell(output=output, parameters=small, output_megapixels=0.01)
        data = encoded(photo("cat", SIZE), "PNG")
        made.drop("shoes/cat.png", image=data, mask=encoded(mask_of(SIZE), "PNG"))
        await made.once()
        assert made.record("error/shoes/cat.job.json")["error"]["code"] == "finishing_failed"
        assert len(made.requests) == 1
        made.tell(output_megapixels=120)
        yield made


def drag_back(world: World, *further: str, to: str = "shoes/cat") -> None:
    """
    Move photo, mask and prompt back into the inbox, in this order reversed, and what else is named.
    """
    inbox = world.folders.inbox
    (inbox / to).parent.mkdir(exist_ok=True)
    for end in (*further, ".txt", ".mask.png", ".png"):
        (world.folders.error / f"shoes/cat{end}").rename(inbox / f"{to}{end}")


def lose_history(world: World) -> None:
    for path in world.folders.work.glob("*.jsonl"):
        path.unlink()


def nothing(_: World) -> None:
    """
    Leave all as it is.
    """


def beside(world: World) -> None:
    """
    Have what was received come along, beside the photo.
    """
    (world.folders.error / "shoes" / RECEIVED).rename(world.folders.inbox / "shoes" / RECEIVED)


def beside_and_nothing_in_error(world: World) -> None:
    beside(world)
    shutil.rmtree(world.folders.error / "shoes")


def retried(world: World) -> None:
    """
    Say `retry` in place of dragging.
    """
    folders: Folders = world.folders
    (group,) = groups_below(folders.error)
    put_back_group(group, folders)


ALONE: tuple[str, ...] = ()
RECORDED = (".job.json", ".error.txt")


@pytest.mark.parametrize(
    ("policy", "further", "then"),
    [
        (Policy.HOLD, ALONE, nothing),
        (Policy.HOLD, ALONE, beside_and_nothing_in_error),
        (Policy.HOLD, ALONE, lose_history),
        (Policy.HOLD, RECORDED, beside_and_nothing_in_error),
        (Policy.HOLD, RECORDED, lose_history),
        (Policy.RUN, ALONE, nothing),
        (Policy.RUN, RECORDED, lose_history),
    ],
)
async def test_a_photo_that_comes_back_is_finished_from_what_came(
    world: World, policy: Policy, further: tuple[str, ...], then: Callable[[World], None]
) -> None:
    """
    With its record or without, what was received beside it or still in `error/`, the history there or lost.
    """
    world.tell(duplicates=policy)
    drag_back(world, *further)
    then(world)

    await world.once()

    assert world.tree("outbox") == ["shoes/cat.png"]
    assert len(world.requests) == 1
    record = world.record("done/shoes/cat.job.json")
    assert record["cost_usd"] == 0
    assert record["results"][0]["protected"] == "exact"
    assert "nothing was asked for" in record["attempts"][0]["message"]
    assert f"done/shoes/{RECEIVED}" in [f"done/{each}" for each in world.tree("done")]


async def test_a_retry_is_finished_from_what_came(world: World) -> None:
    retried(world)

    await world.once()

    assert world.tree("outbox") == ["shoes/cat.png"]
    assert len(world.requests) == 1


async def test_a_photo_of_another_name_in_another_folder_is_the_same(world: World) -> None:
    """
    It is known by its bytes and its request.
    """
    drag_back(world, to="shoes 2/kitty")

    await world.once()

    assert world.tree("outbox") == ["shoes 2/kitty.png"]
    assert len(world.requests) == 1


async def test_another_photo_of_the_same_size_is_not_the_same(world: World) -> None:
    """
    With the record of the first beside it, too: the hash decides.
    """
    drag_back(world, ".job.json")
    path = world.folders.inbox / "shoes/cat.png"
    data = bytearray(path.read_bytes())
    other = encoded(photo("coffee", SIZE), "PNG")
    longer = max(len(data), len(other))
    path.write_bytes(other.ljust(longer, b"\0") if len(data) < longer else other)
    size = path.stat().st_size
    record = world.folders.inbox / "shoes/cat.job.json"
    body = json.loads(record.read_bytes())
    for each in body["received"]:
        each["asked"]["size"] = size
    record.write_text(json.dumps(body))

    await world.once()

    assert len(world.requests) == 2
    assert world.tree("outbox") == ["shoes/cat.png"]


def gone(world: World) -> None:
    (world.folders.error / "shoes" / RECEIVED).unlink()


def altered(world: World) -> None:
    path = world.folders.error / "shoes" / RECEIVED
    path.write_bytes(path.read_bytes()[:-1] + b"\0")


def elsewhere(world: World) -> None:
    """
    Have the record name a path that leads out of `error/`, where the very bytes lie.
    """
    path = world.folders.error / "shoes" / RECEIVED
    path.rename(world.root / RECEIVED)
    path.symlink_to(world.root / RECEIVED)


@pytest.mark.parametrize(
    ("then", "further"), [(gone, ALONE), (altered, RECORDED), (elsewhere, RECORDED)]
)
async def test_what_was_paid_for_and_is_gone_waits_as_a_duplicate_does(
    world: World, then: Callable[[World], None], further: tuple[str, ...]
) -> None:
    """
    In the inbox, with the reason; put back, it goes on by itself. Only who says so buys it anew.
    """
    drag_back(world, *further)
    there = world.folders.error / "shoes" / RECEIVED
    data = there.read_bytes()
    then(world)

    reason = (await held(world))["shoes/cat.png"]

    assert f"error/shoes/{RECEIVED}" in reason
    assert 'intake.duplicates = "run"' in reason
    assert len(world.requests) == 1
    async with world.running() as daemon:
        await world.noticed(daemon, "shoes/cat.png")
        there.unlink(missing_ok=True)
        there.write_bytes(data)
        await world.until(lambda: world.tree("outbox"))
    assert len(world.requests) == 1


async def test_what_is_gone_is_bought_anew_where_somebody_says_so(world: World) -> None:
    drag_back(world)
    gone(world)
    world.tell(duplicates=Policy.RUN)

    await world.once()

    assert world.tree("outbox") == ["shoes/cat.png"]
    assert len(world.requests) == 2


async def test_what_was_finished_since_is_not_finished_again(world: World) -> None:
    """
    It is a duplicate then; and where those are wanted, a new one is.
    """
    drag_back(world)
    await world.once()
    back = {".txt": "txt", ".mask.png": "mask.png", ".png": "png"}
    for end in back:
        shutil.copy(world.folders.done / f"shoes/cat{end}", world.folders.inbox / f"again{end}")

    assert "was edited" in (await held(world))["again.png"]
    assert len(world.requests) == 1

    world.tell(duplicates=Policy.RUN)
    await world.once()
    assert world.tree("outbox") == ["again.png", "shoes/cat.png"]
    assert len(world.requests) == 2


async def test_the_same_photo_twice_is_finished_once(world: World) -> None:
    for end in (".txt", ".mask.png", ".png"):
        shutil.copy(world.folders.error / f"shoes/cat{end}", world.folders.inbox / f"twin{end}")
    drag_back(world)

    reasons = await held(world)

    assert len(world.tree("outbox")) == 1
    assert len(world.requests) == 1
    assert any("the same picture" in each for each in reasons.values())


async def test_another_request_is_another_one(world: World) -> None:
    drag_back(world)
    world.folders.inbox.joinpath("shoes/cat.txt").write_text("make it grey")

    await world.once()

    assert len(world.requests) == 2


async def test_nothing_that_a_record_says_leads_out_of_its_folder(world: World) -> None:
    """
    Records lie where anybody may write: a path is believed no more than a hash allows, and never followed out.
    """
    drag_back(world, ".job.json")
    (world.folders.error / "shoes" / RECEIVED).rename(world.root / "secret.png")
    record = world.folders.inbox / "shoes/cat.job.json"
    body = json.loads(record.read_bytes())
    for each in body["received"]:
        each["path"] = "../secret.png"
    record.write_text(json.dumps(body))

    reasons = await held(world)

    assert world.tree("outbox") == []
    assert len(world.requests) == 1
    assert "shoes/cat.png" in reasons


def _damaged(body: dict[str, Any], received: object) -> dict[str, Any]:
    return body | {"received": received}


@pytest.mark.parametrize(
    "received",
    [
        None,
        "cat.received.png",
        [None],
        [{"asked": "cat", "path": 3}],
        [{"asked": {"size": 1, "sha256": "0" * 64}, "edit": [], "path": "a", "sent": 5}],
    ],
)
async def test_a_record_that_says_nonsense_is_no_hindrance(world: World, received: object) -> None:
    """
    The history tells the rest.
    """
    drag_back(world, ".job.json")
    record = world.folders.inbox / "shoes/cat.job.json"
    record.write_text(json.dumps(_damaged(json.loads(record.read_bytes()), received)))

    await world.once()

    assert world.tree("outbox") == ["shoes/cat.png"]
    assert len(world.requests) == 1


async def test_a_received_picture_that_nothing_tells_of_is_asked_about(world: World) -> None:
    """
    Without record and history nobody knows what it came for; somebody who brings it along wants it used.
    """
    drag_back(world)
    beside(world)
    shutil.rmtree(world.folders.error / "shoes")
    lose_history(world)

    reason = (await held(world))["shoes/cat.png"]

    assert RECEIVED in reason
    assert len(world.requests) == 1

    (world.folders.inbox / "shoes" / RECEIVED).unlink()
    await world.once()
    assert len(world.requests) == 2


@pytest.mark.parametrize(
    ("further", "then"), [(ALONE, nothing), (ALONE, lose_history), (RECORDED, lose_history)]
)
async def test_of_several_edits_only_what_is_missing_is_made(
    world: World, then: Callable[[World], None], further: tuple[str, ...]
) -> None:
    """
    One was published, one came and could not be finished, one is new: only that is asked for.
    """
    error, inbox = world.folders.error / "shoes", world.folders.inbox / "shoes"
    shutil.rmtree(error)
    lose_history(world)
    sidecar = (
        '[[edits]]\nname = "plain"\nprompt = "make it sepia"\n'
        '[edits.output]\nlike = "source"\nprotect = false\n'
        '[[edits]]\nname = "safe"\nprompt = "make it grey"\n'
    )
    world.tell(output_megapixels=0.01)
    inbox.mkdir(exist_ok=True)
    (inbox / "cat.toml").write_text(sidecar)
    data = encoded(photo("cat", SIZE), "PNG")
    world.drop("shoes/cat.png", None, image=data, mask=encoded(mask_of(SIZE), "PNG"))
    await world.once()
    assert len(world.requests) == 3
    assert {"cat-safe.received.jpg", "cat.job.json"} <= {each.name for each in error.iterdir()}
    assert world.tree("outbox") == ["shoes/cat-plain.jpg"]

    world.tell(output_megapixels=120)
    for end in (*further, ".toml", ".mask.png", ".png"):
        (error / f"cat{end}").rename(inbox / f"cat{end}")
    (inbox / "cat.toml").write_text(f'{sidecar}[[edits]]\nname = "new"\nprompt = "make it blue"\n')
    then(world)
    await world.once()

    assert [each.rpartition(".")[0] for each in world.tree("outbox")] == [
        "shoes/cat-new",
        "shoes/cat-plain",
        "shoes/cat-safe",
    ]
    assert len(world.requests) == 4
