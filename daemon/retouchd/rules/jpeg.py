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

from retouchd.rules.stored import Stored

_PLAIN_FRAMES = frozenset({0xC0, 0xC1})
_SCAN = 0xDA
_END = 0xD9
_BESIDE = frozenset({0xC4, 0xDB, 0xDD, *range(0xE0, 0xF0), 0xFE})
"""Huffman and quantization tables, the restart interval, application data, comments (T.81, table B.1)."""
_SEGMENTS = frozenset({*range(0xC0, 0xD0), *range(0xDA, 0xE0), *range(0xE0, 0xF0), 0xFE}) - {0xC8}
"""The marks behind which a length stands."""
_FOREIGN_MARK = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)
"""What does not belong in a scan: FF with neither 00, a restart's number nor a further FF behind it."""

_MOST_SIDE = 65_500
"""libjpeg's own limit (JPEG_MAX_DIMENSION)."""
_FEW_ROWS = 8
_MOST_SEGMENTS = 1_000
_MOST_HEADER = 4 * 2**20
"""What is copied; metadata of more bytes is rare."""
_WINDOW = 2**20
"""Bytes searched at once, in some 0.3 ms: a search holds the interpreter, and everything else with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """
    The sides of a plain JPEG, where its header tells the height, and where its scan begins.
    """

    width: int
    height: int
    height_at: int
    scan: int


def outline(content: Stored) -> Outline | None:
    """
    Return the outline of a plain JPEG, None for any other and for what is not written strictly.
    """
    frame = None
    for mark, start, end in _segments(content):
        if mark in _PLAIN_FRAMES and frame is None:
            frame = start, end
        elif mark == _SCAN and frame is not None and end <= _MOST_HEADER:
            return _outline(content, frame, (start, end))
        elif mark not in _BESIDE:
            return None
    return None


def stand_in(content: Stored, found: Outline) -> bytes:
    """
    Return a small JPEG with the whole header of a plain one, but of few rows and with nothing in its scan.

    A decoder finds fault with it where it would with the other: no error depends on how many rows there
    are, once there is one, and none on what is in the scan.
    """
    rows = min(found.height, _FEW_ROWS).to_bytes(2, "big")
    header = bytes(content[: found.scan])
    return header[: found.height_at] + rows + header[found.height_at + 2 :] + b"\xff\xd9"


def reaches_end(content: Stored, found: Outline) -> bool:
    """
    Say whether a scan holds nothing that does not belong there before the end mark (T.81, B.1.1.5).
    """
    position = found.scan
    while len(block := content[position : position + _WINDOW]) > 1:
        mark = _FOREIGN_MARK.search(block)
        if mark is not None:
            return block[mark.end() - 1] == _END
        position += len(block) - 1
    return False


def ends_with_mark(content: Stored) -> bool:
    """
    Say whether a file of any JPEG ends with the end mark, behind headers that are as long as they say.

    So do most. No data of a scan looks like that mark, so that the writer got there.
    """
    *_, (mark, _, end) = [(0, 0, 0), *_segments(content)]
    return mark == _SCAN and end <= len(content) - 2 and bytes(content[-2:]) == b"\xff\xd9"


def _segments(content: Stored) -> Iterator[tuple[int, int, int]]:
    """
    Yield the mark of each segment up to the first scan's header, and where its content starts and ends.
    """
    position = 2
    for _ in range(_MOST_SEGMENTS):
        head = content[position : position + 4]
        if len(head) < 4 or head[0] != 0xFF or head[1] not in _SEGMENTS:
            return
        start, position = position + 4, position + 2 + int.from_bytes(head[2:4], "big")
        if not start <= position <= len(content):
            return
        yield head[1], start, position
        if head[1] == _SCAN:
            return


def _outline(content: Stored, frame: tuple[int, int], scan: tuple[int, int]) -> Outline | None:
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
    return Outline(width=width, height=height, height_at=start + 1, scan=scan[1])
