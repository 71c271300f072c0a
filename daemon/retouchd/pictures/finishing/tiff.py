"""
TIFF files with EXIF, XMP, IPTC and a profile: pixels as libtiff compresses them, and a directory of our own
behind them.

Pillow writes the directory of EXIF into uncompressed files only. Sources: TIFF 6.0, sections 2, 8, 13 (LZW) and
14 (differences); CIPA DC-008 for the directories of EXIF.
"""

import io
from dataclasses import dataclass

from PIL import Image, TiffImagePlugin

from retouchd.pictures.finishing.exif_directories import (
    Directories,
    Value,
    built,
    pixel_values,
    swapped,
)
from retouchd.pictures.finishing.tiff_structure import Order

_SHORT, _LONG, _UNDEFINED, _BYTE, _RATIONAL = 3, 4, 7, 1, 5
_PREDICTOR, _DIFFERENCES = 317, 2
_ORDER: Order = "little"
_USUAL = (72.0, 72.0)
_INCHES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class TiffBlocks:
    """
    What stands beside the pixels: directories of EXIF, the XMP packet (b"" for none), the profile, dots an
    inch.
    """

    directories: Directories
    xmp: bytes = b""
    icc: bytes | None = None
    dpi: tuple[float, float] | None = None


def tiff_file(image: Image.Image, blocks: TiffBlocks) -> bytes:
    """
    Return an `RGB` or `RGBA` picture as a TIFF file, in little-endian order.
    """
    buffer = io.BytesIO()
    info = TiffImagePlugin.ImageFileDirectory_v2()
    info[_PREDICTOR] = _DIFFERENCES
    image.save(buffer, "TIFF", compression="tiff_lzw", tiffinfo=info)
    data = buffer.getbuffer()
    main = pixel_values(data)
    directories = swapped(blocks.directories, _ORDER)
    main[0x0112] = _SHORT, 1, (1).to_bytes(2, _ORDER)
    if not {0x011A, 0x011B} <= directories.main.keys():
        main |= _resolution(blocks.dpi or _USUAL)
    if blocks.xmp:
        main[0x02BC] = _BYTE, len(blocks.xmp), blocks.xmp
    if blocks.icc:
        main[0x8773] = _UNDEFINED, len(blocks.icc), blocks.icc
    position = len(data) + len(data) % 2
    directory = built(directories, main, position)
    head = bytes(data[:4]) + position.to_bytes(4, _ORDER)
    return b"".join((head, data[8:], bytes(len(data) % 2), directory))


def _resolution(dpi: tuple[float, float]) -> dict[int, Value]:
    found: dict[int, Value] = {0x0128: (_SHORT, 1, _INCHES.to_bytes(2, _ORDER))}
    for tag, dots in zip((0x011A, 0x011B), dpi, strict=True):
        value = round(dots * 100).to_bytes(4, _ORDER) + (100).to_bytes(4, _ORDER)
        found[tag] = _RATIONAL, 1, value
    return found
