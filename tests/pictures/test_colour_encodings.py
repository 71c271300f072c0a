"""
Colours that a picture tells by numbers (gAMA, cHRM, cICP, nclx): what is sent has those that a browser shows.
"""

import io
import struct
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import pillow_heif
import pytest
from PIL import Image

from retouchd.errors import JobCode
from retouchd.pictures.decoding import ImageFault
from retouchd.pictures.fit_apply import fitted_image
from retouchd.pictures.fit_plan import image_fit
from retouchd.pictures.inspect import look
from retouchd.request.limits import Limits
from sample_pictures import chunk, encoded, profile, scene, srgb_profile

COLOURS = [
    (220, 40, 30),
    (30, 200, 60),
    (20, 40, 210),
    (128, 128, 128),
    (250, 240, 200),
    (8, 16, 4),
]
"""In sRGB, and within it: what has to be seen in the end."""

Encode = Callable[[float], float]

BT709 = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
P3 = (0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060)
# Linear light of BT.709 in Display P3, by the published matrix (CSS Color 4, 18).
TO_P3 = (
    (0.82246197, 0.17753803, 0.0),
    (0.03319420, 0.96680580, 0.0),
    (0.01708263, 0.07239744, 0.91051993),
)

GREY, COLOUR, GREY_ALPHA, COLOUR_ALPHA = 0, 2, 4, 6


def linear(level: int) -> float:
    value = level / 255
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def srgb(light: float) -> float:
    return light * 12.92 if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055


def png(
    kind: int, depth: int, encode: Encode, *chunks: bytes, matrix: Sequence[Sequence[float]] = ()
) -> bytes:
    """
    The colours, or for greys their first channels, stored by a curve, each beside an alpha of half.
    """
    top = 2**depth - 1
    pixels = []
    for colour in COLOURS:
        lights = [linear(each) for each in colour]
        if matrix:
            lights = [sum(a * b for a, b in zip(row, lights, strict=True)) for row in matrix]
        if kind in (GREY, GREY_ALPHA):
            lights = lights[:1]
        pixels += [round(encode(min(1.0, max(0.0, each))) * top) for each in lights]
        if kind in (GREY_ALPHA, COLOUR_ALPHA):
            pixels.append(top // 2)
    row = struct.pack(f">{len(pixels)}{'H' if depth == 16 else 'B'}", *pixels)
    header = struct.pack(">IIBBBBB", len(COLOURS), 1, depth, kind, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(b"\0" + row))
    body = chunk(b"IHDR", header) + b"".join(chunks) + data + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def gama(value: float) -> bytes:
    return chunk(b"gAMA", struct.pack(">I", round(value * 100_000)))


def chrm(values: Sequence[float]) -> bytes:
    return chunk(b"cHRM", struct.pack(">8I", *(round(each * 100_000) for each in values)))


def cicp(primaries: int, transfer: int, matrix: int = 0, is_full: int = 1) -> bytes:
    return chunk(b"cICP", bytes([primaries, transfer, matrix, is_full]))


def iccp(data: bytes) -> bytes:
    return chunk(b"iCCP", b"x\0\0" + zlib.compress(data))


SRGB = chunk(b"sRGB", b"\0")


@pytest.fixture
def sent(tmp_path: Path) -> Callable[..., list[tuple[int, ...]]]:
    """
    The pixels that are sent of a picture, as a program sees them that looks at nothing but pixels.
    """

    def send(data: bytes, mode: str = "RGB") -> list[tuple[int, ...]]:
        path = tmp_path / "cat.png"
        path.write_bytes(data)
        fit = image_fit(look(path, name=path.name, max_megapixels=1), Limits())
        found = data
        if fit is not None:
            found = fitted_image(path, name=path.name, fit=fit, max_megapixels=1)
        levels = Image.open(io.BytesIO(found)).convert(mode).tobytes()
        size = len(mode)
        return [tuple(levels[at : at + size]) for at in range(0, len(levels), size)]

    return send


def furthest(seen: list[tuple[int, ...]], kind: int) -> int:
    wanted = [(c[0],) * 3 if kind in (GREY, GREY_ALPHA) else c for c in COLOURS]
    return max(
        abs(one - other)
        for pixel, right in zip(seen, wanted, strict=True)
        for one, other in zip(pixel[:3], right, strict=True)
    )


@pytest.mark.parametrize("kind", [GREY, COLOUR, GREY_ALPHA, COLOUR_ALPHA])
@pytest.mark.parametrize("gamma", [1.0, 1 / 1.8, 0.6, 0.38])
def test_gamma_is_applied_to_16_bits(
    sent: Callable[..., list[tuple[int, ...]]], kind: int, gamma: float
) -> None:
    """
    With all its bits: linear light in 8 of them would leave shadows in steps.
    """
    data = png(kind, 16, lambda light: light**gamma, gama(gamma))

    # Of grey with alpha the decoder gives 8 bits.
    assert furthest(sent(data), kind) <= (8 if kind == GREY_ALPHA else 2)


@pytest.mark.parametrize("gamma", [1.0, 1 / 1.8, 0.6])
def test_gamma_is_applied_to_8_bits(
    sent: Callable[..., list[tuple[int, ...]]], gamma: float
) -> None:
    data = png(COLOUR, 8, lambda light: light**gamma, gama(gamma))

    assert furthest(sent(data), COLOUR) <= 7


@pytest.mark.parametrize("gamma", [0.45455, 0.45, 0.4647])
def test_the_usual_gamma_means_srgb_and_needs_nothing(tmp_path: Path, gamma: float) -> None:
    """
    As browsers and libpng take it; such files are sent byte for byte.
    """
    path = tmp_path / "cat.png"
    path.write_bytes(png(COLOUR, 8, srgb, gama(gamma), chrm(BT709)))

    assert image_fit(look(path, name="cat.png", max_megapixels=1), Limits()) is None


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize(
    "chunks", [(gama(0.45455), chrm(P3)), (cicp(12, 13),)], ids=["cHRM", "cICP"]
)
def test_other_primaries_become_those_of_srgb(
    sent: Callable[..., list[tuple[int, ...]]], depth: int, chunks: tuple[bytes, ...]
) -> None:
    assert furthest(sent(png(COLOUR, depth, srgb, *chunks, matrix=TO_P3)), COLOUR) <= 4


PRECEDENCE = {
    "cICP before all": (cicp(1, 13), iccp(profile("p3")), gama(1.0)),
    "a profile before gAMA": (iccp(srgb_profile()), gama(1.0), chrm(P3)),
    "sRGB before gAMA": (SRGB, gama(1.0), chrm(P3)),
    "cICP of unknown numbers counts for nothing": (cicp(2, 2), SRGB, gama(1.0)),
    "cICP of reserved numbers counts for nothing": (cicp(99, 200), iccp(srgb_profile())),
    "cHRM alone says nothing": (chrm(P3),),
    "gAMA of 0 is nonsense": (gama(0.0),),
    "primaries on one line are nonsense": (
        gama(1.0),
        chrm((0.3, 0.3, 0.1, 0.1, 0.2, 0.2, 0.3, 0.3)),
    ),
    "television's curve is shown as sRGB": (cicp(1, 1),),
    "a text called gamma is none": (chunk(b"tEXt", b"gamma\x001.0"),),
}


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("name", PRECEDENCE)
def test_what_counts_before_what(
    sent: Callable[..., list[tuple[int, ...]]], depth: int, name: str
) -> None:
    """
    In this order: cICP, iCCP, sRGB, gAMA with cHRM (PNG specification, 4.3); here all of it comes to sRGB.
    """
    assert furthest(sent(png(COLOUR, depth, srgb, *PRECEDENCE[name])), COLOUR) <= 2


def test_cicp_counts_before_a_profile_that_says_otherwise(
    sent: Callable[..., list[tuple[int, ...]]],
) -> None:
    data = png(COLOUR, 16, lambda light: light, cicp(1, 8), iccp(srgb_profile()))

    assert furthest(sent(data), COLOUR) <= 2


def test_a_narrow_range_is_widened(sent: Callable[..., list[tuple[int, ...]]]) -> None:
    data = png(COLOUR, 16, lambda light: (16 + 219 * srgb(light)) / 255, cicp(1, 13, is_full=0))

    assert furthest(sent(data), COLOUR) <= 2


def test_alpha_is_light_of_no_kind(sent: Callable[..., list[tuple[int, ...]]]) -> None:
    seen = sent(png(COLOUR_ALPHA, 16, lambda light: light, gama(1.0)), "RGBA")

    assert {pixel[3] for pixel in seen} == {127}


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("transfer", [16, 18])
def test_hdr_is_refused_by_name(
    sent: Callable[..., list[tuple[int, ...]]], depth: int, transfer: int
) -> None:
    """
    What becomes of light beyond white is a person's choice, not to be paid for by chance.
    """
    with pytest.raises(ImageFault) as caught:
        sent(png(COLOUR, depth, srgb, cicp(9, transfer)))

    assert caught.value.problem.code is JobCode.IMAGE_UNSUPPORTED
    assert "HDR" in caught.value.problem.message
    assert "SDR" in caught.value.problem.hint


def numbered(kind: str, primaries: int, transfer: int) -> bytes:
    """
    A HEIC or AVIF whose colours are told by these numbers.
    """
    if kind == "heic":
        file = pillow_heif.from_pillow(scene())
        buffer = io.BytesIO()
        file.save(
            buffer,
            quality=100,
            chroma=444,
            color_primaries=primaries,
            transfer_characteristics=transfer,
            matrix_coefficients=6,
            full_range_flag=1,
        )
        return buffer.getvalue()
    data = encoded(scene(), "AVIF", quality=100, subsampling="4:4:4")
    at = data.index(b"nclx") + 4
    return data[:at] + struct.pack(">HH", primaries, transfer) + data[at + 4 :]


@pytest.mark.parametrize("kind", ["heic", "avif"])
def test_the_numbers_of_heif_count(sent: Callable[..., list[tuple[int, ...]]], kind: str) -> None:
    """
    The red of Display P3 is redder than sRGB's, and linear light is lighter than its numbers.
    """
    plain, wide, light = (
        sent(numbered(kind, *numbers))[0] for numbers in ((1, 13), (12, 13), (1, 8))
    )

    assert max(abs(a - b) for a, b in zip(plain, (230, 20, 20), strict=True)) <= 6
    assert wide[0] > 240
    assert wide[1] < 6
    assert light[1] > 60


@pytest.mark.parametrize("kind", ["heic", "avif"])
@pytest.mark.parametrize("transfer", [16, 18])
def test_hdr_of_heif_is_refused_by_name(
    sent: Callable[..., list[tuple[int, ...]]], kind: str, transfer: int
) -> None:
    with pytest.raises(ImageFault, match="HDR picture"):
        sent(numbered(kind, 9, transfer))
