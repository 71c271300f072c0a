"""
Results as they are asked for, through the whole engine and the embedded endpoint.
"""

import asyncio
import io
import json
import tomllib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from builders import a_job, member
from engine_world import World, held, open_world
from retouchd.money.pricing import estimate, prices_for
from retouchd.pictures.finishing import apart
from retouchd.pictures.finishing.apart import Made
from retouchd.pictures.finishing.task import Finishing
from retouchd.pipeline import finish
from retouchd.sandbox.faults import Fault, FaultKind
from sample_pictures import encoded
from simulated_model import mask_of, photo

SIZE = (300, 200)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path) as made:
        made.bodies = []
        yield made


def pixels(data: bytes | Path) -> Any:
    with Image.open(data if isinstance(data, Path) else io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB")).astype(int)


async def test_a_photo_comes_back_changed_only_inside_its_mask(world: World) -> None:
    """
    In its own size and format; what was received lies beside the original, and the record tells of both.
    """
    world.tell(output={"output.like": "source", "output.protect": True})
    original = photo("coffee", SIZE)
    mask = mask_of(SIZE, 0.2)
    world.drop("cat.png", image=encoded(original, "PNG"), mask=encoded(mask, "PNG"))

    await world.once()

    assert world.tree("outbox") == ["cat.png"]
    assert "cat.received.png" in world.tree("done")
    found = pixels(world.folders.outbox / "cat.png")
    closed = np.asarray(mask.getchannel("A")) > 0
    assert (found == np.asarray(original))[closed].all()
    assert not (found == np.asarray(original))[~closed].all()
    record = world.record("done/cat.job.json")
    (result,) = record["results"]
    assert result["protected"] == "exact"
    assert result["finished"] == {"format": "png", "width": 300, "height": 200}
    received = (world.folders.done / "cat.received.png").read_bytes()
    assert result["received"]["sha256"] != result["sha256"]
    assert result["received"]["width"] > 300
    assert Image.open(io.BytesIO(received)).width == result["received"]["width"]
    assert record["edits"][0]["output"]["protect"] is True
    assert record["request"]["from"]["output.like"] == "config"
    assert len(world.requests) == 1


async def test_what_a_sidecar_says_holds_for_its_picture_key_by_key(world: World) -> None:
    """
    The rest comes from the folder and the configuration.
    """
    world.tell(output={"output.format": "jpeg", "output.size": "source"})
    world.drop("cat.png", image=encoded(photo("cat", SIZE), "PNG"))
    world.folders.inbox.joinpath("cat.toml").write_text('[output]\nsize = "150"\n')
    world.folders.inbox.joinpath("_edit.toml").write_text("[output]\nquality = 70\n")

    await world.once()

    assert world.tree("outbox") == ["cat.jpg"]
    with Image.open(world.folders.outbox / "cat.jpg") as image:
        assert image.size == (150, 100)
    origin = world.record("done/cat.job.json")["request"]["from"]
    assert origin["output.size"] == "cat.toml"
    assert origin["output.quality"] == "_edit.toml"
    assert origin["output.format"] == "config"


async def test_a_photo_of_a_shape_no_model_makes_is_padded_and_cut_out_again(world: World) -> None:
    """
    What is sent has the shape that is asked for; what comes back is the photo, not a square of it.
    """
    world.tell(model="gpt-image-1", output={"output.size": "source"})
    original = photo("rocket", (600, 150))
    world.drop("cat.png", "a prompt that is written", image=encoded(original, "PNG"))

    await world.once()

    sent = Image.open(io.BytesIO(world.received()["image.png"]))
    assert sent.size == (600, 400)
    assert dict(world.requests[0].fields)["size"] == "1536x1024"
    assert (np.asarray(sent.convert("RGB"))[125:275] == np.asarray(original)).all()
    with Image.open(world.folders.outbox / "cat.png") as image:
        assert image.size == (600, 150)
    (result,) = world.record("done/cat.job.json")["results"]
    assert result["padded"] == pytest.approx(0.625)
    assert "was put around the picture" in result["warnings"][0]
    assert world.record("done/cat.job.json")["edits"][0]["sent"] == {
        "size": "1536x1024",
        "canvas": [600, 150, 0, 125, 0, 125],
    }


async def test_a_model_that_takes_squares_alone_gets_one(world: World) -> None:
    """
    What is put around a photo makes it a square, so that is no reason to turn it away; cut off, it is a photo.
    """
    world.tell(model="dall-e-2", output={"output.size": "source"})
    world.drop("cat.png", image=encoded(photo("cat", SIZE), "PNG"))

    await world.once()

    sent = Image.open(io.BytesIO(world.received()["image.png"]))
    assert sent.size == (300, 300)
    with Image.open(world.folders.outbox / "cat.png") as image:
        assert image.size == SIZE


async def test_a_budget_reserves_what_the_size_costs_that_is_asked_for(world: World) -> None:
    """
    Not what the dearest would: a day's budget is otherwise left half unused.
    """
    world.tell(parameters={"size": "match", "quality": "low"})
    world.drop("cat.png", image=encoded(photo("cat", SIZE), "PNG"))
    world.faults(Fault(kind=FaultKind.STATUS, status=500))
    async with world.killing():
        await world.until(lambda: world.in_work("attempt-1-1.open"))
        (opened,) = world.in_work("attempt-1-1.open")
        reserved = json.loads(opened.read_bytes())

    job = a_job(member("cat.png"))
    request = replace(
        job.request,
        model="gpt-image-2",
        prompt="make it blue",
        parameters={"quality": "low", "size": reserved["size"]},
    )
    job = replace(job, edits=(replace(job.edits[0], request=request),))
    assert reserved["estimate_usd"] == estimate(prices_for("gpt-image-2"), job)


@pytest.mark.parametrize("settings", [{"pads": False}, {"fit": False}])
async def test_padding_can_be_switched_off(world: World, settings: dict[str, Any]) -> None:
    world.tell(model="gpt-image-1", output={"output.size": "source"}, **settings)
    world.drop("cat.png", image=encoded(photo("rocket", (600, 150)), "PNG"))

    await world.once()

    assert Image.open(io.BytesIO(world.received()["image.png"])).size == (600, 150)
    assert dict(world.requests[0].fields)["size"] == "1536x1024"


async def test_match_is_asked_for_as_a_size_and_counts_as_it_was_set(world: World) -> None:
    """
    The endpoint hears a size that it knows; the same picture again is a duplicate whatever results are to be.
    """
    world.tell(parameters={"size": "match"})
    data = encoded(photo("cat", SIZE), "PNG")
    world.drop("cat.png", image=data)
    await world.once()

    assert dict(world.requests[0].fields)["size"] == "1008x672"
    assert "cat.received.png" not in world.tree("done")
    assert world.record("done/cat.job.json")["request"]["size"] == "match"

    world.tell(output={"output.like": "source"})
    world.drop("again.png", image=data)
    assert "was edited" in (await held(world))["again.png"]
    assert len(world.requests) == 1


async def test_what_cannot_be_finished_is_published_as_it_came_and_told(world: World) -> None:
    """
    It was paid for: better than nothing.
    """
    world.tell(output={"output.size": "source"}, output_megapixels=0.01)
    world.drop("cat.png", image=encoded(photo("cat", SIZE), "PNG"))

    await world.once()

    assert world.tree("outbox") == ["cat.png"]
    assert "cat.received.png" not in world.tree("done")
    (warning,) = world.record("done/cat.job.json")["warnings"]
    assert "published as it was received" in warning
    assert "output.max_megapixels" in warning
    assert world.history()[0]["warnings"] == [warning]


async def test_what_cannot_be_protected_is_not_published(world: World) -> None:
    """
    The picture that was paid for lies beside the original, and a sentence says why.
    """
    world.tell(output={"output.protect": True}, output_megapixels=0.01)
    data = encoded(photo("cat", SIZE), "PNG")
    world.drop("cat.png", image=data, mask=encoded(mask_of(SIZE), "PNG"))

    await world.once()

    assert world.tree("outbox") == []
    assert {"cat.png", "cat.mask.png", "cat.received.png"} <= set(world.tree("error"))
    record = world.record("error/cat.job.json")
    assert record["error"]["code"] == "finishing_failed"
    assert "output.max_megapixels" in record["error"]["message"]
    assert len(world.requests) == 1


@pytest.mark.parametrize(
    ("sidecar", "part"),
    [
        ("[output]\nprotect = true\n", "there is no mask"),
        ('[output]\nsize = "huge"\n', "output.size must be"),
        ('[output]\nlik = "source"\n', "did you mean output.like?"),
        ('output = "source"\n', "output must be a table"),
    ],
)
async def test_what_a_sidecar_cannot_ask_for_is_told(world: World, sidecar: str, part: str) -> None:
    """
    Nothing is sent before that is put right.
    """
    tomllib.loads(sidecar)
    world.drop("cat.png")
    world.folders.inbox.joinpath("cat.toml").write_text(sidecar)

    await world.once()

    assert part in world.record("error/cat.job.json")["error"]["message"]
    assert world.requests == []


async def test_results_are_called_by_the_template(world: World) -> None:
    world.tell(output={"output.name": "{stem} {model}_{n}"}, parameters={"n": 2})
    world.drop("cat.png")

    await world.once()

    assert world.tree("outbox") == ["cat gpt-image-2_1.png", "cat gpt-image-2_2.png"]
    assert {"cat.png", "cat.job.json"} <= set(world.tree("done"))


@pytest.mark.parametrize("is_protected", [False, True])
async def test_what_brings_processes_down_again_and_again_is_given_up(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    is_protected: bool,  # noqa: FBT001 - pytest gives values by name
) -> None:
    """
    Three times, and each time the answer is there still: it is never asked for again.
    """
    tried = []

    def dying(task: Finishing) -> Made:
        tried.append(task)
        raise RuntimeError

    monkeypatch.setattr(finish, "finished_apart", dying)
    world.tell(output={"output.size": "source", "output.protect": is_protected})
    data = encoded(photo("cat", SIZE), "PNG")
    world.drop("cat.png", image=data, mask=encoded(mask_of(SIZE), "PNG"))

    async with world.running():
        await world.until(lambda: world.tree("done") or world.tree("error"))

    assert len(tried) == 3
    assert len(world.requests) == 1
    if is_protected:
        assert world.record("error/cat.job.json")["error"]["code"] == "finishing_failed"
        assert world.tree("outbox") == []
    else:
        assert world.tree("outbox") == ["cat.png"]
        (warning,) = world.record("done/cat.job.json")["warnings"]
        assert "ended unexpectedly 3 times" in warning


@pytest.mark.parametrize("is_protected", [False, True])
async def test_a_finishing_that_the_system_kills_takes_nothing_along(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    is_protected: bool,  # noqa: FBT001 - pytest gives values by name
) -> None:
    """
    As it does where memory is short: what was paid for is delivered, or kept where it was to be protected, and
    finished later without being asked for.
    """
    killed = "import os, signal, sys; sys.stdin.read(); os.kill(os.getpid(), signal.SIGKILL)"
    small = {"output_format": "jpeg", "output_compression": 30}
    world.tell(output={"output.size": "source", "output.protect": is_protected}, parameters=small)
    data = encoded(photo("cat", SIZE), "PNG")
    world.drop("cat.png", image=data, mask=encoded(mask_of(SIZE), "PNG"))
    with monkeypatch.context() as patch:
        patch.setattr(apart, "_PROGRAM", killed)
        await world.once()

    assert len(world.requests) == 1
    if not is_protected:
        assert world.tree("outbox") == ["cat.jpg"]
        (warning,) = world.record("done/cat.job.json")["warnings"]
        assert "signal 9" in warning
        return
    assert world.tree("outbox") == []
    assert "cat.received.jpg" in world.tree("error")
    problem = world.record("error/cat.job.json")["error"]
    assert problem["code"] == "finishing_failed"
    assert "signal 9" in problem["message"]
    for end in (".txt", ".mask.png", ".png"):
        (world.folders.error / f"cat{end}").rename(world.folders.inbox / f"cat{end}")
    await world.once()
    assert world.tree("outbox") == ["cat.jpg"]
    assert len(world.requests) == 1


async def test_what_waits_for_a_restart_is_never_given_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    However often it is tried meanwhile, where an edit beside it was refused, too; then it is as asked for.
    """
    replaced = """print('{"unfit": "ModuleNotFoundError"}')"""
    world.tell(output={"output.size": "source"}, concurrency=1)
    world.faults(Fault(kind=FaultKind.POLICY, after=1, times=1))
    edits = '[[edits]]\nname = "a"\nprompt = "blue"\n[[edits]]\nname = "b"\nprompt = "red"\n'
    (world.folders.inbox / "cat.toml").write_text(edits)
    world.drop("cat.png", prompt=None, image=encoded(photo("cat", SIZE), "PNG"))

    with monkeypatch.context() as patch:
        patch.setattr(apart, "_PROGRAM", replaced)
        async with world.running():
            await world.until(lambda: world.events("job.waiting"))
            await asyncio.sleep(60)
            assert world.tree("done") == world.tree("error") == []
    await world.once()

    assert len(world.requests) == 2
    assert len(world.tree("outbox")) == 1
    record = world.record("error/cat.job.json")
    assert record.get("warnings", []) == []
