"""
HEIF files, of which AVIF is one kind, by their boxes: what they say of the colours of their pictures.
"""

from collections.abc import Iterator

from retouchd.pictures.byte_source import Stored

_PATH = ((b"meta", 4), (b"iprp", 0), (b"ipco", 0))
"""Where properties stand (ISO/IEC 23008-12, 9.3), and the bytes before the boxes in each."""
_MOST_BOXES = 1_000


def colour_code(content: Stored) -> tuple[int, int] | None:
    """
    Return primaries and transfer of the first colour box with numbers (ISO/IEC 14496-12, 12.1.5), or None.
    """
    start, end = 0, len(content)
    for name, skipped in _PATH:
        found = next((place for kind, *place in _boxes(content, start, end) if kind == name), None)
        if found is None:
            return None
        start, end = found[0] + skipped, found[1]
    for kind, first, _ in _boxes(content, start, end):
        head = bytes(content[first : first + 8])
        if kind == b"colr" and head[:4] == b"nclx" and len(head) == 8:
            return int.from_bytes(head[4:6], "big"), int.from_bytes(head[6:8], "big")
    return None


def _boxes(content: Stored, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
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
