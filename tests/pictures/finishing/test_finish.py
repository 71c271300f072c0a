"""
What a result is written as: its size, format and colours, and what a person is told.
"""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import sample_pictures
from finishing_cases import Case, pixels
from retouchd.pictures.colours import in_srgb
from retouchd.pictures.finishing import memory
from retouchd.pictures.finishing.geometry import padded
from retouchd.pictures.finishing.jpeg_tables import tables_of
from retouchd.pictures.finishing.padding import mirrored
from retouchd.pictures.finishing.plan import Warned
from retouchd.pictures.finishing.task import FinishingError
from retouchd.pictures.finishing.xmp import RDF
from retouchd.request.output import Output

SMOOTH = sample_pictures.smooth((300, 200))


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def test_what_is_already_as_it_was_asked_for_is_not_written_anew(tmp_path: Path) -> None:
    """
    Marks of who made it are in the file that was received, and hold in no other.
    """
    case = Case(tmp_path)

    found = case.finished(case.original(SMOOTH), case.received(SMOOTH), size="source", format="png")

    assert found.data is None
    assert found.extension == "png"


@pytest.mark.parametrize(
    ("asked", "size"),
    [
        ({"size": "source"}, (1200, 800)),
        ({"size": "600"}, (600, 400)),
        ({"size": "500x100"}, (150, 100)),
        ({"format": "jpeg"}, (300, 200)),
    ],
)
def test_sizes(tmp_path: Path, asked: dict[str, Any], size: tuple[int, int]) -> None:
    case = Case(tmp_path)
    path = case.original(sample_pictures.smooth((1200, 800)))

    found = case.finished(path, case.received(SMOOTH), **asked)

    assert found.data is not None
    assert opened(found.data).size == size
    assert (found.finished.width, found.finished.height) == size


@pytest.mark.parametrize(
    ("name", "options", "kind"),
    [
        ("cat.png", {}, "PNG"),
        ("cat.jpg", {"quality": 90}, "JPEG"),
        ("cat.webp", {"quality": 80}, "WEBP"),
        ("cat.avif", {}, "AVIF"),
        ("cat.tif", {}, "TIFF"),
        ("cat.bmp", {}, "PNG"),
    ],
)
def test_formats_are_those_of_the_source(
    tmp_path: Path, name: str, options: dict[str, Any], kind: str
) -> None:
    case = Case(tmp_path)
    path = case.original(SMOOTH, name, **options)

    found = case.finished(path, case.received(SMOOTH), like="source")

    assert found.data is not None
    image = opened(found.data)
    assert image.format == kind
    assert image.size == SMOOTH.size
    assert np.abs(pixels(found.data).astype(int) - np.asarray(SMOOTH).astype(int)).mean() < 2


def test_a_jpeg_keeps_its_tables_if_they_are_fine(tmp_path: Path) -> None:
    """
    A coarse one would make what was paid for coarser.
    """
    case = Case(tmp_path)
    for quality, is_kept in ((92, True), (60, False)):
        path = case.original(SMOOTH, f"cat{quality}.jpg", quality=quality)
        found = case.finished(path, case.received(SMOOTH), like="source")
        assert found.data is not None
        own = opened(path.read_bytes()).quantization  # type: ignore[attr-defined]
        assert (opened(found.data).quantization == own) is is_kept  # type: ignore[attr-defined]
    path = case.original(SMOOTH, "cat.jpg", quality=92)
    told = case.finished(path, case.received(SMOOTH), like="source", quality=80)
    assert told.data is not None
    expected = sample_pictures.encoded(SMOOTH, "JPEG", quality=80)
    assert opened(told.data).quantization == opened(expected).quantization  # type: ignore[attr-defined]


@given(st.integers(1, 100))
def test_the_quality_of_tables_is_read_from_them(quality: int) -> None:
    image = opened(sample_pictures.encoded(Image.new("RGB", (8, 8)), "JPEG", quality=quality))
    tables = tables_of(image.quantization, 0)  # type: ignore[attr-defined]

    assert tables is not None
    if 25 <= quality <= 97:
        assert abs(tables.quality - quality) < 2
    assert tables.turned().turned() == tables


def test_transparency_is_never_lost_to_jpeg(tmp_path: Path) -> None:
    clear = SMOOTH.copy()
    clear.putalpha(Image.linear_gradient("L").resize(SMOOTH.size))
    case = Case(tmp_path)
    path = case.original(SMOOTH, "cat.jpg")

    found = case.finished(path, case.received(clear), like="source")

    assert found.data is not None
    assert opened(found.data).mode == "RGBA"
    assert [each.code for each in found.cautions] == [Warned.ALPHA]
    clear.putalpha(255)
    opaque = case.finished(path, case.received(clear), like="source")
    assert opaque.extension == "jpg"


@pytest.mark.parametrize("name", ["adobe", "p3"])
def test_colours_go_back_into_the_profile_of_the_source(tmp_path: Path, name: str) -> None:
    """
    What is seen is the same: numbers differ, and the profile says how they are meant.
    """
    icc = sample_pictures.profile(name)
    case = Case(tmp_path)
    path = case.original(SMOOTH, "cat.jpg", quality=95, icc_profile=icc)

    found = case.finished(path, case.received(SMOOTH), like="source")

    assert found.data is not None
    image = opened(found.data)
    assert image.info["icc_profile"] == icc
    seen = in_srgb(image, image)
    apart = np.abs(np.asarray(seen).astype(int) - np.asarray(SMOOTH).astype(int))
    assert np.percentile(apart, 90) <= 4

    plain = case.finished(path, case.received(SMOOTH), like="source", profile="srgb")
    assert plain.data is not None
    assert "icc_profile" not in opened(plain.data).info


def test_cmyk_comes_back_as_rgb(tmp_path: Path) -> None:
    case = Case(tmp_path)
    path = case.original(SMOOTH.convert("CMYK"), "cat.jpg", quality=95)

    found = case.finished(path, case.received(SMOOTH), like="source")

    assert found.data is not None
    assert opened(found.data).mode == "RGB"
    assert Warned.COLOURS in [each.code for each in found.cautions]


def test_a_result_of_another_shape_is_neither_stretched_nor_cropped(tmp_path: Path) -> None:
    """
    Within 2 per cent it is taken for rounding.
    """
    case = Case(tmp_path)
    path = case.original(sample_pictures.smooth((600, 400)))

    square = case.finished(path, case.received(SMOOTH.resize((256, 256))), size="source")
    rounded = case.finished(path, case.received(SMOOTH.resize((304, 200))), size="source")

    assert (square.finished.width, square.finished.height) == (400, 400)
    assert [each.code for each in square.cautions] == [Warned.SHAPE]
    assert (rounded.finished.width, rounded.finished.height) == (600, 400)
    assert rounded.cautions == ()


@pytest.mark.parametrize("size", [(600, 400), (400, 601), (301, 900)])
def test_what_was_put_around_is_cut_off_to_the_fraction_of_a_pixel(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    """
    A picture comes back where it was, though it was sent as a square.
    """
    original = sample_pictures.smooth(size)
    canvas = padded(size, (512, 512))
    result = mirrored(original, canvas).resize((512, 512), Image.Resampling.LANCZOS)
    case = Case(tmp_path)

    found = case.finished(
        case.original(original), case.received(result), canvas=canvas, size="source"
    )

    assert found.data is not None
    assert found.padded == pytest.approx(canvas.share, abs=1e-4)
    assert opened(found.data).size == size
    apart = np.abs(pixels(found.data).astype(int) - np.asarray(original).astype(int))
    assert apart.mean() < 0.6
    assert (Warned.PADDED in [each.code for each in found.cautions]) == (canvas.share > 0.25)


def test_too_large_a_result_is_refused(tmp_path: Path) -> None:
    case = Case(tmp_path)
    path = case.original(SMOOTH)

    with pytest.raises(FinishingError, match=r"output\.max_megapixels = 120"):
        case.finished(path, case.received(SMOOTH), size="20000")


def test_a_format_that_cannot_hold_a_size_is_a_fault_in_words(tmp_path: Path) -> None:
    case = Case(tmp_path)
    path = case.original(Image.new("RGB", (17_000, 10)))

    with pytest.raises(FinishingError, match="could not be decoded or encoded"):
        case.finished(path, case.received(SMOOTH.resize((340, 1))), size="17000", format="webp")


def test_what_is_nested_too_deeply_to_be_told_is_left_out(tmp_path: Path) -> None:
    """
    Metadata that nobody can read keeps no picture back.
    """
    head = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{}"><rdf:Description>'
    packet = head.format(RDF) + "<a>" * 4_000 + "</a>" * 4_000
    packet += "</rdf:Description></rdf:RDF></x:xmpmeta>"
    case = Case(tmp_path)
    path = case.original(SMOOTH, "cat.jpg", xmp=packet.encode())

    found = case.finished(path, case.received(SMOOTH), like="source")

    assert found.data is not None
    assert b"compositeWithTrainedAlgorithmicMedia" in found.data
    assert b"<a>" not in found.data


def test_content_credentials_are_seen_and_told(tmp_path: Path) -> None:
    case = Case(tmp_path)
    path = case.received(SMOOTH)
    data = path.read_bytes()
    path.write_bytes(data[:33] + sample_pictures.chunk(b"caBX", b"jumb c2pa") + data[33:])

    found = case.finished(case.original(SMOOTH), path, format="jpeg")

    assert found.has_credentials
    assert found.data is not None
    assert b"c2pa" not in found.data


def test_done_twice_it_is_the_same(tmp_path: Path) -> None:
    """
    A death in the midst of it costs nothing but time.
    """
    case = Case(tmp_path)
    arguments = case.original(SMOOTH, "cat.jpg"), case.received(SMOOTH)

    one, other = (case.finished(*arguments, like="source", format="tiff") for _ in range(2))

    assert one.data == other.data


def test_how_much_memory_there_is_and_what_is_needed() -> None:
    free = memory.available()

    assert free is not None
    assert 2**20 < free < 2**50
    small = memory.need(
        Output(size="source"),
        pixels=24_000_000,
        received=1_572_864,
        file_bytes=10**7,
        is_turned=False,
        has_mask=False,
    )
    large = memory.need(
        Output(protect=True),
        pixels=100_000_000,
        received=1_572_864,
        file_bytes=10**8,
        is_turned=True,
        has_mask=True,
    )
    assert 200 * 2**20 < small < 400 * 2**20
    assert large > 900 * 2**20
