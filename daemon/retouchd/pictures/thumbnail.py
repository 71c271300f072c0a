"""
Small versions of pictures for a browser: upright, in sRGB, as WebP, which every browser shows.
"""

import io
from typing import BinaryIO

from PIL import Image, ImageFile, ImageOps

from retouchd.job.filetypes import SNIFF_BYTES
from retouchd.pictures.colours import alpha_of
from retouchd.pictures.decoding import (
    FAULTS,
    MOST_BYTES,
    decoded,
    kind_of,
    undecoded,
    unreadable,
)
from retouchd.pictures.pixels import srgb_pixels

_QUALITY = 82
_METHOD = 2
"""The encoder's effort: half the time of the usual 4, for a tenth more bytes."""
_TRANSPARENT = frozenset({"RGBA", "LA", "PA", "RGBa", "La"})


def thumbnail(file: BinaryIO, name: str, *, longest: int, max_megapixels: float) -> bytes:
    """
    Return a picture scaled down so that neither side has more than `longest` pixels. Blocks.

    `name` is what the file is called in messages. Raises ImageFault for what is no picture, or has more than
    `max_megapixels` million pixels, and OSError where the file cannot be read.
    """
    data = file.read(MOST_BYTES)
    kind = kind_of(data[:SNIFF_BYTES], name)
    source = io.BytesIO(data)
    if kind == "jpeg":
        with undecoded(source, kind, name, max_megapixels) as image:
            # Decoded at an eighth, a quarter or a half of its size, where that is still large enough.
            image.draft("RGB" if image.mode == "YCbCr" else image.mode, (longest, longest))
            try:
                image.load()
                return _small(image, data, longest)
            except FAULTS as error:
                raise unreadable(name, "is damaged: not all of it can be read") from error
    with decoded(source, kind, name, max_megapixels) as image:
        try:
            return _small(image, data, longest)
        except FAULTS as error:
            raise unreadable(name, "has colours of a kind that cannot be shown") from error


def _small(image: ImageFile.ImageFile, data: bytes, longest: int) -> bytes:
    is_transparent = image.mode in _TRANSPARENT or "transparency" in image.info
    alpha = alpha_of(image) if is_transparent else None
    pixels = srgb_pixels(image, data).convert("RGB")
    if alpha is not None:
        pixels.putalpha(alpha)
    exif = image.getexif()
    pixels.thumbnail((longest, longest), Image.Resampling.LANCZOS, reducing_gap=2.0)
    pixels.info = {}
    if 1 < exif.get(0x0112, 1) <= 8:
        pixels.getexif()[0x0112] = exif[0x0112]
        pixels = ImageOps.exif_transpose(pixels)
        pixels.info = {}
    out = io.BytesIO()
    pixels.save(out, "WEBP", quality=_QUALITY, method=_METHOD)
    return out.getvalue()
