"""
What must be done to a picture before a model takes it, and what it is afterwards.

Nothing needed means that the file is sent byte for byte. A picture is turned upright, its colours become
sRGB and its pixels 8-bit RGB or RGBA, its format one the model takes (a JPEG stays JPEG, everything else
becomes PNG), and it is scaled down where it has too many bytes or pixels. It is never cropped. A mask
gets the size and the orientation of its picture and keeps nothing but its alpha.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from retouchd.errors import Problem
from retouchd.job.filetypes import ARITHMETIC, UNENDED
from retouchd.job.model import Request
from retouchd.pictures.finishing.geometry import Canvas, padded
from retouchd.request.limits import Limits, Picture
from retouchd.request.matching import MATCH, MATCH_LARGE, MATCHES, matching_size
from retouchd.request.output import Output
from retouchd.request.sizes import edges_of

EXTENSIONS = {"png": "png", "jpeg": "jpg"}
"""The formats that fitted pictures have, and how their files are called."""

_PHOTOS = frozenset({"jpeg", "mpo", ARITHMETIC, UNENDED})


class Change(StrEnum):
    """
    What is not as it must be, and is changed.
    """

    FORMAT = "format"
    CHANNELS = "channels"
    COLOURS = "colours"
    ORIENTATION = "orientation"
    PIXELS = "pixels"
    BYTES = "bytes"
    SHAPE = "shape"
    """Something is put around it, so that it has the shape of a size that the model makes."""
    METADATA = "metadata"
    """It cannot be cut out, but stays behind when the picture is encoded anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """
    What to make of a picture, in this order: turned, in sRGB, of that size, mode and format.

    `turns` are EXIF orientations to be applied one after the other; `canvas` is what is put around the picture
    then, None for nothing; `size` is meant after both. `max_bytes` is what the file must stay below, None for
    no limit.
    """

    changes: tuple[Change, ...]
    turns: tuple[int, ...]
    size: tuple[int, int]
    mode: str
    format: str
    max_bytes: int | None
    canvas: Canvas | None = None


def asked_shape(
    request: Request, output: Output, upright: tuple[int, int], limits: Limits, *, pads: bool
) -> tuple[str, Canvas | None]:
    """
    Return the size that is asked for so that the result has the shape of its picture, "" where what was set or
    nothing is; and what is put around the picture where the model makes no such shape.
    """
    wanted = str(request.parameters.get("size", MATCH if output.keeps_shape else ""))
    if wanted not in MATCHES or "size" in limits.interface.lacks:
        return "", None
    size = matching_size(upright, limits.sizes, is_large=wanted == MATCH_LARGE)
    edges = edges_of(size or "")
    if edges is None or not (output.keeps_shape and pads):
        return size or "", None
    canvas = padded(upright, edges)
    return size or "", canvas if canvas.is_padded else None


def image_fit(picture: Picture, limits: Limits, canvas: Canvas | None = None) -> Fit | None:
    """
    Return what must be done to a picture, None where nothing must, or nothing would help; `canvas` is what is
    to be put around it.
    """
    changes = tuple(_image_changes(picture, limits))
    if canvas is not None:
        changes = (*changes, Change.SHAPE)
    target = _target(picture, limits)
    if not changes or target is None:
        return None
    return Fit(
        changes=changes,
        turns=_turns(picture),
        size=_within(canvas.size if canvas else picture.upright, limits.max_image_pixels),
        mode="RGBA" if picture.has_alpha else "RGB",
        format=target,
        max_bytes=limits.max_image_bytes,
        canvas=canvas,
    )


def mask_fit(
    mask: Picture,
    image: Picture,
    size: tuple[int, int],
    limits: Limits,
    canvas: Canvas | None = None,
) -> Fit | None:
    """
    Return what must be done to a mask, None where nothing must, or nothing would help. `canvas` is what was put
    around its picture: there it is closed.

    `image` is the picture before, `size` its width and height after it was fitted. A mask is drawn over
    the upright picture; only one that has the size of the stored pixels instead is turned along.
    """
    turns, shown = _turns(mask), mask.upright
    if shown != image.upright and shown == (image.width, image.height):
        turns, shown = (*turns, image.orientation), image.upright
    changes = tuple(_mask_changes(mask, turns, shown, size, limits))
    if not changes or not mask.has_alpha or shown != image.upright:
        return None
    return Fit(
        changes=changes,
        turns=turns,
        size=size,
        mode="RGBA",
        format="png",
        max_bytes=limits.max_mask_bytes,
        canvas=canvas,
    )


def expected(picture: Picture, fit: Fit | None) -> Picture:
    """
    Return what a picture will be once it is fitted, as far as that is known beforehand.
    """
    if fit is None:
        return picture
    return replace(
        picture,
        format=fit.format,
        width=fit.size[0],
        height=fit.size[1],
        mode=fit.mode,
        size_bytes=0,
        depth=8,
        orientation=1,
        has_foreign_colours=False,
        has_exif_colours=False,
        has_fixed_metadata=False,
    )


def with_way_out(problem: Problem) -> Problem:
    """
    Return a problem that fitting would solve, with the hint that it can be switched on.
    """
    hint = f"{problem.hint.removesuffix('.')}, or set images.fit = true in the configuration."
    return replace(problem, hint=hint)


def _image_changes(picture: Picture, limits: Limits) -> Iterator[Change]:
    if picture.format not in limits.sent_formats:
        yield Change.FORMAT
    if not picture.is_plain:
        yield Change.CHANNELS
    if picture.has_foreign_colours:
        yield Change.COLOURS
    if picture.orientation != 1:
        yield Change.ORIENTATION
    if _within(picture.upright, limits.max_image_pixels) != picture.upright:
        yield Change.PIXELS
    if limits.max_image_bytes and picture.size_bytes >= limits.max_image_bytes:
        yield Change.BYTES
    if picture.has_fixed_metadata and picture.format in limits.sent_formats:
        yield Change.METADATA


def _mask_changes(
    mask: Picture,
    turns: tuple[int, ...],
    shown: tuple[int, int],
    size: tuple[int, int],
    limits: Limits,
) -> Iterator[Change]:
    if mask.format != "png":
        yield Change.FORMAT
    if not mask.is_plain:
        yield Change.CHANNELS
    if turns:
        yield Change.ORIENTATION
    if shown != size:
        yield Change.PIXELS
    if limits.max_mask_bytes and mask.size_bytes >= limits.max_mask_bytes:
        yield Change.BYTES
    if mask.has_fixed_metadata and mask.format == "png":
        yield Change.METADATA


def _target(picture: Picture, limits: Limits) -> str | None:
    """
    Return the format of a fitted picture; None where the model takes none that it could have.
    """
    is_photo = picture.format in _PHOTOS and not picture.has_alpha
    wanted = ("jpeg", "png") if is_photo else ("png", "jpeg")
    possible = [each for each in wanted if each in limits.sent_formats]
    if picture.has_alpha:
        possible = [each for each in possible if each != "jpeg"]
    return next(iter(possible), None)


def _turns(picture: Picture) -> tuple[int, ...]:
    return () if picture.orientation == 1 else (picture.orientation,)


def _within(size: tuple[int, int], most_pixels: int | None) -> tuple[int, int]:
    """
    Return the size, or the largest one of its shape that has not too many pixels.
    """
    width, height = size
    if most_pixels is None or width * height <= most_pixels:
        return size
    scale = (most_pixels / (width * height)) ** 0.5
    narrow, low = max(1, int(width * scale)), max(1, int(height * scale))
    return min(narrow, max(1, most_pixels // low)), min(low, max(1, most_pixels // narrow))
