"""
The sizes a model may be asked for, and the one it picks by itself; width and height in pixels.
"""

import math
import re

from retouchd.sandbox.models import Model, Sizes
from retouchd.sandbox.refusal import IMAGE, Refusal, bad_value

SQUARES = ("256x256", "512x512", "1024x1024")
THREE = ("1024x1024", "1024x1536", "1536x1024", "auto")

LONGEST_EDGE = 3840
LEAST_PIXELS = 655_360
MOST_PIXELS = 8_294_400

_WRITTEN = re.compile(r"([1-9]\d{0,4})x([1-9]\d{0,4})")


def asked_size(model: Model, text: str | None) -> tuple[int, int] | None:
    """
    Return the size a request asks for, or None where the model picks.

    Raises Refusal (`invalid_value`, param `size`) as the provider does.
    """
    match model.sizes:
        case Sizes.SQUARE:
            return _listed("1024x1024" if text is None else text, SQUARES)
        case Sizes.THREE:
            return _listed("auto" if text is None else text, THREE)
        case Sizes.FREE:
            return _free("auto" if text is None else text)


def picked_size(model: Model, width: int, height: int) -> tuple[int, int]:
    """
    Return the size the model picks for a picture: its own, or the nearest it can return.
    """
    if model.sizes is not Sizes.FREE:
        shapes = ((1024, 1024), (1024, 1536), (1536, 1024))
        return min(shapes, key=lambda shape: abs(math.log(shape[0] * height / shape[1] / width)))
    scale = min(1.0, LONGEST_EDGE / max(width, height), math.sqrt(MOST_PIXELS / (width * height)))
    return max(1, int(width * scale)), max(1, int(height * scale))


def _listed(text: str, allowed: tuple[str, ...]) -> tuple[int, int] | None:
    if text not in allowed:
        raise bad_value("size", text, allowed, kind=IMAGE)
    return None if text == "auto" else _parsed(text)


def _free(text: str) -> tuple[int, int] | None:
    if text == "auto":
        return None
    size = _parsed(text)
    if size is None:
        raise _bad_size(f"Invalid value: '{text}'. Expected WIDTHxHEIGHT in pixels, or 'auto'.")
    width, height = size
    if width % 16 or height % 16:
        raise _bad_size(f"Invalid size '{text}'. Width and height must be divisible by 16.")
    if max(size) > LONGEST_EDGE:
        raise _bad_size(
            f"Invalid size '{text}'. The longest edge must be less than or equal to {LONGEST_EDGE}."
        )
    if max(size) > 3 * min(size):
        raise _bad_size(f"Invalid size '{text}'. The aspect ratio must not exceed 3:1.")
    if width * height < LEAST_PIXELS:
        raise _bad_size(
            f"Invalid size '{text}'. Requested resolution is below the current minimum pixel budget."
        )
    if width * height > MOST_PIXELS:
        raise _bad_size(
            f"Invalid size '{text}'. Requested resolution exceeds the current maximum pixel budget."
        )
    return size


def _parsed(text: str) -> tuple[int, int] | None:
    found = _WRITTEN.fullmatch(text)
    return None if found is None else (int(found[1]), int(found[2]))


def _bad_size(message: str) -> Refusal:
    return Refusal(message, kind=IMAGE, param="size", code="invalid_value")
