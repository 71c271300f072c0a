"""
The pixels of a decoded picture as all work with them: in 8 bits a channel, in sRGB, upright.
"""

from PIL import ExifTags, Image, ImageFile, TiffImagePlugin

from retouchd.pictures.colours import by_encoding, encoding_of, in_srgb
from retouchd.pictures.inspect import depth_of
from retouchd.pictures.pillow_gaps import deep_bands

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What brings the pixels of each EXIF orientation upright (CIPA DC-008, 4.6.5.1)."""


def srgb_pixels(image: ImageFile.ImageFile, data: bytes) -> Image.Image:
    """
    Return the colours of a picture, without their alpha, in sRGB.
    """
    encoding, depth = encoding_of(image), depth_of(image, data)
    if encoding is None:
        return in_srgb(narrow(image, depth), image)
    return by_encoding(deep_bands(image, data) or list(narrow(image, depth).split()), encoding)


def narrow(image: Image.Image, depth: int) -> Image.Image:
    """
    Return the colours of a picture, without their alpha, in 8 bits a channel: L, RGB or CMYK.
    """
    match image.mode:
        case "L" | "RGB" | "CMYK":
            return _without_key(image)
        case "1" | "LA" | "La":
            return _without_key(image).convert("LA").getchannel("L")
        case "I" | "F":
            return _levelled(image, _full_scale(image))
        case mode if mode.startswith("I;16"):
            full = 2 ** max(depth, 9) - 1
            return _levelled(image.convert("I"), full, is_negative=_is_negative(image))
        case "RGBa":
            return image.convert("RGBA").convert("RGB")
        case _:
            return _without_key(image).convert("RGB")


def _without_key(image: Image.Image) -> Image.Image:
    """
    Return a picture that knows nothing of a clear colour, lest a conversion looks for it.
    """
    if "transparency" not in image.info:
        return image
    copy = image.copy()
    del copy.info["transparency"]
    return copy


def _full_scale(image: Image.Image) -> float:
    """
    Return what is white in a picture of wide numbers: the end of the first usual scale that holds them.
    """
    _, highest = image.getextrema()
    assert isinstance(highest, int | float), "one channel has one highest value"
    scales = (1.0, 255.0, 65535.0, 2.0**32) if image.mode == "F" else (255.0, 65535.0, 2.0**32)
    return next((scale for scale in scales if highest <= scale), highest)


def _levelled(image: Image.Image, full: float, *, is_negative: bool = False) -> Image.Image:
    scale, black = (-255 / full, 255.5) if is_negative else (255 / full, 0.5)
    return image.convert("F").point(lambda value: value * scale + black).convert("L")


def _is_negative(image: Image.Image) -> bool:
    """
    Say whether 0 is white: Pillow turns grey of 8 bits round, that of 16 it does not.
    """
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return False
    return bool(image.tag_v2.get(ExifTags.Base.PhotometricInterpretation, 0) == 0)
