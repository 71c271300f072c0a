"""
Pictures of every kind, made fit: compared pixel by pixel with what a person sees.
"""

import io
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops

import sample_pictures as pictures
from retouchd.errors import JobCode
from retouchd.pictures.decoding import ImageFault
from retouchd.pictures.fit_apply import fitted_image, fitted_mask
from retouchd.pictures.fit_plan import Change, image_fit, mask_fit
from retouchd.pictures.inspect import look, whole
from retouchd.request.limits import Limits, Picture, limits_for
from sample_pictures import (
    SIZE,
    deep_png,
    encoded,
    exif,
    masking,
    opened,
    profile,
    scene,
    smooth,
    stored_as,
)

MODEL = limits_for("gpt-image-2")
NAME = "红猫.heic"


@pytest.fixture
def store(tmp_path: Path) -> Callable[..., Path]:
    def write(data: bytes, name: str = NAME) -> Path:
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write


def seen(path: Path) -> Picture:
    return look(path, name=path.name, max_megapixels=1)


def changes(path: Path, limits: Limits = MODEL) -> set[str]:
    fit = image_fit(seen(path), limits)
    return {change.value for change in fit.changes} if fit else set()


def fitted(path: Path, limits: Limits = MODEL) -> bytes:
    """
    The picture made fit, which needs no more fitting then.
    """
    fit = image_fit(seen(path), limits)
    assert fit is not None
    data = fitted_image(path, name=path.name, fit=fit, max_megapixels=1)
    again = path.with_name("again")
    again.write_bytes(data)
    assert image_fit(seen(again), limits) is None
    return data


def furthest(one: Image.Image, other: Image.Image) -> int:
    """
    How far apart two pictures are where they are furthest apart; they must agree in size and mode.
    """
    assert (one.size, one.mode) == (other.size, other.mode)
    return max(ImageChops.difference(one, other).tobytes())


def palette(*, clear: bool) -> bytes:
    image = scene().quantize(4)
    if not clear:
        return encoded(image, "PNG")
    return encoded(image, "PNG", transparency=image.getpixel((0, 0)))


def with_clear_corner(colours: Image.Image) -> Image.Image:
    """
    The picture as RGBA, its red quarter clear.
    """
    image = colours.convert("RGBA")
    alpha = masking().getchannel("A")
    image.putalpha(alpha)
    return image


GREY = scene().convert("L")
DITHERED = scene().convert("1")
CMYK = scene().convert("CMYK")
STEPS = [[(level * 257,) for level in range(0, 256, 5)] for _ in range(4)]
STEPS_SEEN = Image.new("L", (52, 4))
STEPS_SEEN.putdata([level for _ in range(4) for level in range(0, 256, 5)])
DEEP = [[(r * 257, 30_000, 513) for r in range(0, 256, 5)] for _ in range(4)]
DEEP_SEEN = Image.new("RGB", (52, 4))
DEEP_SEEN.putdata([(r, 117, 2) for _ in range(4) for r in range(0, 256, 5)])
DEEP_FAINT = DEEP_SEEN.copy()
DEEP_FAINT.putalpha(156)
KEYED = Image.new("RGB", SIZE, "red")
KEYED_16 = b"".join(level.to_bytes(2, "little") for level in (44, 299, 300, 65535))
KEYED_16_SEEN = Image.new("RGBA", (4, 1))
KEYED_16_SEEN.putdata([(0, 0, 0, 255), (1, 1, 1, 255), (1, 1, 1, 0), (255, 255, 255, 255)])

KINDS: dict[str, tuple[bytes, Image.Image, int, str, set[str]]] = {
    # What is stored, what is seen, how far they may be apart, format, changes.
    "palette": (palette(clear=False), scene(), 0, "PNG", {"channels"}),
    "palette-clear": (palette(clear=True), with_clear_corner(scene()), 0, "PNG", {"channels"}),
    "grey": (encoded(GREY, "PNG"), GREY.convert("RGB"), 0, "PNG", {"channels"}),
    "grey-jpeg": (encoded(GREY, "JPEG", quality=99), GREY.convert("RGB"), 9, "JPEG", {"channels"}),
    "grey-alpha": (
        encoded(with_clear_corner(GREY).convert("LA"), "PNG"),
        with_clear_corner(GREY),
        0,
        "PNG",
        {"channels"},
    ),
    "bilevel": (encoded(DITHERED, "PNG"), DITHERED.convert("RGB"), 0, "PNG", {"channels"}),
    "key": (
        encoded(KEYED, "PNG", transparency=(255, 0, 0)),
        Image.new("RGBA", SIZE, (255, 0, 0, 0)),
        0,
        "PNG",
        {"channels"},
    ),
    "grey-16": (deep_png(STEPS, 0), STEPS_SEEN.convert("RGB"), 0, "PNG", {"channels"}),
    "grey-16-key": (
        encoded(Image.frombytes("I;16", (4, 1), KEYED_16), "PNG", transparency=300),
        KEYED_16_SEEN,
        0,
        "PNG",
        {"channels"},
    ),
    "rgb-16": (deep_png(DEEP, 2), DEEP_SEEN, 1, "PNG", {"channels"}),
    "rgba-16": (
        deep_png([[(*pixel, 40_000) for pixel in row] for row in DEEP], 6),
        DEEP_FAINT,
        1,
        "PNG",
        {"channels"},
    ),
    "cmyk": (
        encoded(CMYK, "JPEG", quality=100, subsampling=0),
        scene(),
        12,
        "JPEG",
        {"channels"},
    ),
    "ycck": (pictures.ycck(CMYK), scene(), 12, "JPEG", {"channels"}),
    "heic": (encoded(smooth(), "HEIF"), smooth(), 6, "PNG", {"format"}),
    "heic-alpha": (
        encoded(with_clear_corner(smooth()), "HEIF"),
        with_clear_corner(smooth()),
        6,
        "PNG",
        {"format"},
    ),
    "avif": (
        encoded(smooth(), "AVIF", quality=100, subsampling="4:4:4"),
        smooth(),
        6,
        "PNG",
        {"format"},
    ),
    "tiff-lzw": (encoded(scene(), "TIFF", compression="tiff_lzw"), scene(), 0, "PNG", {"format"}),
    "tiff-cmyk": (encoded(CMYK, "TIFF"), scene(), 0, "PNG", {"format", "channels"}),
    "tiff-16": (
        encoded(
            Image.frombytes("I;16", (256, 2), b"".join(bytes((v, v)) for v in range(256)) * 2),
            "TIFF",
        ),
        Image.frombytes("L", (256, 2), bytes(range(256)) * 2).convert("RGB"),
        0,
        "PNG",
        {"format", "channels"},
    ),
    "bmp": (encoded(scene(), "BMP"), scene(), 0, "PNG", {"format"}),
    "bmp-palette": (encoded(scene().quantize(4), "BMP"), scene(), 0, "PNG", {"format", "channels"}),
    "mpo": (
        encoded(smooth(), "MPO", quality=99, save_all=True, append_images=[scene((16, 16))]),
        smooth(),
        9,
        "JPEG",
        {"format"},
    ),
    "webp-turned": (
        encoded(stored_as(scene(), 6), "WEBP", lossless=True, exif=exif(6)),
        scene(),
        0,
        "PNG",
        {"orientation"},
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_becomes_8_bit_rgb_that_looks_the_same(
    store: Callable[..., Path], kind: str
) -> None:
    """
    Whatever a picture is stored as, its fitted file shows the same colours in RGB or RGBA.
    """
    data, shown, tolerance, ending, wanted = KINDS[kind]
    path = store(data)

    assert whole(path)
    assert wanted == changes(path)
    image = opened(fitted(path))
    assert (ending, shown.mode) == (image.format, image.mode)
    assert furthest(shown, image) <= tolerance
    assert path.read_bytes() == data


PLAIN = {
    "png": encoded(scene(), "PNG"),
    "png-alpha": encoded(masking(), "PNG"),
    "jpeg": encoded(scene(), "JPEG"),
    "jpeg-upright": encoded(scene(), "JPEG", exif=exif(1, copyright="李雷")),
    "webp": encoded(scene(), "WEBP"),
    "png-srgb": encoded(scene(), "PNG", icc_profile=pictures.srgb_profile()),
    "jpeg-srgb": encoded(scene(), "JPEG", icc_profile=pictures.srgb_profile()),
    "jpeg-broken-profile": encoded(scene(), "JPEG", icc_profile=b"no profile at all"),
    "jpeg-nonsense-orientation": encoded(scene(), "JPEG", exif=exif(77)),
}


@pytest.mark.parametrize("data", PLAIN.values(), ids=list(PLAIN))
def test_what_is_fit_is_left_alone(store: Callable[..., Path], data: bytes) -> None:
    """
    An upright 8-bit picture in sRGB of a format that is taken needs nothing.
    """
    assert changes(store(data)) == set()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "AVIF", "HEIF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_ends_upright(
    store: Callable[..., Path], kind: str, orientation: int
) -> None:
    """
    However the camera was held, the fitted picture stands as the person sees it, and says nothing else.
    """
    best: dict[str, dict[str, Any]] = {
        "JPEG": {"quality": 99},
        "AVIF": {"quality": 100},
        "WEBP": {"lossless": True},
    }
    data = encoded(
        stored_as(scene(), orientation), kind, exif=exif(orientation), **best.get(kind, {})
    )
    path = store(data)

    if kind in ("JPEG", "PNG", "WEBP") and orientation == 1:
        assert changes(path) == set()
        return

    image = opened(fitted(path))

    assert image.size == SIZE
    for place in ((4, 4), (43, 4), (4, 27), (43, 27)):
        wanted = scene().getpixel(place)
        found = image.convert("RGB").getpixel(place)
        assert isinstance(wanted, tuple)
        assert isinstance(found, tuple)
        assert math.dist(wanted, found) < 25, place
    assert image.getexif().get(0x0112, 1) == 1


@pytest.mark.parametrize(
    "image", [scene(), scene().convert("CMYK"), GREY], ids=["rgb", "cmyk", "grey"]
)
def test_nothing_that_holds_no_longer_is_carried_along(
    store: Callable[..., Path], image: Image.Image
) -> None:
    """
    Neither a second note of the orientation nor a profile for other channels comes into a fitted file.
    """
    note = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><r tiff:Orientation="6"/></x:xmpmeta>'
    data = encoded(
        stored_as(image, 6),
        "JPEG",
        exif=exif(6),
        xmp=note,
        comment=b"old",
        icc_profile=pictures.srgb_profile(),
    )
    assert {"xmp", "icc_profile", "comment"} <= set(opened(data).info)

    found = opened(fitted(store(data)))

    assert not {"xmp", "icc_profile", "comment"} & set(found.info)
    assert found.size == SIZE


def in_srgb(colour: tuple[int, ...], name: str) -> tuple[float, ...]:
    """
    A colour of a matrix profile in sRGB, by the formulas of IEC 61966-2-1 and of the profile.
    """
    columns, gamma = pictures.PRIMARIES[name]
    linear = [(value / 255) ** gamma for value in colour]
    xyz = [sum(v * column[i] for v, column in zip(linear, columns, strict=True)) for i in range(3)]
    matrix = (
        (3.1338561, -1.6168667, -0.4906146),
        (-0.9787684, 1.9161415, 0.0334540),
        (0.0719453, -0.2289914, 1.4052427),
    )
    found = [
        min(1.0, max(0.0, sum(a * b for a, b in zip(row, xyz, strict=True)))) for row in matrix
    ]
    return tuple(
        255 * (12.92 * v if v <= 0.0031308 else 1.055 * v ** (1 / 2.4) - 0.055) for v in found
    )


@pytest.mark.parametrize("name", ["adobe", "p3"])
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG"])
def test_foreign_colours_become_srgb(store: Callable[..., Path], kind: str, name: str) -> None:
    """
    Colours of a wide profile are what they were in sRGB, and the fitted file has no profile.
    """
    colours = [(120, 130, 110), (150, 110, 90), (60, 100, 140), (200, 190, 180)]
    image = Image.new("RGB", (64, 16))
    for index, colour in enumerate(colours):
        image.paste(colour, (index * 16, 0, index * 16 + 16, 16))
    best = {"quality": 100, "subsampling": 0} if kind == "JPEG" else {}
    path = store(encoded(image, kind, icc_profile=profile(name), **best))

    assert "colours" in changes(path)
    found = opened(fitted(path))

    assert "icc_profile" not in found.info
    for index, colour in enumerate(colours):
        pixel = found.getpixel((index * 16 + 8, 8))
        assert isinstance(pixel, tuple)
        assert math.dist(pixel, in_srgb(colour, name)) < 4
        assert math.dist(pixel, colour) > 4 or max(colour) - min(colour) <= 20


def test_transparency_survives_a_change_of_colours(store: Callable[..., Path]) -> None:
    """
    Only the colours go through the profile, alpha stays as it was.
    """
    image = masking()
    data = encoded(image, "PNG", icc_profile=profile("adobe"))

    found = opened(fitted(store(data)))

    assert image.getchannel("A").tobytes() == found.getchannel("A").tobytes()
    assert found.getpixel((40, 4)) != image.getpixel((40, 4))


def noise(size: tuple[int, int], mode: str = "RGB") -> Image.Image:
    bands = len(Image.new(mode, (1, 1)).getbands())
    return Image.frombytes(mode, size, random.Random(7).randbytes(size[0] * size[1] * bands))


@pytest.mark.parametrize(("kind", "ending"), [("PNG", "PNG"), ("JPEG", "JPEG"), ("TIFF", "PNG")])
@pytest.mark.parametrize("share", [0.9, 0.3, 0.05])
def test_too_many_bytes_are_scaled_down(
    store: Callable[..., Path], kind: str, ending: str, share: float
) -> None:
    """
    A picture with too many bytes gets smaller, not much more than it must, and keeps its shape.
    """
    data = encoded(noise((240, 160)), kind)
    limit = int(len(data) * share)
    limits = Limits(max_image_bytes=limit)

    result = fitted(store(data), limits)

    image = opened(result)
    assert ending == image.format
    assert limit / 3 < len(result) < limit
    assert abs(image.width / image.height - 1.5) < 0.1


def test_bytes_that_only_need_better_compression_keep_their_pixels(
    store: Callable[..., Path],
) -> None:
    """
    A file that is large for its content alone is written anew in full size.
    """
    data = encoded(smooth((200, 100)), "PNG", compress_level=0)

    image = opened(fitted(store(data), Limits(max_image_bytes=len(data) // 2)))

    assert furthest(smooth((200, 100)), image) == 0


def test_a_limit_that_nothing_keeps_is_an_image_too_large(store: Callable[..., Path]) -> None:
    """
    Scaling ends after a few tries with a sentence, not with a picture of one pixel.
    """
    with pytest.raises(ImageFault) as caught:
        fitted(store(encoded(scene(), "PNG")), Limits(max_image_bytes=10))

    assert caught.value.problem.code is JobCode.IMAGE_TOO_LARGE
    assert caught.value.problem.message.startswith(NAME)


def test_too_many_pixels_are_scaled_down(store: Callable[..., Path]) -> None:
    """
    A model's own limit of pixels is kept, in the picture's shape.
    """
    path = store(encoded(scene((120, 80)), "PNG"))
    limits = Limits(max_image_pixels=2400)

    assert {"pixels"} == changes(path, limits)
    assert opened(fitted(path, limits)).size == (60, 40)


def test_a_model_that_takes_png_alone_gets_png(store: Callable[..., Path]) -> None:
    """
    For dall-e-2 a JPEG becomes a PNG of the same pixels, square or not.
    """
    data = encoded(scene(), "JPEG")

    image = opened(fitted(store(data), limits_for("dall-e-2")))

    assert image.format == "PNG"
    assert furthest(opened(data), image) == 0


# Masks.


def fitted_over(
    store: Callable[..., Path], mask: bytes, image: Picture, size: tuple[int, int]
) -> Image.Image | None:
    path = store(mask, "猫.mask.png")
    fit = mask_fit(seen(path), image, size, MODEL)
    if fit is None:
        return None
    found = opened(fitted_mask(path, name=path.name, fit=fit, max_megapixels=1))
    assert ("PNG", "RGBA", size) == (found.format, found.mode, found.size)
    return found


def marked(mask: Image.Image) -> bytes:
    """
    For each pixel whether it is marked, alone.
    """
    return bytes(alpha == 0 for alpha in mask.getchannel("A").tobytes())


def photo_of(orientation: int = 1, size: tuple[int, int] = SIZE) -> Picture:
    width, height = size if orientation < 5 else size[::-1]
    return Picture(
        format="jpeg",
        width=width,
        height=height,
        mode="RGB",
        has_alpha=False,
        has_transparency=False,
        size_bytes=1,
        orientation=orientation,
    )


MASKS = {
    "palette": encoded(masking().quantize(8), "PNG"),
    "grey-alpha": encoded(masking().convert("LA"), "PNG"),
    "webp": encoded(masking(), "WEBP", lossless=True),
    "tiff": encoded(masking(), "TIFF"),
    "turned": encoded(stored_as(masking(), 8), "PNG", exif=exif(8)),
}


@pytest.mark.parametrize("data", MASKS.values(), ids=list(MASKS))
def test_a_mask_of_another_kind_becomes_rgba(store: Callable[..., Path], data: bytes) -> None:
    """
    However the transparency is stored, the fitted mask marks the very same pixels.
    """
    found = fitted_over(store, data, photo_of(), SIZE)

    assert found is not None
    assert marked(masking()) == marked(found)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_mask_drawn_over_the_upright_picture_is_left_alone(
    store: Callable[..., Path], orientation: int
) -> None:
    """
    An editor shows the picture upright, and a mask drawn there fits the fitted picture as it is.
    """
    assert fitted_over(store, encoded(masking(), "PNG"), photo_of(orientation), SIZE) is None


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_a_mask_of_the_stored_size_is_turned_along(
    store: Callable[..., Path], orientation: int
) -> None:
    """
    A mask made by a program that knows no orientation is turned as its picture is.
    """
    data = encoded(stored_as(masking(), orientation), "PNG")

    found = fitted_over(store, data, photo_of(orientation), SIZE)

    assert found is not None
    assert marked(masking()) == marked(found)


@pytest.mark.parametrize("size", [(24, 16), (31, 21), (7, 5)])
def test_scaling_a_mask_keeps_what_was_marked(
    store: Callable[..., Path], size: tuple[int, int]
) -> None:
    """
    A marked pixel stays marked however small it gets, and nothing else becomes so.
    """
    mask = masking(SIZE, clear=(13, 9, 14, 10))

    found = fitted_over(store, encoded(mask, "PNG"), photo_of(), size)

    assert found is not None
    assert 1 <= sum(marked(found)) <= 4
    where = (int(13.5 * size[0] / 48), int(9.5 * size[1] / 32))
    assert found.getchannel("A").getpixel(where) == 0


def test_faint_is_not_marked_by_scaling(store: Callable[..., Path]) -> None:
    """
    Pixels that are almost clear keep being kept.
    """
    mask = scene().convert("RGBA")
    mask.putalpha(1)
    mask.putpixel((47, 31), (0, 0, 0, 0))

    found = fitted_over(store, encoded(mask, "PNG"), photo_of(), (24, 16))

    assert found is not None
    assert sum(marked(found)) == 1


def test_a_heavy_mask_keeps_its_alpha_alone(store: Callable[..., Path]) -> None:
    """
    A mask that is a copy of the photo with a hole in it loses the photo, not the hole.
    """
    heavy = noise((300, 200)).convert("RGBA")
    heavy.paste((0, 0, 0, 0), (10, 10, 50, 60))
    path = store(encoded(heavy, "PNG"))
    limits = Limits(max_mask_bytes=20_000)
    fit = mask_fit(seen(path), photo_of(1, (300, 200)), (300, 200), limits)
    assert fit is not None
    assert fit.changes == (Change.BYTES,)

    data = fitted_mask(path, name="m.png", fit=fit, max_megapixels=1)

    assert len(data) < 20_000
    assert marked(heavy) == marked(opened(data))


# What cannot be read.

WHOLE = {
    "heic": encoded(smooth(), "HEIF"),
    "avif": encoded(smooth(), "AVIF"),
    "bmp": encoded(smooth(), "BMP"),
    "tiff": encoded(noise(SIZE), "TIFF", compression="tiff_lzw"),
    "mpo": encoded(smooth(), "MPO", save_all=True, append_images=[scene((16, 16))]),
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kind", WHOLE)
@pytest.mark.parametrize("sixteenth", range(1, 16))
def test_a_cut_picture_of_any_kind_is_unreadable(
    store: Callable[..., Path], kind: str, sixteenth: int
) -> None:
    """
    A part of a picture is told to be damaged or incomplete, and nothing else is raised.
    """
    data = WHOLE[kind]
    path = store(data[: len(data) * sixteenth // 16])
    if kind == "mpo" and whole(path):
        assert seen(path).width == 48  # Only of the pictures behind it a part is missing.
        return

    with pytest.raises(ImageFault) as caught:
        seen(path)

    assert caught.value.problem.code is JobCode.IMAGE_UNREADABLE
    assert caught.value.problem.message.startswith(f"{NAME} is ")
    assert kind == "tiff" or not whole(path)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kind", WHOLE)
@pytest.mark.parametrize("seed", range(30))
def test_a_damaged_picture_raises_nothing_unforeseen(
    store: Callable[..., Path], kind: str, seed: int
) -> None:
    """
    With bytes changed anywhere, a picture is seen, or refused with a sentence.
    """
    dice = random.Random(f"{kind} {seed}")
    data = bytearray(WHOLE[kind])
    for _ in range(dice.choice((1, 3, 40))):
        data[dice.randrange(len(data))] = dice.randrange(256)
    path = store(bytes(data))

    try:
        picture = seen(path)
        fit = image_fit(picture, MODEL)
        if fit is not None:
            fitted_image(path, name=NAME, fit=fit, max_megapixels=1)
    except ImageFault as fault:
        assert fault.problem.message.endswith(".")  # noqa: PT017 - it may also be seen


@pytest.mark.parametrize("kind", ["HEIF", "AVIF", "TIFF", "BMP"])
def test_a_bomb_of_any_kind_is_not_decoded(
    store: Callable[..., Path], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    More pixels than allowed are refused by the header alone.
    """
    from retouchd.pictures import decoding

    path = store(encoded(scene((400, 300)), kind))
    for decoder in decoding.DECODERS.values():
        monkeypatch.setattr(decoder, "load", lambda _: pytest.fail("it was decoded"))

    with pytest.raises(ImageFault, match="400×300 pixels") as caught:
        look(path, name=NAME, max_megapixels=0.1)

    assert caught.value.problem.code is JobCode.IMAGE_TOO_LARGE
    assert "images.max_megapixels" in caught.value.problem.hint


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (encoded(scene(), "AVIF", save_all=True, append_images=[smooth(), scene()]), "3 frames"),
        (encoded(scene(), "TIFF", save_all=True, append_images=[smooth(), scene()]), "3 pages"),
    ],
    ids=["avif", "tiff"],
)
def test_several_pictures_in_one_file_are_refused(
    store: Callable[..., Path], data: bytes, words: str
) -> None:
    """
    Which frame or page is meant only the person knows.
    """
    with pytest.raises(ImageFault, match=words) as caught:
        seen(store(data))

    assert caught.value.problem.code is JobCode.IMAGE_UNSUPPORTED


def test_a_page_that_is_a_thumbnail_does_not_count(store: Callable[..., Path]) -> None:
    """
    A TIFF with a smaller copy of its picture behind it is one picture.
    """
    small = smooth((16, 16))
    small.encoderinfo = {"tiffinfo": {254: 1}}
    buffer = io.BytesIO()
    scene().save(buffer, "TIFF", save_all=True, append_images=[small])
    path = store(buffer.getvalue())

    assert furthest(scene(), opened(fitted(path))) == 0


def test_of_a_heic_with_several_pictures_the_primary_one_is_taken(
    store: Callable[..., Path],
) -> None:
    """
    A phone's file may hold a burst; it says itself which picture it shows.
    """
    path = store(pictures.heic(scene((64, 64)), smooth(), primary_index=1))

    assert furthest(smooth(), opened(fitted(path))) <= 6
