"""
Pixels as numbers: pictures as arrays, their luminance, and how far two colours are apart to the eye.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from retouchd.pictures.finishing.geometry import Box

Floats: TypeAlias = NDArray[np.float32]
"""Numbers of pixels: rows, columns, and channels if there are several."""

_TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ],
    np.float32,
)
"""IEC 61966-2-1; the white is D65."""
_WHITE = np.array([0.95047, 1.0, 1.08883], np.float32)


def resampled(image: Image.Image, box: Box, size: tuple[int, int]) -> Image.Image:
    """
    Return the part of a picture within a box of fractional pixels, in a size.

    What of the box is beyond the edges is filled with the last pixels there.
    """
    across, down = margins(box, image.size)
    if across or down:
        image = extended(image, across, down)
        box = (box[0] + across, box[1] + down, box[2] + across, box[3] + down)
    return image.resize(size, Image.Resampling.LANCZOS, box=box)


def margins(box: Box, size: tuple[int, int]) -> tuple[int, int]:
    """
    Return how many pixels a picture of a size lacks beside itself, and above and below, to hold all of a box.
    """
    left, top, right, bottom = box
    across, down = max(0, -left, right - size[0]), max(0, -top, bottom - size[1])
    return (int(across) + 1, int(down) + 1) if across or down else (0, 0)


def extended(image: Image.Image, across: int, down: int) -> Image.Image:
    """
    Return a picture with its last pixels repeated on both sides, and above and below.
    """
    width, height = image.size
    found = Image.new(image.mode, (width + 2 * across, height + 2 * down))
    found.paste(image, (across, down))
    for column, left in ((0, 0), (width - 1, across + width)):
        edge = image.crop((column, 0, column + 1, height))
        found.paste(edge.resize((across, height), Image.Resampling.NEAREST), (left, down))
    for row, top in ((down, 0), (down + height - 1, down + height)):
        edge = found.crop((0, row, found.width, row + 1))
        found.paste(edge.resize((found.width, down), Image.Resampling.NEAREST), (0, top))
    return found


def blurred(image: Image.Image, radius: float) -> Image.Image:
    """
    Return a picture without its grain.
    """
    return image.filter(ImageFilter.GaussianBlur(radius))


def luminance(image: Image.Image) -> Floats:
    """
    Return how light each pixel is, 0 to 1.
    """
    return np.asarray(image.convert("L"), np.float32) / np.float32(255)


def lab(image: Image.Image) -> Floats:
    """
    Return CIE L*a*b* of each pixel of an sRGB picture.
    """
    table = np.arange(256, dtype=np.float32) / 255
    light = np.where(table <= 0.04045, table / 12.92, ((table + 0.055) / 1.055) ** 2.4).astype(
        np.float32
    )
    linear = light[np.asarray(image.convert("RGB"))]
    return lab_of_linear(linear)


def lab_of_linear(linear: Floats) -> Floats:
    """
    Return CIE L*a*b* of linear light of sRGB's primaries (CIE 15, 8.2.1).
    """
    xyz = linear @ (_TO_XYZ / _WHITE[:, None]).T
    cubic = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    x, y, z = cubic[..., 0], cubic[..., 1], cubic[..., 2]
    found: Floats = np.stack((116 * y - 16, 500 * (x - y), 200 * (y - z)), axis=-1).astype(
        np.float32
    )
    return found


def delta_e_76(one: Floats, other: Floats) -> Floats:
    """
    Return how far colours of L*a*b* are apart, as CIE 1976 has it.
    """
    found: Floats = np.sqrt(((one - other) ** 2).sum(axis=-1))
    return found


def delta_e_2000(one: Floats, other: Floats) -> Floats:
    """
    Return how far colours of L*a*b* are apart to the eye (CIEDE2000; ISO/CIE 11664-6).
    """
    (l1, a1, b1), (l2, a2, b2) = np.moveaxis(one, -1, 0), np.moveaxis(other, -1, 0)
    mean7 = ((np.hypot(a1, b1) + np.hypot(a2, b2)) / 2) ** 7
    stretch = 1.5 - 0.5 * np.sqrt(mean7 / (mean7 + 25.0**7))
    a1, a2 = a1 * stretch, a2 * stretch
    c1, c2 = np.hypot(a1, b1), np.hypot(a2, b2)
    h1, h2 = np.arctan2(b1, a1) % (2 * np.pi), np.arctan2(b2, a2) % (2 * np.pi)
    is_grey = c1 * c2 == 0
    turn = (h2 - h1 + np.pi) % (2 * np.pi) - np.pi
    turn = np.where(is_grey, 0, turn)
    hue = 2 * np.sqrt(c1 * c2) * np.sin(turn / 2)
    light, chroma = (l1 + l2) / 2, (c1 + c2) / 2
    is_across = np.abs(h1 - h2) > np.pi
    middle = np.where(is_across, (h1 + h2 + 2 * np.pi) / 2, (h1 + h2) / 2)
    middle = np.where(is_grey, h1 + h2, middle)
    weight = (
        1
        - 0.17 * np.cos(middle - np.pi / 6)
        + 0.24 * np.cos(2 * middle)
        + 0.32 * np.cos(3 * middle + np.pi / 30)
        - 0.20 * np.cos(4 * middle - 63 * np.pi / 180)
    )
    by_light = (l2 - l1) / (1 + 0.015 * (light - 50) ** 2 / np.sqrt(20 + (light - 50) ** 2))
    by_chroma = (c2 - c1) / (1 + 0.045 * chroma)
    by_hue = hue / (1 + 0.015 * chroma * weight)
    angle = 60 * np.exp(-(((np.degrees(middle) % 360 - 275) / 25) ** 2))
    turned = -np.sin(np.radians(angle)) * 2 * np.sqrt(chroma**7 / (chroma**7 + 25.0**7))
    found: Floats = np.sqrt(
        np.maximum(by_light**2 + by_chroma**2 + by_hue**2 + turned * by_chroma * by_hue, 0)
    ).astype(np.float32)
    return found


def worst_block(
    values: Floats, weights: Floats | None = None, side: int = 32
) -> tuple[float, int, int]:
    """
    Return the highest mean of a block of so many pixels a side, and where its middle is (column, row).

    Only blocks count at least half of which have weight; 0 in the middle where there is none.
    """
    weights = np.ones_like(values) if weights is None else weights
    height, width = values.shape
    side = min(side, height, width)
    sums = _sums(values * weights, side)
    counts = _sums(weights, side)
    means = np.where(counts >= side * side / 2, sums / np.maximum(counts, 1), -1)
    row, column = np.unravel_index(int(means.argmax()), means.shape)
    highest = float(means[row, column])
    if highest < 0:
        return 0.0, width // 2, height // 2
    return highest, int(column) * _HOP + side // 2, int(row) * _HOP + side // 2


_HOP = 8


def _sums(values: Floats, side: int) -> Floats:
    """
    Return the sum of each block of so many pixels a side, every few pixels.
    """
    total = np.pad(values.astype(np.float64).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    whole = (
        total[side:, side:] - total[:-side, side:] - total[side:, :-side] + total[:-side, :-side]
    )
    found: Floats = whole[::_HOP, ::_HOP].astype(np.float32)
    return found
