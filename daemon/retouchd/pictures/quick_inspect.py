"""
Pictures seen through without decoding all of them: what a full decoding would tell, at the cost of reading.

Instead of a plain JPEG or a still PNG a small stand-in is decoded, with all of its header and few of its
rows; `jpeg` and `png` say why that and a look at the rest prove as much. Of every other picture,
and wherever anything is odd, nothing is said: a full decoding decides.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from PIL import ImageFile

from retouchd.pictures import jpeg, png
from retouchd.pictures.byte_source import Stored
from retouchd.pictures.decoding import DECODERS, FAULTS

_MISTAKABLE = frozenset({"bbox", "interlace"})
"""Names under which Pillow keeps what it decodes a PNG by, and its texts as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sketch:
    """
    A stand-in, as bytes and decoded, that tells all of a picture but its height and pixels.

    `width` and `height` are the picture's own. `is_sound` reads the rest of it and says whether it is sure
    to decode; it raises OSError where that cannot be read.
    """

    stand_in: bytes
    image: ImageFile.ImageFile
    width: int
    height: int
    is_sound: Callable[[], bool]


def sketched(content: Stored, kind: str, max_megapixels: float) -> Sketch | None:
    """
    Return a sketch of a picture, None where only a full decoding can tell what it is.
    """
    match kind:
        case "jpeg":
            return _of_jpeg(content, max_megapixels)
        case "png":
            return _of_png(content, max_megapixels)
        case _:
            return None


def _of_jpeg(content: Stored, max_megapixels: float) -> Sketch | None:
    found = jpeg.outline(content)
    if found is None or found.width * found.height > max_megapixels * 1e6:
        return None
    is_sound = partial(jpeg.reaches_end, content, found)
    return _sketch(jpeg.stand_in(content, found), "jpeg", found.width, found.height, is_sound)


def _of_png(content: Stored, max_megapixels: float) -> Sketch | None:
    found = png.outline(content)
    if found is None or found.width * found.height > max_megapixels * 1e6:
        return None
    is_sound = partial(png.has_every_row, content, found)
    sketch = _sketch(png.stand_in(content, found), "png", found.width, found.height, is_sound)
    code = png.colour_code(content)
    if sketch and code is not None:
        sketch.image.info["cicp"] = code
    return sketch if sketch and _MISTAKABLE.isdisjoint(sketch.image.info) else None


def _sketch(
    stand_in: bytes, kind: str, width: int, height: int, is_sound: Callable[[], bool]
) -> Sketch | None:
    image = _decoded(stand_in, kind)
    if image is None:
        return None
    return Sketch(stand_in=stand_in, image=image, width=width, height=height, is_sound=is_sound)


def _decoded(stand_in: bytes, kind: str) -> ImageFile.ImageFile | None:
    """
    Return a stand-in decoded; what is wrong with it, the picture itself will tell.
    """
    try:
        image = DECODERS[kind](io.BytesIO(stand_in))
        image.load()
    except FAULTS:
        return None
    return image
