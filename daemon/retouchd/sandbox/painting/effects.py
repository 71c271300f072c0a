"""
The effects on colours and light, one function of a picture each.
"""

import functools
from collections.abc import Callable, Iterable
from typing import TypeAlias

from PIL import Image, ImageChops, ImageEnhance, ImageFilter, ImageOps

from retouchd.sandbox.words import Effect

_Change: TypeAlias = Callable[[Image.Image], Image.Image]


def changed(picture: Image.Image, effects: Iterable[Effect]) -> Image.Image:
    """
    Return an RGBA picture with the effects done in their order; its transparency stays with it.
    """
    for effect in effects:
        if effect in _SHAPES:
            picture = _SHAPES[effect](picture)
        if effect in _COLOURS:
            colours = _COLOURS[effect](picture.convert("RGB"))
            colours.putalpha(picture.getchannel("A"))
            picture = colours
    return picture


def _tint(picture: Image.Image, *, towards: tuple[int, int, int]) -> Image.Image:
    light = ImageOps.grayscale(picture)
    channels = [
        _pulled(channel, light, share)
        for channel, share in zip(picture.split(), towards, strict=True)
    ]
    return Image.merge("RGB", channels)


def _pulled(channel: Image.Image, light: Image.Image, share: int) -> Image.Image:
    stronger = ImageChops.lighter(channel, light).point(lambda value: (255 + 3 * value) // 4)
    weaker = channel.point(lambda value: value * 11 // 20)
    return Image.blend(weaker, stronger, share / 100)


def _sepia(picture: Image.Image) -> Image.Image:
    return ImageOps.colorize(ImageOps.grayscale(picture), black="#20120a", white="#fff0d2")


def _blurred(picture: Image.Image) -> Image.Image:
    return picture.filter(ImageFilter.GaussianBlur(max(2, min(picture.size) / 60)))


def _pixelated(picture: Image.Image) -> Image.Image:
    few = tuple(max(1, edge * 32 // max(picture.size)) for edge in picture.size)
    small = picture.resize((few[0], few[1]), Image.Resampling.BOX)
    return small.resize(picture.size, Image.Resampling.NEAREST)


_SHAPES: dict[Effect, _Change] = {
    Effect.MIRROR: ImageOps.mirror,
    Effect.FLIP: ImageOps.flip,
}
_COLOURS: dict[Effect, _Change] = {
    Effect.INVERT: ImageOps.invert,
    Effect.GREY: lambda picture: ImageOps.grayscale(picture).convert("RGB"),
    Effect.SEPIA: _sepia,
    Effect.RED: functools.partial(_tint, towards=(100, 0, 0)),
    Effect.ORANGE: functools.partial(_tint, towards=(100, 50, 0)),
    Effect.YELLOW: functools.partial(_tint, towards=(100, 100, 0)),
    Effect.GREEN: functools.partial(_tint, towards=(0, 100, 0)),
    Effect.BLUE: functools.partial(_tint, towards=(0, 0, 100)),
    Effect.PURPLE: functools.partial(_tint, towards=(100, 0, 100)),
    Effect.PINK: functools.partial(_tint, towards=(100, 30, 60)),
    Effect.BRIGHTER: lambda picture: picture.point(lambda value: 255 - (255 - value) * 13 // 20),
    Effect.DARKER: lambda picture: picture.point(lambda value: value * 13 // 20),
    Effect.CONTRAST: lambda picture: ImageEnhance.Contrast(picture).enhance(1.6),
    Effect.VIVID: lambda picture: ImageEnhance.Color(picture).enhance(1.9),
    Effect.BLUR: _blurred,
    Effect.SHARPEN: lambda picture: picture.filter(ImageFilter.UnsharpMask(3, 250, 0)),
    Effect.PIXELATE: _pixelated,
    Effect.POSTERIZE: lambda picture: ImageOps.posterize(picture, 2),
}
