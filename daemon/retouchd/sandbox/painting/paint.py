"""
The edits themselves: a picture, its mask and its references become the results, encoded.
"""

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from retouchd.sandbox.painting.effects import changed
from retouchd.sandbox.painting.lettering import Box, write
from retouchd.sandbox.painting.look import opened
from retouchd.sandbox.words import Effect, Wish

_TURNS = {
    90: Image.Transpose.ROTATE_270,
    180: Image.Transpose.ROTATE_180,
    270: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """
    The pictures of a request: the one to edit first, then the references.

    Only where the mask is wholly transparent is anything changed; with a markup only in the
    rectangle around what was drawn.
    """

    images: Sequence[BinaryIO]
    mask: BinaryIO | None = None
    markup: BinaryIO | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """
    What the results shall be: their number, background, format and the encoder's quality (0 to 100).

    `canvas` gives their size for the size of the picture; `partials` is how many rough drafts go
    before each.
    """

    canvas: Callable[[int, int], tuple[int, int]]
    n: int = 1
    background: str = "auto"
    format: str = "png"
    compression: int = 100
    partials: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Painted:
    """
    The results, encoded, with the drafts of each, and what they have in common: pixels, background.
    """

    pictures: tuple[bytes, ...]
    partials: tuple[tuple[bytes, ...], ...]
    width: int
    height: int
    background: str


def paint(scene: Scene, wish: Wish, output: Output) -> Painted:
    """
    Return edits of the first picture that differ slightly, painted as the words wish.
    """
    picture = opened(scene.images[0])
    turned = picture.transpose(_TURNS[wish.turn]) if wish.turn else picture
    is_kept = scene.mask is not None or scene.markup is not None
    size = output.canvas(*(picture if is_kept else turned).size)
    area = _area(scene, size)
    edited = _edited(ImageOps.fit(turned, size), wish, area)
    _refer(edited, [opened(image) for image in scene.images[1:]], wish)
    pictures, partials, see_through = [], [], False
    # One result at a time: ten large ones at once would fill the memory of a small machine.
    for index in range(output.n):
        result = ImageEnhance.Brightness(edited).enhance(1 - index / 25)
        result.putalpha(edited.getchannel("A"))
        if area is not None:
            result = Image.composite(result, ImageOps.fit(picture, size), area)
        finished = _finished(result, wish, output)
        pictures.append(_encoded(finished, output))
        partials.append(tuple(_encoded(draft, output) for draft in _drafts(finished, output)))
        see_through = finished.mode == "RGBA"
    return Painted(
        pictures=tuple(pictures),
        partials=tuple(partials),
        width=size[0],
        height=size[1],
        background="transparent" if see_through else "opaque",
    )


def _area(scene: Scene, size: tuple[int, int]) -> Image.Image | None:
    """
    Return where the picture may change, white on black; None is everywhere.
    """
    if scene.mask is not None:
        area = opened(scene.mask).getchannel("A").point(lambda value: 0 if value else 255)
        return ImageOps.fit(area, size, Image.Resampling.NEAREST)
    if scene.markup is not None:
        drawn = ImageOps.fit(opened(scene.markup).getchannel("A"), size).getbbox()
        area = Image.new("L", size)
        area.paste(255, drawn or (0, 0, *size))
        return area
    return None


def _edited(picture: Image.Image, wish: Wish, area: Image.Image | None) -> Image.Image:
    picture = changed(picture, wish.effects)
    # Written where it will be seen: in the part that may change.
    box = (area and area.getbbox()) or (0, 0, *picture.size)
    if Effect.BORDER in wish.effects:
        box = _framed(picture, box)
    if wish.caption:
        write(picture, wish.caption, box)
    return picture


def _framed(picture: Image.Image, box: Box) -> Box:
    """
    Draw a white border along the inside of the box; return what is left within it.
    """
    left, top, right, bottom = box
    edge = max(1, min(right - left, bottom - top) // 25)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((left, top, right - 1, bottom - 1), outline="white", width=edge)
    within = (left + edge, top + edge, right - edge, bottom - edge)
    return within if within[0] < within[2] and within[1] < within[3] else box


def _refer(picture: Image.Image, others: list[Image.Image], wish: Wish) -> None:
    """
    Show that the references came: the first as the backdrop if the words say so, the others small.
    """
    if others and wish.backdrop:
        backdrop = ImageOps.fit(others.pop(0), picture.size)
        backdrop.paste(picture, (0, 0), _subject(picture))
        picture.paste(backdrop)
    edge = max(1, min(picture.size) // 5)
    for index, other in enumerate(others):
        small = ImageOps.fit(other, (edge, edge))
        column, row = index % 4, index // 4
        picture.paste(small, (picture.width - edge * (column + 1), edge * row), small)


def _subject(picture: Image.Image) -> Image.Image:
    """
    Return what of a picture stands before its background, white on black, as well as can be guessed:
    what differs from an even background, else a soft oval.
    """
    if _is_see_through(picture):
        return picture.getchannel("A")
    colours = picture.convert("RGB")
    corner = Image.new("RGB", picture.size, colours.getpixel((0, 0)))
    distance = ImageChops.difference(colours, corner).convert("L")
    cut = distance.point(lambda value: 255 if value > 24 else 0)
    if _share_at_the_edges(cut) < 0.1:
        return cut
    oval = Image.new("L", picture.size)
    width, height = picture.size
    box = (width // 8, height // 8, width - width // 8, height - height // 8)
    ImageDraw.Draw(oval).ellipse(box, 255)
    return oval.filter(ImageFilter.GaussianBlur(min(picture.size) / 30))


def _share_at_the_edges(cut: Image.Image) -> float:
    width, height = cut.size
    edges = [(0, 0, width, 1), (0, height - 1, width, height)]
    edges += [(0, 0, 1, height), (width - 1, 0, width, height)]
    return sum(cut.crop(box).histogram()[255] for box in edges) / (2 * width + 2 * height)


def _finished(picture: Image.Image, wish: Wish, output: Output) -> Image.Image:
    wants_none = output.background == "transparent" or Effect.CUT_OUT in wish.effects
    if wants_none and not _is_see_through(picture):
        subject = _subject(picture)
        picture = picture.copy()
        picture.putalpha(subject)
    is_opaque = output.background == "opaque" or output.format == "jpeg"
    if is_opaque or not _is_see_through(picture):
        paper = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(paper, picture).convert("RGB")
    return picture


def _is_see_through(picture: Image.Image) -> bool:
    return picture.getchannel("A").getextrema() != (255, 255)


def _drafts(picture: Image.Image, output: Output) -> Iterator[Image.Image]:
    for index in range(output.partials):
        radius = max(1, max(picture.size) // 40) * (output.partials - index)
        yield picture.filter(ImageFilter.BoxBlur(radius))


def _encoded(picture: Image.Image, output: Output) -> bytes:
    buffer = io.BytesIO()
    if output.format == "png":
        picture.save(buffer, "PNG", compress_level=1)
    else:
        picture.save(buffer, output.format.upper(), quality=max(1, output.compression))
    return buffer.getvalue()
