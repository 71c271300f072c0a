"""
Blocks of metadata put into pictures that were just encoded, as bytes: no encoder has a say in them.
"""

from dataclasses import dataclass

from retouchd.pictures import jpeg, png
from retouchd.pictures.exif import PREFIX

_XMP_PREFIX = b"http://ns.adobe.com/xap/1.0/\0"
_XMP_CHUNK = b"XML:com.adobe.xmp\0\0\0\0\0"
_MOST_SEGMENT = 65_533
_BEHIND_HEADER = 33
"""Where the second chunk of a PNG begins."""
_APP0 = 0xE0


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocks:
    """
    The metadata of a picture: EXIF from its TIFF header on, the XMP packet, b"" for none; its ICC profile.
    """

    exif: bytes = b""
    xmp: bytes = b""
    icc: bytes | None = None


def with_blocks(data: bytes, kind: str, blocks: Blocks) -> bytes:
    """
    Return a plain JPEG or PNG with EXIF and XMP where each belongs (CIPA DC-008, 4.5.4; XMP part 3, 1.1).

    XMP that is too long for one segment of a JPEG is left out. The profile is the encoder's matter.
    """
    if kind == "jpeg":
        at = next((each.end for each in jpeg.segments(data) if each.mark == _APP0), 2)
        inserted = b"".join(_segments(blocks))
    else:
        at = _BEHIND_HEADER
        inserted = png.chunk(b"eXIf", blocks.exif) if blocks.exif else b""
        inserted += png.chunk(b"iTXt", _XMP_CHUNK + blocks.xmp) if blocks.xmp else b""
    return data[:at] + inserted + data[at:]


def _segments(blocks: Blocks) -> list[bytes]:
    most = _MOST_SEGMENT - len(PREFIX)
    bodies = [
        PREFIX + blocks.exif[start : start + most] for start in range(0, len(blocks.exif), most)
    ]
    if blocks.xmp and len(_XMP_PREFIX + blocks.xmp) <= _MOST_SEGMENT:
        bodies.append(_XMP_PREFIX + blocks.xmp)
    return [jpeg.app1(body) for body in bodies]
