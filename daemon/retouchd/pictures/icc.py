"""
ICC profiles made here: those of colour spaces that pictures name without having the profile.
"""

import struct
from collections.abc import Sequence
from typing import TypeAlias

Column: TypeAlias = tuple[float, float, float]

_D50 = (0.9642, 1.0, 0.8249)
_ADOBE_COLUMNS = (
    (0.60974, 0.31111, 0.01947),
    (0.20528, 0.62567, 0.06087),
    (0.14919, 0.06322, 0.74457),
)
"""The primaries adapted to D50 (Adobe RGB (1998) Color Image Encoding, 4.3.5.2)."""
_ADOBE_GAMMA = 2.19921875
_BRADFORD = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))


def adobe_rgb() -> bytes:
    """
    Return a profile of Adobe RGB (1998): a matrix and a gamma, in version 2 of the format (ICC.1:2001-04).
    """
    curve = struct.pack(">4sIIHxx", b"curv", 0, 1, round(_ADOBE_GAMMA * 256))
    return _profile(b"Adobe RGB (1998) compatible", _ADOBE_COLUMNS, curve)


def matrix_profile(chromaticities: tuple[float, ...], curve: list[float]) -> bytes:
    """
    Return a profile of these primaries: x and y of white, red, green and blue.

    `curve` is the light, from 0 to 1, of levels at equal distances.
    """
    values = b"".join(round(each * 65535).to_bytes(2, "big") for each in curve)
    body = struct.pack(">4sII", b"curv", 0, len(curve)) + values
    return _profile(b"RGB", _columns(chromaticities), body + bytes(-len(body) % 4))


def _profile(name: bytes, columns: tuple[Column, ...], curve: bytes) -> bytes:
    tags = [
        (b"desc", _description(name)),
        (b"cprt", struct.pack(">4sI4s", b"text", 0, b"CC0\0")),
        (b"wtpt", _xyz(_D50)),
        *zip((b"rXYZ", b"gXYZ", b"bXYZ"), map(_xyz, columns), strict=True),
        *((tag, curve) for tag in (b"rTRC", b"gTRC", b"bTRC")),
    ]
    position = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for tag, content in tags:
        table += struct.pack(">4sII", tag, position + len(body), len(content))
        body += content
    size = position + len(body)
    return _header(size) + table + body


def _columns(chromaticities: tuple[float, ...]) -> tuple[Column, ...]:
    """
    Return red, green and blue in XYZ under D50: each as bright as makes white of all three, then adapted by
    the Bradford transform (ICC.1:2022, annex E).
    """
    white, *colours = (
        (x / y, 1.0, (1 - x - y) / y)
        for x, y in zip(chromaticities[::2], chromaticities[1::2], strict=True)
    )
    shares = _times(_inverse(_transposed(colours)), white)
    cones = zip(_times(_BRADFORD, _D50), _times(_BRADFORD, white), strict=True)
    ratios = [there / here for there, here in cones]
    found = []
    for colour, share in zip(colours, shares, strict=True):
        scaled = tuple(share * each for each in colour)
        adapted = tuple(r * c for r, c in zip(ratios, _times(_BRADFORD, scaled), strict=True))
        found.append(_times(_inverse(_BRADFORD), adapted))
    return tuple(found)


def _times(matrix: Sequence[Sequence[float]], column: Sequence[float]) -> Column:
    x, y, z = (sum(a * b for a, b in zip(row, column, strict=True)) for row in matrix)
    return x, y, z


def _transposed(matrix: Sequence[Sequence[float]]) -> list[tuple[float, ...]]:
    return list(zip(*matrix, strict=True))


def _inverse(matrix: Sequence[Sequence[float]]) -> list[list[float]]:
    """
    Return the inverse of a matrix of three rows, by its cofactors.
    """
    (a, b, c), (d, e, f), (g, h, i) = matrix
    whole = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    rows = [
        [e * i - f * h, c * h - b * i, b * f - c * e],
        [f * g - d * i, a * i - c * g, c * d - a * f],
        [d * h - e * g, b * g - a * h, a * e - b * d],
    ]
    return [[each / whole for each in row] for row in rows]


def _header(size: int) -> bytes:
    kind = struct.pack(">II4s4s4s", 0, 0x02100000, b"mntr", b"RGB ", b"XYZ ")
    white = b"".join(_fixed(value) for value in _D50)
    start = struct.pack(">I", size) + kind
    return start.ljust(36, b"\0") + b"acsp".ljust(32, b"\0") + white + bytes(48)


def _xyz(values: tuple[float, float, float]) -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(_fixed(value) for value in values)


def _fixed(value: float) -> bytes:
    return round(value * 65536).to_bytes(4, "big", signed=True)


def _description(text: bytes) -> bytes:
    body = struct.pack(">4sII", b"desc", 0, len(text) + 1) + text + bytes(1 + 78)
    return body + bytes(-len(body) % 4)
