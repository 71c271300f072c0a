"""
What an uploaded picture is, found by decoding the whole of it.
"""

import struct
from dataclasses import dataclass
from typing import BinaryIO

from PIL import Image, ImageOps

_FORMATS = ("PNG", "JPEG", "WEBP")
_ORIENTATION = 0x0112


class Unreadable(Exception):
    """
    The bytes are no picture, or not a whole one.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """
    What a picture is: pixels as it is shown upright, its MIME type and its Pillow mode.

    `has_transparency` says that some pixel has alpha 0.
    """

    width: int
    height: int
    mimetype: str
    mode: str
    has_transparency: bool

    @property
    def has_alpha(self) -> bool:
        """
        Whether it has an alpha channel of its own.
        """
        return self.mode in {"RGBA", "LA"}


def look(file: BinaryIO) -> Look:
    """
    Return what a picture is; the file is left at its start.

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
    return Look(
        width=width,
        height=height,
        mimetype=mimetype,
        mode=image.mode,
        has_transparency="A" in image.getbands() and image.getchannel("A").getextrema()[0] == 0,
    )


def opened(file: BinaryIO) -> Image.Image:
    """
    Return the picture of a file that was looked at, upright and as RGBA.
    """
    file.seek(0)
    return ImageOps.exif_transpose(Image.open(file, formats=_FORMATS)).convert("RGBA")
