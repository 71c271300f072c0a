"""
PNG files of every colour type and depth, with and without a clear colour: what is sent is what was stored.
"""

import io
import struct
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from retouchd.pictures.fit_apply import fitted_image
from retouchd.pictures.fit_plan import image_fit
from retouchd.pictures.inspect import look
from retouchd.request.limits import Limits
from sample_pictures import chunk

GREY, COLOUR, PALETTE, GREY_ALPHA, COLOUR_ALPHA = 0, 2, 3, 4, 6
CHANNELS = {GREY: 1, COLOUR: 3, PALETTE: 1, GREY_ALPHA: 2, COLOUR_ALPHA: 4}
KINDS = [(GREY, depth) for depth in (1, 2, 4, 8, 16)] + [(PALETTE, depth) for depth in (1, 2, 4, 8)]
KINDS += [(kind, depth) for kind in (COLOUR, GREY_ALPHA, COLOUR_ALPHA) for depth in (8, 16)]
WIDTH, HEIGHT = 19, 5

Pixel = tuple[int, ...]


def samples(kind: int, depth: int, x: int, y: int) -> Pixel:
    top = 2**depth - 1
    return tuple(
        ((x * 7919 + y * 104729 + c * 1299709) % 65536) * top // 65535
        for c in range(CHANNELS[kind])
    )


def png(kind: int, depth: int, *, key: Pixel | None = None) -> bytes:
    rows = b""
    for y in range(HEIGHT):
        bits = "".join(f"{v:0{depth}b}" for x in range(WIDTH) for v in samples(kind, depth, x, y))
        bits += "0" * (-len(bits) % 8)
        rows += b"\0" + int(bits, 2).to_bytes(len(bits) // 8, "big")
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, depth, kind, 0, 0, 0))
    beside = b""
    if kind == PALETTE:
        beside += chunk(b"PLTE", b"".join(bytes(entry(depth, at)) for at in range(2**depth)))
        if key:
            beside += chunk(b"tRNS", bytes([255] * key[0] + [0]))
    elif key:
        beside += chunk(b"tRNS", struct.pack(f">{len(key)}H", *key))
    data = chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + header + beside + data + chunk(b"IEND", b"")


def entry(depth: int, at: int) -> Pixel:
    return (at * 255 // (2**depth - 1), 255 - at % 256, at * 7 % 256)


def meant(kind: int, depth: int, key: Pixel | None) -> list[Pixel]:
    """
    Red, green, blue and alpha of each pixel in 8 bits.
    """
    found = []
    for y in range(HEIGHT):
        for x in range(WIDTH):
            stored = samples(kind, depth, x, y)
            alpha = 0 if stored == key else 255
            levels = tuple(v * 255 // (2**depth - 1) for v in stored)
            match kind:
                case 0:
                    pixel = (*levels * 3, alpha)
                case 2:
                    pixel = (*levels, alpha)
                case 3:
                    pixel = (*entry(depth, stored[0]), alpha)
                case 4:
                    pixel = (levels[0],) * 3 + (levels[1],)
                case _:
                    pixel = levels
            found.append(pixel)
    return found


@pytest.fixture
def sent(tmp_path: Path) -> Callable[[bytes], list[Pixel]]:
    def send(data: bytes) -> list[Pixel]:
        path = tmp_path / "cat.png"
        path.write_bytes(data)
        fit = image_fit(look(path, name=path.name, max_megapixels=1), Limits())
        found = data
        if fit is not None:
            found = fitted_image(path, name=path.name, fit=fit, max_megapixels=1)
        levels = Image.open(io.BytesIO(found)).convert("RGBA").tobytes()
        return [tuple(levels[at : at + 4]) for at in range(0, len(levels), 4)]

    return send


def furthest(seen: list[Pixel], wanted: list[Pixel]) -> int:
    pairs = zip(seen, wanted, strict=True)
    return max(abs(one - other) for pair in pairs for one, other in zip(*pair, strict=True))


@pytest.mark.parametrize(("kind", "depth"), KINDS)
def test_every_kind_is_sent_as_it_was_stored(
    sent: Callable[[bytes], list[Pixel]], kind: int, depth: int
) -> None:
    assert furthest(sent(png(kind, depth)), meant(kind, depth, None)) <= 1


@pytest.mark.parametrize(("kind", "depth"), [each for each in KINDS if each[0] < GREY_ALPHA])
@pytest.mark.parametrize("place", [(0, 0), (3, 1), (11, 4)])
def test_a_clear_colour_is_clear_and_its_neighbours_are_not(
    sent: Callable[[bytes], list[Pixel]], kind: int, depth: int, place: tuple[int, int]
) -> None:
    """
    By all the bits that are stored: of 16 bits as of 2, where decoders compare with other numbers.
    """
    key = samples(kind, depth, *place)

    seen = sent(png(kind, depth, key=key))

    wanted = meant(kind, depth, key)
    assert [pixel[3] for pixel in seen] == [pixel[3] for pixel in wanted]
    assert furthest(seen, wanted) <= 1


@pytest.mark.skipif(not Path("/usr/bin/convert").exists(), reason="ImageMagick is not installed")
@pytest.mark.parametrize(("kind", "depth"), KINDS)
def test_interlaced_it_is_the_same(
    sent: Callable[[bytes], list[Pixel]], kind: int, depth: int
) -> None:
    """
    Written anew by ImageMagick, which also says what it is.
    """
    command = ["/usr/bin/convert", "png:-", "-interlace", "PNG", "png:-"]
    data = subprocess.run(command, input=png(kind, depth), check=True, capture_output=True).stdout

    assert furthest(sent(data), meant(kind, depth, None)) <= 1
