"""
TIFF files of every layout, written byte by byte: strips and tiles, planes together and apart, both byte orders,
BigTIFF, any depth, number format and meaning of the samples (TIFF 6.0, and its supplements 1 and 3).
"""

import functools
import struct
from collections.abc import Sequence
from dataclasses import dataclass

SIZE = (21, 17)
"""Of every picture: no side is a multiple of a tile, a strip or a byte."""

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK, YCBCR, CIELAB = 0, 1, 2, 3, 5, 6, 8
UNSIGNED, SIGNED, FLOAT = 1, 2, 3

_SHORT, _LONG, _LONG8 = 3, 4, 16
_FLOATS = {16: "e", 32: "f", 64: "d"}
_INTS = {8: "B", 16: "H", 32: "I", 64: "Q"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """
    How the samples of a picture are stored; `extra` is what ExtraSamples says of those beyond the colours.
    """

    photometric: int = RGB
    bits: int = 8
    number: int = UNSIGNED
    extra: tuple[int, ...] = ()
    is_planar: bool = False
    is_tiled: bool = False
    is_little: bool = True
    is_big: bool = False
    fill_order: int = 1

    @property
    def channels(self) -> int:
        colours = {RGB: 3, YCBCR: 3, CIELAB: 3, CMYK: 4}.get(self.photometric, 1)
        return colours + len(self.extra)


def colour_at(x: int, y: int) -> tuple[float, float, float]:
    """
    The colour of a pixel, from 0 to 1: all three change, and none is like another.
    """
    width, height = SIZE
    return x / (width - 1), y / (height - 1), ((x * 7 + y * 5) % 32) / 31


def grey_at(x: int, y: int) -> float:
    return (x + 2 * y) / (SIZE[0] - 1 + 2 * (SIZE[1] - 1))


def alpha_at(x: int, y: int) -> float:
    return 1.0 if (x + y) % 3 else (x % 5) / 4


def lab_at(x: int, y: int) -> tuple[float, float, float]:
    """
    Lightness, a and b of a pixel: colours that sRGB has.
    """
    red, green, _ = colour_at(x, y)
    lightness = 40 + round(grey_at(x, y) * 255 / 5) * 100 / 255
    return round(lightness * 2.55) / 2.55, round(red * 30 - 15), round(green * 30 - 15)


@functools.cache
def samples_of(photometric: int, extra: tuple[int, ...]) -> list[list[list[float]]]:
    """
    The samples of each pixel of each row, from 0 to 1, as they are stored.
    """
    width, height = SIZE
    return [[_samples_at(photometric, extra, x, y) for x in range(width)] for y in range(height)]


@functools.cache
def _stored(
    photometric: int, extra: tuple[int, ...], number: int, bits: int
) -> list[list[list[float]]]:
    """
    The same as the numbers that they are stored as.
    """
    top, half = (1 << bits) - 1, 1 << (bits - 1)

    def stored(value: float) -> float:
        if number == FLOAT:
            return value
        return round(value * (half - 1)) if number == SIGNED else min(top, round(value * top))

    samples = samples_of(photometric, extra)
    return [[[stored(value) for value in pixel] for pixel in row] for row in samples]


def _samples_at(photometric: int, extra: tuple[int, ...], x: int, y: int) -> list[float]:
    red, green, blue = colour_at(x, y)
    alpha = alpha_at(x, y)
    match photometric:
        case 0:
            colours = [1 - grey_at(x, y)]
        case 1:
            colours = [grey_at(x, y)]
        case 2:
            colours = [red, green, blue]
        case 3:
            colours = [grey_at(x, y)]
        case 5:
            colours = [1 - red, 1 - green, 1 - blue, 0.0]
        case 6:
            luma = 0.299 * red + 0.587 * green + 0.114 * blue
            colours = [luma, 0.5 + (blue - luma) / 1.772, 0.5 + (red - luma) / 1.402]
        case _:
            lightness, a, b = lab_at(x, y)
            colours = [lightness / 100, round(a) % 256 / 255, round(b) % 256 / 255]
    if 1 in extra:
        colours = [each * alpha for each in colours]
    return colours + [alpha if each else 0.3 for each in extra]


def tiff(layout: Layout, *, more: Sequence[tuple[int, int, Sequence[int]]] = ()) -> bytes:
    """
    A whole file, not compressed; `more` are further tags as (tag, type, values).
    """
    blocks = [_packed(layout, rows) for rows in _blocks(layout)]
    width, height = SIZE
    order = "<" if layout.is_little else ">"
    tags = [
        (256, _SHORT, [width]),
        (257, _SHORT, [height]),
        (258, _SHORT, [layout.bits] * layout.channels),
        (259, _SHORT, [1]),
        (262, _SHORT, [layout.photometric]),
        (266, _SHORT, [layout.fill_order]),
        (277, _SHORT, [layout.channels]),
        (284, _SHORT, [2 if layout.is_planar else 1]),
        (339, _SHORT, [layout.number] * layout.channels),
        *more,
    ]
    if layout.extra:
        tags.append((338, _SHORT, list(layout.extra)))
    if layout.photometric == PALETTE:
        tags.append((320, _SHORT, palette(layout.bits)))
    if layout.photometric == YCBCR:
        tags += [(530, _SHORT, [1, 1])]
    offset, places = (16 if layout.is_big else 8), []
    for block in blocks:
        places.append(offset)
        offset += len(block) + len(block) % 2
    sizes = [len(block) for block in blocks]
    wide = _LONG8 if layout.is_big else _LONG
    if layout.is_tiled:
        tags += [
            (322, _SHORT, [_TILE]),
            (323, _SHORT, [_TILE]),
            (324, wide, places),
            (325, wide, sizes),
        ]
    else:
        tags += [(273, wide, places), (278, _SHORT, [_ROWS]), (279, wide, sizes)]
    body = b"".join(block + bytes(len(block) % 2) for block in blocks)
    mark = b"II" if layout.is_little else b"MM"
    if layout.is_big:
        header = mark + struct.pack(f"{order}HHHQ", 43, 8, 0, offset)
    else:
        header = mark + struct.pack(f"{order}HI", 42, offset)
    return header + body + _directory(sorted(tags), offset, order, is_big=layout.is_big)


_TILE, _ROWS = 16, 7


def palette(bits: int) -> list[int]:
    """
    A colour map by which an index is that grey, with green and blue a little lower: red, green, blue in turn.
    """
    top = 2**bits - 1
    levels = [index * 65535 // top for index in range(top + 1)]
    return levels + [level // 2 for level in levels] + [level // 4 for level in levels]


def _blocks(layout: Layout) -> list[list[list[float]]]:
    """
    Rows of numbers for each strip or tile of each plane, those of tiles filled up with zeros.
    """
    width, height = SIZE
    planes = [[each] for each in range(layout.channels)]
    if not layout.is_planar:
        planes = [list(range(layout.channels))]
    pixels = _stored(layout.photometric, layout.extra, layout.number, layout.bits)
    found = []
    for plane in planes:
        if layout.is_tiled:
            for top in range(0, height, _TILE):
                for left in range(0, width, _TILE):
                    rows = [
                        [
                            pixels[y][x][c] if x < width and y < height else 0
                            for x in range(left, left + _TILE)
                            for c in plane
                        ]
                        for y in range(top, top + _TILE)
                    ]
                    found.append(rows)
        else:
            rows = [[pixel[c] for pixel in row for c in plane] for row in pixels]
            found += [rows[top : top + _ROWS] for top in range(0, height, _ROWS)]
    return found


def _packed(layout: Layout, rows: list[list[float]]) -> bytes:
    order = "<" if layout.is_little else ">"
    data = b"".join(_row(layout, row, order) for row in rows)
    if layout.fill_order == 2:
        data = bytes(int(f"{byte:08b}"[::-1], 2) for byte in data)
    return data


def _row(layout: Layout, row: list[float], order: str) -> bytes:
    if layout.number == FLOAT:
        if layout.bits == 24:
            return b"".join(struct.pack(">f", value)[:3] for value in row)
        return struct.pack(f"{order}{len(row)}{_FLOATS[layout.bits]}", *row)
    if layout.bits in _INTS:
        return struct.pack(f"{order}{len(row)}{_INTS[layout.bits]}", *row)
    text = "".join(f"{value:0{layout.bits}b}" for value in row)
    text += "0" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big")


def _directory(
    tags: list[tuple[int, int, Sequence[int]]], at: int, order: str, *, is_big: bool
) -> bytes:
    head, entry, inline = ("Q", "HHQ", 8) if is_big else ("H", "HHI", 4)
    size = struct.calcsize(f"{order}{head}") + len(tags) * (4 + 2 * inline) + inline
    count = struct.pack(f"{order}{head}", len(tags))
    lines, rest = b"", b""
    kinds = {_SHORT: "H", _LONG: "I", _LONG8: "Q", 1: "B", 2: "B", 7: "B"}
    for tag, kind, values in tags:
        value = struct.pack(f"{order}{len(values)}{kinds[kind]}", *values)
        if len(value) > inline:
            place = at + size + len(rest)
            rest += value + bytes(len(value) % 2)
            value = struct.pack(f"{order}{'Q' if is_big else 'I'}", place)
        lines += struct.pack(f"{order}{entry}", tag, kind, len(values)) + value.ljust(inline, b"\0")
    return count + lines + bytes(inline) + rest
