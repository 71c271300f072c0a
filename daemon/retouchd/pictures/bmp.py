"""
BMP files by their headers: where their pixels end, and which of them decode to the right pixels.

Sources: the BITMAPFILEHEADER, BITMAPCOREHEADER, BITMAPINFOHEADER, BITMAPV4HEADER and BITMAPV5HEADER of
Windows. The length in the file's header is often wrong by a few bytes, and nobody reads it.
"""

import struct
from dataclasses import dataclass

from retouchd.pictures.byte_source import Stored

_HEADERS = frozenset({12, 40, 52, 56, 64, 108, 124})
_NONE, _RLE8, _RLE4, _MASKS, _JPEG, _PNG = range(6)
_DEPTHS = {
    _NONE: frozenset({1, 4, 8, 16, 24, 32}),
    _RLE8: frozenset({8}),
    _RLE4: frozenset({4}),
    _MASKS: frozenset({16, 24, 32}),
}
_MASKS_16 = frozenset({(0xF800, 0x7E0, 0x1F), (0x7C00, 0x3E0, 0x1F)})
_MASKS_24 = frozenset({(0xFF0000, 0xFF00, 0xFF)})
_MASKS_32 = frozenset({
    (0xFF0000, 0xFF00, 0xFF, 0),
    (0xFF000000, 0xFF0000, 0xFF00, 0),
    (0xFF000000, 0xFF00, 0xFF, 0),
    (0xFF000000, 0xFF0000, 0xFF00, 0xFF),
    (0xFF, 0xFF00, 0xFF0000, 0xFF000000),
    (0xFF0000, 0xFF00, 0xFF, 0xFF000000),
    (0xFF000000, 0xFF00, 0xFF, 0xFF0000),
})  # fmt: skip
"""The places of red, green, blue and alpha in a pixel that are decoded, each compared with other decoders."""
_IN_WORDS = {_JPEG: "that holds a JPEG", _PNG: "that holds a PNG"}
_END_OF_RLE = b"\0\1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """
    What the headers say: where pixels begin, the sides, bits of a pixel, compression, bytes of compressed
    pixels, and the masks of red, green, blue and alpha, where there are any.
    """

    start: int
    width: int
    height: int
    bits: int
    compression: int
    packed_bytes: int
    masks: tuple[int, ...]


def header(content: Stored) -> Header | None:
    """
    Return what the headers say, None for headers of a kind that is not known.
    """
    head = bytes(content[: 14 + 124])
    try:
        start, size = struct.unpack_from("<II", head, 10)
        if size not in _HEADERS:
            return None
        if size == 12:
            width, height, _, bits = struct.unpack_from("<4H", head, 18)
            return Header(
                start=start,
                width=width,
                height=height,
                bits=bits,
                compression=_NONE,
                packed_bytes=0,
                masks=(),
            )
        width, height, _, bits, compression, packed = struct.unpack_from("<iiHHII", head, 18)
        count = 4 if size >= 56 else 3
        masks = struct.unpack_from(f"<{count}I", head, 54) if compression == _MASKS else ()
    except struct.error:
        return None
    return Header(
        start=start,
        width=width,
        height=abs(height),
        bits=bits,
        compression=compression,
        packed_bytes=packed,
        masks=masks,
    )


def is_whole(content: Stored) -> bool:
    """
    Say whether a file holds all the bytes that its pixels need; what cannot be told counts as whole.
    """
    found, length = header(content), len(content)
    if found is None:
        return length >= int.from_bytes(content[2:6], "little")
    if found.compression in (_RLE8, _RLE4):
        tail = bytes(content[max(0, length - 8) :]).rstrip(b"\0")
        return length >= found.start + found.packed_bytes or tail.endswith(_END_OF_RLE)
    if found.compression in (_JPEG, _PNG):
        return length >= found.start + found.packed_bytes
    row = (found.width * found.bits + 31) // 32 * 4
    return length >= found.start + row * found.height


def obstacle(content: Stored) -> str | None:
    """
    Return what keeps a BMP from being decoded right, said as "it is a BMP …"; None where nothing does.
    """
    found = header(content)
    if found is None:
        return "with a header of an unknown kind" if len(content) > 14 + 4 else None
    if found.compression in _IN_WORDS:
        return _IN_WORDS[found.compression]
    if found.compression not in _DEPTHS:
        return f"in compression number {found.compression}"
    if found.bits not in _DEPTHS[found.compression]:
        return f"with {found.bits} bits a pixel"
    if found.compression == _MASKS and not _are_read(found):
        return f"with its colours in unusual places of {found.bits} bits"
    return None


def _are_read(found: Header) -> bool:
    colours, alpha = found.masks[:3], found.masks[3:] or (0,)
    match found.bits:
        case 16:
            return colours in _MASKS_16 and alpha == (0,)
        case 24:
            return colours in _MASKS_24 and alpha == (0,)
        case _:
            return (*colours, *alpha) in _MASKS_32
