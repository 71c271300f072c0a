"""
What the pixels of a decoded picture mean: transparency, colours by its profile and in sRGB; and its metadata.

The metadata of decoded pictures, as the bytes that stand in the file: read, and never written, by Pillow.
"""

import io
from functools import lru_cache

from PIL import Image, ImageChops, ImageCms, TiffImagePlugin

from retouchd.job.stripped import Removed
from retouchd.pictures import colour_spaces, metadata
from retouchd.pictures.colour_spaces import Encoding, by_code, by_gamma
from retouchd.pictures.metadata import in_order

_XMP_TAG, _IPTC_TAG = 700, 33723
"""Where TIFF files hold both (XMP part 3, 1.1.4)."""
_OTHER_COLOURS = frozenset({"chromaticity", "cicp", "gamma", "icc_profile", "srgb"})
"""Names under which Pillow tells of what says colours besides EXIF."""
_SELF_TOLD = frozenset({"AVIF", "HEIF"})
"""Formats that always say themselves what their colours are (ISO/IEC 14496-12, 12.1.5)."""


def exif_of(image: Image.Image) -> bytes:
    """
    Return a picture's EXIF from its TIFF header on; b"" for none, and for TIFF files, which are all EXIF.
    """
    found = image.info.get("exif")
    if found is None:
        found = _unpacked(image.info.get("Raw profile type exif"))
    return found.removeprefix(metadata.PREFIX) if isinstance(found, bytes) else b""


def xmp_of(image: Image.Image) -> bytes:
    """
    Return a picture's XMP packet, b"" for none.
    """
    found = image.info.get("xmp")
    if found is None and isinstance(image, TiffImagePlugin.TiffImageFile):
        found = image.tag_v2.get(_XMP_TAG)
    return found if isinstance(found, bytes) else b""


def kinds_in(image: Image.Image) -> tuple[Removed, ...]:
    """
    Return which kinds of metadata a decoder told of; those that it does not know are not among them.
    """
    tags = image.tag_v2 if isinstance(image, TiffImagePlugin.TiffImageFile) else {}
    found = {
        Removed.EXIF: bool(tags or exif_of(image)),
        Removed.XMP: bool(xmp_of(image)),
        Removed.IPTC: _IPTC_TAG in tags,
        Removed.COMMENT: bool(image.info.get("comment")),
    }
    return in_order(kind for kind, is_there in found.items() if is_there)


def says_adobe_rgb(image: Image.Image) -> bool:
    """
    Say whether EXIF, and nothing else, says that a picture's colours are those of Adobe RGB (1998).
    """
    if image.format in _SELF_TOLD or any(image.info.get(name) for name in _OTHER_COLOURS):
        return False
    return metadata.says_adobe_rgb(exif_of(image))


def _unpacked(text: object) -> bytes | None:
    """
    Return the EXIF that ImageMagick packs into a PNG's text: digits behind three lines.
    """
    if not isinstance(text, str):
        return None
    try:
        return bytes.fromhex("".join(text.split("\n")[3:]))
    except ValueError:
        return None


_SPACES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}
"""Colour spaces of profiles (ICC.1, 7.2.6), and the modes in which pixels are handed to them."""
_GREY_MODES = frozenset({"1", "L", "LA", "La", "I", "F", "I;16", "I;16L", "I;16B", "I;16N"})
_TOLERANCE = 3
"""How far of 255 a profile may be from sRGB and still be one; the shortened ones differ by 2."""

_ADOBE_RGB = colour_spaces.adobe_rgb()

_FAULTS = (ImageCms.PyCMSError, OSError, TypeError, ValueError)


def is_foreign(image: Image.Image) -> bool:
    """
    Say whether a profile gives a picture other colours than it would have in sRGB.

    Where there is none, EXIF may say that one is meant. A profile that is damaged, or made for other
    channels than the picture has, is none, as it is to those who show pictures.
    """
    encoding = encoding_of(image)
    if encoding is not None:
        return not encoding.is_plain
    return _profile_for(image) is not None


def encoding_of(image: Image.Image) -> Encoding | None:
    """
    Return what numbers of a picture say of its levels; None where a profile or sRGB counts, or nothing is said.

    Of a PNG cICP counts before a profile, that before sRGB, and that before gAMA (PNG specification, 4.3).
    """
    info = image.info
    code, profile, gamma = info.get("cicp"), info.get("icc_profile"), info.get("gamma")
    if isinstance(code, tuple) and (image.format == "PNG" or not profile):
        primaries, transfer, _, is_full = code
        found = by_code(primaries, transfer, is_full=bool(is_full))
        if found is not None:
            return found
    heif = info.get("nclx_profile")
    if isinstance(heif, dict) and not profile:
        return by_code(heif["color_primaries"], heif["transfer_characteristics"])
    if profile or isinstance(info.get("srgb"), int) or not isinstance(gamma, float):
        return None
    points = info.get("chromaticity")
    return by_gamma(gamma, points if isinstance(points, tuple) else None)


def in_srgb(colours: Image.Image, image: Image.Image) -> Image.Image:
    """
    Return in RGB what `colours`, the pixels of `image` without their alpha, look like by its profile.
    """
    found = _profile_for(image)
    if found is None:
        return colours.convert("RGB")
    source = ImageCms.ImageCmsProfile(io.BytesIO(found))
    mode = _SPACES[source.profile.xcolor_space]
    return _converted(colours.convert(mode), source)


def from_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """
    Return what a picture in sRGB (`RGB` or `RGBA`) is in the numbers of an RGB profile; alpha stays.

    Raises OSError or ValueError for a profile into which nothing can be brought.
    """
    target = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    transform = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), target, "RGB", "RGB")
    found = transform.apply(image.convert("RGB"))
    found.info = {}
    if image.mode == "RGBA":
        found.putalpha(image.getchannel("A"))
    return found


def to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """
    Return in sRGB a picture (`RGB` or `RGBA`) in the numbers of an RGB profile; alpha stays.
    """
    found = _converted(image.convert("RGB"), ImageCms.ImageCmsProfile(io.BytesIO(profile)))
    if image.mode == "RGBA":
        found.putalpha(image.getchannel("A"))
    return found


def rgb_profile(image: Image.Image) -> bytes | None:
    """
    Return the profile by which the pixels of a picture are meant, if they are RGB; None for sRGB and for all
    others.

    Where EXIF alone names Adobe RGB, it is made here. One from or into which nothing can be brought, as it is
    damaged or a scanner's, is none.
    """
    if encoding_of(image) is not None or image.mode in _GREY_MODES or image.mode in ("CMYK", "LAB"):
        return None
    found = _ADOBE_RGB if says_adobe_rgb(image) else image.info.get("icc_profile")
    if not isinstance(found, bytes):
        return None
    return found if _is_usable(found) else None


@lru_cache(maxsize=8)
def _is_usable(data: bytes) -> bool:
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(data))
        if profile.profile.xcolor_space != "RGB ":
            return False
        probe = Image.new("RGB", (1, 1))
        _converted(probe, profile)
        from_srgb(probe, data)
    except _FAULTS:
        return False
    return True


def by_encoding(bands: list[Image.Image], encoding: Encoding) -> Image.Image:
    """
    Return in RGB what the bands of a picture look like: one of grey or three, each of 8 bits or 16 (`I`).
    """
    found = []
    for band in bands:
        count = 65536 if band.mode == "I" else 256
        found.append(band.point(_levels(encoding, count), "L"))
    colours = Image.merge("RGB", found * 3 if len(found) == 1 else found)
    profile = encoding.profile
    if profile is None or len(found) == 1:
        return colours
    return _converted(colours, ImageCms.ImageCmsProfile(io.BytesIO(profile)))


@lru_cache(maxsize=8)
def _levels(encoding: Encoding, count: int) -> list[int]:
    return encoding.levels(count)


def kept_profile(image: Image.Image) -> bytes | None:
    """
    Return the profile of a picture if it holds for its pixels in RGB as they are: they need no conversion.
    """
    found = image.info.get("icc_profile")
    if encoding_of(image) is not None:
        return None
    if not isinstance(found, bytes) or image.mode in _GREY_MODES or _profile_for(image) is not None:
        return None
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(found))
    except _FAULTS:
        return None
    return found if profile.profile.xcolor_space == "RGB " and image.mode != "CMYK" else None


def alpha_of(image: Image.Image) -> Image.Image:
    """
    Return the transparency of every pixel: of a channel, of the palette, or by the colour that is clear.
    """
    key = image.info.get("transparency")
    if image.mode.startswith("I;16") and isinstance(key, int):
        return all_but(image.convert("I"), key)
    if image.mode == "La":  # which Pillow converts to nothing else
        image = image.convert("LA")
    return (image if image.mode == "RGBA" else image.convert("RGBA")).getchannel("A")


def all_but(grey: Image.Image, key: int) -> Image.Image:
    """
    Return alpha 0 where a grey is the key. Pillow's own conversion narrows it first and finds others.
    """
    above = grey.point(lambda value: value * 1 - key).convert("L")
    below = grey.point(lambda value: value * -1 + key).convert("L")
    return ImageChops.lighter(above, below).point([0, *[255] * 255])


def _profile_for(image: Image.Image) -> bytes | None:
    found = _ADOBE_RGB if says_adobe_rgb(image) else image.info.get("icc_profile")
    if not isinstance(found, bytes) or not found:
        return None
    mode = _foreign_mode(found)
    has_such_pixels = {
        "RGB": image.mode != "CMYK",
        "L": image.mode in _GREY_MODES,
        "CMYK": image.mode == "CMYK",
        None: False,
    }
    return found if has_such_pixels[mode] else None


@lru_cache(maxsize=32)
def _foreign_mode(data: bytes) -> str | None:
    """
    Return the mode of the pixels a profile is for; None if it is damaged, unknown or as good as sRGB.
    """
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(data))
        mode = _SPACES.get(profile.profile.xcolor_space)
        if mode is None:
            return None
        probe = _probe(mode)
        difference = ImageChops.difference(_converted(probe, profile), probe.convert("RGB"))
    except _FAULTS:
        return None
    is_near = not any(difference.tobytes().translate(None, bytes(range(_TOLERANCE + 1))))
    return None if is_near else mode


def _converted(colours: Image.Image, source: ImageCms.ImageCmsProfile) -> Image.Image:
    target = ImageCms.createProfile("sRGB")
    transform = ImageCms.buildTransform(source, target, colours.mode, "RGB")
    found = transform.apply(colours)
    found.info = {}
    return found


def _probe(mode: str) -> Image.Image:
    """
    Return a picture of colours from everywhere in a mode's space.
    """
    if mode == "L":
        return Image.frombytes("L", (256, 1), bytes(range(256)))
    levels = range(0, 256, 51)
    steps = [(r, g, b) for r in levels for g in levels for b in levels]
    rest = b"\0" * (mode == "CMYK")
    return Image.frombytes(mode, (len(steps), 1), b"".join(bytes(each) + rest for each in steps))
