"""
Words written on a picture, wrapped and legible, in the fonts that are there.

Pillow brings a font of Latin letters only. Other letters come from fonts of the machine; a letter that
none of them has is drawn as browsers do it: a box with its code point, which can be looked up.
"""

import functools
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from PIL import Image, ImageDraw, ImageFont

Box: TypeAlias = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels, the last two just outside."""

_Font: TypeAlias = ImageFont.FreeTypeFont | ImageFont.ImageFont

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
    "DejaVuSans.ttf",
)
"""Fonts that can write Chinese and more, by the names Linux and macOS install them under."""

_LONGEST = 1_000
_PAPER, _INK = "#202020", "white"
_NOBODYS = "\U0010fffd"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sign:
    """
    One letter at one size; without a font it is drawn as a box. Width in pixels.
    """

    text: str
    font: _Font | None
    width: float


def can_write_chinese() -> bool:
    """
    Return whether some font of this machine has Chinese letters.
    """
    return _path_for("蓝") is not None


def write(picture: Image.Image, text: str, box: Box) -> None:
    """
    Write a text on a dark strip at the bottom of the box, as large as reads well; the picture changes.

    What does not fit into two thirds of the box at the smallest size is cut, with an ellipsis.
    """
    left, top, right, bottom = box
    text = "".join(filter(_is_drawn, " ".join(text.split())))[:_LONGEST]
    size, lines = _set(text, right - left, max(1, (bottom - top) * 2 // 3))
    height = min(bottom - top, _height(len(lines), size))
    strip = Image.new("RGBA", (right - left, height), _PAPER)
    draw = ImageDraw.Draw(strip)
    for number, line in enumerate(lines):
        _draw(draw, line, (size / 2, size / 4 + number * size * 5 / 4), size)
    picture.paste(strip, (left, bottom - height))


def _set(text: str, width: int, height: int) -> tuple[int, list[list[_Sign]]]:
    """
    Return the largest size at which the text fits, with its lines; the smallest with what fits of it.
    """
    # The digits in a box are half as high as a letter.
    least, across = (9, 24) if all(map(_can_write, text)) else (min(18, max(9, width // 2)), 16)
    size = max(least, width // across)
    while True:
        lines = list(_lines(text, size, width - size))
        if _height(len(lines), size) <= height or size == least:
            break
        size = max(least, size * 9 // 10)
    most = max(1, (height - size // 2) * 4 // (size * 5))
    if len(lines) > most:
        last = lines[most - 1]
        lines = [*lines[: most - 1], [*last[:-1], _sign("…", size)]]
    return size, lines


def _height(lines: int, size: int) -> int:
    return (lines * 5 + 2) * size // 4


def _lines(text: str, size: int, width: float) -> Iterator[list[_Sign]]:
    """
    Yield the lines of a text, broken between words, or inside of one that is longer than a line.
    """
    line: list[_Sign] = []
    used = 0.0
    for word in re.findall(r"[!-~]+ ?|.", text):
        signs = [_sign(letter, size) for letter in word]
        wide = sum(sign.width for sign in signs)
        for piece in [signs] if wide <= width else [[sign] for sign in signs]:
            needed = sum(sign.width for sign in piece)
            if line and used + needed > width:
                yield line
                line, used = [], 0.0
            line += piece
            used += needed
    yield line


def _draw(draw: ImageDraw.ImageDraw, line: list[_Sign], at: tuple[float, float], size: int) -> None:
    x, y = at
    for sign in line:
        if sign.font is None:
            _draw_box(draw, sign.text, (x, y), size)
        else:
            # Set on one base line: each font has an ascent of its own.
            draw.text((x, y + size), sign.text, _INK, sign.font, anchor="ls")
        x += sign.width


def _draw_box(draw: ImageDraw.ImageDraw, letter: str, at: tuple[float, float], size: int) -> None:
    x, y = at
    digits = f"{ord(letter):04X}"
    digits = digits if len(digits) == 4 else f"{ord(letter):06X}"
    half, font = len(digits) // 2, _default(size // 2)
    draw.rectangle((x + 1, y, x + _box_width(letter, size) - 2, y + size * 9 // 8), outline=_INK)
    for row, part in enumerate((digits[:half], digits[half:])):
        middle = (x + _box_width(letter, size) / 2, y + size * (5 + 9 * row) / 16)
        draw.text(middle, part, _INK, font, anchor="mm")


def _box_width(letter: str, size: int) -> int:
    return size if ord(letter) <= 0xFFFF else size * 4 // 3


def _sign(letter: str, size: int) -> _Sign:
    font = _font_for(letter, size)
    width = _box_width(letter, size) if font is None else font.getlength(letter)
    return _Sign(text=letter, font=font, width=width)


def _font_for(letter: str, size: int) -> _Font | None:
    if _has_glyph(None, letter):
        return _default(size)
    path = _path_for(letter)
    return None if path is None else _loaded(path, size)


def _can_write(letter: str) -> bool:
    return _has_glyph(None, letter) or _path_for(letter) is not None


def _path_for(letter: str) -> str | None:
    return next((path for path in _installed() if _has_glyph(path, letter)), None)


@functools.lru_cache(maxsize=4096)
def _has_glyph(path: str | None, letter: str) -> bool:
    if letter.isspace():
        return True
    font = _default(16) if path is None else _loaded(path, 16)
    return _drawn(font, letter) != _drawn(font, _NOBODYS)


def _drawn(font: _Font, letter: str) -> bytes:
    image = Image.new("L", (32, 32))
    ImageDraw.Draw(image).text((4, 4), letter, 255, font)
    return image.tobytes()


@functools.cache
def _installed() -> tuple[str, ...]:
    return tuple(_paths())


def _paths() -> Iterator[str]:
    for name in _FONTS:
        try:
            yield str(ImageFont.truetype(name).path)
        except OSError:
            continue


@functools.lru_cache(maxsize=64)
def _default(size: int) -> _Font:
    return ImageFont.load_default(size)


@functools.lru_cache(maxsize=64)
def _loaded(path: str, size: int) -> _Font:
    return ImageFont.truetype(path, size)


def _is_drawn(letter: str) -> bool:
    # Joiners, variation selectors and control signs shape their neighbours and have no look of their own.
    return unicodedata.category(letter) not in {"Cc", "Cf", "Cs", "Mn"} or letter.isspace()
