"""
Whether a file's bytes reach their own end mark, by format; with the headers of BMP and the boxes of HEIF.

Sources for BMP: the BITMAPFILEHEADER, BITMAPCOREHEADER, BITMAPINFOHEADER, BITMAPV4HEADER and BITMAPV5HEADER of
Windows. The length in the file's header is often wrong by a few bytes, and nobody reads it.

A file that is still being copied may already have its full length, with zeros where the rest will be,
and a decoder accepts that for JPEG. The end mark at the end of the right structure is the proof that
the writer got there.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from retouchd.job.filetypes import SNIFF_BYTES, ByteSource, sniff
from retouchd.pictures import jpeg, png

_PATH = ((b"meta", 4), (b"iprp", 0), (b"ipco", 0))
"""Where properties stand (ISO/IEC 23008-12, 9.3), and the bytes before the boxes in each."""
_MOST_BOXES = 1_000


def heif_colour_code(content: ByteSource) -> tuple[int, int] | None:
    """
    Return primaries and transfer of the first colour box with numbers (ISO/IEC 14496-12, 12.1.5), or None.
    """
    start, end = 0, len(content)
    for name, skipped in _PATH:
        found = next(
            (place for kind, *place in _heif_boxes(content, start, end) if kind == name), None
        )
        if found is None:
            return None
        start, end = found[0] + skipped, found[1]
    for kind, first, _ in _heif_boxes(content, start, end):
        head = bytes(content[first : first + 8])
        if kind == b"colr" and head[:4] == b"nclx" and len(head) == 8:
            return int.from_bytes(head[4:6], "big"), int.from_bytes(head[6:8], "big")
    return None


def _heif_boxes(content: ByteSource, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """
    Yield the name of each box of a range, and where its content starts and ends (ISO/IEC 14496-12, 4.2).
    """
    for _ in range(_MOST_BOXES):
        head = bytes(content[start : start + 16])
        if len(head) < 8 or start >= end:
            return
        length, name, header = int.from_bytes(head[:4], "big"), head[4:8], 8
        if length == 1:
            length, header = int.from_bytes(head[8:16], "big"), 16
        stop = end if length == 0 else start + length
        if not start + header <= stop <= end:
            return
        yield name, start + header, stop
        start = stop


_BMP_HEADERS = frozenset({12, 40, 52, 56, 64, 108, 124})
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
class BmpHeader:
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


def bmp_header(content: ByteSource) -> BmpHeader | None:
    """
    Return what the headers say, None for headers of a kind that is not known.
    """
    head = bytes(content[: 14 + 124])
    try:
        start, size = struct.unpack_from("<II", head, 10)
        if size not in _BMP_HEADERS:
            return None
        if size == 12:
            width, height, _, bits = struct.unpack_from("<4H", head, 18)
            return BmpHeader(
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
    return BmpHeader(
        start=start,
        width=width,
        height=abs(height),
        bits=bits,
        compression=compression,
        packed_bytes=packed,
        masks=masks,
    )


def is_whole_bmp(content: ByteSource) -> bool:
    """
    Say whether a file holds all the bytes that its pixels need; what cannot be told counts as whole.
    """
    found, length = bmp_header(content), len(content)
    if found is None:
        return length >= int.from_bytes(content[2:6], "little")
    if found.compression in (_RLE8, _RLE4):
        tail = bytes(content[max(0, length - 8) :]).rstrip(b"\0")
        return length >= found.start + found.packed_bytes or tail.endswith(_END_OF_RLE)
    if found.compression in (_JPEG, _PNG):
        return length >= found.start + found.packed_bytes
    row = (found.width * found.bits + 31) // 32 * 4
    return length >= found.start + row * found.height


def bmp_obstacle(content: ByteSource) -> str | None:
    """
    Return what keeps a BMP from being decoded right, said as "it is a BMP …"; None where nothing does.
    """
    found = bmp_header(content)
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


def _are_read(found: BmpHeader) -> bool:
    colours, alpha = found.masks[:3], found.masks[3:] or (0,)
    match found.bits:
        case 16:
            return colours in _MASKS_16 and alpha == (0,)
        case 24:
            return colours in _MASKS_24 and alpha == (0,)
        case _:
            return (*colours, *alpha) in _MASKS_32


MARKED = frozenset({"avif", "bmp", "heic", "jpeg", "png", "webp"})
"""The kinds of files whose end can be told."""


# In entropy-coded data FF is followed by 00 or a restart mark; FF itself is filling before a mark. TEM
# and a second SOI have no length and are stepped over like data.
_JPEG_MARK = re.compile(rb"\xff[^\x00\x01\xd0-\xd8\xff]", re.DOTALL)
_JPEG_END = 0xD9
_BOXES = frozenset({b"ftyp", b"meta", b"mdat", b"moov", b"free", b"skip", b"uuid", b"mpvd"})
_FOURCC = re.compile(rb"[ -~]{4}")
_WINDOW = 2**17
"""Bytes searched at once: a search holds the interpreter, and everything else with it."""
_MOST_STEPS = 1_000_000
"""Far more parts than any picture has: a file made of empty ones must not keep a thread busy."""


def is_whole(content: ByteSource) -> bool:
    """
    Say whether a picture reaches its end mark; what follows the mark does not matter.

    Of anything that is not `MARKED` nothing is known, and it counts as whole. All but JPEG and PNG state
    lengths at their beginnings: zeros within them cannot be told from a plain area of the picture.
    Sources: ITU-T T.81 B.1.1, the PNG specification 5, the WebP container specification, ISO/IEC
    14496-12 4.2 and 23008-12; `bmp` has its own.
    """
    match sniff(content[:SNIFF_BYTES]):
        case "jpeg":
            return _is_whole_jpeg(content)
        case "png":
            return any(name == b"IEND" for name, _, _ in png.chunks_of(content))
        case "webp":
            return _is_whole_webp(content)
        case "heic" | "avif":
            return _is_whole_heif(content)
        case "bmp":
            return is_whole_bmp(content)
        case _:
            return True


def is_whole_at_a_glance(content: ByteSource) -> bool:
    """
    Say whether a picture surely reaches its end mark, by a few of its bytes; others may reach it as well.
    """
    return sniff(content[:SNIFF_BYTES]) == "jpeg" and jpeg.ends_with_mark(content)


def _is_whole_jpeg(content: ByteSource) -> bool:
    """
    Step over whole segments, so that a thumbnail's end inside one is not taken for the picture's.
    """
    start, block = 2, content[2 : 2 + _WINDOW]
    position = 0
    for _ in range(_MOST_STEPS):
        if position >= len(block) - 1:
            start += position
            block, position = content[start : start + _WINDOW], 0
            if len(block) < 2:
                return False
        mark = _JPEG_MARK.search(block, position)
        if mark is None:
            position = len(block) - 1
            continue
        position = mark.end()
        if block[position - 1] == _JPEG_END:
            return True
        at = start + position
        length = block[position : position + 2]
        position += int.from_bytes(length if len(length) == 2 else content[at : at + 2], "big")
    return False


def _is_whole_webp(data: ByteSource) -> bool:
    end = 8 + int.from_bytes(data[4:8], "little")
    position = 12
    if not position < end <= len(data):
        return False
    for _ in range(_MOST_STEPS):
        if position + 8 > end:
            return True
        length = int.from_bytes(data[position + 4 : position + 8], "little")
        if position + 8 + length > end or not _FOURCC.fullmatch(data[position : position + 4]):
            return False
        position += 8 + length + length % 2
    return False


def _is_whole_heif(data: ByteSource) -> bool:
    """
    Step over boxes: what describes the pictures and what holds them must both be there, and all that
    begins like a box of theirs must be as long as it says.
    """
    position, has_described, has_held = 0, False, False
    for _ in range(_MOST_STEPS):
        if position >= len(data):
            break
        name, end = _box(data, position)
        if not position < end <= len(data):
            return has_described and has_held and name not in _BOXES
        has_described |= name == b"meta"
        # Small pictures may be held in the description itself.
        has_held |= name == b"mdat" or (name == b"meta" and b"idat" in bytes(data[position:end]))
        position = end
    return has_described and has_held


def _box(data: ByteSource, position: int) -> tuple[bytes, int]:
    """
    Return the name of a box and where it ends; 0 for what cannot be the length of one.
    """
    length = int.from_bytes(data[position : position + 4], "big")
    name = bytes(data[position + 4 : position + 8])
    if not _FOURCC.fullmatch(name):
        return name, 0
    match length:
        case 0:
            return name, len(data)
        case 1:
            return name, position + int.from_bytes(data[position + 8 : position + 16], "big")
        case _:
            return name, position + length
