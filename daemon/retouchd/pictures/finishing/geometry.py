"""
Where pixels lie: what was put around a picture before it was sent, and which part of a result is the picture
again.

Boxes are left, top, right and bottom in fractional pixels, as Pillow's `resize` takes them: a result is cut and
resampled in one step, never cut at whole pixels first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor
from typing import TypeAlias

Box: TypeAlias = tuple[float, float, float, float]

_NEAR = 0.02
"""How far a received shape may be from the one that was sent: models round sizes."""
_HALF_A_PIXEL = 0.5
_ROUNDED = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Alignment:
    """
    Where places of one picture lie in another, both from 0 to 1 of each edge: `place × scale + shift`.
    """

    x: float = 0.0
    y: float = 0.0
    scale_x: float = 1.0
    scale_y: float = 1.0

    def box(self, box: Box) -> Box:
        """
        Return the box that the aligned picture takes instead of `box`.
        """
        left, top, right, bottom = box
        width, height = right - left, bottom - top
        return (
            left + width * self.x,
            top + height * self.y,
            left + width * (self.x + self.scale_x),
            top + height * (self.y + self.scale_y),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Canvas:
    """
    A picture with something around it: its own width and height, and how much was added on each side, in its
    pixels.
    """

    width: int
    height: int
    left: int = 0
    top: int = 0
    right: int = 0
    bottom: int = 0

    @property
    def size(self) -> tuple[int, int]:
        """
        Return width and height of all of it.
        """
        return self.width + self.left + self.right, self.height + self.top + self.bottom

    @property
    def is_padded(self) -> bool:
        """
        Return whether there is anything around the picture.
        """
        return self.size != (self.width, self.height)

    @property
    def share(self) -> float:
        """
        Return how much of all pixels was added, from 0 to 1.
        """
        width, height = self.size
        return 1 - self.width * self.height / (width * height)

    def to_json(self) -> list[int]:
        """
        Return it as it is kept.
        """
        return [self.width, self.height, self.left, self.top, self.right, self.bottom]

    @classmethod
    def from_json(cls, kept: Sequence[int] | None) -> "Canvas | None":
        """
        Return what was kept, None for nothing.
        """
        if kept is None:
            return None
        width, height, left, top, right, bottom = kept
        return cls(width=width, height=height, left=left, top=top, right=right, bottom=bottom)

    def box(self, size: tuple[int, int]) -> Box:
        """
        Return where the picture itself is in a result of that size.
        """
        across, down = size[0] / self.size[0], size[1] / self.size[1]
        return (
            self.left * across,
            self.top * down,
            (self.left + self.width) * across,
            (self.top + self.height) * down,
        )


def padded(upright: tuple[int, int], size: tuple[int, int]) -> Canvas:
    """
    Return the canvas on which a picture has the shape of the size that is asked for.

    Nothing is added where stretching moves no pixel of the result by more than half of one.
    """
    width, height = upright
    wide, high = size
    if (
        abs(height * wide / width - high) <= _HALF_A_PIXEL
        or abs(width * high / height - wide) <= _HALF_A_PIXEL
    ):
        return Canvas(width=width, height=height)
    if width * high > height * wide:  # wider than what is asked for
        added = max(0, round(width * high / wide) - height)
        return Canvas(width=width, height=height, top=added // 2, bottom=added - added // 2)
    added = max(0, round(height * wide / high) - width)
    return Canvas(width=width, height=height, left=added // 2, right=added - added // 2)


def size_of(box: Box) -> tuple[int, int]:
    """
    Return the size of a box in whole pixels.
    """
    return round(box[2] - box[0]), round(box[3] - box[1])


def is_same_shape(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """
    Say whether two sizes have shapes so near that one is scaled to the other without anybody seeing it.
    """
    ratio = one[0] * other[1] / (one[1] * other[0])
    return 1 / (1 + _NEAR) <= ratio <= 1 + _NEAR


def fitted_into(box: Box, size: tuple[int, int]) -> Box:
    """
    Return the box that lies over all of a picture of a size when what is within `box` is fitted into its
    middle: undistorted, and beyond itself on two sides.
    """
    left, top, right, bottom = box
    scale = max((right - left) / size[0], (bottom - top) / size[1])
    across, down = (size[0] * scale - (right - left)) / 2, (size[1] * scale - (bottom - top)) / 2
    return left - across, top - down, right + across, bottom + down


def covered(box: Box, over: Box, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """
    Return which pixels of a picture of a size are covered by `box`, as `over` lies over all of them.
    """
    left, top, right, bottom = over
    across, down = size[0] / (right - left), size[1] / (bottom - top)
    return (
        max(0, ceil((box[0] - left) * across - _ROUNDED)),
        max(0, ceil((box[1] - top) * down - _ROUNDED)),
        min(size[0], floor((box[2] - left) * across + _ROUNDED)),
        min(size[1], floor((box[3] - top) * down + _ROUNDED)),
    )


def within(size: tuple[int, int], bounds: tuple[int, int]) -> tuple[int, int]:
    """
    Return the largest size of the same shape that fits into bounds.
    """
    scale = min(bounds[0] / size[0], bounds[1] / size[1])
    width, height = (
        max(1, min(most, round(side * scale))) for side, most in zip(size, bounds, strict=True)
    )
    return width, height
