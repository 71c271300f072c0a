"""
Pictures made fit to be sent: what `pictures.fit_plan` asks for, done to the pixels.

Each function returns the bytes of a whole new file and changes none. A decoded picture takes 4 bytes a
pixel, and up to four copies of it are held at once: callers say how many may be at work.
"""

import io
import re
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from retouchd.errors import JobCode
from retouchd.pictures import metadata
from retouchd.pictures.colours import (
    alpha_of,
    exif_of,
    is_foreign,
    kept_profile,
    xmp_of,
)
from retouchd.pictures.decoding import (
    DECODERS,
    FAULTS,
    ImageFault,
    content,
    decoded,
    ended,
    kind_of,
)
from retouchd.pictures.finishing.padding import mirrored
from retouchd.pictures.fit_plan import Fit
from retouchd.pictures.inspect import orientation_of
from retouchd.pictures.metadata import Blocks, with_blocks
from retouchd.pictures.pixels import TURNS, srgb_pixels

_XMP_ORIENTATION = re.compile(rb"(tiff:Orientation(?:=[\"']|>))[0-9]")

_PNG_LEVEL = 4
"""Twice as fast as the usual 6 for 5 % more bytes, by photographs of 12 megapixels."""
_MOST_TRIES = 6
_MARGIN = 0.95
"""Bytes do not shrink quite as pixels do."""


def fitted_image(
    path: Path, *, name: str, fit: Fit, max_megapixels: float, keeps_metadata: bool = False
) -> bytes:
    """
    Return a picture as the fit asks for it. Raises ImageFault, also where it stays too large.

    Of its metadata EXIF, XMP and a profile that still holds are kept, or nothing.
    """
    pixels, found = _opened(path, name, fit, max_megapixels)
    blocks = found if keeps_metadata else Blocks()
    for turn in fit.turns:
        pixels = pixels.transpose(TURNS[turn])
    if fit.canvas is not None:
        pixels = mirrored(pixels, fit.canvas)
    return _small_enough(pixels, fit, name, lambda image: _encoded(image, fit.format, blocks))


def fitted_mask(path: Path, *, name: str, fit: Fit, max_megapixels: float) -> bytes:
    """
    Return a mask as the fit asks for it: its alpha over black. Raises ImageFault.

    Only alpha 0 means anything, so that is what scaling keeps: every pixel stays marked that holds a
    marked one, and no other is.
    """
    data, kind = _whole(path, name, max_megapixels)
    with decoded(io.BytesIO(data), kind, name, max_megapixels) as image:
        alpha = alpha_of(image)
    for turn in fit.turns:
        alpha = alpha.transpose(TURNS[turn])
    if fit.canvas is not None:
        whole = Image.new("L", fit.canvas.size, 255)
        whole.paste(alpha, (fit.canvas.left, fit.canvas.top))
        alpha = whole
    if alpha.size != fit.size:
        marks = alpha.point([255, *[0] * 255]).resize(fit.size, Image.Resampling.BOX)
        alpha = alpha.resize(fit.size, Image.Resampling.BOX)
        alpha.paste(0, mask=marks.point([0, *[255] * 255]))
    mask = Image.new("RGBA", fit.size)
    mask.putalpha(alpha)
    data = _encoded(mask, fit.format, Blocks())
    if fit.max_bytes and len(data) >= fit.max_bytes:
        raise _stays_too_large(name)
    return data


def _opened(path: Path, name: str, fit: Fit, max_megapixels: float) -> tuple[Image.Image, Blocks]:
    """
    Return the pixels of a picture in sRGB and the mode asked for, and its metadata.
    """
    data, kind = _whole(path, name, max_megapixels)
    with decoded(io.BytesIO(data), kind, name, max_megapixels) as image:
        try:
            alpha = alpha_of(image) if fit.mode == "RGBA" else None
            pixels = srgb_pixels(image, data)
        except FAULTS as error:
            raise ImageFault(
                JobCode.IMAGE_UNSUPPORTED,
                f"{name} has colours of a kind that cannot be converted ({image.mode}).",
                f"Save {name} as PNG or JPEG.",
            ) from error
        if alpha is not None:
            pixels.putalpha(alpha)
        # What Pillow would write besides: profiles and orientations that hold no longer.
        pixels.info = {}
        return pixels, _blocks(image, fit)


def _whole(path: Path, name: str, max_megapixels: float) -> tuple[bytes, str]:
    """
    Return a file's bytes up to the end mark of its picture, and its format.
    """
    data = content(path, name)
    kind = kind_of(data, name)
    return ended(data, kind, name, max_megapixels), kind


def _small_enough(
    pixels: Image.Image, fit: Fit, name: str, encode: Callable[[Image.Image], bytes]
) -> bytes:
    """
    Return the file in the size asked for, or in the largest one tried that keeps the limit.
    """
    scale = 1.0
    for _ in range(_MOST_TRIES):
        width, height = (max(1, round(side * scale)) for side in fit.size)
        data = encode(_scaled(pixels, (width, height)))
        if not fit.max_bytes or len(data) < fit.max_bytes:
            return data
        scale *= _MARGIN * (fit.max_bytes / len(data)) ** 0.5
    raise _stays_too_large(name)


def _scaled(pixels: Image.Image, size: tuple[int, int]) -> Image.Image:
    return pixels if pixels.size == size else pixels.resize(size, Image.Resampling.LANCZOS)


def _encoded(image: Image.Image, kind: str, blocks: Blocks) -> bytes:
    """
    Return a file. EXIF is none of the encoder's business: Pillow writes "?" for every letter beyond ASCII.
    """
    buffer = io.BytesIO()
    if kind == "jpeg":
        image.save(buffer, "JPEG", quality=95, subsampling=0, icc_profile=blocks.icc)
    else:
        image.save(buffer, "PNG", compress_level=_PNG_LEVEL, icc_profile=blocks.icc)
    return with_blocks(buffer.getvalue(), kind, blocks)


def _blocks(image: Image.Image, fit: Fit) -> Blocks:
    """
    Return the metadata of a picture for its fitted file: as it was, but for what is no longer true.
    """
    xmp = _XMP_ORIENTATION.sub(rb"\g<1>1", xmp_of(image))
    structure = metadata.corrected(exif_of(image), is_srgb=is_foreign(image))
    blocks = Blocks(exif=structure, xmp=xmp, icc=kept_profile(image))
    return blocks if _are_true(blocks, fit.format) else Blocks(icc=blocks.icc)


def _are_true(blocks: Blocks, kind: str) -> bool:
    """
    Say whether with this metadata a picture is seen as it is: upright, in its own colours.
    """
    probe = _encoded(Image.new("RGB", (1, 1)), kind, blocks)
    try:
        with DECODERS[kind](io.BytesIO(probe)) as image:
            image.load()
            return orientation_of(image) == 1 and not is_foreign(image)
    except FAULTS:
        return False


def _stays_too_large(name: str) -> ImageFault:
    return ImageFault(
        JobCode.IMAGE_TOO_LARGE,
        f"{name} has more bytes than this model takes, however much it is scaled down.",
        "Simplify the picture, or save it smaller.",
    )
