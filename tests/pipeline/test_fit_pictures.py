"""
Pictures on their way through the whole daemon: what the endpoint gets is fit, or the file's own bytes.
"""

import errno
import hashlib
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import sample_pictures as pictures
from engine_world import World, open_world
from retouchd.disk import durable
from retouchd.pictures import fit_apply
from retouchd.pictures.metadata import Metadata
from retouchd.request.limits import limits_for
from retouchd.sandbox.faults import Fault, FaultKind
from retouchd.sandbox.seen import SeenFile
from retouchd.spool.record import BACK
from sample_pictures import SIZE, encoded, exif, masking, opened, scene, smooth, stored_as

TURNED = encoded(stored_as(scene(), 6), "JPEG", exif=exif(6, copyright="Li Lei"), quality=95)
PALETTE = encoded(scene().quantize(4), "PNG")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path) as world:
        yield world


def limited(world: World, **limits: Any) -> None:
    world.tell(limits=partial(limits_for, overrides={"*": limits}))


def sent(world: World, field: str = "image", request: int = -1) -> SeenFile:
    """
    The file of that field in the last request the endpoint saw, or in another one.
    """
    (found,) = [file for file in world.requests[request].files if file.field == field]
    return found


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def uploads(world: World) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in world.in_work("upload/*")}


async def stopped_before_sending(world: World) -> dict[str, bytes]:
    """
    Let a daemon fit what was dropped and die before anything is answered; return what it had fitted.
    """
    world.faults(Fault(kind=FaultKind.STALL, times=1))
    async with world.killing():
        await world.asked(1)
    return uploads(world)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("猫.png", encoded(scene(), "PNG")),
        ("cat.jpg", encoded(scene(), "JPEG")),
        ("cat.webp", encoded(scene(), "WEBP")),
        ("cat.jpeg", encoded(scene(), "JPEG", icc_profile=pictures.srgb_profile())),
    ],
    ids=["png", "jpeg", "webp", "srgb"],
)
async def test_a_fit_picture_is_sent_byte_for_byte(world: World, name: str, data: bytes) -> None:
    """
    What needs nothing arrives with the very bytes of the file, its colour profile too.
    """
    world.drop(name, image=data)

    await world.once()

    assert digest(data) == sent(world).sha256
    assert world.events("image.fitted") == []


DROPPED = {
    "红猫.heic": encoded(smooth(), "HEIF"),
    "cat.heif": encoded(smooth(), "HEIF"),
    "cat.avif": encoded(smooth(), "AVIF"),
    "cat.tif": encoded(scene(), "TIFF", compression="tiff_lzw"),
    "cat.TIFF": encoded(scene().convert("CMYK"), "TIFF"),
    "cat.bmp": encoded(scene(), "BMP"),
    "palette.png": PALETTE,
    "heic in disguise.jpg": encoded(smooth(), "HEIF"),
}


@pytest.mark.parametrize(("name", "data"), DROPPED.items(), ids=list(DROPPED))
async def test_other_kinds_are_sent_as_png(world: World, name: str, data: bytes) -> None:
    """
    What no endpoint takes arrives as PNG under its true type; the original goes to `done/` untouched.
    """
    path = world.drop(name, "改成蓝色", image=data)

    await world.once()

    assert (sent(world).filename, sent(world).content_type) == ("image.png", "image/png")
    assert digest(data) != sent(world).sha256
    assert data == (world.folders.done / path.name).read_bytes()
    assert world.tree("outbox") == [f"{path.stem}.png"]
    assert world.jobs() == []
    (line,) = world.events("image.fitted")
    assert path.name == line["name"]
    assert line["after"].startswith("48×32 png RGB, ")


async def test_the_bytes_that_arrive_are_those_that_were_fitted(world: World) -> None:
    """
    What the endpoint saw is, byte for byte, the file in the job's `upload/`: upright, JPEG as before.
    """
    world.drop("cat.jpg", image=TURNED)

    kept = await stopped_before_sending(world)

    assert list(kept) == ["image.jpg"]
    assert digest(kept["image.jpg"]) == sent(world).sha256
    assert sent(world).content_type == "image/jpeg"
    image = opened(kept["image.jpg"])
    assert image.size == SIZE
    assert not image.getexif()
    assert [line["changes"] for line in world.events("image.fitted")] == [["orientation"]]


async def test_killed_between_fitting_and_sending_fits_no_second_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    After a restart the fitted file is used again, and the endpoint gets the same bytes.
    """
    world.drop("cat.jpg", image=TURNED, mask=encoded(masking().convert("LA"), "PNG"))
    kept = await stopped_before_sending(world)
    assert {"image.jpg", "mask.png"} == set(kept)
    for attempt in world.in_work("attempt-*"):
        attempt.unlink()
    monkeypatch.setattr(fit_apply, "fitted_image", lambda *_, **__: pytest.fail("fitted again"))
    monkeypatch.setattr(fit_apply, "fitted_mask", lambda *_, **__: pytest.fail("fitted again"))

    await world.once()

    assert digest(kept["image.jpg"]) == sent(world).sha256
    assert digest(kept["mask.png"]) == sent(world, "mask").sha256
    assert world.tree("outbox") == ["cat.png"]


@pytest.mark.parametrize("damage", ["cut", "temporary only", "gone"])
async def test_half_fitted_files_are_fitted_anew(world: World, damage: str) -> None:
    """
    Whatever a crash or a disk left in `upload/`, the endpoint gets a whole and fit picture.
    """
    world.drop("cat.jpg", image=TURNED)
    kept = await stopped_before_sending(world)
    (path,) = world.in_work("upload/image.jpg")
    match damage:
        case "cut":
            path.write_bytes(kept["image.jpg"][:100])
        case "temporary only":
            path.rename(path.with_name("image.jpg.tmp"))
        case _:
            path.unlink()

    await world.once()

    assert digest(kept["image.jpg"]) == sent(world).sha256
    assert world.verdicts("done/cat.job.json") == ["in_doubt", "done"]


async def test_a_full_work_folder_makes_the_job_wait(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Where the fitted file cannot be written the job waits, says why once, and goes on when there is room.
    """
    write, refusals = durable.write, iter(range(3))

    def without_room(path: Path, data: bytes) -> None:
        if path.parent.name == "upload" and next(refusals, None) is not None:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, data)

    monkeypatch.setattr(durable, "write", without_room)
    world.drop("cat.png", image=PALETTE)

    await world.once()

    assert world.tree("outbox") == ["cat.png"]
    assert world.events("job.returned") == []
    (line,) = world.events("job.waiting")
    assert "cat.png, as it is to be sent, cannot be kept" in line["reason"]
    assert "No space left" in line["reason"]


async def test_a_stricter_limit_after_a_restart_is_kept(world: World) -> None:
    """
    A file that was fitted for other limits is fitted anew when they have changed.
    """
    world.drop("cat.png", image=PALETTE)
    first = await stopped_before_sending(world)
    limited(world, max_image_pixels=100)

    await world.once()

    assert digest(first["image.png"]) != sent(world).sha256
    assert [line["after"][:5] for line in world.events("image.fitted")] == ["48×32", "12×8 "]


async def test_too_many_bytes_are_scaled_and_the_mask_with_them(world: World) -> None:
    """
    A picture too large for its model is sent smaller, its mask in the same size, and nothing is refused.
    """
    size = (400, 300)
    noise = Image.effect_noise(size, 90).convert("RGB")
    data = encoded(noise, "PNG")
    limited(world, max_image_bytes=len(data) // 4)
    world.drop("大猫.png", image=data, mask=encoded(masking(size), "PNG"))

    kept = await stopped_before_sending(world)

    image, mask = opened(kept["image.png"]), opened(kept["mask.png"])
    assert len(kept["image.png"]) < len(data) // 4
    assert image.size == mask.size
    assert image.width < 250
    assert mask.getchannel("A").getpixel((0, 0)) == 0
    assert mask.getchannel("A").getpixel((image.width - 1, 0)) == 255
    await world.once()
    assert world.verdicts("done/大猫.job.json") == ["in_doubt", "done"]


@pytest.mark.parametrize("is_stored_size", [False, True], ids=["upright", "stored"])
async def test_a_mask_fits_a_turned_photo_either_way(world: World, *, is_stored_size: bool) -> None:
    """
    A mask drawn over what an editor shows is sent as it is, one of the stored pixels is turned along.
    """
    upright = encoded(masking(), "PNG")
    mask = encoded(stored_as(masking(), 6), "PNG") if is_stored_size else upright
    world.drop("cat.jpg", image=TURNED, mask=mask)

    kept = await stopped_before_sending(world)

    assert is_stored_size == ("mask.png" in kept)
    if not is_stored_size:
        assert digest(upright) == sent(world, "mask").sha256
    else:
        assert (
            masking().getchannel("A").tobytes()
            == opened(kept["mask.png"]).getchannel("A").tobytes()
        )


async def test_dall_e_2_gets_png_but_nothing_is_cropped_for_it(world: World) -> None:
    """
    A square JPEG is converted for it, one that is not square is the person's to crop.
    """
    world.tell(model="dall-e-2")
    world.drop("square.jpg", image=encoded(scene((40, 40)), "JPEG"))
    world.drop("wide.jpg", image=encoded(scene(), "JPEG"))

    await world.once()

    assert len(world.requests) == 1
    assert sent(world).content_type == "image/png"
    assert world.record("error/wide.job.json")["error"]["code"] == "image_not_square"
    assert len(world.record("error/wide.job.json")["error"]["problems"]) == 1


MASK_HINT = (
    "Erase what is to be edited from a copy of the photo, so that it is transparent there, and save that as "
    "cat.mask.png, a PNG"
)
STORED_HINT = "Make cat.mask.png of a copy of cat.jpg as it is now, or scale it to 48×32"
OFF: dict[str, tuple[str, bytes, bytes | None, dict[str, Any], str, str, str]] = {
    "heic": (
        "猫.heic", DROPPED["红猫.heic"], None, {}, "image_unsupported",
        "猫.heic is a HEIC picture; this model takes only PNG, JPEG or WebP.",
        "Save 猫.heic as PNG, or set images.fit = true in the configuration.",
    ),
    "palette": (
        "cat.png", PALETTE, None, {}, "image_unsupported",
        "cat.png has a palette of colours; only 8-bit RGB is sure to be taken.",
        "Save cat.png in 8-bit RGB, or set images.fit = true in the configuration.",
    ),
    "cmyk": (
        "cat.jpg", pictures.ycck(scene().convert("CMYK")), None, {}, "image_unsupported",
        "cat.jpg is in CMYK; only 8-bit RGB is sure to be taken.",
        "Save cat.jpg in 8-bit RGB, or set images.fit = true in the configuration.",
    ),
    "deep": (
        "cat.png", pictures.deep_png([[(1, 2, 3)] * 16] * 16, 2), None, {}, "image_unsupported",
        "cat.png has 16 bits a channel; only 8-bit RGB is sure to be taken.",
        "Save cat.png in 8-bit RGB, or set images.fit = true in the configuration.",
    ),
    "bytes": (
        "cat.png", encoded(scene(), "PNG"), None, {"max_image_bytes": 100}, "image_too_large",
        f"cat.png has {len(encoded(scene(), 'PNG'))} bytes; this model takes less than 100 bytes.",
        "Scale cat.png down, or compress it more, or set images.fit = true in the configuration.",
    ),
    "pixels": (
        "cat.png", encoded(scene(), "PNG"), None, {"max_image_pixels": 100}, "image_too_large",
        "cat.png has 48×32 pixels; this model takes at most 100 pixels.",
        "Scale cat.png down, or set images.fit = true in the configuration.",
    ),
    "mask-palette": (
        "cat.png", encoded(scene(), "PNG"), encoded(masking().quantize(8), "PNG"), {}, "mask_invalid",
        "cat.mask.png has a palette of colours; a mask must be 8-bit RGB with transparency.",
        f"{MASK_HINT}, or set images.fit = true in the configuration.",
    ),
    "mask-without-alpha": (
        "cat.png", encoded(scene(), "PNG"), encoded(scene(), "PNG"), {}, "mask_invalid",
        "cat.mask.png has no transparency; black and white do not make a mask.",
        f"{MASK_HINT}.",
    ),
    "mask-other-size": (
        "cat.png", encoded(scene(), "PNG"), encoded(masking((9, 9)), "PNG"), {}, "mask_size_mismatch",
        "cat.mask.png has 9×9 pixels, but cat.png has 48×32.",
        "Make cat.mask.png of a copy of cat.png as it is now, or scale it to 48×32.",
    ),
    "mask-stored-size": (
        "cat.jpg", TURNED, encoded(stored_as(masking(), 6), "PNG"), {}, "mask_size_mismatch",
        "cat.mask.png has 32×48 pixels, but cat.jpg has 48×32.",
        f"{STORED_HINT}, or set images.fit = true in the configuration.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", OFF)
async def test_without_fitting_what_needs_it_is_refused_with_both_ways_out(
    world: World, case: str
) -> None:
    """
    With `images.fit = false` the reason says what is wrong, what to save, and where fitting would help.
    """
    name, image, mask, limits, code, message, hint = OFF[case]
    world.tell(fit=False)
    limited(world, **limits)
    path = world.drop(name, image=image, mask=mask)

    await world.once()

    assert world.requests == []
    error = world.record(f"error/{path.stem}.job.json")["error"]
    assert (code, message) == (error["code"], error["message"])
    assert f"{hint.removesuffix('.')}, {BACK}" == error["hint"]
    assert image == (world.folders.error / name).read_bytes()


async def test_without_fitting_the_endpoint_gets_the_files_own_bytes(world: World) -> None:
    """
    A turned photo and a mask over what it shows are sent as they are: the endpoint turns it itself.
    """
    mask = encoded(masking(), "PNG")
    world.tell(fit=False, metadata=Metadata.KEEP)
    world.drop("cat.jpg", image=TURNED, mask=mask)

    await world.once()

    assert digest(TURNED) == sent(world).sha256
    assert digest(mask) == sent(world, "mask").sha256
    assert world.verdicts("done/cat.job.json") == ["done"]


async def test_a_heic_without_a_prompt_waits_like_any_image(world: World) -> None:
    """
    Nothing is fitted, refused or sent before there is a prompt, whether pictures are fitted or not.
    """
    world.tell(fit=False)
    world.drop("cat.heic", None, image=DROPPED["红猫.heic"])

    async with world.running() as daemon:
        await world.noticed(daemon, "cat.heic")

        assert "prompt" in (await world.reasons(daemon))["cat.heic"]


async def test_a_half_copied_heic_is_not_taken(world: World) -> None:
    """
    A file whose boxes are not all there waits for the rest, and is sent once it came.
    """
    data = DROPPED["红猫.heic"]
    path = world.drop("cat.heic", image=data[: len(data) - 40])

    async with world.running() as daemon:
        await world.noticed(daemon, "cat.heic")
        assert world.requests == []
        path.write_bytes(data)
        await world.until(lambda: world.tree("outbox"), within=600)

    assert len(world.requests) == 1
