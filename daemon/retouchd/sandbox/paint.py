"""
Pictures looked at and painted with Pillow, which no other module of the endpoint imports.
"""

import functools
import io
import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import BinaryIO, TypeAlias

from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

from retouchd.sandbox.words import Effect, Wish

_FORMATS = ("PNG", "JPEG", "WEBP")
_ORIENTATION = 0x0112
_TURNS = {
    90: Image.Transpose.ROTATE_270,
    180: Image.Transpose.ROTATE_180,
    270: Image.Transpose.ROTATE_90,
}
_FONTS = (
    "NotoSansCJK-Regular.ttc",
    "NotoSansCJKsc-Regular.otf",
    "NotoSansSC-Regular.otf",
    "SourceHanSansCN-Regular.otf",
    "wqy-zenhei.ttc",
    "wqy-microhei.ttc",
    "DroidSansFallbackFull.ttf",
    "uming.ttc",
    "PingFang.ttc",
    "STHeiti Medium.ttc",
)
"""Fonts that can write Chinese, by the names Linux and macOS install them under."""

_Font: TypeAlias = ImageFont.FreeTypeFont | ImageFont.ImageFont


class Unreadable(Exception):
    """
    The bytes are no picture, or not a whole one.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """
    What a picture is: pixels as it is shown upright, its MIME type and its Pillow mode.
    """

    width: int
    height: int
    mimetype: str
    mode: str

    @property
    def has_alpha(self) -> bool:
        """
        Whether it has an alpha channel of its own.
        """
        return self.mode in {"RGBA", "LA"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Painted:
    """
    The results, encoded, and what they have in common: pixels and background.
    """

    pictures: tuple[bytes, ...]
    width: int
    height: int
    background: str


def look(file: BinaryIO) -> Look:
    """
    Return what a picture is, having decoded the whole of it; the file is left at its start.

    Raises Unreadable.
    """
    file.seek(0)
    try:
        image = Image.open(file, formats=_FORMATS)
        image.load()
        turned = image.getexif().get(_ORIENTATION, 1) in {5, 6, 7, 8}
    except (
        OSError,
        EOFError,
        SyntaxError,
        ValueError,
        struct.error,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    ) as error:
        raise Unreadable(str(error)) from error
    finally:
        file.seek(0)
    width, height = reversed(image.size) if turned else image.size
    # A phone's JPEG that carries a second picture (MPO) is a JPEG to everyone else.
    mimetype = Image.MIME.get(image.format or "", "image/jpeg").replace("image/mpo", "image/jpeg")
    return Look(width=width, height=height, mimetype=mimetype, mode=image.mode)


def paint(
    images: Sequence[BinaryIO],
    mask: BinaryIO | None,
    wish: Wish,
    *,
    canvas: Callable[[int, int], tuple[int, int]],
    n: int,
    background: str,
    output_format: str,
    compression: int,
) -> Painted:
    """
    Return n edits of the first picture that differ slightly, painted as the words wish.

    `canvas` gives the size of the results for the size of the picture. Only what the mask leaves
    transparent is changed. Further pictures are set into the first, small, to show they came.
    """
    picture = _opened(images[0])
    turned = picture if not wish.turn else picture.transpose(_TURNS[wish.turn])
    size = canvas(*(picture if mask else turned).size)
    edited = _edited(ImageOps.fit(turned, size), wish)
    _inset(edited, [_opened(image) for image in images[1:]])
    results = [ImageEnhance.Brightness(edited).enhance(1 - index / 25) for index in range(n)]
    if mask is not None:
        area = ImageChops.invert(ImageOps.fit(_opened(mask), size).getchannel("A"))
        base = ImageOps.fit(picture, size)
        results = [Image.composite(result, base, area) for result in results]
    finished = [_finished(result, background, output_format) for result in results]
    return Painted(
        pictures=tuple(_encoded(result, output_format, compression) for result in finished),
        width=size[0],
        height=size[1],
        background="transparent" if finished[0].mode == "RGBA" else "opaque",
    )


def _opened(file: BinaryIO) -> Image.Image:
    file.seek(0)
    return ImageOps.exif_transpose(Image.open(file, formats=_FORMATS)).convert("RGBA")


def _edited(picture: Image.Image, wish: Wish) -> Image.Image:
    if Effect.MIRROR in wish.effects:
        picture = ImageOps.mirror(picture)
    colours = picture.convert("RGB")
    for effect in wish.effects:
        if effect in _COLOURS:
            colours = _COLOURS[effect](colours)
    colours.putalpha(picture.getchannel("A"))
    if Effect.BORDER in wish.effects:
        edge = max(2, min(colours.size) // 25)
        box = (0, 0, colours.width - 1, colours.height - 1)
        ImageDraw.Draw(colours).rectangle(box, outline="white", width=edge)
    if wish.caption:
        _write(colours, wish.caption)
    return colours


def _tint(picture: Image.Image, *, towards: tuple[bool, bool, bool]) -> Image.Image:
    light = ImageOps.grayscale(picture)
    channels = [
        ImageChops.lighter(channel, light).point(_stronger) if wanted else channel.point(_weaker)
        for channel, wanted in zip(picture.split(), towards, strict=True)
    ]
    return Image.merge("RGB", channels)


def _stronger(value: int) -> int:
    return (255 + 3 * value) // 4


def _weaker(value: int) -> int:
    return value * 11 // 20


def _sepia(picture: Image.Image) -> Image.Image:
    return ImageOps.colorize(ImageOps.grayscale(picture), black="#20120a", white="#fff0d2")


def _blurred(picture: Image.Image) -> Image.Image:
    return picture.filter(ImageFilter.GaussianBlur(max(2, min(picture.size) / 60)))


def _pixelated(picture: Image.Image) -> Image.Image:
    few = tuple(max(1, edge * 32 // max(picture.size)) for edge in picture.size)
    small = picture.resize((few[0], few[1]), Image.Resampling.BOX)
    return small.resize(picture.size, Image.Resampling.NEAREST)


_COLOURS: dict[Effect, Callable[[Image.Image], Image.Image]] = {
    Effect.INVERT: ImageOps.invert,
    Effect.GREY: lambda picture: ImageOps.grayscale(picture).convert("RGB"),
    Effect.SEPIA: _sepia,
    Effect.RED: functools.partial(_tint, towards=(True, False, False)),
    Effect.GREEN: functools.partial(_tint, towards=(False, True, False)),
    Effect.BLUE: functools.partial(_tint, towards=(False, False, True)),
    Effect.YELLOW: functools.partial(_tint, towards=(True, True, False)),
    Effect.PURPLE: functools.partial(_tint, towards=(True, False, True)),
    Effect.BRIGHTER: lambda picture: picture.point(lambda value: 255 - (255 - value) * 13 // 20),
    Effect.DARKER: lambda picture: picture.point(lambda value: value * 13 // 20),
    Effect.BLUR: _blurred,
    Effect.SHARPEN: lambda picture: picture.filter(ImageFilter.UnsharpMask(3, 250, 0)),
    Effect.PIXELATE: _pixelated,
    Effect.POSTERIZE: lambda picture: ImageOps.posterize(picture, 2),
}


def _inset(picture: Image.Image, others: Sequence[Image.Image]) -> None:
    edge = max(1, min(picture.size) // 5)
    for index, other in enumerate(others):
        small = ImageOps.fit(other, (edge, edge))
        column, row = index % 4, index // 4
        picture.paste(small, (picture.width - edge * (column + 1), edge * row), small)


def _finished(picture: Image.Image, background: str, output_format: str) -> Image.Image:
    if background == "transparent" and not _is_see_through(picture):
        picture = _cut_out(picture)
    if background == "opaque" or output_format == "jpeg" or not _is_see_through(picture):
        paper = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(paper, picture).convert("RGB")
    return picture


def _is_see_through(picture: Image.Image) -> bool:
    return picture.getchannel("A").getextrema() != (255, 255)


def _cut_out(picture: Image.Image) -> Image.Image:
    colours = picture.convert("RGB")
    corner = Image.new("RGB", (1, 1))
    corner.paste(colours.crop((0, 0, 1, 1)))
    distance = ImageChops.difference(colours, corner.resize(colours.size)).convert("L")
    colours.putalpha(distance.point(lambda value: 255 if value > 24 else 0))
    return colours


def _encoded(picture: Image.Image, output_format: str, compression: int) -> bytes:
    buffer = io.BytesIO()
    if output_format == "png":
        picture.save(buffer, "PNG", compress_level=1)
    else:
        picture.save(buffer, output_format.upper(), quality=max(1, compression))
    return buffer.getvalue()


def _write(picture: Image.Image, text: str) -> None:
    text = " ".join(text.split())[:400]
    size = max(10, picture.width // 28)
    path = None if text.isascii() else _wide_font()
    font: _Font = ImageFont.load_default(size) if path is None else ImageFont.truetype(path, size)
    if path is None:
        # Pillow's own font has Latin letters only and would draw a row of empty boxes.
        text = re.sub(r"[^ -~]+", lambda run: f"[{len(run[0])} characters]", text)
    lines = _lines(text, font, picture.width - size)
    strip = Image.new("RGBA", (picture.width, (len(lines) * 5 + 3) * size // 4), "#202020")
    ImageDraw.Draw(strip).multiline_text((size // 2, size // 4), "\n".join(lines), "white", font)
    picture.paste(strip, (0, picture.height - min(strip.height, picture.height // 2)))


def _lines(text: str, font: _Font, width: float) -> list[str]:
    lines = [""]
    for word in re.findall(r"[!-~]+ ?|.", text):
        if lines[-1] and font.getlength(lines[-1] + word) > width:
            lines.append("")
        lines[-1] += word
    return lines[:4]


@functools.cache
def _wide_font() -> str | None:
    for name in _FONTS:
        try:
            return str(ImageFont.truetype(name).path)
        except OSError:
            continue
    return None
