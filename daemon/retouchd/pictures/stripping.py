"""
Pictures without their metadata: which segments of JPEG and chunks of PNG and WebP are sent, and which stay.

Of JPEG (ITU-T T.81, annex B) are sent frame, tables and scans, and of the application segments those that
colours depend on: JFIF without its thumbnail, the ICC profile, Adobe's transform. Decoders look for these
before the first scan only.

Of PNG (PNG specification, third edition) is sent what pixels are decoded by, and what says how they are meant:
colours, their range, the background, the shape of a pixel. Of an animated file the still picture is sent, as
programs that know no animation see it. A chunk that nothing is known of is cut, unless without it nothing may
be decoded (5.4).

Of WebP (RFC 9649, section 2) the first chunk of an extended file says which others there are, and the file's
header how long it is: both are written anew. Frames of an animation are sent as they are.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from retouchd.job.filetypes import ARITHMETIC, ByteSource
from retouchd.job.stripped import Removed, Stripped
from retouchd.pictures import jpeg, metadata, png
from retouchd.pictures.metadata import Cutting, Shown

_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_LINES = 0xDC
_CODED_SEGMENTS = _FRAMES | {0xC4, 0xCC, 0xDB, _LINES, 0xDD, jpeg.SCAN}
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


def stripped_jpeg(content: ByteSource, shown: Shown) -> Stripped | None:
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
        elif _is_sound_segment(each, marks):
            cutting.keep(each.first, each.end)
        else:
            return None
        marks.add(each.mark)
    return None


def _ended(content: ByteSource, cutting: Cutting, end: jpeg.Segment) -> Stripped:
    cutting.keep(end.first, end.end)
    if end.end < len(content):
        cutting.cut(Removed.TRAILER)
    return cutting.done()


def _is_sound_segment(segment: jpeg.Segment, marks: set[int]) -> bool:
    """
    Say whether a segment may stand here: one frame, no hierarchy, and no number of lines with more to it.
    """
    is_second_frame = segment.mark in _FRAMES and not _FRAMES.isdisjoint(marks)
    is_odd = segment.mark == _LINES and segment.end - segment.start != 2
    return segment.mark in _CODED_SEGMENTS and not is_second_frame and not is_odd


def _beside(content: ByteSource, cutting: Cutting, segment: jpeg.Segment, *, is_late: bool) -> None:
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
    structure = metadata.block(shown)
    return jpeg.app1(metadata.PREFIX + structure) if structure else b""


_CODED_CHUNKS = {
    b"IHDR": range(13, 14),
    b"PLTE": range(769),
    b"IEND": range(1),
    b"tRNS": range(257),
}
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
_PNG_KINDS = {
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


def stripped_png(content: ByteSource, shown: Shown) -> Stripped | None:
    """
    Return a PNG without its metadata, None for one that is not written strictly up to its last chunk.
    """
    structure = metadata.block(shown)
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
            cutting.cut(_png_kind(content, name, start, end))
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
    is_known = name[:1].islower() or name == b"IDAT" or name in _CODED_CHUNKS
    is_out_of_turn = (name == b"IHDR") != (not last) or (
        name == b"IDAT" and last != name and name in seen
    )
    return is_known and not is_out_of_turn and length in _CODED_CHUNKS.get(name, range(2**32))


def _is_sent(name: bytes, length: int) -> bool:
    is_coded = name in (b"IDAT", b"iCCP") or name in _CODED_CHUNKS
    return is_coded or length in _SHOWN.get(name, ())


def _png_kind(content: ByteSource, name: bytes, start: int, end: int) -> Removed:
    if name not in _TEXTS:
        return _PNG_KINDS.get(name, Removed.PRIVATE)
    head = bytes(content[start : min(end, start + _MOST_KEYWORD + 1)])
    return next((kind for keyword, kind in _KEYWORDS if keyword.match(head)), Removed.TEXT)


_BITSTREAMS = frozenset({b"VP8 ", b"VP8L"})
_SENT = _BITSTREAMS | {b"ALPH", b"ANIM", b"ANMF", b"ICCP"}
_FRAME = _BITSTREAMS | {b"ALPH"}
_FRAME_HEADER = 16
"""Where a frame stands, and for how long."""
_WEBP_KINDS = {b"C2PA": Removed.C2PA, b"EXIF": Removed.EXIF, b"XMP ": Removed.XMP}
_EXTENDED_BYTES = 10
_HAS_EXIF = 0x08
_FLAGS = 0x32
"""An ICC profile, alpha, an animation."""
_MOST_CHUNKS = 10_000


@dataclass(frozen=True, slots=True)
class _WebpChunk:
    """
    A chunk by its name: where it begins, where its content starts and ends, and where the next one begins.
    """

    name: bytes
    first: int
    start: int
    end: int
    behind: int


def stripped_webp(content: ByteSource, shown: Shown) -> Stripped | None:
    """
    Return a WebP without its metadata, None for one that is not written strictly up to its end.
    """
    end = 8 + int.from_bytes(content[4:8], "little")
    if end > len(content):
        return None
    chunks = list(_webp_chunks(content, 12, end))
    block = metadata.block(shown)
    if not _is_sound_webp(content, chunks) or (block and chunks[0].name != b"VP8X"):
        return None
    # Twice: how much follows stands in the header.
    body = Cutting()
    _send(content, body, chunks, block)
    size = (4 + body.size).to_bytes(4, "little")
    cutting = Cutting()
    if size == bytes(content[4:8]):
        cutting.keep(0, 12)
    else:
        cutting.keep(0, 4)
        cutting.insert(size)
        cutting.keep(8, 12)
    _send(content, cutting, chunks, block)
    if chunks[-1].behind < end:
        cutting.cut(Removed.PRIVATE)
    if end < len(content):
        cutting.cut(Removed.TRAILER)
    return cutting.done()


def _webp_chunks(content: ByteSource, position: int, end: int) -> Iterator[_WebpChunk]:
    """
    Yield chunks up to where no further one has room; nothing but the last may lack its padding.
    """
    for _ in range(_MOST_CHUNKS):
        if position + 8 > end:
            return
        head = bytes(content[position : position + 8])
        length = int.from_bytes(head[4:], "little")
        first, start = position, position + 8
        position = start + length + length % 2
        yield _WebpChunk(head[:4], first, start, start + length, position)


def _is_sound_webp(content: ByteSource, chunks: list[_WebpChunk]) -> bool:
    """
    Say whether there is one picture, or an animation of frames that hold nothing else.
    """
    if not 0 < len(chunks) < _MOST_CHUNKS or chunks[-1].end > len(content):
        return False
    names = [each.name for each in chunks]
    pictures = sum(name in _BITSTREAMS for name in names)
    frames = [each for each in chunks if each.name == b"ANMF"]
    is_extended = names[0] == b"VP8X" and chunks[0].end - chunks[0].start >= _EXTENDED_BYTES
    is_headed = is_extended or names[0] in _BITSTREAMS
    if not is_headed or names.count(b"VP8X") != is_extended:
        return False
    return not pictures and _are_plain(content, frames) if frames else pictures == 1


def _are_plain(content: ByteSource, frames: list[_WebpChunk]) -> bool:
    for frame in frames:
        inner = list(_webp_chunks(content, frame.start + _FRAME_HEADER, frame.end))
        is_filled = bool(inner) and inner[-1].behind == frame.end
        if not is_filled or not {each.name for each in inner} <= _FRAME:
            return False
    return True


def _send(content: ByteSource, cutting: Cutting, chunks: list[_WebpChunk], block: bytes) -> None:
    """
    Send what of the chunks is to be sent, and an EXIF block behind them, where the format wants it.
    """
    for each in chunks:
        if each.name == b"VP8X":
            _send_extended(content, cutting, each, has_exif=bool(block))
        elif each.name in _SENT:
            cutting.keep(each.first, each.end)
            if bytes(content[each.end : each.behind]) == b"\0":
                cutting.keep(each.end, each.behind)
            elif each.behind > each.end:
                cutting.insert(b"\0")
        else:
            cutting.cut(_WEBP_KINDS.get(each.name, Removed.PRIVATE))
    if block:
        cutting.insert(
            b"EXIF" + len(block).to_bytes(4, "little") + block + b"\0" * (len(block) % 2)
        )


def _send_extended(
    content: ByteSource, cutting: Cutting, chunk: _WebpChunk, *, has_exif: bool
) -> None:
    """
    Send the chunk that says which others there are, as it is where that is what is sent.
    """
    found = bytes(content[chunk.start : chunk.start + _EXTENDED_BYTES]).ljust(
        _EXTENDED_BYTES, b"\0"
    )
    flags = found[0] & _FLAGS | _HAS_EXIF * has_exif
    right = bytes([flags]) + bytes(3) + found[4:]
    if right == found and chunk.end - chunk.start == _EXTENDED_BYTES:
        cutting.keep(chunk.first, chunk.end)
    else:
        cutting.insert(b"VP8X" + _EXTENDED_BYTES.to_bytes(4, "little") + right)


_FORMATS = {
    "jpeg": stripped_jpeg,
    "mpo": stripped_jpeg,
    ARITHMETIC: stripped_jpeg,
    "png": stripped_png,
    "webp": stripped_webp,
}


def stripped(content: ByteSource, kind: str, shown: Shown) -> Stripped | None:
    """
    Return what is sent of a picture, as the format that its first bytes say.

    None where that cannot be told: for other formats, and for files whose parts do not follow one another
    up to their end mark, though decoders may take them.
    """
    rule = _FORMATS.get(kind)
    return rule(content, shown) if rule else None
