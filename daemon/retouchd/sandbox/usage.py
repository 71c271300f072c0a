"""
The tokens an edit is billed with, as the provider's published tables and samples have them.
"""

import math
from collections.abc import Sequence
from typing import Any

from retouchd.money.pricing import tokens_of_picture
from retouchd.request.models import FACTORS, FACTORS_2_5
from retouchd.sandbox.models import Model, Sizes

_THREE = {
    "low": (272, 408, 400),
    "medium": (1056, 1584, 1568),
    "high": (4160, 6240, 6208),
}
"""Output tokens of the 1-family: square, portrait, landscape."""

_PARTIAL = 100
"""Output tokens of one partial picture."""


def usage(
    model: Model,
    *,
    prompt: str,
    inputs: Sequence[tuple[int, int]],
    output: tuple[int, int],
    quality: str,
    fidelity: str | None,
    n: int,
    partials: int = 0,
) -> dict[str, Any]:
    """
    Return the `usage` of an answer: `inputs` and `output` are sizes, n the number of results, each
    with so many partial pictures before it.
    """
    text = max(1, math.ceil(len(prompt.encode()) / 4))
    images = sum(_input_tokens(model, width, height, fidelity) for width, height in inputs)
    painted = n * (output_tokens(model, *output, quality) + partials * _PARTIAL)
    return {
        "input_tokens": text + images,
        "output_tokens": painted,
        "total_tokens": text + images + painted,
        "input_tokens_details": {"text_tokens": text, "image_tokens": images},
        "output_tokens_details": {"text_tokens": 0, "image_tokens": painted},
    }


def output_tokens(model: Model, width: int, height: int, quality: str) -> int:
    """
    Return the tokens of one result of that size.
    """
    if model.sizes is not Sizes.FREE:
        square, portrait, landscape = _THREE[quality]
        return square if width == height else portrait if width < height else landscape
    factors = FACTORS_2_5 if "max" in model.qualities else FACTORS
    return tokens_of_picture(factors[quality], width, height)


def _input_tokens(model: Model, width: int, height: int, fidelity: str | None) -> int:
    millions = width * height / (1024 * 1024)
    if model.sizes is Sizes.FREE:
        return min(1600, max(800, round(1024 * millions)))
    return max(1, round((3050 if fidelity == "high" else 135) * min(1.0, millions)))
