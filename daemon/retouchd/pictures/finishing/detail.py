"""
Edits of colour and light as a change that is applied to the full-size original, so that all of its texture
stays.

The change is fitted as a local colour transform, a matrix and an offset around each pixel, by the guided filter
(He, Sun and Tang, 2013) with the original's colours as the guide. Where an original is smooth, so that nothing
can be fitted, it is what fits best to all places as light, times what a lamp or a shade does there: with
nothing, as that filter has it, grain would go.
It cannot put anything new into a picture; whether it says all that a result does is told by the worst place
between both, never by a mean: small objects do not show there.
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retouchd.pictures.colours import to_srgb
from retouchd.pictures.finishing.planes import Floats, blurred, delta_e_76, lab, worst_block

_RADIUS = 6
_SMOOTHING = 1e-4
_BLUR = 1.25
_COARSER = 2
_LIGHTS = 5
_LEVELS = 1024
_RIDGE = 2e-5
_APART = 4
"""Pixels from one that a lamp is fitted to, to the next."""
_TURNS = 4
_REACH = 12
"""The part of a picture around a pixel from which its light is told."""
_DARK, _MOST_LIGHT = 1e-3, 4.0
"""Of what is so dark nothing is told; how much lighter or darker a lamp or a shade makes."""
_COMPARED_BLUR = 2.0
MOST_RESIDUAL = 3.5
"""The mean difference (CIE 1976) of the worst block up to which a result is nothing but colour and light."""
REGISTERS = 0.80
"""The score of a registration that is asked for: of a picture with another background it is lower."""


@dataclass(frozen=True, slots=True)
class ColourTransform:
    """
    What each channel becomes: how much of red, of green and of blue, and an offset, of 255.

    `planes` has few rows, then three channels, of each the four numbers, and few columns; between them a
    picture gets what lies between.
    """

    planes: Floats

    def apply(self, frame: Image.Image) -> None:
        """
        Change the colours of a picture (`RGB` or `RGBA`) of any size, in its place.
        """
        width, height = frame.size
        rows, shares = _between(len(self.planes), height)
        columns, parts = _between(self.planes.shape[-1], width)
        ends = [0, *(np.flatnonzero(np.diff(rows)) + 1), height]
        # The row below a strip is the one above the next.
        widened = lru_cache(2)(lambda row: _widened(self.planes[row], columns, parts))
        for start, stop in pairwise(ends):
            row = int(rows[start])
            above, below = widened(row), widened(min(row + 1, len(self.planes) - 1))
            strip = frame.crop((0, start, width, stop))
            light = [np.asarray(each) for each in strip.split()[:3]]
            found = [
                _mixed(above[band], below[band] - above[band], shares[start:stop], light)
                for band in range(3)
            ]
            frame.paste(Image.merge(frame.mode, (*found, *strip.split()[3:])), (0, start))


def _between(few: int, many: int) -> tuple[NDArray[np.intp], Floats]:
    """
    Return for each of many places which of the few lies before it, and how much of the next it has.
    """
    places = np.clip((np.arange(many) + 0.5) * few / many - 0.5, 0, few - 1)
    before = np.minimum(places.astype(np.intp), max(0, few - 2))
    return before, (places - before).astype(np.float32)


def _widened(row: Floats, columns: NDArray[np.intp], parts: Floats) -> Floats:
    found: Floats = np.take(row, columns, axis=-1)
    found += (np.take(row, columns + 1, axis=-1, mode="clip") - found) * parts
    return found


def _mixed(
    above: Floats, change: Floats, shares: Floats, light: list[NDArray[np.uint8]]
) -> Image.Image:
    """
    Return a channel: of a row of four numbers each, and of what they change by to the next one, for each row
    its share.
    """
    numbers = change[:, None] * shares[:, None]
    numbers += above[:, None]
    total: Floats = numbers[3]
    for band, own in enumerate(light):
        numbers[band] *= own
        total += numbers[band]
    total += np.float32(0.5)
    np.clip(total, 0, 255, out=total)
    return Image.fromarray(total.astype(np.uint8))


def fitted(original: Image.Image, result: Image.Image) -> ColourTransform:
    """
    Return the change from an original to a result, both small, RGB and one over the other.
    """
    guide = np.asarray(blurred(original, _BLUR), np.float32) / np.float32(255)
    target = np.asarray(blurred(result, _BLUR), np.float32) / np.float32(255)
    base = _mean(_usual(guide, target))
    target -= np.einsum("hwij,hwi->hwj", base, guide)
    mean_guide, mean_target = _mean(guide), _mean(target)
    matrices = _inverse(_covariances(guide, mean_guide))
    planes = []
    for band in range(3):
        shared = (
            _mean(guide * target[..., band : band + 1])
            - mean_guide * mean_target[..., band : band + 1]
        )
        rows: Floats = np.einsum("hwij,hwj->hwi", matrices, shared)
        offset: Floats = mean_target[..., band] - (rows * mean_guide).sum(axis=-1)
        smooth = _mean(np.concatenate((rows, offset[..., None]), axis=-1))
        smooth[..., :3] += base[..., band]
        smooth[..., 3] *= 255
        planes.append([_coarse(smooth[..., at]) for at in range(4)])
    return ColourTransform(np.moveaxis(np.array(planes), 2, 0))


def _usual(guide: Floats, target: Floats) -> Floats:
    """
    Return for each pixel the matrix that fits colours as light as its own best, wherever they are, under the
    light that is around it.

    A row of colours times a matrix is what they become. A lamp or a shade is no matter of colours: what there
    is of it, and what colours become without it, are fitted in turns.
    """
    few, wanted = (each[::_APART, ::_APART] for each in (guide, target))
    lamp: Floats = np.ones_like(few)
    for _ in range(_TURNS):
        table = _by_lightness(few, wanted / lamp)
        own = table[_levels(few)]
        found = np.einsum("hwij,hwi->hwj", own[..., :3, :], few) + own[..., 3, :]
        reach = max(lamp.shape[:2]) // _REACH
        lamp = (_mean(wanted * found, reach) + _DARK) / (_mean(found * found, reach) + _DARK)
        np.clip(lamp, 1 / _MOST_LIGHT, _MOST_LIGHT, out=lamp)
    matrices: Floats = table[_levels(guide), :3]
    matrices *= np.stack([_enlarged(lamp[..., band], guide) for band in range(3)], axis=-1)[
        ..., None, :
    ]
    return matrices


def _levels(guide: Floats) -> NDArray[np.intp]:
    found: NDArray[np.intp] = (guide.mean(axis=-1) * (_LEVELS - 1)).astype(np.intp)
    return found


def _enlarged(plane: Floats, guide: Floats) -> Floats:
    image = Image.fromarray(np.ascontiguousarray(plane))
    height, width, _ = guide.shape
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))


def _by_lightness(guide: Floats, target: Floats) -> Floats:
    """
    Return for each level of lightness the matrix that fits colours about as light best, and below it an offset.
    """
    one, other = (each.reshape(-1, 3).astype(np.float64) for each in (guide, target))
    light = one.mean(axis=1)
    everywhere = _matrix(one, other, np.ones(len(one)), np.eye(3))[:3]
    steps = np.linspace(0, _LIGHTS - 1, _LEVELS)
    total = np.zeros((_LEVELS, 4, 3), np.float32)
    for node in range(_LIGHTS):
        weights = np.clip(1 - np.abs(light * (_LIGHTS - 1) - node), 0, 1)
        share = np.clip(1 - np.abs(steps - node), 0, 1)
        total += (share[:, None, None] * _matrix(one, other, weights, everywhere)).astype(
            np.float32
        )
    return total


def _matrix(
    one: NDArray[np.float64],
    other: NDArray[np.float64],
    weights: NDArray[np.float64],
    else_: NDArray[np.float64],
) -> NDArray[np.float64]:
    """
    Return the matrix that brings colours nearest to others, around their means, and below it the offset between
    these; `else_` where nothing tells.
    """
    weights = weights[:, None]
    total = max(float(weights.sum()), 1.0)
    means = [(each * weights).sum(axis=0) / total for each in (one, other)]
    first, second = one - means[0], other - means[1]
    ridge = _RIDGE * len(one)
    found: NDArray[np.float64] = np.linalg.solve(
        first.T @ (first * weights) + ridge * np.eye(3),
        first.T @ (second * weights) + ridge * else_,
    )
    return np.vstack((found, means[1] - means[0] @ found))


def residual(
    original: Image.Image,
    result: Image.Image,
    transform: ColourTransform,
    profile: bytes | None = None,
) -> tuple[float, int, int]:
    """
    Return what of a result its transform does not say: the worst block, and its place in these pictures.

    `profile` is that of their numbers, None for sRGB: to the eye colours are as far apart as they are there.
    """
    made = original.copy()
    transform.apply(made)
    both = (made, result) if profile is None else (to_srgb(made, profile), to_srgb(result, profile))
    one, other = (lab(blurred(each, _COMPARED_BLUR)) for each in both)
    return worst_block(delta_e_76(one, other))


def _coarse(plane: Floats) -> Floats:
    image = Image.fromarray(np.ascontiguousarray(plane, np.float32))
    size = max(1, image.width // _COARSER), max(1, image.height // _COARSER)
    return np.asarray(image.resize(size, Image.Resampling.BOX))


def _covariances(guide: Floats, mean: Floats) -> NDArray[np.float32]:
    height, width, _ = guide.shape
    found = np.empty((height, width, 3, 3), np.float32)
    for row in range(3):
        for column in range(row, 3):
            product = _mean((guide[..., row] * guide[..., column])[..., None])[..., 0]
            shared = product - mean[..., row] * mean[..., column]
            found[..., row, column] = found[..., column, row] = shared
        found[..., row, row] += _SMOOTHING
    return found


def _inverse(matrices: NDArray[np.float32]) -> NDArray[np.float32]:
    """
    Return the inverse of each symmetric matrix, by its cofactors.
    """
    a, b, c = (matrices[..., 0, at].astype(np.float64) for at in range(3))
    d, e, f = (matrices[..., row, at].astype(np.float64) for row, at in ((1, 1), (1, 2), (2, 2)))
    found = np.empty(matrices.shape, np.float64)
    found[..., 0, 0] = d * f - e * e
    found[..., 0, 1] = found[..., 1, 0] = c * e - b * f
    found[..., 0, 2] = found[..., 2, 0] = b * e - c * d
    found[..., 1, 1] = a * f - c * c
    found[..., 1, 2] = found[..., 2, 1] = b * c - a * e
    found[..., 2, 2] = a * d - b * b
    whole = a * found[..., 0, 0] + b * found[..., 0, 1] + c * found[..., 0, 2]
    result: NDArray[np.float32] = (found / whole[..., None, None]).astype(np.float32)
    return result


def _mean(values: Floats, radius: int = _RADIUS) -> Floats:
    """
    Return the mean around each pixel, of what there is within a radius.
    """
    for axis in (0, 1):
        counts = _sums(np.ones(values.shape[axis], np.float32), 0, radius)
        values = _sums(values, axis, radius)
        values /= counts.reshape(-1, *[1] * (values.ndim - 1 - axis))
    return values


def _sums(values: Floats, axis: int, radius: int) -> Floats:
    """
    Return for each place the sum of those within a radius along an axis, of sums of one, two, four … places.
    """
    edges = [(0, 0)] * values.ndim
    edges[axis] = (radius, radius)
    power = np.moveaxis(np.pad(values, edges), axis, 0)
    count = values.shape[axis]
    found = np.zeros_like(power[:count])
    length, width, at = 2 * radius + 1, 1, 0
    while True:
        if length & width:
            found += power[at : at + count]
            at += width
        if 2 * width > length:
            return np.moveaxis(found, 0, axis)
        power = power[:-width] + power[width:]
        width *= 2
