"""
A file of the inbox whose reading fails in a way that nobody foresaw: what it holds for waits for it, all else
goes on, and it is read again by itself.
"""

import io
import itertools
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from engine_world import HOUR, World, open_world, photo
from retouchd.pictures import decoding

YAML = "retouchd.request.yaml_text"
CAPTIONS = "retouchd.pictures.captions"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path) as world:
        world.tell(settle_seconds=2, rescan_seconds=5)
        yield world


def captioned() -> bytes:
    out, exif = io.BytesIO(), Image.Exif()
    exif[270] = "Make the sky a clear evening sky"
    Image.new("RGB", (48, 32), "teal").save(out, "JPEG", exif=exif)
    return out.getvalue()


def clear(kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    image = Image.new("RGBA", (48, 32), "black")
    image.paste((0, 0, 0, 0), (8, 8, 24, 24))
    image.save(out, kind)
    return out.getvalue()


async def test_a_sidecar_that_crashes_its_reader_holds_up_nobody_else(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    As where a module is gone that only YAML needs. It waits with its reason, and goes on once that is mended.
    """
    monkeypatch.setitem(sys.modules, YAML, None)
    world.drop("cat.png", prompt=None)
    (world.folders.inbox / "cat.yaml").write_text("prompt: make it yellow")
    world.drop("dog.png")

    async with world.running() as daemon:
        await world.until(lambda: world.tree("outbox") == ["dog.png"], within=HOUR)
        reasons = await world.reasons(daemon)
        assert set(reasons) == {"cat.png", "cat.yaml"}
        assert all(each.startswith("cat.yaml cannot be read") for each in reasons.values())
        assert all("ModuleNotFoundError" in each for each in reasons.values())
        monkeypatch.delitem(sys.modules, YAML)
        await world.until(lambda: world.tree("outbox") == ["cat.png", "dog.png"], within=HOUR)

    assert len(world.events("intake.crashed")) == 1
    assert world.prompts() == ["make it blue", "make it yellow"]


async def test_a_folder_file_that_crashes_its_reader_holds_up_its_folder(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Nothing in its folder is sent without it; other folders go on.
    """
    monkeypatch.setitem(sys.modules, YAML, None)
    world.drop("yellow/cat.png", prompt=None)
    (world.folders.inbox / "yellow/_edit.yaml").write_text("prompt: make it yellow")
    world.drop("blue/dog.png")

    async with world.running() as daemon:
        await world.until(lambda: world.tree("outbox") == ["blue/dog.png"], within=HOUR)
        assert "_edit.yaml" in (await world.reasons(daemon))["yellow/cat.png"]
        monkeypatch.delitem(sys.modules, YAML)
        await world.until(lambda: len(world.tree("outbox")) == 2, within=HOUR)

    assert len(world.events("intake.crashed")) == 1


async def test_it_is_read_again_less_and_less_often(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Each try costs something, and a day is long; a file that is written anew is read at once.
    """
    tries: list[float] = []

    class Missing:
        def __getattr__(self, name: str) -> Any:
            if name == "read_yaml":
                tries.append(world.clock.monotonic())
                raise AssertionError("out of nowhere")
            raise AttributeError(name)

    monkeypatch.setitem(sys.modules, YAML, Missing())
    world.drop("cat.png", prompt=None)
    sidecar = world.folders.inbox / "cat.yaml"
    sidecar.write_text("prompt: make it yellow")

    async with world.running():
        await world.until(lambda: len(tries) == 9, within=HOUR)
        waits = [round(later - one) for one, later in itertools.pairwise(tries)]
        assert waits == [5, 10, 20, 40, 80, 160, 300, 300]
        monkeypatch.delitem(sys.modules, YAML)
        sidecar.write_text("prompt: make it green")
        at = world.clock.monotonic()
        await world.until(lambda: world.tree("outbox"), within=HOUR)
        assert world.clock.monotonic() - at < 60

    assert len(world.events("intake.crashed")) == 1
    assert world.prompts() == ["make it green"]


async def test_a_caption_that_crashes_its_reader_is_waited_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Only by the picture that has no other prompt: one that comes is taken.
    """
    world.tell(reads_captions=True)
    monkeypatch.setitem(sys.modules, CAPTIONS, None)
    world.drop("cat.jpg", prompt=None, image=captioned())
    world.drop("cow.jpg", prompt=None, image=captioned() + b"\0")
    world.drop("dog.png")

    async with world.running() as daemon:
        await world.until(lambda: world.tree("outbox") == ["dog.png"], within=HOUR)
        await world.until(lambda: len(world.events("intake.crashed")) == 2, within=HOUR)
        reasons = await world.reasons(daemon)
        assert reasons["cat.jpg"].startswith("cat.jpg cannot be read")
        (world.folders.inbox / "cow.txt").write_text("make it brown")
        await world.until(lambda: len(world.tree("outbox")) == 2, within=HOUR)
        monkeypatch.delitem(sys.modules, CAPTIONS)
        await world.until(lambda: len(world.tree("outbox")) == 3, within=HOUR)

    assert world.prompts()[1:] == ["make it brown", "Make the sky a clear evening sky"]
    assert len(world.events("intake.crashed")) == 2


async def test_a_mask_that_crashes_its_decoder_is_no_picture(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Nobody knows yet whether it is the mask of a picture that is to come: it is not edited by itself meanwhile.
    """
    opened = decoding.DECODERS["png"]

    def too_large(*_: Any) -> Any:
        raise MemoryError

    monkeypatch.setitem(decoding.DECODERS, "png", too_large)
    (world.folders.inbox / "_prompt.txt").write_text("make it brown")
    (world.folders.inbox / "cat_mask.png").write_bytes(clear())
    world.drop("dog.jpg", prompt=None, image=captioned())

    async with world.running() as daemon:
        await world.until(lambda: len(world.requests) == 1, within=HOUR)
        await world.until(lambda: world.events("intake.crashed"), within=HOUR)
        reasons = await world.reasons(daemon)
        assert reasons["cat_mask.png"].startswith("cat_mask.png cannot be read")
        monkeypatch.setitem(decoding.DECODERS, "png", opened)
        world.drop("cat.jpg", prompt=None, image=captioned() + b"\0")
        await world.until(lambda: len(world.tree("outbox")) == 2, within=HOUR)

    assert len(world.requests) == 2
    assert len(world.events("intake.crashed")) == 1
    assert world.record("done/cat.job.json")["request"]["mask"] == "cat_mask.png"


async def test_two_sidecars_of_which_one_crashes_its_reader_are_both_waited_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    One of them may be another program's file, and then there is only one: that is no fault of the photo's yet.
    """
    monkeypatch.setitem(sys.modules, YAML, None)
    world.drop("cat.png", prompt=None, image=photo())
    (world.folders.inbox / "cat.yaml").write_text("prompt: make it yellow")
    (world.folders.inbox / "cat.json").write_text('{"prompt": "make it green"}')

    async with world.running() as daemon:
        await world.until(lambda: world.events("intake.crashed"), within=HOUR)
        await world.time.still()
        assert (await world.reasons(daemon))["cat.png"].startswith("cat.yaml cannot be read")
        monkeypatch.delitem(sys.modules, YAML)
        await world.until(lambda: world.tree("error"), within=HOUR)

    assert world.record("error/cat.job.json")["error"]["code"] == "sidecar_ambiguous"
