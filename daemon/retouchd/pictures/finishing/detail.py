"""
Edits of colour and light as a change that is applied to the full-size original, so that all of its texture
stays.

The change is fitted as a local colour transform, a matrix and an offset around each pixel, by the guided filter
(He, Sun and Tang, 2013) with the original's colours as the guide. Where an original is smooth, so that nothing
can be fitted, it is what fits best to all places as light: with nothing, as that filter has it, grain would go.
It cannot put anything new into a picture; whether it says all that a result does is told by the worst place
between both, never by a mean: small objects do not show there.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retouchd.pictures.colours import to_srgb
from retouchd.pictures.finishing.planes import Floats, blurred, delta_e_76, lab, worst_block

_RADIUS = 6
_SMOOTHING = 1e-4
_BLUR = 1.25
_STRIP = 1_000_000
"""Pixels worked on at once."""
_COARSER = 2
_LIGHTS = 5
_RIDGE = 2e-5
_COMPARED_BLUR = 2.0
MOST_RESIDUAL = 3.5
"""The mean difference (CIE 1976) of the worst block up to which a result is nothing but colour and light."""
REGISTERS = 0.80
"""The score of a registration that is asked for: of a picture with another background it is lower."""


@dataclass(frozen=True, slots=True)
class ColourTransform:
    """
    For each channel four planes (`F`): what of red, green and blue it becomes, and an offset; levels are 0 to
    1.
    """

    planes: tuple[tuple[Image.Image, ...], ...]

    def apply(self, frame: Image.Image) -> None:
        """
        Change the colours of a picture (`RGB` or `RGBA`) of any size, in strips and in its place.
        """
        width, height = frame.size
        coarse_width, coarse_height = self.planes[0][0].size
        rows = max(16, _STRIP // width)
        for start in range(0, height, rows):
            stop = min(height, start + rows)
            strip = frame.crop((0, start, width, stop))
            box = (0, start * coarse_height / height, coarse_width, stop * coarse_height / height)
            levels = np.asarray(strip.convert("RGB"), np.float32)
            bands = [levels[..., band].copy() for band in range(3)]
            found = np.empty(levels.shape, np.uint8)
            for band, planes in enumerate(self.planes):
                total: Floats = _enlarged(planes[3], strip.size, box) * np.float32(
                    255
                ) + np.float32(0.5)
                for plane, own in zip(planes[:3], bands, strict=True):
                    total += _enlarged(plane, strip.size, box) * own
                np.clip(total, 0, 255.5, out=total)
                found[..., band] = total
            made = Image.fromarray(found)
            if frame.mode == "RGBA":
                made.putalpha(strip.getchannel("A"))
            frame.paste(made, (0, start))


def _enlarged(plane: Image.Image, size: tuple[int, int], box: tuple[float, ...]) -> Floats:
    left, top, right, bottom = box
    return np.asarray(plane.resize(size, Image.Resampling.BILINEAR, box=(left, top, right, bottom)))


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
        planes.append(tuple(_coarse(smooth[..., at]) for at in range(4)))
    return ColourTransform(tuple(planes))


def _usual(guide: Floats, target: Floats) -> Floats:
    """
    Return for each pixel the matrix that fits colours as light as its own best, wherever they are.

    A row of colours times a matrix is what they become.
    """
    one, other = (each.reshape(-1, 3).astype(np.float64) for each in (guide, target))
    light = one.mean(axis=1)
    nodes = np.linspace(0, 1, _LIGHTS)
    everywhere = _matrix(one, other, np.ones(len(one)), np.eye(3))
    shares = [np.clip(1 - np.abs(light - node) * (_LIGHTS - 1), 0, 1) for node in nodes]
    found = sum(share[:, None, None] * _matrix(one, other, share, everywhere) for share in shares)
    result: Floats = np.asarray(found).reshape(*guide.shape, 3).astype(np.float32)
    return result


def _matrix(
    one: NDArray[np.float64],
    other: NDArray[np.float64],
    weights: NDArray[np.float64],
    else_: NDArray[np.float64],
) -> NDArray[np.float64]:
    """
    Return the matrix that brings colours nearest to others, around their means; `else_` where nothing tells.
    """
    one, other, weights = one[::7], other[::7], weights[::7, None]
    total = max(float(weights.sum()), 1.0)
    first = one - (one * weights).sum(axis=0) / total
    second = other - (other * weights).sum(axis=0) / total
    ridge = _RIDGE * len(one)
    found: NDArray[np.float64] = np.linalg.solve(
        first.T @ (first * weights) + ridge * np.eye(3),
        first.T @ (second * weights) + ridge * else_,
    )
    return found


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


def _coarse(plane: Floats) -> Image.Image:
    image = Image.fromarray(np.ascontiguousarray(plane, np.float32))
    size = max(1, image.width // _COARSER), max(1, image.height // _COARSER)
    return image.resize(size, Image.Resampling.BOX)


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


def _mean(values: Floats) -> Floats:
    """
    Return the mean around each pixel, of what there is within the radius.
    """
    found = values
    for axis in (0, 1):
        length = found.shape[axis]
        sums = found.astype(np.float64).cumsum(axis=axis)
        sums = np.concatenate((np.zeros_like(np.take(sums, [0], axis)), sums), axis=axis)
        places = np.arange(length)
        first, last = np.maximum(places - _RADIUS, 0), np.minimum(places + _RADIUS + 1, length)
        counts = (last - first).astype(np.float64)
        shape = [1] * found.ndim
        shape[axis] = length
        found = (
            (np.take(sums, last, axis) - np.take(sums, first, axis)) / counts.reshape(shape)
        ).astype(np.float32)
    return found
