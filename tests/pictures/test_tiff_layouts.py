"""
TIFF files of every layout: sent in the colours that other decoders see, or refused by name.
"""

import functools
import io
import itertools
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from retouchd.errors import JobCode
from retouchd.pictures.decoding import ImageFault
from retouchd.pictures.fit_apply import fitted_image
from retouchd.pictures.fit_plan import image_fit
from retouchd.pictures.inspect import look
from retouchd.request.limits import Limits
from tiff_files import (
    BLACK_IS_ZERO,
    CIELAB,
    CMYK,
    FLOAT,
    PALETTE,
    RGB,
    SIGNED,
    SIZE,
    UNSIGNED,
    WHITE_IS_ZERO,
    YCBCR,
    Layout,
    alpha_at,
    colour_at,
    grey_at,
    lab_at,
    palette,
    tiff,
)

Pixels = list[tuple[float, float, float, float]]
"""Red, green, blue and alpha of each pixel, from 0 to 255."""

NUMBERS = [(UNSIGNED, bits) for bits in (1, 2, 4, 8, 12, 16, 32, 64)]
NUMBERS += [(SIGNED, bits) for bits in (8, 16, 32)] + [(FLOAT, bits) for bits in (16, 32, 64)]
COLOURS = (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK, YCBCR, CIELAB)
EXTRA: tuple[tuple[int, ...], ...] = ((), (0,), (1,), (2,))

READ: dict[tuple[int, int], set[tuple[int, ...]]] = {
    (WHITE_IS_ZERO, 1): {()},
    (WHITE_IS_ZERO, 2): {()},
    (WHITE_IS_ZERO, 4): {()},
    (WHITE_IS_ZERO, 8): {()},
    (WHITE_IS_ZERO, 16): {()},
    (BLACK_IS_ZERO, 1): {()},
    (BLACK_IS_ZERO, 2): {()},
    (BLACK_IS_ZERO, 4): {()},
    (BLACK_IS_ZERO, 8): {(), (0,), (1,), (2,)},
    (BLACK_IS_ZERO, 12): {()},
    (BLACK_IS_ZERO, 16): {()},
    (RGB, 8): {(), (0,), (1,), (2,)},
    (RGB, 16): {(), (0,), (1,), (2,)},
    (PALETTE, 1): {()},
    (PALETTE, 2): {()},
    (PALETTE, 4): {()},
    (PALETTE, 8): {(), (0,), (2,)},
    (CMYK, 8): {(), (0,)},
    (CMYK, 16): {()},
    (YCBCR, 8): {()},
    (CIELAB, 8): {()},
}
"""What has to be read, in strips and little-endian; the samples of a pixel together."""


@pytest.fixture
def sent(tmp_path: Path) -> Callable[[bytes], Image.Image]:
    """
    What is sent of a TIFF, in RGBA. Raises ImageFault as the daemon would.
    """

    def send(data: bytes) -> Image.Image:
        path = tmp_path / "cat.tif"
        path.write_bytes(data)
        fit = image_fit(look(path, name=path.name, max_megapixels=1), Limits())
        assert fit is not None
        found = fitted_image(path, name=path.name, fit=fit, max_megapixels=1)
        return Image.open(io.BytesIO(found)).convert("RGBA")

    return send


def layouts(photometric: int, number: int, bits: int) -> Iterator[Layout]:
    for extra, is_planar, is_tiled, is_little, is_big in itertools.product(
        EXTRA, (False, True), (False, True), (True, False), (False, True)
    ):
        layout = Layout(
            photometric=photometric,
            number=number,
            bits=bits,
            extra=extra,
            is_planar=is_planar,
            is_tiled=is_tiled,
            is_little=is_little,
            is_big=is_big,
        )
        if (layout.channels > 1 or not is_planar) and not (is_big and is_tiled):
            yield layout


def meant(layout: Layout) -> Pixels:
    """
    The pixels that were stored, as far as so many bits can hold them.
    """
    return _meant(layout.photometric, layout.bits, has_alpha=bool({1, 2} & set(layout.extra)))


@functools.cache
def _meant(photometric: int, bits: int, *, has_alpha: bool) -> Pixels:
    width, height = SIZE
    return [
        (*_meant_at(photometric, bits, x, y), 255 * alpha_at(x, y) if has_alpha else 255.0)
        for y in range(height)
        for x in range(width)
    ]


def _meant_at(photometric: int, bits: int, x: int, y: int) -> tuple[float, float, float]:
    top = 2**bits - 1
    match photometric:
        case 0:
            colours = [1 - round((1 - grey_at(x, y)) * top) / top] * 3
        case 1:
            colours = [round(grey_at(x, y) * top) / top] * 3
        case 3:
            index, levels = round(grey_at(x, y) * top), palette(bits)
            colours = [levels[index + plane * (top + 1)] / 65535 for plane in range(3)]
        case 8:
            colours = list(srgb_of(*lab_at(x, y)))
        case _:
            colours = list(colour_at(x, y))
    red, green, blue = (255 * each for each in colours)
    return red, green, blue


def srgb_of(lightness: float, a: float, b: float) -> tuple[float, float, float]:
    """
    A colour of CIE L*a*b* under D50 in sRGB, by the formulas (ICC.1, 6.3.4 and annex E; IEC 61966-2-1).
    """
    middle = (lightness + 16) / 116
    ratios = (middle + a / 500, middle, middle - b / 200)
    x, y, z = (
        white * (ratio**3 if ratio > 6 / 29 else 3 * (6 / 29) ** 2 * (ratio - 4 / 29))
        for ratio, white in zip(ratios, (0.9642, 1.0, 0.8249), strict=True)
    )
    linear = (
        3.1338561 * x - 1.6168667 * y - 0.4906146 * z,
        -0.9787684 * x + 1.9161415 * y + 0.0334540 * z,
        0.0719453 * x - 0.2289914 * y + 1.4052427 * z,
    )
    red, green, blue = (
        min(1.0, max(0.0, 12.92 * v if v <= 0.0031308 else 1.055 * v ** (1 / 2.4) - 0.055))
        for v in linear
    )
    return red, green, blue


def pixels_of(image: Image.Image) -> Pixels:
    levels = image.tobytes()
    channels = (levels[channel::4] for channel in range(4))
    return list(zip(*channels, strict=True))


def furthest(image: Image.Image, wanted: Pixels) -> float:
    """
    How far off a pixel is at most. What is nearly transparent has no colours that matter.
    """
    assert image.size == SIZE
    worst = 0.0
    for seen, right in zip(pixels_of(image), wanted, strict=True):
        *colours, alpha = (abs(one - other) for one, other in zip(seen, right, strict=True))
        share = right[3] / 255
        worst = max(worst, alpha, *(each * share for each in colours))
    return worst


def problem_of(fault: ImageFault) -> str:
    assert fault.problem.code is JobCode.IMAGE_UNSUPPORTED, fault.problem.message
    assert "damaged" not in fault.problem.message
    assert "cat.tif" in fault.problem.hint
    return fault.problem.message


@pytest.mark.parametrize("photometric", COLOURS)
def test_every_layout_is_sent_in_its_own_colours_or_refused_by_name(
    sent: Callable[[bytes], Image.Image], photometric: int
) -> None:
    """
    Strips, tiles, planes, byte orders, depths, numbers, alpha: no wrong pixel, nothing called damaged.
    """
    for number, bits in NUMBERS:
        if photometric == PALETTE and (number != UNSIGNED or bits > 16):
            continue
        for layout in layouts(photometric, number, bits):
            is_plain = layout.is_little and not layout.is_planar and number == UNSIGNED
            try:
                image = sent(tiff(layout))
            except ImageFault as fault:
                problem_of(fault)
                assert not (is_plain and layout.extra in READ.get((photometric, bits), ())), layout
            else:
                assert furthest(image, meant(layout)) <= 3, layout


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("photometric", [RGB, CMYK])
@pytest.mark.parametrize("extra", [(), (1,), (2,)])
def test_planes_that_lie_apart_are_put_together(
    sent: Callable[[bytes], Image.Image], photometric: int, bits: int, extra: tuple[int, ...]
) -> None:
    """
    What Photoshop calls "per channel" is read, in 8 and in 16 bits.
    """
    layout = Layout(photometric=photometric, bits=bits, is_planar=True, extra=extra)
    if photometric == CMYK and extra:
        with pytest.raises(ImageFault, match="CMYK with transparency"):
            sent(tiff(layout))
    else:
        assert furthest(sent(tiff(layout)), meant(layout)) <= 3


@pytest.mark.parametrize(
    ("layout", "words"),
    [
        (Layout(number=FLOAT, bits=32), "RGB, 32 bits a channel, in floating point"),
        (Layout(number=FLOAT, bits=16), "RGB, 16 bits a channel, in floating point"),
        (Layout(bits=32), "RGB, 32 bits a channel"),
        (Layout(photometric=BLACK_IS_ZERO, bits=16, extra=(2,)), "grey with transparency, 16 bits"),
        (Layout(photometric=BLACK_IS_ZERO, bits=16, number=SIGNED), "counted from below zero"),
        (Layout(is_little=False, is_big=True), "BigTIFF"),
    ],
)
def test_what_is_not_read_is_named_with_a_way_out(
    sent: Callable[[bytes], Image.Image], layout: Layout, words: str
) -> None:
    """
    The person is told what the picture is, and how it has to be saved.
    """
    with pytest.raises(ImageFault) as caught:
        sent(tiff(layout))

    assert words in problem_of(caught.value)
    assert "8 or 16 bits a channel" in caught.value.problem.hint


@pytest.mark.parametrize(
    ("tag", "value", "words"),
    [
        (259, 50002, "compressed as JPEG XL"),
        (259, 34712, "compressed as JPEG 2000"),
        (259, 50001, "compressed as WebP"),
        (259, 6, "compressed as an old kind of JPEG"),
        (259, 34887, "compressed as LERC"),
        (259, 12345, "compressed as number 12345"),
        (262, 32803, "a camera's raw data"),
        (262, 9, "in colours of a kind that is not read"),
        (50706, 1, "a camera's raw data"),
        (254, 1, "begins with a small preview"),
    ],
)
def test_what_a_tag_says_alone_is_named(
    sent: Callable[[bytes], Image.Image], tag: int, value: int, words: str
) -> None:
    with pytest.raises(ImageFault) as caught:
        sent(tiff(Layout(), more=[(tag, 3, [value])]))

    assert words in problem_of(caught.value)


def test_inks_other_than_cmyk_are_not_taken_for_it(sent: Callable[[bytes], Image.Image]) -> None:
    with pytest.raises(ImageFault, match="in colours of a kind that is not read"):
        sent(tiff(Layout(photometric=CMYK), more=[(332, 3, [2])]))


@pytest.mark.skipif(not shutil.which("tiffcp"), reason="tiffcp (libtiff-tools) is not installed")
@pytest.mark.parametrize(
    "compression",
    ["lzw", "lzw:2", "zip", "zip:2", "packbits", "zstd:2", "lzma:2", "g3", "g3:2d", "g4"],
)
def test_every_compression_gives_the_same_pixels(
    sent: Callable[[bytes], Image.Image], tmp_path: Path, compression: str
) -> None:
    """
    Written by libtiff's own tool: in strips, tiles and planes, either byte order, bits in reverse.
    """
    ways = (["-s"], ["-s", "-p", "separate"], ["-t", "-w", "16", "-l", "16"])
    orders = (["-L"], ["-B"], ["-L", "-f", "lsb2msb"])
    count = 0
    for (photometric, bits), extras in READ.items():
        if compression.startswith("g") and bits > 1:
            continue
        layout = Layout(photometric=photometric, bits=bits, extra=max(extras))
        source, copy = tmp_path / "source.tif", tmp_path / "copy.tif"
        source.write_bytes(tiff(layout))
        for way, order in zip(ways, orders, strict=True):
            command = ["tiffcp", "-c", compression, *way, *order, str(source), str(copy)]
            if subprocess.run(command, check=False, capture_output=True).returncode:
                continue
            try:
                image = sent(copy.read_bytes())
            except ImageFault as fault:
                problem_of(fault)
                assert way != ways[0] or photometric == CMYK, (layout, way)
            else:
                assert furthest(image, meant(layout)) <= 3, (layout, way)
                count += 1
    assert count


@pytest.mark.skipif(
    not (shutil.which("tiffcp") and Path("/usr/bin/convert").exists()),
    reason="tiffcp (libtiff-tools) and ImageMagick are not installed",
)
@pytest.mark.parametrize("way", [["-s", "-r", "16"], ["-t", "-w", "16", "-l", "16"]])
@pytest.mark.parametrize("compression", ["none", "jpeg", "jpeg:r"])
@pytest.mark.parametrize("photometric", [BLACK_IS_ZERO, RGB, CMYK, YCBCR])
def test_imagemagick_sees_the_same(
    sent: Callable[[bytes], Image.Image],
    tmp_path: Path,
    photometric: int,
    compression: str,
    way: list[str],
) -> None:
    """
    Another decoder, so that the truth is not only our own; JPEG, which is never quite what was stored, as well.
    """
    source, copy = tmp_path / "source.tif", tmp_path / "copy.tif"
    source.write_bytes(tiff(Layout(photometric=photometric)))
    subprocess.run(["tiffcp", "-c", compression, *way, str(source), str(copy)], check=True)
    image = sent(copy.read_bytes())

    if photometric == CMYK and compression != "none" and way[0] == "-t":
        # ImageMagick turns such tiles into negatives.
        assert furthest(image, meant(Layout(photometric=CMYK))) < 40
        return
    command = ["/usr/bin/convert", str(copy), "-colorspace", "sRGB", "-depth", "8", "rgba:-"]
    found = subprocess.run(command, check=True, capture_output=True).stdout
    assert furthest(image, pixels_of(Image.frombytes("RGBA", SIZE, found))) <= 4
