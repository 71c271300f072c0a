"""
Plain JPEG files, which can be told sound without decoding them: by their headers, and the end of their scan.

Plain is what nearly every camera and program writes: 8-bit samples, sequential DCT with Huffman codes, one
scan of all components (ITU-T T.81, F.1 and F.2). Of such a file libjpeg, with which everybody decodes,
refuses headers and tables alone. Within the scan nothing is an error to it: of codes without a meaning,
data that ends early and restart marks out of turn it warns and goes on, with grey where nothing is known
(jdhuff.c, jdmarker.c). Only marks that do not belong there may stop it, or a file that ends first.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from retouchd.job.filetypes import ByteSource

_PLAIN_FRAMES = frozenset({0xC0, 0xC1})
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_LOSSLESS = frozenset({0xC3, 0xC7, 0xCB, 0xCF})
_HIERARCHICAL = frozenset({0xC5, 0xC6, 0xCD, 0xCE})
_ARITHMETIC = frozenset({0xC9, 0xCA})
"""Kinds of frames (T.81, table B.1)."""
SCAN = 0xDA
END = 0xD9
_BESIDE = frozenset({0xC4, 0xDB, 0xDD, *range(0xE0, 0xF0), 0xFE})
"""Huffman and quantization tables, the restart interval, application data, comments (T.81, table B.1)."""
_SEGMENTS = frozenset({*range(0xC0, 0xD0), *range(0xDA, 0xE0), *range(0xE0, 0xF0), 0xFE}) - {0xC8}
"""The marks behind which a length stands."""
_FOREIGN_MARK = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)
"""What does not belong in a scan: FF with neither 00, a restart's number nor a further FF behind it."""

_RESTART = re.compile(rb"\xff[\xd0-\xd7]", re.DOTALL)
_FILM = re.compile(rb"\0\0\0[\x08-\xff]ftyp", re.DOTALL)
_INTERVAL = 0xDD

_MOST_SIDE = 65_500
"""libjpeg's own limit (JPEG_MAX_DIMENSION)."""
_FEW_ROWS = 8
_MOST_SEGMENTS = 1_000
_MOST_FILLING = 64
"""Bytes read of a segment; further FF may stand before its mark (T.81, B.1.1.2), far fewer than that."""
_MOST_HEADER = 4 * 2**20
"""What is copied; metadata of more bytes is rare."""
_WINDOW = 2**20
"""Bytes searched at once, in some 0.3 ms: a search holds the interpreter, and everything else with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JpegOutline:
    """
    The sides of a plain JPEG, where its header tells the height, where its scan begins, and how many restart
    marks are to be in it.
    """

    width: int
    height: int
    height_at: int
    scan: int
    restarts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """
    A segment by its mark: where it begins, filling included, and where its content starts and ends.
    """

    mark: int
    first: int
    start: int
    end: int


def outline(content: ByteSource) -> JpegOutline | None:
    """
    Return the outline of a plain JPEG, None for any other and for what is not written strictly.
    """
    frame, interval = None, 0
    for each in segments(content):
        if each.mark in _PLAIN_FRAMES and frame is None:
            frame = each.start, each.end
        elif each.mark == SCAN and frame is not None and each.end <= _MOST_HEADER:
            return _outline(content, frame, (each.start, each.end), interval)
        elif each.mark == _INTERVAL:
            interval = int.from_bytes(content[each.start : each.start + 2], "big")
        elif each.mark not in _BESIDE:
            return None
    return None


def stand_in(content: ByteSource, found: JpegOutline) -> bytes:
    """
    Return a small JPEG with the whole header of a plain one, but of few rows and with nothing in its scan.

    A decoder finds fault with it where it would with the other: no error depends on how many rows there
    are, once there is one, and none on what is in the scan.
    """
    rows = min(found.height, _FEW_ROWS).to_bytes(2, "big")
    header = bytes(content[: found.scan])
    return header[: found.height_at] + rows + header[found.height_at + 2 :] + b"\xff\xd9"


def reaches_end(content: ByteSource, found: JpegOutline) -> bool:
    """
    Say whether a scan holds nothing that does not belong there before the end mark (T.81, B.1.1.5).
    """
    at = _mark_behind(content, found.scan)
    return at is not None and bytes(content[at + 1 : at + 2]) == bytes([END])


def ends_with_mark(content: ByteSource) -> bool:
    """
    Say whether a file of any JPEG ends with the end mark, behind headers that are as long as they say.

    So do most. No data of a scan looks like that mark, so that the writer got there.
    """
    for each in segments(content):
        if each.mark == SCAN:
            return each.end <= len(content) - 2 and bytes(content[-2:]) == b"\xff\xd9"
    return False


def obstacle(content: ByteSource) -> str | None:
    """
    Return what keeps a JPEG from being decoded, said as "it is a JPEG …"; None where nothing does.
    """
    frame = _frame(content)
    if frame is None:
        return None
    if frame.mark in _LOSSLESS:
        return "compressed without loss"
    if frame.mark in _HIERARCHICAL:
        return "in several sizes, one upon the other (hierarchical)"
    bits, colours = (
        content[frame.start : frame.start + 1],
        content[frame.start + 5 : frame.start + 6],
    )
    if bytes(bits) == b"\x0c":
        return "with 12 bits a channel"
    return "of 2 channels" if bytes(colours) == b"\x02" else None


def is_arithmetic(content: ByteSource) -> bool:
    """
    Say whether a JPEG is in arithmetic codes, which libjpeg reads and hardly anybody else does.
    """
    frame = _frame(content)
    return frame is not None and frame.mark in _ARITHMETIC


def _frame(content: ByteSource) -> Segment | None:
    """
    Return the first frame header of a JPEG, None where there is none before the first scan.
    """
    for each in segments(content):
        if each.mark in _FRAMES and each.end - each.start >= 6:
            return each
        if each.mark in (SCAN, END):
            return None
    return None


def segments(content: ByteSource) -> Iterator[Segment]:
    """
    Yield every segment behind the start mark, the end mark as the last one.

    What lies between the end of a scan's header and the next segment is the data of that scan; nothing
    lies between others. Ends earlier where anything else is met, and for files without an end mark.
    """
    position, is_before_data = 2, False
    for _ in range(_MOST_SEGMENTS):
        at = _mark_behind(content, position) if is_before_data else position
        if at is None:
            return
        head = bytes(content[at : at + _MOST_FILLING])
        filling = len(head) - len(head.lstrip(b"\xff"))
        mark, start = head[filling : filling + 1], at + filling + 3
        if filling and mark == bytes([END]):
            yield Segment(mark=END, first=at, start=start - 2, end=start - 2)
            return
        length = head[filling + 1 : filling + 3]
        if not filling or len(length) < 2 or mark[0] not in _SEGMENTS:
            return
        position = start - 2 + int.from_bytes(length, "big")
        if not start <= position <= len(content):
            return
        yield Segment(mark=mark[0], first=at, start=start, end=position)
        is_before_data = mark[0] == SCAN


def app1(body: bytes) -> bytes:
    """
    Return an APP1 segment, in which EXIF and XMP stand.
    """
    return b"\xff\xe1" + (2 + len(body)).to_bytes(2, "big") + body


def ends_in_zeros(content: ByteSource) -> bool:
    """
    Say whether the last bytes are zeros that are no data of a scan, where 00 stands behind FF alone.
    """
    tail = bytes(content[max(0, len(content) - 2) :])
    return tail.endswith(b"\0") and tail != b"\xff\0"


def film_in(content: ByteSource, start: int) -> int:
    """
    Return where a film begins behind a position, as its first box says (ISO/IEC 14496-12, 4.3), or the end.
    """
    position, length = start, len(content)
    while position < length:
        box = _FILM.search(content[position : position + _WINDOW])
        if box is not None:
            return position + box.start()
        position += _WINDOW - 7
    return length


def has_every_restart(content: ByteSource, found: JpegOutline) -> bool:
    """
    Say whether a scan has as many restart marks as its header asks for (T.81, E.1.4): behind one that is
    missing, a decoder would fill up the picture by itself.
    """
    if not found.restarts:
        return True
    position, count = found.scan, 0
    while len(block := bytes(content[position : position + _WINDOW])) > 1:
        count += len(_RESTART.findall(block))
        position += len(block) - 1
    return count >= found.restarts


def _mark_behind(content: ByteSource, position: int) -> int | None:
    """
    Return where the first mark stands that ends the data of a scan, None if there is none.
    """
    while len(block := content[position : position + _WINDOW]) > 1:
        mark = _FOREIGN_MARK.search(block)
        if mark is not None:
            return position + mark.start()
        position += len(block) - 1
    return None


def _outline(
    content: ByteSource, frame: tuple[int, int], scan: tuple[int, int], interval: int
) -> JpegOutline | None:
    """
    Return the outline by the headers of frame and scan (T.81, B.2.2 and B.2.3), None if they do not agree.
    """
    start, end = frame
    header = bytes(content[start:end])
    if len(header) < 6 or header[0] != 8:
        return None
    height, width = int.from_bytes(header[1:3], "big"), int.from_bytes(header[3:5], "big")
    components = header[5]
    is_strict = len(header) == 6 + 3 * components and scan[1] - scan[0] == 4 + 2 * components
    has_all = bytes(content[scan[0] : scan[0] + 1]) == bytes([components])
    if not (is_strict and has_all and 0 < height <= _MOST_SIDE and 0 < width <= _MOST_SIDE):
        return None
    return JpegOutline(
        width=width,
        height=height,
        height_at=start + 1,
        scan=scan[1],
        restarts=(_units(header, width, height) - 1) // interval if interval else 0,
    )


def _units(header: bytes, width: int, height: int) -> int:
    """
    Return of how many smallest units a scan of all components consists (T.81, A.2).
    """
    sampling = header[7::3] if header[5] > 1 else b"\x11"
    across, down = (
        8 * max(1, *(each >> 4 for each in sampling), 1),
        8 * max(1, *(each & 15 for each in sampling), 1),
    )
    return -(-width // across) * -(-height // down)
