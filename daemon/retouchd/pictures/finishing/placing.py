"""
A result brought to the original's pixels, part by part, and its colours brought near them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retouchd.pictures.finishing.geometry import Box
from retouchd.pictures.finishing.planes import Floats, extended, margins

_LEAST_OUTSIDE = 0.05
_GAINS = (0.8, 1.25)
_STEP = 3
"""Pixels from one that is looked at to the next: those between say the same, once blurred."""
_KEPT = 90
"""Per cent of the pixels that a gain is fitted to: those that it explains best, as what is new has no say."""


class PlacedResult:
    """
    A result of which `box` lies over all of an original of `size`; parts of it in the original's pixels.

    A part is the same, to the bit, as if all were resampled at once and it then cut out; nobody needs memory
    for all.
    """

    def __init__(self, result: Image.Image, box: Box, size: tuple[int, int]) -> None:
        self._across, self._down = margins(box, result.size)
        is_within = not (self._across or self._down)
        self._result = result if is_within else extended(result, self._across, self._down)
        self._box = box
        self._size = size

    def part(self, bounds: tuple[int, int, int, int]) -> Image.Image:
        """
        Return what lies within bounds of the original: left, top, right and bottom.
        """
        left, top, right, bottom = self._box
        across, down = (right - left) / self._size[0], (bottom - top) / self._size[1]
        width, height = self._result.size
        box = (
            max(0.0, self._across + left + bounds[0] * across),
            max(0.0, self._down + top + bounds[1] * down),
            min(float(width), self._across + left + bounds[2] * across),
            min(float(height), self._down + top + bounds[3] * down),
        )
        size = (bounds[2] - bounds[0], bounds[3] - bounds[1])
        return self._result.resize(size, Image.Resampling.LANCZOS, box=box)


@dataclass(frozen=True, slots=True)
class ColourMatch:
    """
    What brings the colours of a result to those of its original: for each channel a gain and an offset of 255.
    """

    gains: tuple[tuple[float, float], ...]

    def applied(self, image: Image.Image) -> Image.Image:
        """
        Return a result with it; alpha stays.
        """
        table = [
            min(255, max(0, round(level * gain + offset)))
            for gain, offset in self.gains
            for level in range(256)
        ]
        return image.point(table + list(range(256)) * (image.mode == "RGBA"))


def colour_match(original: Image.Image, result: Image.Image, outside: Floats) -> ColourMatch | None:
    """
    Return what brings a result, in the place and size of its original, to the colours that this has outside;
    both without their grain.

    None where too little is outside of the mask.
    """
    counts = outside[::_STEP, ::_STEP] > 0
    if counts.mean() < _LEAST_OUTSIDE:
        return None
    wanted, found = (
        np.asarray(each)[::_STEP, ::_STEP][counts].astype(np.float64) for each in (original, result)
    )
    return ColourMatch(tuple(_gain(found[:, band], wanted[:, band]) for band in range(3)))


def _gain(found: NDArray[np.float64], wanted: NDArray[np.float64]) -> tuple[float, float]:
    """
    Return gain and offset of one channel; levels at either end say nothing of it, as they are cut off there.
    """
    usable = (found > 4) & (found < 251) & (wanted > 4) & (wanted < 251)
    if usable.sum() < 100:
        return 1.0, 0.0
    found, wanted = found[usable], wanted[usable]
    gain, offset = 1.0, float(np.median(wanted - found))
    for _ in range(3):
        left = np.abs(wanted - gain * found - offset)
        near = left <= np.percentile(left, _KEPT)
        one, other = found[near], wanted[near]
        spread = one.var()
        slope = (
            float(((one - one.mean()) * (other - other.mean())).mean() / spread)
            if spread > 4
            else 1.0
        )
        gain = min(_GAINS[1], max(_GAINS[0], slope))
        offset = float(other.mean() - gain * one.mean())
    return gain, offset
