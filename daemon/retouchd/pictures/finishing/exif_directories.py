"""
EXIF of an original made true for its result and built anew, without maker notes: a TIFF file cannot hold a
block of EXIF, and what a TIFF file says is none.

Sources: CIPA DC-008 (4.5 and 4.6), TIFF 6.0 (section 2).
"""

from dataclasses import dataclass
from typing import TypeAlias

from retouchd.job.filetypes import ByteSource
from retouchd.pictures.finishing.tiff_structure import (
    COLOUR_SPACE,
    EXIF,
    GPS,
    HEIGHT,
    INDEX,
    INTEROPERABILITY,
    LONG,
    ORIENTATION,
    PIXEL_HEIGHT,
    PIXEL_WIDTH,
    RATIONAL,
    SHORT,
    SRGB,
    WIDTH,
    Entry,
    Facts,
    Order,
    entries,
    number_of,
    order_of,
)

_MAKER_NOTE = 0x927C
_NOT_IN_TIFF = (0x9101, 0x9102, PIXEL_WIDTH, PIXEL_HEIGHT)
_MOST_VALUE = 2**20
_UNITS = {3: 2, 4: 4, 5: 4, 8: 2, 9: 4, 10: 4, 11: 4, 12: 8, 13: 4}
"""Bytes whose order a byte order decides."""
Value: TypeAlias = tuple[int, int, bytes]
"""Type, count, and bytes in the byte order of the file."""

_STRUCTURE = frozenset(
    {
        *(WIDTH, HEIGHT, EXIF, GPS, 0x00FE, 0x00FF, 0x0102, 0x0103, 0x0106, 0x010A, 0x0111),
        *(0x011C, 0x014A, 0x014C, 0x0201, 0x0202, 0x02BC, 0x83BB, 0x8649, 0x8773, 0xC4A5),
        *range(0x0115, 0x0118),
        *range(0x0120, 0x0124),
        *range(0x013D, 0x0141),
        *range(0x0142, 0x0146),
        *range(0x0152, 0x015C),
        *range(0x0211, 0x0215),
    }
)
"""What of a first directory describes the pixels of its own file, or is carried over in another way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Directories:
    """
    The values of EXIF by tag, without maker notes and without what describes the pixels of a file.
    """

    order: Order = "little"
    main: dict[int, Value]
    exif: dict[int, Value]
    gps: dict[int, Value]
    interoperability: dict[int, Value]


NOTHING = Directories(main={}, exif={}, gps={}, interoperability={})


def read(content: ByteSource, facts: Facts, *, for_tiff: bool) -> Directories:
    """
    Return what a TIFF file or a block of EXIF says, made true for a result; a TIFF file may say less (DC-008,
    table 17).
    """
    order = order_of(content)
    if order is None:
        return NOTHING
    first = int.from_bytes(content[4:8], order)
    main = entries(content, first, order)
    exif = _below(content, main, EXIF, order)
    values = _values(content, exif)
    for tag, side in zip((PIXEL_WIDTH, PIXEL_HEIGHT), facts.size, strict=True):
        if tag in values:
            values[tag] = LONG, 1, side.to_bytes(4, order)
    indices = _values(content, _below(content, exif, INTEROPERABILITY, order))
    if facts.is_srgb and COLOUR_SPACE in values:
        values[COLOUR_SPACE] = SHORT, 1, SRGB.to_bytes(2, order)
        indices.pop(INDEX, None)
    for tag in (_MAKER_NOTE, INTEROPERABILITY):
        values.pop(tag, None)
    for tag in _NOT_IN_TIFF if for_tiff else ():
        values.pop(tag, None)
    own = _values(content, main)
    if ORIENTATION in own:
        own[ORIENTATION] = SHORT, 1, (1).to_bytes(2, order)
    gps = _values(content, _below(content, main, GPS, order)) if facts.keeps_positions else {}
    return Directories(
        order=order,
        main={tag: value for tag, value in own.items() if tag not in _STRUCTURE},
        exif=values,
        gps=gps,
        interoperability={} if for_tiff else indices,
    )


def _below(content: ByteSource, found: list[Entry], tag: int, order: Order) -> list[Entry]:
    start = next((number_of(content, each, order) for each in found if each.tag == tag), 0)
    return entries(content, start, order) if start else []


def _values(content: ByteSource, found: list[Entry]) -> dict[int, Value]:
    return {
        each.tag: (each.kind, each.count, bytes(content[each.start : each.end]))
        for each in found
        if each.end - each.start <= _MOST_VALUE
    }


def built(directories: Directories, main: dict[int, Value], start: int) -> bytes:
    """
    Return a first directory of more entries, the others and all their values behind it, to stand at `start` of
    a file.
    """
    order = directories.order
    below = (
        (EXIF, dict(directories.exif)),
        (GPS, directories.gps),
    )
    whole = {**directories.main, **main}
    blocks: list[bytes] = []
    if directories.interoperability:
        below[0][1][INTEROPERABILITY] = LONG, 1, bytes(4)
    for tag, values in below:
        if values:
            whole[tag] = LONG, 1, bytes(4)
    position = start + _directory_size(whole)
    for tag, values in below:
        if not values:
            continue
        if INTEROPERABILITY in values:
            inner = _written(directories.interoperability, position, order)
            values[INTEROPERABILITY] = LONG, 1, position.to_bytes(4, order)
            blocks.append(inner)
            position += len(inner)
        block = _written(values, position, order)
        whole[tag] = LONG, 1, position.to_bytes(4, order)
        blocks.append(block)
        position += len(block)
    return _written(whole, start, order) + b"".join(blocks)


def block_of(directories: Directories) -> bytes:
    """
    Return a block of EXIF with these directories, and what no block may lack (DC-008, table 4); b"" for none.
    """
    if not (directories.main or directories.exif or directories.gps):
        return b""
    order = directories.order
    dots = (72).to_bytes(4, order) + (1).to_bytes(4, order)
    usual: dict[int, Value] = {
        0x011A: (RATIONAL, 1, dots),
        0x011B: (RATIONAL, 1, dots),
        0x0128: (SHORT, 1, (2).to_bytes(2, order)),
        0x0213: (SHORT, 1, (1).to_bytes(2, order)),
    }
    missing = {tag: value for tag, value in usual.items() if tag not in directories.main}
    head = b"II*\0" if order == "little" else b"MM\0*"
    return head + (8).to_bytes(4, order) + built(directories, missing, 8)


def pixel_values(content: ByteSource) -> dict[int, Value]:
    """
    Return what the first directory of a TIFF file says of its pixels, and where they are.
    """
    order = order_of(content)
    if order is None:
        return {}
    return _values(content, entries(content, int.from_bytes(content[4:8], order), order))


def swapped(directories: Directories, order: Order) -> Directories:
    """
    Return directories with their values in a byte order.
    """
    if directories.order == order:
        return directories
    return Directories(
        order=order,
        **{
            name: {tag: _swapped(value) for tag, value in getattr(directories, name).items()}
            for name in ("main", "exif", "gps", "interoperability")
        },
    )


def _swapped(value: Value) -> Value:
    kind, count, data = value
    unit = _UNITS.get(kind, 1)
    turned = b"".join(data[at : at + unit][::-1] for at in range(0, len(data), unit))
    return kind, count, turned if unit > 1 else data


def _directory_size(values: dict[int, Value]) -> int:
    beside = sum(len(data) + len(data) % 2 for _, _, data in values.values() if len(data) > 4)
    return 2 + 12 * len(values) + 4 + beside


def _written(values: dict[int, Value], start: int, order: Order) -> bytes:
    """
    Return a directory and its values, tags in ascending order (TIFF 6.0, section 2).
    """
    lines, beside = [], b""
    position = start + 2 + 12 * len(values) + 4
    for tag, (kind, count, data) in sorted(values.items()):
        value = data.ljust(4, b"\0")
        if len(data) > 4:
            value = (position + len(beside)).to_bytes(4, order)
            beside += data + bytes(len(data) % 2)
        lines.append(
            tag.to_bytes(2, order) + kind.to_bytes(2, order) + count.to_bytes(4, order) + value
        )
    return len(lines).to_bytes(2, order) + b"".join(lines) + bytes(4) + beside
