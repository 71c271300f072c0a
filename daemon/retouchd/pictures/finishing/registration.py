"""
Registration: how far, and by how much larger, a result lies beside its original, and how sure that is.

Models give back pictures that are shifted by some pixels, or a per cent larger. Both are found by comparing the
directions of edges, which survive new colours and light: globally by a whitened cross-correlation (De Castro
and Morandi's phase correlation, tempered), then in blocks, to whose shifts one shift and one scale per axis are
fitted.

The score is the share of blocks, weighted by how clearly they correlate, whose shift fits within one pixel.
Between pictures that do not belong together it is next to nothing, whatever their colours.
"""

from dataclasses import dataclass
from itertools import count
from random import Random

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retouchd.pictures.finishing.geometry import Alignment, Box
from retouchd.pictures.finishing.planes import Floats, luminance, resampled

_BLOCK, _STEP = 96, 64
_REACH = 0.06
"""How far the global search goes, of each edge."""
_BLOCK_REACH = 24
_MOST_SCALE = 0.025
_FITS_WITHIN = 1.0
_LEAST_OUTSIDE = 0.5
_TEXTURE = 0.02
_PAIRS = 200
_SEED = 20_261_130
_PASSES = 2
_NEAR = 0.1
"""Pixels: a tenth of what the score takes for a fit."""
FEWEST_BLOCKS = 6
"""Below that nothing is said."""
REGISTERS = 0.75
"""The score from which a result is shifted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """
    Where a result lies in its original: `alignment` takes a place of the original (0 to 1 of each edge) to the
    same place of the result. `score` is 0 to 1, `blocks` how many could be compared.
    """

    alignment: Alignment
    score: float
    blocks: int

    @property
    def is_checked(self) -> bool:
        """
        Return whether there was enough outside of the mask to compare.
        """
        return self.blocks >= FEWEST_BLOCKS

    @property
    def is_sure(self) -> bool:
        """
        Return whether the result may be shifted by it.
        """
        return self.is_checked and self.score >= REGISTERS


UNCHECKED = Registration(alignment=Alignment(), score=0.0, blocks=0)


def register(
    original: Image.Image, result: Image.Image, box: Box, outside: Floats | None = None
) -> Registration:
    """
    Return where a result lies; `original` is small already, and `box` the part of the result that is to be laid
    over it. `outside` is 1 for each pixel of the original that counts, 0 for others.
    """
    size = original.size
    if min(size) < _BLOCK + 16:
        return UNCHECKED
    weights = np.ones((size[1], size[0]), np.float32) if outside is None else outside
    fixed = _edges(original)
    places = _usable(fixed, weights)
    if len(places) < FEWEST_BLOCKS:
        return Registration(alignment=Alignment(), score=0.0, blocks=len(places))
    light = result.convert("L")
    shift = _global_shift(fixed, _edges(resampled(light, box, size)), weights)
    alignment = Alignment(x=shift[0] / size[0], y=shift[1] / size[1])
    spectra = _spectra(fixed, places)
    for _ in range(_PASSES):
        found = _block_shifts(spectra, _edges(resampled(light, alignment.box(box), size)), places)
        before, alignment = alignment, _refined(alignment, found, places, size)
        if _is_near(before, alignment, size):
            break
    else:
        found = _block_shifts(spectra, _edges(resampled(light, alignment.box(box), size)), places)
    return Registration(alignment=alignment, score=_score(found), blocks=len(places))


@dataclass(frozen=True, slots=True)
class _Shifts:
    """
    The shift of each block in pixels, `x` and `y`, and how clearly it correlates, 0 to 1.
    """

    x: Floats
    y: Floats
    weight: Floats


def _edges(image: Image.Image) -> NDArray[np.complex64]:
    """
    Return the gradient of each pixel as a complex number, of a length that hardly says how strong it is.
    """
    levels = luminance(image)
    across, down = np.zeros_like(levels), np.zeros_like(levels)
    across[:, 1:-1] = levels[:, 2:] - levels[:, :-2]
    down[1:-1] = levels[2:] - levels[:-2]
    gradient = (across + 1j * down).astype(np.complex64)
    strength = np.abs(gradient)
    usual = float(np.median(strength[::4, ::4])) + _TEXTURE / 4
    found: NDArray[np.complex64] = gradient / (strength + usual)
    return found


def _usable(fixed: NDArray[np.complex64], weights: Floats) -> list[tuple[int, int]]:
    """
    Return the blocks that are outside of the mask, and not all smooth.
    """
    height, width = fixed.shape
    return [
        (x, y)
        for y in _starts(height)
        for x in _starts(width)
        if weights[y : y + _BLOCK, x : x + _BLOCK].mean() >= _LEAST_OUTSIDE
        and np.abs(fixed[y : y + _BLOCK, x : x + _BLOCK]).mean() >= _TEXTURE
    ]


def _starts(length: int) -> list[int]:
    """
    Return where blocks begin, evenly and up to the end.
    """
    many = max(1, -(-(length - _BLOCK) // _STEP) + 1)
    return [round(each) for each in np.linspace(0, length - _BLOCK, many)]


def _hann(height: int, width: int) -> Floats:
    found: Floats = np.outer(np.hanning(height + 2)[1:-1], np.hanning(width + 2)[1:-1]).astype(
        np.float32
    )
    return found


def _correlation(
    fixed: NDArray[np.complex64], moving: NDArray[np.complex64], exponent: float
) -> Floats:
    """
    Return how well two fields, given as their spectra, agree for each shift, 1 at most; shift 0 is in the
    corner.
    """
    product = np.conj(fixed) * moving
    strength = np.abs(product)
    tempered = np.maximum(strength, 1e-12) ** exponent
    product /= tempered
    total = (strength / tempered).sum(axis=(-2, -1), keepdims=True)
    size = fixed.shape[-1] * fixed.shape[-2]
    found: Floats = np.fft.ifft2(product).real * (size / np.maximum(total, 1e-12)).astype(
        np.float32
    )
    return found


def _global_shift(
    fixed: NDArray[np.complex64], moving: NDArray[np.complex64], weights: Floats
) -> tuple[float, float]:
    height, width = fixed.shape
    window = (_hann(height, width) * weights).astype(np.float32)
    one, other = (_spectrum(_quick(each * window)) for each in (fixed, moving))
    field = _correlation(one, other, 0.7)
    down, across = max(2, round(height * _REACH)), max(2, round(width * _REACH))
    near = np.roll(field, (down, across), (0, 1))[: 2 * down + 1, : 2 * across + 1]
    y, x = np.unravel_index(int(near.argmax()), near.shape)
    return float(x) - across, float(y) - down


def _quick(field: NDArray[np.complex64]) -> NDArray[np.complex64]:
    """
    Return a field with nothing behind it, up to lengths that have no large prime factor.
    """
    return np.pad(field, [(0, _quick_length(each) - each) for each in field.shape])


def _quick_length(length: int) -> int:
    # 30**10 has the factors 2, 3 and 5 more often than any length of a picture.
    return next(each for each in count(length) if 30**10 % each == 0)


def _spectrum(field: NDArray[np.complex64]) -> NDArray[np.complex64]:
    return np.fft.fft2(field).astype(np.complex64, copy=False)


def _spectra(field: NDArray[np.complex64], places: list[tuple[int, int]]) -> NDArray[np.complex64]:
    blocks = np.stack([field[y : y + _BLOCK, x : x + _BLOCK] for x, y in places])
    return _spectrum(blocks * _hann(_BLOCK, _BLOCK))


def _block_shifts(
    fixed: NDArray[np.complex64], moving: NDArray[np.complex64], places: list[tuple[int, int]]
) -> _Shifts:
    fields = _correlation(fixed, _spectra(moving, places), 0.5)
    reach = _BLOCK_REACH
    near = np.roll(fields, (reach, reach), (1, 2))[:, : 2 * reach + 1, : 2 * reach + 1]
    flat = near.reshape(len(places), -1).argmax(axis=1)
    rows, columns = np.unravel_index(flat, near.shape[1:])
    x = np.empty(len(places), np.float32)
    y = np.empty(len(places), np.float32)
    peak = np.empty(len(places), np.float32)
    for at, (row, column) in enumerate(zip(rows, columns, strict=True)):
        field = near[at]
        x[at] = column - reach + _between(field[row], int(column))
        y[at] = row - reach + _between(field[:, column], int(row))
        peak[at] = field[row, column]
    return _Shifts(x, y, np.maximum(peak, 1e-6))


def _between(line: Floats, at: int) -> float:
    """
    Return how far beside a highest value the top of the parabola through it and its neighbours lies.
    """
    if not 0 < at < len(line) - 1:
        return 0.0
    before, here, behind = (float(each) for each in line[at - 1 : at + 2])
    bend = before - 2 * here + behind
    return 0.0 if bend >= 0 else max(-0.5, min(0.5, (before - behind) / (2 * bend)))


def _refined(
    alignment: Alignment, found: _Shifts, places: list[tuple[int, int]], size: tuple[int, int]
) -> Alignment:
    """
    Return an alignment with what is left between both taken into it.
    """
    centres = np.array([(x + _BLOCK / 2, y + _BLOCK / 2) for x, y in places]) / size
    chosen = _agreeing(found, centres, size)
    if chosen.sum() < FEWEST_BLOCKS / 2:
        return alignment
    weight: Floats = found.weight * chosen.astype(np.float32)
    shift_x, stretch_x = _line(centres[:, 0], found.x / np.float32(size[0]), weight, 1 / size[0])
    shift_y, stretch_y = _line(centres[:, 1], found.y / np.float32(size[1]), weight, 1 / size[1])
    return Alignment(
        x=alignment.x + alignment.scale_x * shift_x,
        y=alignment.y + alignment.scale_y * shift_y,
        scale_x=_bounded(alignment.scale_x * (1 + stretch_x)),
        scale_y=_bounded(alignment.scale_y * (1 + stretch_y)),
    )


def _is_near(one: Alignment, other: Alignment, size: tuple[int, int]) -> bool:
    """
    Say whether two alignments lay pictures of a size over one another as the same, to the eye and to the score.
    """
    corners = zip(one.box((0, 0, *size)), other.box((0, 0, *size)), strict=True)
    return all(abs(first - second) <= _NEAR for first, second in corners)


def _bounded(scale: float) -> float:
    return min(1 + 2 * _MOST_SCALE, max(1 - 2 * _MOST_SCALE, scale))


def _agreeing(
    found: _Shifts, centres: NDArray[np.float64], size: tuple[int, int]
) -> NDArray[np.bool_]:
    """
    Return the largest set of blocks that one shift and one scale per axis explain: by pairs taken at random.
    """
    random = Random(_SEED)  # noqa: S311 - numpy's own is long to load
    many = len(centres)
    best, most = np.zeros(many, bool), -1.0
    for _ in range(_PAIRS):
        one, other = random.sample(range(many), 2)
        left = np.zeros(many, np.float64)
        for axis, shifts in ((0, found.x), (1, found.y)):
            places, distance = centres[:, axis], centres[other, axis] - centres[one, axis]
            is_far = abs(distance) > 0.1
            slope = (shifts[other] - shifts[one]) / distance if is_far else 0.0
            if abs(slope) > _MOST_SCALE * 2 * size[axis]:
                slope = 0.0
            left += (shifts - shifts[one] - slope * (places - places[one])) ** 2
        near = left <= 1.5**2
        if (weight := float(found.weight[near].sum())) > most:
            best, most = near, weight
    return best


def _line(
    places: NDArray[np.float64], shifts: Floats, weight: Floats, unit: float
) -> tuple[float, float]:
    """
    Return shift and slope of the line through shifts, those far from it counting little (Geman-McClure); places
    are 0 to 1, and slope means around 0.
    """
    factors = weight.astype(np.float64)
    shift = slope = 0.0
    for _ in range(8):
        total = factors.sum()
        if total <= 0:
            return 0.0, 0.0
        middle, mean = (factors * places).sum() / total, (factors * shifts).sum() / total
        spread = (factors * (places - middle) ** 2).sum()
        slope = (
            float((factors * (places - middle) * (shifts - mean)).sum() / spread)
            if spread > 0.002 * total
            else 0.0
        )
        shift = float(mean - slope * middle)
        left = (shifts - shift - slope * places) / (0.5 * unit)
        factors = weight / (1 + left**2) ** 2
    return shift, slope


def _score(found: _Shifts) -> float:
    fits = np.hypot(found.x, found.y) <= _FITS_WITHIN
    return float((found.weight * fits).sum() / found.weight.sum())
