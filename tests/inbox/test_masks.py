"""
Masks by every name they may have: sent with their picture, never edited as one, never left out.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from engine_world import World, open_world, photo, put
from retouchd.inbox.sidecar_reader import SidecarReader

CLEAR = photo(mode="RGBA")
OPAQUE = photo(seed=7)


@pytest_asyncio.fixture(params=[False, True], ids=["scans", "events"])
async def world(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[World]:
    async with open_world(tmp_path, has_events=request.param) as made:
        yield made


def sent(world: World) -> list[tuple[str, set[str]]]:
    """
    Return prompt and fields of each request.
    """
    return [
        (dict(seen.fields)["prompt"], {file.field for file in seen.files})
        for seen in world.requests
    ]


def code(world: World, record: str) -> str:
    found: str = world.record(f"error/{record}")["error"]["code"]
    return found


FORMS = [
    ("cat.png", "cat_mask.png"),
    ("cat.png", "cat-mask.png"),
    ("cat.JPG", "cat_MASK.PNG"),
    ("cat.v2.png", "cat.v2-Mask.png"),
    ("cat.png", "cat.png_mask.png"),
    ("Größe.png", "Größe_mask.png"),
    ("_DSC0001.JPG", "_DSC0001_mask.png"),
    ("cat_mask.png", "cat_mask_mask.png"),
    ("cat_mask.png", "cat_mask.mask.png"),
    ("IMG 1.jpeg", "IMG 1-mask.png"),
]


@pytest.mark.parametrize(("image", "mask"), FORMS)
async def test_a_mask_beside_its_image_is_sent_with_it(world: World, image: str, mask: str) -> None:
    """
    By each of its names, with a prompt of the image's own as with the folder's, and lies beside it in done.
    """
    stem = image.rpartition(".")[0]
    put(world, f"own/{stem}.txt", "blue")
    put(world, f"own/{mask}", CLEAR)
    put(world, f"own/{image}", photo())
    put(world, "folder/_prompt.txt", "grey")
    put(world, f"folder/{mask}", CLEAR)
    put(world, f"folder/{image}", photo())

    await world.once()

    assert sorted(sent(world)) == [("blue", {"image", "mask"}), ("grey", {"image", "mask"})]
    done = [name for name in world.tree("done") if not name.endswith(".json")]
    assert done == sorted(
        [f"folder/{image}", f"folder/{mask}", f"own/{image}", f"own/{mask}", f"own/{stem}.txt"]
    )


async def test_a_mask_without_transparency_is_told_beside_its_image(world: World) -> None:
    """
    Nothing is paid: neither the picture without its mask, nor the mask as a picture.
    """
    put(world, "_prompt.txt", "blue")
    put(world, "cat_mask.png", OPAQUE)
    put(world, "dog-mask.jpg", photo(kind="JPEG"))
    put(world, "cat.png", photo())
    put(world, "dog.png", photo(seed=3))

    await world.once()

    assert sent(world) == []
    assert code(world, "cat.job.json") == code(world, "dog.job.json") == "mask_invalid"


async def test_a_transparent_one_waits_for_its_image(world: World) -> None:
    """
    As `cat.mask.png` does, whatever the folder's prompt says; when the image comes, it goes along.
    """
    put(world, "_prompt.txt", "blue")
    put(world, "cat_mask.png", CLEAR)

    await world.once()

    assert sent(world) == []
    assert world.tree("inbox") == ["_prompt.txt", "cat_mask.png"]

    put(world, "cat.webp", photo(kind="WEBP"))
    await world.once()

    assert sent(world) == [("blue", {"image", "mask"})]
    assert world.tree("inbox") == ["_prompt.txt"]


async def test_why_a_lone_mask_waits_is_told(world: World) -> None:
    """
    It waits for its image, and after an hour goes to error with that reason.
    """
    put(world, "cat_mask.png", CLEAR)
    put(world, "cat.txt", "blue")
    async with world.running() as daemon:
        await world.noticed(daemon, "cat_mask.png")
        found = await world.reasons(daemon)

    assert "waits for its image, cat.png or cat.jpg" in found["cat_mask.png"]


async def test_one_without_transparency_is_a_picture(world: World) -> None:
    """
    With a prompt of its own as with the folder's; a word that only ends alike was never anything else.
    """
    put(world, "_prompt.txt", "blue")
    put(world, "gas_mask.png", OPAQUE)
    put(world, "venetian-mask.jpg", photo(kind="JPEG"))
    put(world, "venetian-mask.txt", "gold")
    put(world, "unmask.png", photo(seed=9))
    put(world, "cat mask.png", photo(seed=10, mode="RGBA"))

    await world.once()

    assert sorted(sent(world)) == [("blue", {"image"})] * 3 + [("gold", {"image"})]


async def test_a_prompt_of_its_own_makes_a_picture_of_a_transparent_one(world: World) -> None:
    """
    Where no image is there whose mask it could be.
    """
    put(world, "logo_mask.txt", "blue")
    put(world, "logo_mask.png", CLEAR)
    put(world, "badge-mask.toml", 'prompt = "grey"')
    put(world, "badge-mask.png", photo(mode="RGBA", seed=4))

    await world.once()

    assert sorted(sent(world)) == [("blue", {"image"}), ("grey", {"image"})]


@pytest.mark.parametrize(
    "own", ["cat_mask.txt", "cat_mask.png.txt", "cat_mask.toml", "cat_mask.mask.png"]
)
async def test_mask_and_picture_at_once_is_no_guess(world: World, own: str) -> None:
    """
    A picture beside it, and a sidecar that speaks of it as of a picture: all of it goes to error together.
    """
    put(world, own, CLEAR if own.endswith(".png") else 'prompt = "grey"')
    put(world, "cat.txt", "blue")
    put(world, "cat_mask.png", CLEAR)
    put(world, "cat.png", photo())

    await world.once()

    assert sent(world) == []
    assert world.tree("inbox") == []
    assert code(world, "cat.job.json") == "sidecar_ambiguous"
    assert own in world.record("error/cat.job.json")["error"]["message"]


MASKS = [
    ("cat.mask.png", "cat_mask.png"),
    ("cat_mask.png", "cat-mask.png"),
    ("cat_mask.png", "cat_mask.jpg"),
    ("cat.png.mask.png", "cat-mask.png"),
]


@pytest.mark.parametrize("masks", MASKS)
async def test_two_masks_for_one_image_are_ambiguous(world: World, masks: tuple[str, str]) -> None:
    """
    A long name and a short one among them.
    """
    for mask in masks:
        put(world, mask, CLEAR)
    put(world, "cat.txt", "blue")
    put(world, "cat.png", photo())

    await world.once()

    assert sent(world) == []
    assert code(world, "cat.job.json") == "sidecar_ambiguous"
    assert all(mask in world.tree("error") for mask in masks)


async def test_one_mask_for_two_images_is_ambiguous(world: World) -> None:
    """
    Unless it names one of them whole.
    """
    put(world, "_prompt.txt", "blue")
    put(world, "two/cat_mask.png", CLEAR)
    put(world, "two/cat.png", photo())
    put(world, "two/cat.jpg", photo(kind="JPEG"))
    put(world, "named/cat.jpg_mask.png", CLEAR)
    put(world, "named/cat.png", photo(seed=1))
    put(world, "named/cat.jpg", photo(kind="JPEG", seed=1))

    await world.once()

    assert sorted(sent(world)) == [("blue", {"image"}), ("blue", {"image", "mask"})]
    (record,) = [name for name in world.tree("error") if name.endswith(".job.json")]
    assert code(world, record) == "sidecar_ambiguous"


async def test_stems_are_compared_by_case_and_folder(world: World) -> None:
    """
    `Cat_mask.png` is nobody's mask beside `cat.png`, nor is one in another folder.
    """
    put(world, "_prompt.txt", "blue")
    put(world, "Cat_mask.png", OPAQUE)
    put(world, "below/cat_mask.png", photo(seed=8))
    put(world, "cat.png", photo())

    await world.once()

    assert sorted(sent(world)) == [("blue", {"image"})] * 3


async def test_a_mask_is_settled_together_with_its_image(world: World) -> None:
    """
    What is still written holds the picture back, under its own name or one that is not known yet.
    """
    world.tell(patience=world.settings.patience.__class__(settle_seconds=3))
    async with world.running() as daemon:
        put(world, "cat.txt", "blue")
        put(world, "cat.png", photo())
        await world.noticed(daemon, "cat.png")
        await asyncio.sleep(2)
        put(world, "cat_mask.png", CLEAR)
        await world.until(lambda: world.tree("outbox"))

    assert sent(world) == [("blue", {"image", "mask"})]


async def test_pixels_are_looked_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    While nothing changes of a lone one, it is not decoded again; changed, it is.
    """
    looks: list[str] = []
    real = SidecarReader.shows_through

    def counting(reader: SidecarReader, folder: str, name: str) -> bool:
        looks.append(name)
        return real(reader, folder, name)

    monkeypatch.setattr(SidecarReader, "shows_through", counting)
    async with world.running() as daemon:
        put(world, "_prompt.txt", "blue")
        put(world, "cat_mask.png", CLEAR)
        await world.noticed(daemon, "cat_mask.png")
        for number in range(3):
            put(world, "_prompt.txt", f"blue {number}")
            await world.noticed(daemon, "cat_mask.png")
        first = len(looks)
        put(world, "cat_mask.png", OPAQUE)
        await world.until(lambda: world.tree("outbox"))

    assert first == 1
    assert len(looks) == 2
    assert sent(world) == [("blue 2", {"image"})]


async def test_a_mask_that_comes_too_late_waits(world: World) -> None:
    """
    Its image is gone: it is not edited as a picture.
    """
    put(world, "_prompt.txt", "blue")
    put(world, "cat.png", photo())
    await world.once()
    put(world, "cat-mask.png", CLEAR)
    await world.once()

    assert sent(world) == [("blue", {"image"})]
    assert world.tree("inbox") == ["_prompt.txt", "cat-mask.png"]


async def test_a_broken_one_is_told_as_a_picture(world: World) -> None:
    """
    What cannot be decoded is no mask of anything that is not there.
    """
    put(world, "cat_mask.txt", "blue")
    put(world, "cat_mask.png", CLEAR[:60] + bytes(40) + CLEAR[100:])

    await world.once()

    assert sent(world) == []
    assert code(world, "cat_mask.job.json") == "image_unreadable"
