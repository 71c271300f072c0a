"""
Names that cameras, exporters and image editors give: which files are pictures, and which belong to them.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from engine_world import World, open_world, photo, put
from sample_pictures import heic, scene


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path) as made:
        yield made


JPEG = photo(kind="JPEG")
ENDINGS = {
    "cat.jfif": JPEG,
    "cat.JPE": JPEG,
    "DSC00001.HIF": heic(scene()),
    "cat.jpe": photo(),  # What the bytes are decides.
}


@pytest.mark.parametrize(("name", "content"), ENDINGS.items(), ids=ENDINGS)
async def test_other_endings_of_jpeg_and_heif_are_pictures(
    world: World, name: str, content: bytes
) -> None:
    """
    With a short-named prompt as with a long-named one, and without any where the folder has one.
    """
    put(world, f"short/{name.rpartition('.')[0]}.txt", "blue")
    put(world, f"short/{name}", content)
    put(world, f"long/{name}.txt", "grey")
    put(world, f"long/{name}", content)
    put(world, "folder/_prompt.txt", "sepia")
    put(world, f"folder/{name}", content)

    await world.once()

    assert sorted(world.prompts()) == ["blue", "grey", "sepia"]
    assert [each for each in world.tree("done") if each.endswith(name)] == [
        f"{folder}/{name}" for folder in ("folder", "long", "short")
    ]
    assert world.tree("error") == []


CAMERAS = [
    "_DSC0001.JPG",
    "_MG_0001.JPG",
    "_dsc0001.jpg",
    "_IMG1234 (2).png",
    "_DSC0001-edit.png",
    "_DSC0001_web.png",
    "_1010001.jpg",
    "_A7R0042 copy.jpg",
    "_MG_0001.v2.jpg",
]


@pytest.mark.parametrize("name", CAMERAS)
async def test_a_cameras_own_names_are_pictures(world: World, name: str) -> None:
    """
    With prompt, mask and parameters of their own.
    """
    stem = name.rpartition(".")[0]
    put(world, f"{stem}.txt", "blue")
    put(world, f"{stem}.toml", "n = 2")
    put(world, f"{stem}.mask.png", photo(mode="RGBA"))
    put(world, name, photo(kind="JPEG"))

    await world.once()

    assert world.prompts() == ["blue"]
    assert {file.field for file in world.requests[0].files} == {"image", "mask"}
    assert dict(world.requests[0].fields)["n"] == "2"
    assert world.tree("inbox") == []
    assert name in world.tree("done")


PRIVATE = [
    "_DSC001.JPG",
    "_DSC00001.JPG",
    "_DSC0001x.JPG",
    "_DS0001.JPG",
    "_DSCF001.JPG",
    "_refs/_DSC0001.JPG",
    "_DSC0001/cat.png",
    "_D-C0001.JPG",
    "__DSC0001.JPG",
    "_note2024.JPG",
    "._DSC0001.JPG",
]


@pytest.mark.parametrize("name", PRIVATE)
async def test_other_names_with_an_underscore_stay_the_persons_own(world: World, name: str) -> None:
    """
    One digit more or less, another letter, a folder: nobody takes it, not even with a folder's prompt.
    """
    put(world, "_prompt.txt", "blue")
    put(world, name, JPEG)

    await world.once()

    assert world.requests == []
    assert world.tree("inbox") == sorted(["_prompt.txt", name])


async def test_a_cameras_picture_may_be_a_reference(world: World) -> None:
    """
    What a sidecar names is no job of its own, whoever gave it its name.
    """
    put(world, "_DSC0002.JPG", JPEG)
    put(world, "_prompt.txt", "blue")
    put(world, "cat.toml", 'images = ["_DSC0002.JPG"]')
    put(world, "cat.png", photo())

    await world.once()

    assert len(world.requests) == 1
    assert world.tree("inbox") == ["_DSC0002.JPG", "_prompt.txt"]
