"""
`size = "match"`: of the sizes that a model makes, the one with the shape of the picture.

What is asked for in another shape comes back cropped, stretched, or with something new at its edges.
"""

import math
from collections.abc import Iterator, Sequence

from retouchd.request.sizes import SizeRule, edges_of

MATCH = "match"
MATCH_LARGE = "match-large"
MATCHES = frozenset({MATCH, MATCH_LARGE})
_USUAL, _LARGE = 1_572_864, 3_686_400
"""Pixels: 1536 × 1024, and 2560 × 1440, above which the provider calls results experimental."""
_WINDOW = (0.85, 1.1)
_AS_GOOD = 0.0005


def matching_size(
    upright: tuple[int, int], legal: SizeRule | Sequence[str], *, is_large: bool = False
) -> str | None:
    """
    Return the size to be asked for, None where a model's sizes are not known; `upright` is the picture as it is
    shown.
    """
    if not isinstance(legal, SizeRule):
        listed = [edges for each in legal if (edges := edges_of(each))]
        best = min(
            listed, key=lambda size: (_error(size, upright), -size[0] * size[1]), default=None
        )
    else:
        best = _of_rule(upright, legal, _LARGE if is_large else _USUAL)
    return None if best is None else f"{best[0]}x{best[1]}"


def most_pixels(size: str, rule: SizeRule) -> float:
    """
    Return how many pixels a size comes to at most that is to match, or that is left to the model.
    """
    if size not in MATCHES:
        return rule.max_pixels
    most = _LARGE if size == MATCH_LARGE else _USUAL
    return min(rule.max_pixels, max(rule.min_pixels, most) * _WINDOW[1])


def _of_rule(upright: tuple[int, int], rule: SizeRule, most: int) -> tuple[int, int] | None:
    pixels = max(rule.min_pixels, min(upright[0] * upright[1], most, rule.max_pixels))
    low, high = (pixels * each for each in _WINDOW)
    sizes = list(_legal(rule))
    near = [size for size in sizes if low <= size[0] * size[1] <= high] or sizes
    if not near:
        return None
    least = min(_error(size, upright) for size in near)
    as_good = [size for size in near if _error(size, upright) <= least + _AS_GOOD]
    return max(as_good, key=lambda size: (size[0] * size[1], -_error(size, upright)))


def _error(size: tuple[int, int], upright: tuple[int, int]) -> float:
    return abs(math.log(size[0] * upright[1] / (size[1] * upright[0])))


def _legal(rule: SizeRule) -> Iterator[tuple[int, int]]:
    step = rule.multiple
    for width in range(step, rule.max_edge + 1, step):
        lowest = max(step, math.ceil(width / rule.max_ratio), math.ceil(rule.min_pixels / width))
        highest = min(rule.max_edge, int(width * rule.max_ratio), rule.max_pixels // width)
        for height in range(math.ceil(lowest / step) * step, highest + 1, step):
            yield width, height
