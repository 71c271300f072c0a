"""
The metadata of decoded pictures, as the bytes that stand in the file: read, and never written, by Pillow.
"""

from PIL import Image, TiffImagePlugin

from retouchd.job.stripped import Removed
from retouchd.pictures import exif
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
    return found.removeprefix(exif.PREFIX) if isinstance(found, bytes) else b""


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
    return exif.says_adobe_rgb(exif_of(image))


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
