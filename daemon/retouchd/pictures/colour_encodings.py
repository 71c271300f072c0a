"""
How stored levels mean light, where a picture says so by numbers and not by a profile: gAMA, cHRM, cICP, nclx.

Levels are brought to the curve of sRGB first, which spreads them as the eye does, and colours of other
primaries are then left to a profile. Sources: PNG specification, third edition (11.3.2 and 4.3 for which of
them counts), ITU-T H.273 (tables 2 and 3), IEC 61966-2-1.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from retouchd.pictures import icc

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
        return icc.matrix_profile(self.primaries, [_from_srgb(at / 1023) for at in range(1024)])

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
