"""
Sizes of pictures as parameters of a request: what is legal, and the legal size nearest to a wish.

`auto` leaves the size to the model and is legal under every rule that is not a plain list.
"""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

SIZE = "([0-9]{1,9})x([0-9]{1,9})"
"""A size as it is written on the wire, as a regular expression."""

_SIZE = re.compile(SIZE)
_SIZE_LIKE = re.compile(r"\s*([0-9]{1,9})\s*[x×*X]\s*([0-9]{1,9})\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeRule:
    """
    A rule for free sizes, in pixels; the defaults are those of gpt-image-2.

    Source: the provider's image guide (edges, ratio) and its error messages (pixel budget).
    """

    multiple: int = 16
    max_ratio: float = 3
    max_edge: int = 3840
    min_pixels: int = 655_360
    max_pixels: int = 8_294_400


def is_size(text: str) -> bool:
    """
    Say whether a text is a size written as on the wire, such as `1536x1024`.
    """
    return bool(_SIZE.fullmatch(text))


def edges_of(size: str) -> tuple[int, int] | None:
    """
    Return width and height of a size written as on the wire, None for any other text.
    """
    parsed = _SIZE.fullmatch(size)
    edges = (int(parsed[1]), int(parsed[2])) if parsed else (0, 0)
    return edges if all(edges) else None


def size_faults(size: str, rule: SizeRule) -> list[str]:
    """
    Return what is wrong with a size such as `1536x1024`: half sentences that go on after the size.
    """
    if size == "auto":
        return []
    if not (parsed := _SIZE.fullmatch(size)):
        return ["is not written as WIDTHxHEIGHT"]
    width, height = int(parsed[1]), int(parsed[2])
    longest, shortest, pixels = max(width, height), min(width, height), width * height
    faults = {
        f"has an edge that is not a multiple of {rule.multiple}": (
            width % rule.multiple or height % rule.multiple
        ),
        f"has an edge longer than {rule.max_edge} pixels": longest > rule.max_edge,
        f"has a long edge of more than {rule.max_ratio:g} times the short one": (
            longest > rule.max_ratio * shortest
        ),
        f"has {pixels:,} pixels, fewer than {rule.min_pixels:,}": pixels < rule.min_pixels,
        f"has {pixels:,} pixels, more than {rule.max_pixels:,}": pixels > rule.max_pixels,
    }
    return [fault for fault, holds in faults.items() if holds]


def nearest_size(size: str, legal: SizeRule | Sequence[str]) -> str | None:
    """
    Return the legal size that changes the wished edges least, in proportion; None if none is known.
    """
    if not (parsed := _SIZE_LIKE.fullmatch(size)):
        return None
    wished = max(1, int(parsed[1])), max(1, int(parsed[2]))
    candidates = _of_rule(wished, legal) if isinstance(legal, SizeRule) else _of_list(legal)
    best = min(candidates, key=lambda candidate: _distance(candidate, wished), default=None)
    return best and f"{best[0]}x{best[1]}"


def _distance(one: tuple[int, int], other: tuple[int, int]) -> float:
    return math.hypot(*(math.log(a / b) for a, b in zip(one, other, strict=True)))


def _of_list(sizes: Iterable[str]) -> Iterator[tuple[int, int]]:
    for size in sizes:
        if parsed := _SIZE.fullmatch(size):
            yield int(parsed[1]), int(parsed[2])


def _of_rule(wished: tuple[int, int], rule: SizeRule) -> Iterator[tuple[int, int]]:
    """
    Yield for each legal width the legal heights next to the wished one.
    """
    step = rule.multiple
    for width in range(step, rule.max_edge + 1, step):
        lowest = max(step, math.ceil(width / rule.max_ratio), math.ceil(rule.min_pixels / width))
        highest = min(rule.max_edge, int(width * rule.max_ratio), rule.max_pixels // width)
        first, last = math.ceil(lowest / step), highest // step
        if first <= last:
            below = wished[1] // step
            for steps in {min(max(below, first), last), min(max(below + 1, first), last)}:
                yield width, steps * step
