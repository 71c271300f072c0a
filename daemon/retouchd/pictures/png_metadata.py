"""
The metadata of PNG files: which chunks are sent, and which stay here (PNG specification, third edition).

Sent is what pixels are decoded by, and what says how they are meant: colours, their range, the background,
the shape of a pixel. Of an animated file the still picture is sent, as programs that know no animation
see it. A chunk that nothing is known of is cut, unless without it nothing may be decoded (5.4).
"""

import re

from retouchd.job.stripped import Removed, Stripped
from retouchd.pictures import exif, png
from retouchd.pictures.byte_source import Stored
from retouchd.pictures.metadata import Cutting, Shown

_CODED = {b"IHDR": range(13, 14), b"PLTE": range(769), b"IEND": range(1), b"tRNS": range(257)}
"""Chunks that change the pixels, and how many bytes they may have; IDAT may have any number."""
_SHOWN = {
    b"bKGD": range(1, 7),
    b"cHRM": range(32, 33),
    b"cICP": range(4, 5),
    b"cLLI": range(8, 9),
    b"gAMA": range(4, 5),
    b"mDCV": range(24, 25),
    b"pHYs": range(9, 10),
    b"sBIT": range(1, 5),
    b"sRGB": range(1, 2),
}
"""Chunks that say how pixels are meant. One with more bytes is something else by that name."""
_KINDS = {
    b"acTL": Removed.PICTURES,
    b"caBX": Removed.C2PA,
    b"eXIf": Removed.EXIF,
    b"fcTL": Removed.PICTURES,
    b"fdAT": Removed.PICTURES,
    b"tIME": Removed.TIME,
}
_TEXTS = frozenset({b"iTXt", b"tEXt", b"zTXt"})
_MOST_KEYWORD = 79
_KEYWORDS = (
    (re.compile(rb"XML:com\.adobe\.xmp\0|Raw profile type xmp\0"), Removed.XMP),
    (re.compile(rb"Raw profile type (?:exif|APP1)\0"), Removed.EXIF),
    (re.compile(rb"Raw profile type (?:iptc|8bim)\0"), Removed.IPTC),
    (re.compile(rb"Comment\0"), Removed.COMMENT),
)


def stripped(content: Stored, shown: Shown) -> Stripped | None:
    """
    Return a PNG without its metadata, None for one that is not written strictly up to its last chunk.
    """
    structure = exif.block(shown)
    block = png.chunk(b"eXIf", structure) if structure else b""
    cutting = Cutting()
    cutting.keep(0, 8)
    last, seen = b"", set[bytes]()
    for name, start, end in png.chunks_of(content):
        if not _may_follow(name, end - start, last, seen):
            return None
        if name == b"IDAT":
            cutting.insert(block)
            block = b""
        if _is_sent(name, end - start):
            cutting.keep(start - 8, end + 4)
        else:
            cutting.cut(_kind(content, name, start, end))
        last = name
        seen.add(name)
        if name == b"IEND":
            if end + 4 < len(content):
                cutting.cut(Removed.TRAILER)
            return cutting.done() if b"IDAT" in seen else None
    return None


def _may_follow(name: bytes, length: int, last: bytes, seen: set[bytes]) -> bool:
    """
    Say whether a chunk may stand here: the header first, the pixels in one run, nothing unknown but needed.

    Frames of no animation are for nobody; Pillow takes the first one's size for the picture's all the same.
    """
    if name in (b"fcTL", b"fdAT") and b"acTL" not in seen:
        return False
    is_known = name[:1].islower() or name == b"IDAT" or name in _CODED
    is_out_of_turn = (name == b"IHDR") != (not last) or (
        name == b"IDAT" and last != name and name in seen
    )
    return is_known and not is_out_of_turn and length in _CODED.get(name, range(2**32))


def _is_sent(name: bytes, length: int) -> bool:
    is_coded = name in (b"IDAT", b"iCCP") or name in _CODED
    return is_coded or length in _SHOWN.get(name, ())


def _kind(content: Stored, name: bytes, start: int, end: int) -> Removed:
    if name not in _TEXTS:
        return _KINDS.get(name, Removed.PRIVATE)
    head = bytes(content[start : min(end, start + _MOST_KEYWORD + 1)])
    return next((kind for keyword, kind in _KEYWORDS if keyword.match(head)), Removed.TEXT)
