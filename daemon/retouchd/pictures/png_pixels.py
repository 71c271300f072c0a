"""
What Pillow leaves out of PNG files: half of 16 bits, clear colours of other depths than 8, large texts.
"""

import io
from typing import BinaryIO

from PIL import Image, ImageChops, ImageFile, ImageMath, PngImagePlugin

from retouchd.pictures import png
from retouchd.pictures.byte_source import Stored
from retouchd.pictures.colours import all_but

_DEPTH = 24
"""Where a PNG states the bits of a channel (PNG specification, 11.2.2)."""


def correct_key(image: ImageFile.ImageFile, stored: Stored) -> None:
    """
    Make the colour that is clear (11.3.1.1) the one that Pillow's pixels have, or an alpha channel.

    It keeps the number that is stored, and compares it with pixels that it has brought to 8 bits.
    """
    key, depth = image.info.get("transparency"), stored[_DEPTH : _DEPTH + 1][0]
    if image.mode == "L" and isinstance(key, int):
        image.info["transparency"] = key * 255 // (2**depth - 1)
    elif image.mode == "RGB" and isinstance(key, tuple) and depth == 16:
        bands = deep_bands(image, stored)
        assert bands is not None, "it is a PNG of 16 bits"
        del image.info["transparency"]
        red, green, blue = (all_but(*each) for each in zip(bands, key, strict=True))
        image.putalpha(ImageChops.lighter(ImageChops.lighter(red, green), blue))


def deep_bands(image: ImageFile.ImageFile, stored: Stored) -> list[Image.Image] | None:
    """
    Return grey, or red, green and blue, of a decoded PNG of 16 bits a channel in numbers of as many bits (`I`).

    None for other pictures, and for grey with alpha, of which only 8 bits are decoded. Pillow keeps the higher
    byte of colours: decoded anew as if bytes stood the other way round, it keeps the lower one.
    """
    if image.mode.startswith("I;16"):
        return [image.convert("I")]
    if image.format != "PNG" or image.mode not in ("RGB", "RGBA"):
        return None
    source, _ = without_excess(io.BytesIO(stored[0 : len(stored)]), stored)
    with PngImagePlugin.PngImageFile(source) as other:
        tile = other.tile[0]
        if tile.args not in ("RGB;16B", "RGBA;16B"):
            return None
        other.tile = [tile._replace(args=tile.args.replace("16B", "16L"))]
        other.load()
        bands = zip(image.split()[:3], other.split()[:3], strict=True)
        return [
            ImageMath.lambda_eval(lambda each: each["high"] * 256 + each["low"], high=high, low=low)
            for high, low in bands
        ]


def without_excess(source: BinaryIO, stored: Stored) -> tuple[BinaryIO, bytes | None]:
    """
    Return a PNG without those texts and profiles for whose size Pillow refuses the whole of it, and such a
    profile.
    """
    excess = list(png.excess(stored))
    if not excess:
        return source, None
    ends = [0, *(end + 4 for _, _, end in excess)]
    starts = [*(start - 8 for _, start, _ in excess), len(stored)]
    rest = b"".join(stored[end:start] for end, start in zip(ends, starts, strict=True))
    return io.BytesIO(rest), png.profile_in(stored, excess)
