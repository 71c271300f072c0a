"""
Colour spaces by numbers: how stored levels mean light, and the ICC profiles made here to say so.

ICC profiles made here: those of colour spaces that pictures name without having the profile.

How stored levels mean light, where a picture says so by numbers and not by a profile: gAMA, cHRM, cICP, nclx.

Levels are brought to the curve of sRGB first, which spreads them as the eye does, and colours of other
primaries are then left to a profile. Sources: PNG specification, third edition (11.3.2 and 4.3 for which of
them counts), ITU-T H.273 (tables 2 and 3), IEC 61966-2-1.
"""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
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


Chromaticities = tuple[float, float, float, float, float, float, float, float]
"""x and y of white, red, green and blue, as cHRM holds them."""

_D65 = (0.3127, 0.3290)
SRGB: Chromaticities = (*_D65, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
_PRIMARIES: dict[int, Chromaticities] = {
    1: SRGB,
    5: (*_D65, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06),
    6: (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    7: (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    9: (*_D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    11: (0.314, 0.351, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    12: (*_D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
}
_PQ, _HLG = 16, 18
"""The curves of HDR, whose light no picture without it holds: what becomes of it, a person decides."""
_PLAIN_GAMMA = 1 / 2.2
_GAMMA_TOLERANCE = 0.05
"""How far a gamma may be from that and still mean sRGB (libpng, PNG_GAMMA_THRESHOLD)."""
_NEAR = 0.003
"""Chromaticities that are the same, rounded in one way or another."""
_TOLERANCE = 3
_MOST_GAMMA = 10.0


@dataclass(frozen=True)
class Encoding:
    """
    The light that levels mean: by `curve`, from 0…1 to 0…1 of white's light, and of `primaries`.

    `is_hdr` says that there may be more light than white has; then `curve` does not hold. `is_narrow` says
    that black is 16 and white 235 of 255.
    """

    curve: Callable[[float], float]
    primaries: Chromaticities = SRGB
    is_hdr: bool = False
    is_narrow: bool = False

    def levels(self, count: int) -> list[int]:
        """
        Return for each of so many levels the one of 8 bits that means the same light in sRGB's curve.
        """
        return [round(255 * _to_srgb(self._light(at, count))) for at in range(count)]

    @property
    def profile(self) -> bytes | None:
        """
        Return an ICC profile of the primaries with the curve of sRGB, None where they are sRGB's.
        """
        if all(abs(one - other) <= _NEAR for one, other in zip(self.primaries, SRGB, strict=True)):
            return None
        return matrix_profile(self.primaries, [_from_srgb(at / 1023) for at in range(1024)])

    @cached_property
    def is_plain(self) -> bool:
        """
        Return whether pixels mean the same, or as good as that, in sRGB.
        """
        is_near = all(abs(level - at) <= _TOLERANCE for at, level in enumerate(self.levels(256)))
        return is_near and self.profile is None and not self.is_hdr

    def _light(self, at: int, count: int) -> float:
        value = at / (count - 1)
        if self.is_narrow:
            value = min(1.0, max(0.0, (value * 255 - 16) / 219))
        return self.curve(value)


def by_gamma(gamma: float, chromaticities: tuple[float, ...] | None) -> Encoding | None:
    """
    Return the encoding of a PNG with gAMA, and with cHRM or None; None for nonsense.
    """
    if not 1 / _MOST_GAMMA <= gamma <= _MOST_GAMMA:
        return None
    primaries = _sound(chromaticities) if chromaticities else SRGB
    if primaries is None:
        return None
    if abs(gamma / _PLAIN_GAMMA - 1) <= _GAMMA_TOLERANCE:
        return Encoding(_from_srgb, primaries)
    return Encoding(lambda value: value ** (1 / gamma), primaries)


def by_code(primaries: int, transfer: int, *, is_full: bool = True) -> Encoding | None:
    """
    Return the encoding that code points of H.273 mean; None for those that say nothing, or nothing known.

    The curves of television (1, 6, 14, 15) are those of its cameras: pictures are shown by that of sRGB.
    """
    colours = _PRIMARIES.get(primaries)
    curve = {
        1: _from_srgb,
        4: lambda value: value**2.2,
        5: lambda value: value**2.8,
        6: _from_srgb,
        8: lambda value: value,
        13: _from_srgb,
        14: _from_srgb,
        15: _from_srgb,
        _PQ: _from_srgb,
        _HLG: _from_srgb,
    }.get(transfer)
    if colours is None or curve is None:
        return None
    return Encoding(
        curve,
        colours,
        is_hdr=transfer in (_PQ, _HLG),
        is_narrow=not is_full,
    )


def _sound(values: tuple[float, ...]) -> Chromaticities | None:
    """
    Return chromaticities that make sense, None for others.
    """
    if len(values) != 8 or not all(0 < each < 1 for each in values[1::2]):
        return None
    xr, yr, xg, yg, xb, yb = values[2:]
    area = (xg - xr) * (yb - yr) - (xb - xr) * (yg - yr)
    a, b, c, d, e, f, g, h = values
    return (a, b, c, d, e, f, g, h) if abs(area) > 0.01 else None


def _from_srgb(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else float(((value + 0.055) / 1.055) ** 2.4)


def _to_srgb(light: float) -> float:
    return light * 12.92 if light <= 0.0031308 else float(1.055 * light ** (1 / 2.4) - 0.055)
