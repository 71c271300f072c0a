"""
What a mask does not open stays the original's, and what it opens meets it without a seam.
"""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter
from PIL.JpegImagePlugin import JpegImageFile

from finishing_cases import RESULT, SIZE, Case, edited, equal_outside, pixels, scene
from retouchd.pictures.finishing import jpeg_samples, protect
from retouchd.pictures.finishing.jpeg_samples import stored_samples
from retouchd.pictures.finishing.placing import PlacedResult
from retouchd.pictures.finishing.plan import Warned
from retouchd.pictures.finishing.planes import blurred, delta_e_76, lab
from retouchd.pictures.finishing.protect import lay_over, opening_of
from retouchd.pictures.finishing.task import FinishingError
from sample_pictures import deep_png, encoded, profile
from simulated_model import Model, chart, mask_of, photo


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("cat.png", {}),
        ("cat.tif", {}),
        ("cat.tiff", {"compression": "tiff_lzw"}),
        ("cat.webp", {"lossless": True, "method": 0}),
    ],
)
def test_outside_the_mask_every_pixel_is_the_original(
    tmp_path: Path, name: str, options: dict[str, Any]
) -> None:
    """
    In formats that lose nothing it is so exactly, whatever the model did there.
    """
    original, mask, result = scene(gain=(1.06, 1.0, 0.95))
    case = Case(tmp_path)
    path = case.original(original, name, **options)

    found = case.finished(path, case.received(result), case.mask(mask), like="source", protect=True)

    assert found.protected == "exact"
    assert found.data is not None
    assert equal_outside(found.data, path, mask) == 1
    middle = pixels(found.data)[SIZE[1] // 2, SIZE[0] // 2]
    assert middle[0] > 150 > middle[1]
    assert found.extension == {"tiff": "tif"}.get(name[4:], name[4:])


@pytest.mark.parametrize(
    ("quality", "sampling", "least"),
    [
        (75, 2, 0.99),
        (85, 1, 0.99),
        (90, 2, 0.98),
        (92, 0, 0.98),
        (95, 0, 0.93),
        (95, 1, 0.95),
        (95, 2, 0.95),
        (98, 0, 0.86),
        (98, 2, 0.86),
    ],
)
def test_a_jpeg_is_written_as_it_was(
    tmp_path: Path, quality: int, sampling: int, least: float
) -> None:
    """
    By the tables it had, its samples stored again: hardly a pixel outside differs, and none by much.

    Above about 93 a decoder's 8 bits are coarser than what is stored; there a pixel may be one level off.
    """
    original, mask, result = scene()
    case = Case(tmp_path)
    path = case.original(original, "cat.jpg", quality=quality, subsampling=sampling)

    found = case.finished(path, case.received(result), case.mask(mask), like="source", protect=True)

    assert found.data is not None
    assert found.protected == "encoded"
    assert equal_outside(found.data, path, mask) >= least
    closed = np.asarray(mask.getchannel("A")) > 0
    apart = np.abs(pixels(found.data).astype(int) - pixels(path).astype(int))[closed]
    assert np.percentile(apart, 99) <= 2
    with JpegImageFile(path) as before, JpegImageFile(io.BytesIO(found.data)) as after:
        assert before.quantization == after.quantization


def test_a_jpeg_that_is_stored_lying_comes_back_upright(tmp_path: Path) -> None:
    """
    Turned by its EXIF, its tables turned along.
    """
    original, mask, result = scene()
    exif = Image.Exif()
    exif[0x0112] = 6
    case = Case(tmp_path)
    lying = original.transpose(Image.Transpose.ROTATE_90)
    path = case.original(lying, "cat.jpg", quality=85, subsampling=0, exif=exif)

    found = case.finished(path, case.received(result), case.mask(mask), like="source", protect=True)

    assert found.data is not None
    with Image.open(path) as stored:
        upright = np.asarray(stored.transpose(Image.Transpose.ROTATE_270))
    closed = np.asarray(mask.getchannel("A")) > 0
    assert pixels(found.data).shape == upright.shape
    assert (pixels(found.data) == upright).all(axis=-1)[closed].mean() >= 0.92


def test_the_seam_is_hardly_seen(tmp_path: Path) -> None:
    """
    Of a drift of 6 % in colour, what is left along the edge is below what anybody notices.
    """
    original = photo("coffee", SIZE)
    model = Model(size=RESULT, shift=(1.0, 2.0), gain=(1.06, 0.96, 1.03))
    mask = mask_of(SIZE, 0.15)
    case = Case(tmp_path)

    found = case.finished(
        case.original(original),
        case.received(model.answers(original)),
        case.mask(mask),
        protect=True,
    )

    assert found.data is not None
    assert found.is_colour_matched
    made = Image.fromarray(pixels(found.data))
    apart = delta_e_76(lab(blurred(original, 3)), lab(blurred(made, 3)))
    opened = Image.fromarray(255 - np.asarray(mask.getchannel("A")))
    inner = opened.filter(ImageFilter.BoxBlur(32)).point([*[0] * 255, 255])
    seam = (np.asarray(opened) > 0) & (np.asarray(inner) == 0)
    assert apart[seam].mean() <= 2.5


def test_strips_are_as_if_all_were_laid_over_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Memory is for a strip; nobody sees where one ends.
    """
    monkeypatch.setattr(protect, "_STRIP", 20_000)
    original, mask, result = scene(size=(400, 1300), shift=(0, 0))
    opening = opening_of(mask.getchannel("A"))
    box = (3.3, -2.2, 601.0, 410.7)
    frame = original.copy()

    lay_over(frame, result, box, opening, 24)

    whole = original.copy()
    placed = PlacedResult(result, box, original.size)
    left, top, right, bottom = opening.bounds
    weights = protect._weights(opening, 0, bottom - top, 24)
    whole.paste(placed.part((left, top, right, bottom)), (left, top), weights)
    apart = np.abs(np.asarray(frame).astype(int) - np.asarray(whole).astype(int))
    assert apart.max() <= 1
    assert (apart > 0).mean() < 0.001


@pytest.mark.parametrize("sampling", [1, 2])
@pytest.mark.parametrize(
    ("size", "least"),
    [((304, 208), 0.98), ((301, 203), 0.8), ((5, 3), 0), ((4, 2), 0), ((1, 1), 0)],
)
def test_stored_samples_are_found_behind_what_a_decoder_smooths(
    monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], least: float, sampling: int
) -> None:
    """
    Stored once more they are decoded as the same again, though strips are of few rows; a block that is not all
    seen, at an edge, is not all known either.
    """
    monkeypatch.setattr(jpeg_samples, "_STRIP", size[0] * 50)
    monkeypatch.setattr(jpeg_samples, "_ROWS", 50)
    options = {"quality": 85, "subsampling": sampling}
    data = encoded(photo("coffee", size), "JPEG", **options)

    samples = stored_samples(data, sampling)

    again, before = pixels(encoded(samples, "JPEG", **options)).astype(int), pixels(data)
    assert samples.size == size
    assert np.abs(again - before).mean() < 6
    assert (again == before).all(axis=-1).mean() >= least


def test_stored_samples_are_turned_as_pictures_are() -> None:
    data = encoded(photo("rocket", (300, 200)), "JPEG", quality=85, subsampling=2)
    turn = Image.Transpose.ROTATE_270

    turned = stored_samples(data, 2, turn)

    assert (np.asarray(turned) == np.asarray(stored_samples(data, 2).transpose(turn))).all()


def test_a_mask_with_a_ramp_is_a_weight(tmp_path: Path) -> None:
    """
    Half open is half of either; no transition of ours is added.
    """
    original = Image.new("RGB", SIZE, (100, 100, 100))
    ramp = Image.linear_gradient("L").rotate(90).resize(SIZE)
    mask = Image.new("RGBA", SIZE)
    mask.putalpha(ramp)
    case = Case(tmp_path)

    found = case.finished(
        case.original(original),
        case.received(Image.new("RGB", RESULT, (200, 200, 200))),
        case.mask(mask),
        protect=True,
    )

    assert found.data is not None
    row = pixels(found.data)[300, :, 0].astype(float)
    weight = 1 - np.asarray(ramp)[300] / 255
    assert np.abs(row - (100 + 100 * weight)).max() <= 2


def test_a_smoothed_edge_is_no_ramp() -> None:
    large = mask_of((1920, 1280), 0.2).getchannel("A")

    assert not opening_of(large.resize((960, 640), Image.Resampling.LANCZOS)).is_soft
    assert not opening_of(mask_of((960, 640)).getchannel("A")).is_soft
    assert opening_of(Image.radial_gradient("L").resize((960, 640))).is_soft


def test_another_picture_is_laid_over_as_it_is_and_told_of(tmp_path: Path) -> None:
    """
    Nothing outside is harmed; that it may not fit is said.
    """
    original, mask, _ = scene()
    case = Case(tmp_path)
    path = case.original(original)

    found = case.finished(
        path, case.received(chart(RESULT, 3)), case.mask(mask), like="source", protect=True
    )

    assert found.data is not None
    assert equal_outside(found.data, path, mask) == 1
    codes = [each.code for each in found.cautions]
    assert Warned.UNREGISTERED in codes
    assert Warned.OUTSIDE in codes
    assert found.shift is None


def test_a_mask_that_leaves_nothing_is_not_checked(tmp_path: Path) -> None:
    original, _, result = scene()
    case = Case(tmp_path)

    found = case.finished(
        case.original(original),
        case.received(result),
        case.mask(Image.new("RGBA", SIZE)),
        protect=True,
    )

    assert [each.code for each in found.cautions] == [Warned.UNCHECKED]
    assert not found.is_colour_matched


def test_a_mask_that_opens_nothing_gives_the_original(tmp_path: Path) -> None:
    original, _, result = scene()
    mask = Image.new("RGBA", SIZE, (0, 0, 0, 255))
    case = Case(tmp_path)
    path = case.original(original)

    found = case.finished(path, case.received(result), case.mask(mask), protect=True)

    assert found.data is not None
    assert (pixels(found.data) == pixels(path)).all()


def test_a_result_of_another_shape_is_neither_stretched_nor_cropped(tmp_path: Path) -> None:
    """
    A square one lies in the middle of a wide photo; what is open beside it stays the original.
    """
    original = photo("coffee", SIZE)
    width, height = SIZE
    left = (width - height) // 2
    middle = (left, 0, left + height, height)
    mask = Image.new("RGBA", SIZE, (0, 0, 0, 255))
    mask.paste((0, 0, 0, 0), (0, height // 4, width, height * 3 // 4))
    square = edited(original).crop(middle)
    case = Case(tmp_path)
    path = case.original(original)

    found = case.finished(
        path, case.received(square.resize((320, 320))), case.mask(mask), protect=True
    )

    assert found.data is not None
    assert [each.code for each in found.cautions] == [Warned.SHAPE]
    assert equal_outside(found.data, path, mask) == 1
    made = Image.fromarray(pixels(found.data))
    for beside in ((0, 0, left, height), (left + height, 0, width, height)):
        assert made.crop(beside).tobytes() == original.crop(beside).tobytes()
    opened = made.crop((width // 3, height // 3, width * 2 // 3, height * 2 // 3))
    right = edited(original).crop((width // 3, height // 3, width * 2 // 3, height * 2 // 3))
    assert delta_e_76(lab(blurred(opened, 3)), lab(blurred(right, 3))).mean() <= 2.5


def test_a_photo_is_not_stretched_to_the_shape_of_a_result_either(tmp_path: Path) -> None:
    """
    As many pixels as were received is a size, not a shape.
    """
    original, mask, result = scene()
    case = Case(tmp_path)
    square = result.resize(SIZE).crop((120, 0, 600, 480)).resize((320, 320))

    found = case.finished(
        case.original(original),
        case.received(square),
        case.mask(mask),
        protect=True,
        size="received",
    )

    assert (found.finished.width, found.finished.height) == (320, 213)
    assert [each.code for each in found.cautions] == [Warned.SHAPE]


def test_where_a_result_was_shifted_is_told(tmp_path: Path) -> None:
    original, mask, result = scene(shift=(2.0, -3.0))
    case = Case(tmp_path)

    found = case.finished(
        case.original(original), case.received(result), case.mask(mask), protect=True
    )

    assert found.shift is not None
    across = SIZE[0] / RESULT[0]
    assert found.shift == pytest.approx((2.0 * across, -3.0 * across), abs=0.2)
    assert found.outside is not None
    assert found.outside.mean < 2.5


def test_what_else_was_changed_is_found_and_told(tmp_path: Path) -> None:
    """
    One and a half per cent of the area, outside the mask, is something else.
    """
    original, mask, result = scene()
    width, height = RESULT
    result.paste((30, 220, 60), (width // 10, height // 10, width // 10 + 60, height // 10 + 60))
    case = Case(tmp_path)

    found = case.finished(
        case.original(original), case.received(result), case.mask(mask), protect=True
    )

    assert found.outside is not None
    assert found.outside.worst > 10
    x, y = found.outside.place
    assert abs(x / SIZE[0] - 0.1 - 30 / width) < 0.06
    assert abs(y / SIZE[1] - 0.1 - 30 / height) < 0.08
    assert "something outside" in found.outside.words


def test_a_smaller_size_is_made_of_what_is_protected(tmp_path: Path) -> None:
    original, mask, result = scene()
    case = Case(tmp_path)

    found = case.finished(
        case.original(original), case.received(result), case.mask(mask), protect=True, size="480"
    )

    assert found.data is not None
    assert (found.finished.width, found.finished.height) == (480, 320)
    assert found.protected == "encoded"


def test_what_was_transparent_outside_stays_so(tmp_path: Path) -> None:
    """
    Alpha is one of the channels that are the original's.
    """
    original, mask, result = scene()
    original.putalpha(Image.linear_gradient("L").resize(SIZE))
    case = Case(tmp_path)
    path = case.original(original)

    found = case.finished(path, case.received(result), case.mask(mask), like="source", protect=True)

    assert found.data is not None
    assert equal_outside(found.data, path, mask) == 1
    assert pixels(found.data).shape[-1] == 4


def test_of_sixteen_bits_eight_come_back(tmp_path: Path) -> None:
    original, mask, result = scene(size=(240, 160))
    deep = [
        [[channel * 257 for channel in pixel] for pixel in row]
        for row in np.asarray(original).tolist()
    ]
    path = tmp_path / "cat.png"
    path.write_bytes(deep_png(deep, 2))
    case = Case(tmp_path)

    found = case.finished(path, case.received(result), case.mask(mask), like="source", protect=True)

    assert found.data is not None
    assert found.protected == "encoded"
    assert Warned.DEPTH in [each.code for each in found.cautions]
    closed = np.asarray(mask.getchannel("A")) > 0
    assert (pixels(found.data) == np.asarray(original))[closed].all()


def test_a_mask_of_another_size_is_refused(tmp_path: Path) -> None:
    original, _, result = scene()
    case = Case(tmp_path)

    with pytest.raises(FinishingError, match="Make the mask as large as its picture"):
        case.finished(
            case.original(original),
            case.received(result),
            case.mask(mask_of((300, 200))),
            protect=True,
        )


@pytest.mark.parametrize("name", ["cat.jpg", "cat.png"])
def test_a_damaged_profile_is_none(tmp_path: Path, name: str) -> None:
    """
    As for those who show pictures: it is no reason to keep back what was paid for.
    """
    original, mask, result = scene(size=(360, 240))
    icc = profile("adobe")
    case = Case(tmp_path)
    path = case.original(original, name, icc_profile=icc[: len(icc) // 2])

    found = case.finished(path, case.received(result), case.mask(mask), like="source", protect=True)

    assert found.data is not None
    assert found.cautions == ()
    assert equal_outside(found.data, path, mask) > 0.9
