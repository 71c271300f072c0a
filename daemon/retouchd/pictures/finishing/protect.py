"""
The part of an original that a mask opens, taken from a result; all other pixels stay the original's, exactly.

The transition lies within what is open, so that nothing outside is touched. A mask with a real ramp of alpha
says itself how much of the result is taken where.
"""

from dataclasses import dataclass, replace

from PIL import Image, ImageChops, ImageFilter

from retouchd.pictures.finishing.geometry import Box
from retouchd.pictures.finishing.placing import PlacedResult

_STRIP = 3_000_000
"""Pixels laid over at once."""
_LEAST_FEATHER = 8
_FEATHER_PER_SCALE = 6
_SOFT = 4
"""Pixels with some alpha to each of an edge, from which they are a ramp and not a smoothed edge."""
_RAMP = [0] * 128 + [min(255, round(2 * (level - 127.5) / 0.95)) for level in range(128, 256)]
"""From half of a blurred edge to all of it: 0 at the mask's edge, 255 within."""


@dataclass(frozen=True, slots=True)
class Opening:
    """
    What a mask opens: `weights` (`L`) of the part of the picture within `bounds`; 0 everywhere else.

    If `is_soft`, they are the mask's own, else 0 or 255.
    """

    weights: Image.Image
    bounds: tuple[int, int, int, int]
    size: tuple[int, int]
    is_soft: bool

    @property
    def is_empty(self) -> bool:
        """
        Return whether nothing is open.
        """
        return self.bounds[0] >= self.bounds[2]

    def within(self, bounds: tuple[int, int, int, int]) -> "Opening":
        """
        Return what of it is within other bounds.
        """
        left, top, right, bottom = (
            *map(max, self.bounds[:2], bounds[:2]),
            *map(min, self.bounds[2:], bounds[2:]),
        )
        if left >= right or top >= bottom:
            return replace(self, weights=Image.new("L", (0, 0)), bounds=(0, 0, 0, 0))
        x, y = self.bounds[:2]
        part = self.weights.crop((left - x, top - y, right - x, bottom - y))
        return replace(self, weights=part, bounds=(left, top, right, bottom))

    def closed(self, size: tuple[int, int], grown: int) -> Image.Image:
        """
        Return in a smaller size (`L`) 255 for what is closed, with what is open grown by so many of its pixels.
        """
        whole = Image.new("L", size)
        if not self.is_empty:
            across, down = size[0] / self.size[0], size[1] / self.size[1]
            left, top = int(self.bounds[0] * across), int(self.bounds[1] * down)
            right = max(left + 1, min(size[0], round(self.bounds[2] * across)))
            bottom = max(top + 1, min(size[1], round(self.bounds[3] * down)))
            part = self.weights.resize((right - left, bottom - top), Image.Resampling.BOX)
            whole.paste(part.point([0, *[255] * 255]), (left, top))
        if grown:
            whole = whole.filter(ImageFilter.BoxBlur(grown)).point([0, *[255] * 255])
        return ImageChops.invert(whole)


def opening_of(alpha: Image.Image) -> Opening:
    """
    Return what a mask's alpha (`L`), upright and in the size of the picture, opens: alpha 0.
    """
    few = alpha.reduce(max(1, max(alpha.size) // 2048))
    is_soft = _is_soft(few)
    table = [255 - level for level in range(256)] if is_soft else [255, *[0] * 255]
    open_ = alpha.point(table)
    bounds = open_.getbbox() or (0, 0, 0, 0)
    return Opening(open_.crop(bounds), bounds, alpha.size, is_soft)


def _is_soft(alpha: Image.Image) -> bool:
    """
    Say whether alpha is a ramp: many more pixels lie between open and closed than beside its edges.
    """
    left, top, right, bottom = alpha.point([*[255] * 255, 0]).getbbox() or (0, 0, 0, 0)
    alpha = alpha.crop(
        (
            max(0, left - 1),
            max(0, top - 1),
            min(alpha.width, right + 1),
            min(alpha.height, bottom + 1),
        )
    )
    between = sum(alpha.histogram()[1:-1])
    hard = alpha.point([255] * 128 + [0] * 128)
    edge = sum(hard.filter(ImageFilter.BoxBlur(1)).histogram()[1:-1]) / 2
    return between > _SOFT * max(edge, 1)


def feather_for(size: tuple[int, int], result: tuple[int, int]) -> int:
    """
    Return how wide the transition is in pixels of the original, as nobody says.
    """
    return max(_LEAST_FEATHER, round(_FEATHER_PER_SCALE * size[0] / result[0]))


def lay_over(
    frame: Image.Image, result: Image.Image, box: Box, opening: Opening, feather: int
) -> None:
    """
    Put of a result, of which `box` lies over the whole frame, into the frame what is open.
    """
    if opening.is_empty:
        return
    placed = PlacedResult(result, box, frame.size)
    left, top, right, bottom = opening.bounds
    rows = max(1, _STRIP // (right - left))
    for start in range(top, bottom, rows):
        stop = min(bottom, start + rows)
        weights = _weights(opening, start - top, stop - top, feather)
        part = placed.part((left, start, right, stop))
        frame.paste(
            part if part.mode == frame.mode else part.convert(frame.mode), (left, start), weights
        )


def _weights(opening: Opening, start: int, stop: int, feather: int) -> Image.Image:
    """
    Return the weights of some rows of what is open, with the transition.
    """
    hard = opening.weights.crop((0, start, opening.weights.width, stop))
    if opening.is_soft or not feather:
        return hard
    # With as much around them as a blur reaches, so that a strip is as it would be in the whole.
    reach = 3 * feather
    left, top, _, _ = opening.bounds
    width, height = opening.size
    around = (
        -min(reach, left),
        max(start - reach, -min(reach, top)),
        min(opening.weights.width + reach, width - left),
        min(stop + reach, height - top),
    )
    soft = opening.weights.crop(around).filter(ImageFilter.GaussianBlur(feather / 2)).point(_RAMP)
    x, y = -around[0], start - around[1]
    return ImageChops.darker(soft.crop((x, y, x + hard.width, y + hard.height)), hard)
