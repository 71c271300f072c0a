"""
What a file's bytes are, and whether they reach their own end mark.

A file that is still being copied may already have its full length, with zeros where the rest will be,
and a decoder accepts that for JPEG. The end mark at the end of the right structure is the proof that
the writer got there.
"""

import re

from retouchd.job.magic import SNIFF_BYTES, sniff
from retouchd.pictures import bmp, jpeg, png
from retouchd.pictures.byte_source import Stored

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


def is_whole(content: Stored) -> bool:
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
            return bmp.is_whole(content)
        case _:
            return True


def is_whole_at_a_glance(content: Stored) -> bool:
    """
    Say whether a picture surely reaches its end mark, by a few of its bytes; others may reach it as well.
    """
    return sniff(content[:SNIFF_BYTES]) == "jpeg" and jpeg.ends_with_mark(content)


def _is_whole_jpeg(content: Stored) -> bool:
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


def _is_whole_webp(data: Stored) -> bool:
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


def _is_whole_heif(data: Stored) -> bool:
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


def _box(data: Stored, position: int) -> tuple[bytes, int]:
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
