"""
The structure of TIFF files and of EXIF: directories of entries, each a tag, a type, a count and a value.

Sources: TIFF 6.0, section 2; CIPA DC-008, 4.6, for tags.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from retouchd.job.filetypes import ByteSource

Order: TypeAlias = Literal["little", "big"]

SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
"""Bytes of a value by its type (TIFF 6.0, section 2)."""
SHORT, LONG, RATIONAL = 3, 4, 5
ORIENTATION = 0x0112
EXIF, GPS, INTEROPERABILITY = 0x8769, 0x8825, 0xA005
WIDTH, HEIGHT = 0x0100, 0x0101
PIXEL_WIDTH, PIXEL_HEIGHT = 0xA002, 0xA003
COLOUR_SPACE, INDEX = 0xA001, 0x0001
SRGB = 1
MOST_ENTRIES = 512


@dataclass(frozen=True, slots=True)
class Entry:
    """
    An entry of a directory: where it stands, its tag, type and count, and where its value starts and ends.
    """

    at: int
    tag: int
    kind: int
    count: int
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """
    What of a result its EXIF must say: its size, and whether positions may be told and colours are sRGB.
    """

    size: tuple[int, int]
    keeps_positions: bool = False
    is_srgb: bool = False


def order_of(content: ByteSource) -> Order | None:
    """
    Return the byte order of a TIFF structure, None where it is none.
    """
    head = bytes(content[:4])
    order: Order = "little" if head[:2] == b"II" else "big"
    return order if head[:2] in (b"II", b"MM") and head[2:] == (42).to_bytes(2, order) else None


def entries(content: ByteSource, start: int, order: Order) -> list[Entry]:
    """
    Return the entries of the directory that starts there, but for those whose values are not all there.
    """
    return list(_entries(content, start, order))


def _entries(content: ByteSource, start: int, order: Order) -> Iterator[Entry]:
    count = int.from_bytes(content[start : start + 2], order)
    for at in range(start + 2, start + 2 + 12 * min(count, MOST_ENTRIES), 12):
        raw = bytes(content[at : at + 12])
        if len(raw) < 12:
            return
        tag, kind, amount = (int.from_bytes(raw[a:b], order) for a, b in ((0, 2), (2, 4), (4, 8)))
        length = SIZES.get(kind, 0) * amount
        first = at + 8 if length <= 4 else int.from_bytes(raw[8:], order)
        if SIZES.get(kind) and first >= 8 and first + length <= len(content):
            yield Entry(at, tag, kind, amount, first, first + length)


def number_of(content: ByteSource, entry: Entry, order: Order) -> int:
    """
    Return the first value of an entry as a number.
    """
    size = SIZES[entry.kind]
    return int.from_bytes(content[entry.start : entry.start + min(size, 4)], order)
