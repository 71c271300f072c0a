"""
BMP files of every depth, header and compression: what is sent has the colours that were stored, or it is named.
"""

import io
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from PIL import Image

from retouchd.errors import JobCode
from retouchd.pictures.decoding import ImageFault
from retouchd.pictures.fit_apply import fitted_image
from retouchd.pictures.fit_plan import image_fit
from retouchd.pictures.inspect import look, whole
from retouchd.request.limits import Limits

WIDTH, HEIGHT = 13, 7
RAW, RLE8, RLE4, MASKS, JPEG, PNG = range(6)

Colour = tuple[int, int, int, int]

ARGB = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)
XRGB = (0xFF0000, 0xFF00, 0xFF, 0)
RGBA = (0xFF000000, 0xFF0000, 0xFF00, 0xFF)
RGBX = (0xFF000000, 0xFF0000, 0xFF00, 0)
ABGR = (0xFF, 0xFF00, 0xFF0000, 0xFF000000)
XBGR = (0xFF, 0xFF00, 0xFF0000, 0)
RGB565 = (0xF800, 0x7E0, 0x1F, 0)
RGB555 = (0x7C00, 0x3E0, 0x1F, 0)
ARGB1555 = (0x7C00, 0x3E0, 0x1F, 0x8000)
ARGB4444 = (0xF00, 0xF0, 0xF, 0xF000)
RGB888 = (0xFF0000, 0xFF00, 0xFF, 0)
WIDE = (0x3FF00000, 0xFFC00, 0x3FF, 0)


def palette(bits: int) -> list[tuple[int, int, int]]:
    return [(i * 40 % 256, 255 - i * 7 % 256, i * 13 % 256) for i in range(2**bits)]


def colour(x: int, y: int) -> Colour:
    return (x * 19 % 256, y * 36 % 256, (x + y) * 12 % 256, 255 if (x + y) % 2 else 100)


def index(x: int, y: int, bits: int) -> int:
    return (x + 2 * y) % (1 << bits)


def masked(pixel: Colour, masks: Sequence[int]) -> int:
    """
    The number by which a pixel is stored: each channel in its place, as many bits as its mask has.
    """
    found = 0
    for level, mask in zip(pixel, masks, strict=True):
        if mask:
            shift = (mask & -mask).bit_length() - 1
            found |= round(level / 255 * (mask >> shift)) << shift
    return found


def held(pixel: Colour, masks: Sequence[int]) -> Colour:
    """
    What of a pixel is left in so few bits.
    """
    levels = []
    for level, mask in zip(pixel, masks, strict=True):
        top = mask >> ((mask & -mask).bit_length() - 1) if mask else 0
        levels.append(round(round(level / 255 * top) / top * 255) if top else 255)
    red, green, blue, alpha = levels
    return red, green, blue, alpha


def bmp(
    bits: int,
    *,
    compression: int = RAW,
    masks: Sequence[int] = (),
    header: int = 40,
    is_top_down: bool = False,
    excess: int = 0,
) -> bytes:
    """
    A whole BMP; its header says `excess` bytes more than there are.
    """
    plain = {16: RGB555, 24: RGB888, 32: XRGB}
    rows = []
    for y in range(HEIGHT):
        if bits <= 8:
            text = "".join(f"{index(x, y, bits):0{bits}b}" for x in range(WIDTH))
            text += "0" * (-len(text) % 8)
            row = int(text, 2).to_bytes(len(text) // 8, "big")
        else:
            place = masks or plain[bits]
            row = b"".join(
                masked(colour(x, y), place).to_bytes(bits // 8, "little") for x in range(WIDTH)
            )
        rows.append(row + bytes(-len(row) % 4))
    order = rows if is_top_down else rows[::-1]
    pixels = b"".join(order)
    if compression in (RLE8, RLE4):
        pixels = _run_lengths(bits, is_top_down=is_top_down)
    colours = [(*entry[::-1], 0) for entry in palette(bits)] if bits <= 8 else []
    height = -HEIGHT if is_top_down else HEIGHT
    if header == 12:
        info = struct.pack("<IHHHH", 12, WIDTH, HEIGHT, 1, bits)
        table = b"".join(bytes(entry[:3]) for entry in colours)
    else:
        info = struct.pack(
            "<IiiHHIIiiII", header, WIDTH, height, 1, bits, compression, len(pixels), 0, 0, 0, 0
        )
        place = struct.pack("<4I", *masks) if masks else bytes(16)
        tail = place[: 12 if header in (40, 52) else 16] if masks or header > 40 else b""
        info += tail + bytes(max(0, header - 40 - len(tail)))
        table = b"".join(map(bytes, colours))
    start = 14 + len(info) + len(table)
    size = start + len(pixels) + excess
    return struct.pack("<2sIHHI", b"BM", size, 0, 0, start) + info + table + pixels


def _run_lengths(bits: int, *, is_top_down: bool) -> bytes:
    found = b""
    for y in range(HEIGHT) if is_top_down else reversed(range(HEIGHT)):
        for x in range(WIDTH):
            level = index(x, y, bits)
            found += bytes([1, level if bits == 8 else level << 4])
        found += b"\0\0"
    return found[:-2] + b"\0\1"


def stored(bits: int, masks: Sequence[int]) -> list[Colour]:
    places = [(x, y) for y in range(HEIGHT) for x in range(WIDTH)]
    if bits <= 8:
        return [(*palette(bits)[index(x, y, bits)], 255) for x, y in places]
    plain = {16: RGB555, 24: RGB888, 32: XRGB}
    return [held(colour(x, y), masks or plain[bits]) for x, y in places]


@pytest.fixture
def sent(tmp_path: Path) -> Callable[[bytes], list[Colour]]:
    """
    The pixels that are sent of a BMP. Raises ImageFault as the daemon would.
    """

    def send(data: bytes) -> list[Colour]:
        path = tmp_path / "cat.bmp"
        path.write_bytes(data)
        assert whole(path)
        fit = image_fit(look(path, name=path.name, max_megapixels=1), Limits())
        assert fit is not None
        found = fitted_image(path, name=path.name, fit=fit, max_megapixels=1)
        levels = Image.open(io.BytesIO(found)).convert("RGBA").tobytes()
        channels = (levels[channel::4] for channel in range(4))
        return list(zip(*channels, strict=True))

    return send


def furthest(seen: list[Colour], wanted: list[Colour]) -> int:
    pairs = zip(seen, wanted, strict=True)
    return max(abs(one - other) for pair in pairs for one, other in zip(*pair, strict=True))


HEADERS = [12, 40, 108, 124]
PLAIN: list[tuple[int, int, tuple[int, ...], int]] = [
    (bits, RAW, (), header) for bits in (1, 4, 8, 24) for header in HEADERS
]
PLAIN += [(bits, RAW, (), header) for bits in (16, 32) for header in HEADERS[1:]]
PLAIN += [(8, RLE8, (), header) for header in HEADERS[1:]] + [(4, RLE4, (), 40)]
PLAIN += [
    (bits, MASKS, masks, header)
    for header in (56, 108, 124)
    for bits, masks in [
        (32, ARGB),
        (32, XRGB),
        (32, RGBA),
        (32, RGBX),
        (32, ABGR),
        (16, RGB565),
        (16, RGB555),
    ]
]
PLAIN += [(bits, MASKS, masks, 40) for bits, masks in [(32, XRGB), (16, RGB565), (16, RGB555)]]


TOP_DOWN = [each for each in PLAIN if each[3] != 12 and each[1] not in (RLE8, RLE4)]
KINDS = [(*each, False) for each in PLAIN] + [(*each, True) for each in TOP_DOWN]


@pytest.mark.parametrize("kind", KINDS)
def test_every_usual_kind_is_sent_in_its_own_colours(
    sent: Callable[[bytes], list[Colour]], kind: tuple[int, int, tuple[int, ...], int, bool]
) -> None:
    bits, compression, masks, header, is_top_down = kind
    data = bmp(bits, compression=compression, masks=masks, header=header, is_top_down=is_top_down)

    assert furthest(sent(data), stored(bits, masks)) <= 5


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (bmp(16, compression=MASKS, masks=ARGB4444, header=108), "unusual places of 16 bits"),
        (bmp(16, compression=MASKS, masks=ARGB1555, header=124), "unusual places of 16 bits"),
        (bmp(32, compression=MASKS, masks=WIDE, header=108), "unusual places of 32 bits"),
        (bmp(32, compression=MASKS, masks=XBGR, header=108), "unusual places of 32 bits"),
        (bmp(2), "with 2 bits a pixel"),
        (bmp(24, compression=JPEG), "that holds a JPEG"),
        (bmp(24, compression=PNG), "that holds a PNG"),
        (bmp(24, compression=11), "in compression number 11"),
        (bmp(24, header=16), "with a header of an unknown kind"),
    ],
)
def test_what_is_not_read_is_named_with_a_way_out(
    sent: Callable[[bytes], list[Colour]], data: bytes, words: str
) -> None:
    """
    A whole BMP is never called damaged because of its kind, and its alpha is not lost without a word.
    """
    with pytest.raises(ImageFault) as caught:
        sent(data)

    assert caught.value.problem.code is JobCode.IMAGE_UNSUPPORTED
    assert words in caught.value.problem.message
    assert "save it as PNG or JPEG" in caught.value.problem.hint


@pytest.mark.parametrize("excess", [-4000, -2, 1, 2, 4, 100, 2**31])
@pytest.mark.parametrize("kind", ["plain", "run lengths", "palette", "old"])
def test_the_length_in_the_header_does_not_matter(
    sent: Callable[[bytes], list[Colour]], kind: str, excess: int
) -> None:
    """
    What the pixels need decides, as for everybody who shows such files.
    """
    made = {
        "plain": bmp(24),
        "run lengths": bmp(8, compression=RLE8),
        "palette": bmp(4),
        "old": bmp(24, header=12),
    }
    data = made[kind]
    size = max(0, len(data) + excess).to_bytes(4, "little")
    bits = {"plain": 24, "run lengths": 8, "palette": 4, "old": 24}[kind]

    assert furthest(sent(data[:2] + size + data[6:]), stored(bits, ())) <= 5


@pytest.mark.parametrize("bits", [1, 4, 8, 16, 24, 32])
@pytest.mark.parametrize("cut", [1, 2, 4, 50])
def test_a_bmp_that_lacks_a_byte_of_its_pixels_is_not_whole(
    tmp_path: Path, bits: int, cut: int
) -> None:
    path = tmp_path / "cat.bmp"
    path.write_bytes(bmp(bits)[: -min(cut, HEIGHT * 4 - 1)])

    assert not whole(path)
    with pytest.raises(ImageFault, match="its end is missing"):
        look(path, name="cat.bmp", max_megapixels=1)


@pytest.mark.parametrize("cut", [1, 3, 20])
def test_run_lengths_without_their_end_are_not_whole(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "cat.bmp"
    path.write_bytes(bmp(8, compression=RLE8)[:-cut])

    assert not whole(path)
