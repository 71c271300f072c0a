"""
Several edits of one picture, as sidecars and folder files name them: from the inbox to the outbox.
"""

from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from PIL import Image

from engine_world import DAY, World, open_world
from retouchd.inbox.precedence import EditPart
from retouchd.sandbox.faults import Fault, FaultKind
from retouchd.service.daemon import Ending
from retouchd.spool.fingerprint import Policy
from retouchd.status.collect import jobs_in_work
from retouchd.status.rehearse import Rehearser

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
        made.tell(concurrency=1)  # So that the order of the list is that of the answers.
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
    asked = [dict(seen.fields) for seen in world.requests]  # Both are out at once.
    assert sorted((each["prompt"], each.get("quality")) for each in asked) == [
        ("make it grey\n\nKeep faces as they are.", "high"),
        ("make it sepia\n\nKeep faces as they are.", None),
    ]
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


@pytest.mark.parametrize("lost", ["history.jsonl", "*"])
async def test_what_is_done_is_known_from_error_where_the_history_is_lost(
    world: World, lost: str
) -> None:
    """
    The record stays in error/ while the picture alone is dragged back: its edits that are done are not bought
    again, and what they brought is no picture to be edited either.
    """
    drop(world, sidecar=THREE)
    world.faults(Fault(kind=FaultKind.POLICY, after=1, times=1))
    assert await world.once() is Ending.DRAINED
    for path in world.folders.work.glob(lost):
        if path.is_file():
            path.unlink()

    back(world, "cat.png", "cat.toml")
    world.faults()
    (world.folders.inbox / "back.png").write_bytes(
        (world.folders.outbox / "cat-warm.png").read_bytes()
    )
    (world.folders.inbox / "_prompt.txt").write_text("make it red")
    assert await world.once() is Ending.DRAINED

    assert [prompt.partition("\n")[0] for prompt in world.prompts()] == [
        "make it sepia",
        "make it grey",
        "make it blue",
        "make it grey",
    ]
    assert world.tree("outbox") == ["cat-cold.png", "cat-studio.png", "cat-warm.png"]
    assert world.tree("inbox") == ["_prompt.txt", "back.png"]


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


async def test_an_account_s_fault_between_two_edits_buys_nothing_again(world: World) -> None:
    """
    What the first edit brought waits in work; once the account is well the others are asked for.
    """
    drop(world, sidecar=THREE)
    world.faults(Fault(kind=FaultKind.QUOTA, after=1))

    assert await world.once() is Ending.UNAVAILABLE

    assert world.tree("inbox") == []
    (job,) = jobs_in_work(world.folders, None, is_running=False)
    assert job["reason"].startswith("1 of 3 edits done, ")
    world.faults()
    assert await world.once() is Ending.DRAINED
    asked = [prompt.partition("\n")[0] for prompt in world.prompts()]
    assert asked.count("make it sepia") == 1
    assert world.tree("outbox") == ["cat-cold.png", "cat-studio.png", "cat-warm.png"]


@pytest.mark.parametrize("awaited", [1, 2, 3])
async def test_after_a_kill_the_edits_that_are_done_are_not_asked_for(
    world: World, awaited: int
) -> None:
    """
    The one whose answer was awaited is asked once more, since it may have been charged; no other one is.
    """
    drop(world, sidecar=THREE)
    world.faults(Fault(kind=FaultKind.STALL, after=awaited - 1, times=1))
    async with world.killing():
        await world.asked(awaited)

    assert await world.once() is Ending.DRAINED

    counts = Counter(prompt.partition("\n")[0] for prompt in world.prompts())
    assert sum(counts.values()) == 4
    assert world.tree("outbox") == ["cat-cold.png", "cat-studio.png", "cat-warm.png"]
    assert world.tree("inbox") == []


async def test_a_budget_that_ends_between_two_edits_is_kept_to_the_picture(world: World) -> None:
    """
    Each edit reserves what it may cost; what is left is asked for on the next days, and nothing twice.
    """
    world.tell(images_per_day=4)
    for number in range(3):
        drop(world, f"{number}.png", THREE)

    found = Rehearser(world.settings, world.clock).rehearse()
    assert [each.is_today for each in found.planned] == [True] * 4 + [False] * 5
    assert [each.job.edits[0].name for each in found.planned[:3]] == ["warm", "studio", "cold"]
    assert found.planned[1].results == ("0-studio.png",)
    asked = []
    while await world.once() is not Ending.DRAINED:
        asked.append(len(world.requests))
        world.time.pass_by(DAY)

    assert asked == [4, 8]
    assert len(world.requests) == 9
    assert len(world.tree("outbox")) == 9


async def test_the_nearest_place_says_which_edits_there_are(world: World) -> None:
    """
    A prompt of its own sets the folder's list aside, an empty list turns it off, a list of its own takes its
    place; the configuration's holds where nobody says anything.
    """
    edits = (EditPart(name="far", values={"prompt": "make it green"}),)
    world.tell(edits=edits)
    inbox = world.folders.inbox
    (inbox / "a").mkdir()
    (inbox / "a/_edit.toml").write_text(TWO)
    world.drop("plain.png", prompt=None)
    world.drop("a/folder.png", prompt=None)
    world.drop("a/text.png", prompt="make it blue")
    drop(world, "a/off.png", 'edits = []\nprompt = "make it red"\n')
    drop(world, "a/own.png", '[[edits]]\nname = "own"\nprompt = "make it pink"\n')
    drop(world, "a/shared.png", '[[edits]]\nname = "own"\n')
    (inbox / "a/shared.txt").write_text("make it yellow")

    assert await world.once() is Ending.DRAINED

    assert world.tree("outbox") == [
        "a/folder-studio.png",
        "a/folder-warm.png",
        "a/off.png",
        "a/own-own.png",
        "a/shared-own.png",
        "a/text.png",
        "plain-far.png",
    ]


async def refused(world: World, edits: str) -> tuple[str, list[str]]:
    """
    Have edits refused that come in a picture's own sidecar and in a folder's; return why that one is in error/,
    and why files are held.
    """
    drop(world, sidecar=edits)
    (world.folders.inbox / "a").mkdir()
    (world.folders.inbox / "a/_edit.toml").write_text(edits)
    world.drop("a/dog.png", prompt=None)
    assert await world.once() is Ending.DRAINED
    assert world.requests == []
    held = [line["reason"] for line in world.lines if line["event"] == "file.held"]
    return world.record("error/cat.job.json")["error"]["message"], held


async def test_a_fault_of_one_edit_is_told_with_its_name(world: World) -> None:
    """
    In a picture's own sidecar it leads to error/, in a folder's the picture waits.
    """
    message, held = await refused(world, TWO + 'size = "17x17"\n')

    assert message.startswith("studio: cat.toml: ")
    assert world.tree("inbox") == ["a/_edit.toml", "a/dog.png"]
    assert any(reason.startswith("a/_edit.toml: studio: ") for reason in held)


async def test_two_edits_that_ask_for_the_same_are_not_both_paid_for(world: World) -> None:
    """
    What the results are made does not tell them apart: that is no part of the request.
    """
    same = TWO + '[[edits]]\nname = "web"\nprompt = "make it sepia"\noutput = { format = "webp" }\n'
    message, held = await refused(world, same)

    assert message.startswith("web: cat.toml: It asks for the same as warm")
    assert any(reason.startswith("a/_edit.toml: web: It asks for the same") for reason in held)


async def test_a_prompt_that_is_too_long_once_it_is_joined_names_all_places(world: World) -> None:
    """
    What is written beside the photo may be short.
    """
    before = f'prompt_before = "{"x" * 31_990}"\n'
    (world.folders.inbox / "_edit.toml").write_text(before)
    drop(world, sidecar='prompt_after = "And so on."\n')
    (world.folders.inbox / "cat.txt").write_text("make it blue")

    assert await world.once() is Ending.DRAINED

    assert world.requests == []
    message = world.record("error/cat.job.json")["error"]["message"]
    places = "cat.txt, with prompt_before of _edit.toml and prompt_after of cat.toml: "
    assert message.startswith(places + "The prompt has 32,0")


async def test_an_edit_without_any_prompt_is_named(world: World) -> None:
    """
    In its own sidecar it is waited for as a prompt is.
    """
    world.tell(orphan_seconds=60)
    drop(world, sidecar='[[edits]]\nname = "warm"\n')
    async with world.running():
        await world.until(lambda: world.tree("error"))

    error = world.record("error/cat.job.json")["error"]
    assert error["code"] == "prompt_missing"
    assert "the edit warm" in error["message"]


async def test_fields_of_a_folder_s_prompt_stand_for_what_they_are(world: World) -> None:
    """
    A picture's own prompt is sent as it is; a variable that nobody says holds the picture with the reason.
    """
    inbox = world.folders.inbox
    (inbox / "shoes").mkdir()
    (inbox / "shoes/_prompt.txt").write_text(
        '{stem} of {folder}, {width}x{height}, {vars.client}{vars.mark}: {{stem}} {"a": {1}}'
    )
    (inbox / "_edit.toml").write_text('prompt_after = "{{stem}} alone"\n')
    drop(world, "shoes/red.png", '[vars]\nclient = "{stem}"\nmark = 1\n')
    world.drop("shoes/blue.png", prompt=None)
    world.drop("shoes/own.png", prompt="{stem} {vars.x}")

    assert await world.once() is Ending.DRAINED

    with Image.open(world.folders.done / "shoes/red.png") as image:
        width, height = image.size
    assert sorted(world.prompts()) == sorted(
        [
            f'red of shoes, {width}x{height}, {{stem}}1: {{stem}} {{"a": {{1}}}}\n\n{{stem}} alone',
            "{stem} {vars.x}\n\n{stem} alone",
        ]
    )
    held = [line["reason"] for line in world.lines if line["event"] == "file.held"]
    lacking = "{vars.client} and {vars.mark}"
    assert any(lacking in reason and "sidecar, blue.toml." in reason for reason in held)
