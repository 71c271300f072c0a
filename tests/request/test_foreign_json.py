"""
JSON that other programs lay beside pictures is nobody's sidecar; a sidecar with a mistake is still told of.
"""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from engine_world import World, held, open_world, put
from retouchd.request.foreign_json import foreign_beginning, foreign_json

TAKEOUT = {
    "title": "cat.png",
    "description": "",
    "imageViews": "3",
    "creationTime": {"timestamp": "1693498503", "formatted": "31 Aug 2023"},
    "photoTakenTime": {"timestamp": "1693498503", "formatted": "31 Aug 2023"},
    "geoData": {"latitude": 0.0, "longitude": 0.0},
}
FOREIGN: dict[str, Any] = {
    "Google Takeout": TAKEOUT,
    "Takeout of few words": {"title": "cat.png", "description": "", "imageViews": "3"},
    "an album of Takeout": {
        "title": "Cats",
        "description": "",
        "access": "protected",
        "date": {"timestamp": "1"},
    },
    "ExifTool": [{"SourceFile": "cat.png", "ExifToolVersion": 12.7, "Model": "EOS R5"}],
    "a workflow of ComfyUI": {"last_node_id": 9, "nodes": [], "links": [], "version": 0.4},
    "its other form": {
        "3": {"class_type": "KSampler", "inputs": {"seed": 7}},
        "4": {"class_type": "LoadImage", "inputs": {}},
    },
    "a whole one": {
        "last_node_id": 9,
        "nodes": [],
        "links": [],
        "config": {},
        "extra": {"ds": {"scale": 1}},
    },
    "gallery-dl on who and how large": {
        "category": "pixiv",
        "subcategory": "artworks",
        "extension": "png",
        "user": {"id": 1},
        "size": 4711,
    },
    "gallery-dl": {"category": "x", "subcategory": "y", "extension": "png", "filename": "cat"},
    "Flickr": {"id": "1", "name": "cat", "photopage": "https://…", "date_taken": "2023-08-31"},
    "LabelMe": {"version": "5", "flags": {}, "shapes": [], "imagePath": "cat.png"},
}
SIDECARS_WITH_MISTAKES: list[Any] = [
    {"promt": "make it blue"},
    {**TAKEOUT, "prompt": "make it blue"},
    {"prompt": {"3": {"class_type": "KSampler"}}, "workflow": {}},
    {"extra": {"class_type": "KSampler"}, "n_pictures": {"class_type": "x"}},
    {"images": ["a.png"], "nodes": [], "links": []},
    {"prompt": "make it blue", "category": "x", "subcategory": "y", "extension": "png"},
    [{"Prompt": "make it blue"}],
    None,
]
NOBODYS: list[Any] = [
    {"description": "make it blue"},
    {"title": "cat"},
    {"class_type": "KSampler"},
    {"history": [{"module": "exposure"}], "iop_order": 2},
    [],
    {},
    ["SourceFile"],
    "SourceFile",
    7,
]
"""Without a key of ours: whoever wrote them, they are nobody's sidecar."""
NAMES = [
    "cat.png.json",
    "cat.json",
    "cat.png.supplemental-metadata.json",
    "cat.png.supplemental-met.json",
    "cat.png.s.json",
    "cat.png..json",
    "cat.png(1).json",
    "metadata.json",
]


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path) as made:
        yield made


@pytest.mark.parametrize("tree", [*FOREIGN.values(), *NOBODYS], ids=repr)
def test_what_other_programs_write_is_told_by_its_keys(tree: Any) -> None:
    assert foreign_json(tree)


@pytest.mark.parametrize("tree", SIDECARS_WITH_MISTAKES, ids=repr)
def test_a_sidecar_with_a_mistake_is_no_other_programs_file(tree: Any) -> None:
    assert foreign_json(tree) is None


def test_a_file_too_long_to_be_read_is_told_by_its_beginning() -> None:
    workflow = json.dumps({"last_node_id": 1, "nodes": [{"id": 1}] * 1000, "links": []}).encode()

    assert foreign_beginning(workflow[:1000])
    assert foreign_beginning(json.dumps(FOREIGN["LabelMe"]).encode()[:-1] + b', "imageData": "AAA')
    assert foreign_beginning(b'{"promt": "' + b"x" * 1000) is None
    assert foreign_beginning(json.dumps([{"SourceFile": "cat.png"}] * 99).encode()[:500])
    assert foreign_beginning(json.dumps(FOREIGN["its other form"]).encode()[:60])


@pytest.mark.parametrize("indent", [None, 2])
def test_a_sidecar_too_long_to_be_read_is_one_whatever_its_extra_holds(indent: int | None) -> None:
    """
    Else the picture would be edited, and paid for, without it: by the prompt of its folder.
    """
    graph = {"nodes": [], "links": [], "last_node_id": 1, "SourceFile": 'a "prompt": \\"'}
    nodes = {"3": {"class_type": "KSampler", "inputs": {"seed": 7}}}
    for said in (
        {"prompt": "make it blue", "extra": {"workflow": nodes, "graph": graph}},
        {"extra": nodes, "prompt": "make it blue"},
        {"extra": {"workflow": nodes}, "prompt": "make it blue"},
        {"note": 'like "class_type": 1', "promt": "make it blue"},
        {"a": {"promt": '{"nodes": {}, "links": {"class_type": 1' + "x" * 1000}},
    ):
        assert foreign_beginning(json.dumps(said, indent=indent).encode()[:500]) is None, said


async def test_pictures_behave_as_without_the_files_of_other_programs(world: World) -> None:
    """
    Under each name that Takeout gives: the picture is edited by its own prompt, and the other stays, named.
    """
    for number, name in enumerate(NAMES):
        world.drop(f"{number}/cat.png", "make it blue")
        put(world, f"{number}/{name}", json.dumps(TAKEOUT))

    reasons = await held(world)

    assert len(world.requests) == len(NAMES)
    assert world.tree("error") == []
    assert set(reasons) == {f"{number}/{name}" for number, name in enumerate(NAMES)}
    assert set(reasons.values()) == {"not taken: Google Takeout's description of a photo"}


async def test_the_picture_may_have_a_structured_sidecar_as_well(world: World) -> None:
    world.drop("cat.png", None)
    put(world, "cat.toml", 'prompt = "make it blue"')
    put(world, "cat.json", json.dumps(FOREIGN["ExifTool"]))
    put(world, "cat.png.json", json.dumps(TAKEOUT))

    reasons = await held(world)

    assert world.prompts() == ["make it blue"]
    assert sorted(reasons) == ["cat.json", "cat.png.json"]


async def test_a_picture_without_a_prompt_waits_for_it_as_without_that_file(world: World) -> None:
    world.drop("cat.png", None)
    put(world, "cat.png.json", json.dumps(TAKEOUT))

    reasons = await held(world)

    assert "waits for its prompt" in reasons["cat.png"]
    assert "not taken: Google" in reasons["cat.png.json"]


async def test_mistakes_in_sidecars_are_still_told_by_name(world: World) -> None:
    world.drop("cat.png")
    put(world, "cat.json", '{"promt": "make it blue"}')

    await held(world)

    assert "did you mean prompt" in (world.folders.error / "cat.error.txt").read_text()
    assert world.record("error/cat.job.json")["error"]["code"] == "sidecar_invalid"
    assert not world.requests


async def test_a_file_that_becomes_a_sidecar_is_one(world: World) -> None:
    world.drop("cat.png", None)
    path = put(world, "cat.json", json.dumps(TAKEOUT))
    async with world.running() as daemon:
        await world.noticed(daemon, "cat.json")
        assert "not taken: Google" in (await world.reasons(daemon))["cat.json"]
        path.write_text('{"prompt": "make it blue"}')
        await world.until(lambda: world.tree("done"))

    assert world.prompts() == ["make it blue"]
