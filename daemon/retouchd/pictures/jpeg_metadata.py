"""
The metadata of JPEG files: which segments are sent, and which stay here (ITU-T T.81, annex B).

Sent are frame, tables and scans, and of the application segments those that colours depend on: JFIF without
its thumbnail, the ICC profile, Adobe's transform. Decoders look for these before the first scan only.
"""

from retouchd.job.stripped import Removed, Stripped
from retouchd.pictures import exif, jpeg
from retouchd.pictures.byte_source import Stored
from retouchd.pictures.metadata import Cutting, Shown

_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_LINES = 0xDC
_CODED = _FRAMES | {0xC4, 0xCC, 0xDB, _LINES, 0xDD, jpeg.SCAN}
"""Frames, tables for Huffman and arithmetic codes and quantization, the number of lines, restarts, scans."""
_COMMENT = 0xFE
_BESIDE = frozenset({*range(0xE0, 0xF0), _COMMENT})
_APP0, _APP1, _APP2, _APP11, _APP13, _APP14 = (0xE0 + number for number in (0, 1, 2, 11, 13, 14))

_MOST_NAME = 32
_JFIF_BYTES = 14
"""Without a thumbnail, whose sides are the last two (JFIF 1.02)."""
_ADOBE_BYTES = 12
_KNOWN: tuple[tuple[int, bytes, Removed], ...] = (
    (_APP0, b"JFXX\0", Removed.THUMBNAIL),
    (_APP1, b"Exif\0", Removed.EXIF),
    (_APP1, b"http://ns.adobe.com/x", Removed.XMP),
    (_APP2, b"MPF\0", Removed.PICTURES),
    (_APP11, b"JP", Removed.C2PA),
    (_APP13, b"Photoshop 3.0\0", Removed.IPTC),
    (_COMMENT, b"", Removed.COMMENT),
)


def stripped(content: Stored, shown: Shown) -> Stripped | None:
    """
    Return a JPEG without its metadata, None for one that is not written strictly up to its end mark.
    """
    cutting, block = Cutting(), _exif_segment(shown)
    cutting.keep(0, 2)
    marks: set[int] = set()
    position = scan = 2
    for each in jpeg.segments(content):
        cutting.keep(position, each.first)  # the data of a scan
        position = each.end
        if each.mark == jpeg.SCAN and jpeg.SCAN not in marks:
            scan = each.end
        if each.mark != _APP0:
            cutting.insert(block)
            block = b""
        if each.mark == jpeg.END:
            # A film behind a picture without an end mark may hold one by chance.
            is_sound = jpeg.SCAN in marks and jpeg.film_in(content, scan) >= each.first
            return _ended(content, cutting, each) if is_sound else None
        if each.mark in _BESIDE:
            _beside(content, cutting, each, is_late=jpeg.SCAN in marks)
        elif _is_sound(each, marks):
            cutting.keep(each.first, each.end)
        else:
            return None
        marks.add(each.mark)
    return None


def _ended(content: Stored, cutting: Cutting, end: jpeg.Segment) -> Stripped:
    cutting.keep(end.first, end.end)
    if end.end < len(content):
        cutting.cut(Removed.TRAILER)
    return cutting.done()


def _is_sound(segment: jpeg.Segment, marks: set[int]) -> bool:
    """
    Say whether a segment may stand here: one frame, no hierarchy, and no number of lines with more to it.
    """
    is_second_frame = segment.mark in _FRAMES and not _FRAMES.isdisjoint(marks)
    is_odd = segment.mark == _LINES and segment.end - segment.start != 2
    return segment.mark in _CODED and not is_second_frame and not is_odd


def _beside(content: Stored, cutting: Cutting, segment: jpeg.Segment, *, is_late: bool) -> None:
    """
    Keep or cut an application segment or a comment.
    """
    length = segment.end - segment.start
    head = bytes(content[segment.start : segment.start + min(length, _MOST_NAME)])
    kind = next(
        (k for m, name, k in _KNOWN if segment.mark == m and head.startswith(name)),
        Removed.PRIVATE,
    )
    match segment.mark:
        case _ if is_late:
            cutting.cut(kind)
        case 0xE0 if head.startswith(b"JFIF\0") and length >= _JFIF_BYTES:
            if length > _JFIF_BYTES or any(head[12:14]):
                cutting.insert(b"\xff\xe0\0\x10" + head[:12] + b"\0\0")
                cutting.cut(Removed.THUMBNAIL)
            else:
                cutting.keep(segment.first, segment.end)
        case 0xE2 if head.startswith(b"ICC_PROFILE\0"):
            cutting.keep(segment.first, segment.end)
        case 0xEE if head.startswith(b"Adobe") and length >= _ADOBE_BYTES:
            if length > _ADOBE_BYTES:
                cutting.insert(b"\xff\xee\0\x0e" + head[:_ADOBE_BYTES])
                cutting.cut(Removed.PRIVATE)
            else:
                cutting.keep(segment.first, segment.end)
        case _:
            cutting.cut(kind)


def _exif_segment(shown: Shown) -> bytes:
    structure = exif.block(shown)
    return jpeg.app1(exif.PREFIX + structure) if structure else b""
