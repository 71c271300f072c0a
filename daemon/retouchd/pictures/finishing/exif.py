"""
EXIF of an original made true for its result: as bytes, in their place, or built anew for a TIFF file.

In a block that is patched nothing moves, so that offsets inside maker notes, which nobody knows, hold. TIFF
files cannot hold such a block; there the directories are written anew, without maker notes. Structures are
those of CIPA DC-008 (4.5 and 4.6) and TIFF 6.0 (section 2).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from retouchd.job.filetypes import ByteSource

Order: TypeAlias = Literal["little", "big"]

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
"""Bytes of a value by its type (TIFF 6.0, section 2)."""
_UNITS = {3: 2, 4: 4, 5: 4, 8: 2, 9: 4, 10: 4, 11: 4, 12: 8, 13: 4}
"""Bytes whose order a byte order decides."""
_SHORT, _LONG, _RATIONAL = 3, 4, 5
_ORIENTATION = 0x0112
_EXIF, _GPS, _INTEROPERABILITY = 0x8769, 0x8825, 0xA005
_WIDTH, _HEIGHT = 0x0100, 0x0101
_PIXEL_WIDTH, _PIXEL_HEIGHT = 0xA002, 0xA003
_THUMBNAIL, _THUMBNAIL_BYTES = 0x0201, 0x0202
_MAKER_NOTE = 0x927C
_COLOUR_SPACE, _INDEX = 0xA001, 0x0001
_NOT_IN_TIFF = (0x9101, 0x9102, _PIXEL_WIDTH, _PIXEL_HEIGHT)
_SRGB = 1
_MOST_ENTRIES = 512
_MOST_VALUE = 2**20


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
    for at in range(start + 2, start + 2 + 12 * min(count, _MOST_ENTRIES), 12):
        raw = bytes(content[at : at + 12])
        if len(raw) < 12:
            return
        tag, kind, amount = (int.from_bytes(raw[a:b], order) for a, b in ((0, 2), (2, 4), (4, 8)))
        length = _SIZES.get(kind, 0) * amount
        first = at + 8 if length <= 4 else int.from_bytes(raw[8:], order)
        if _SIZES.get(kind) and first >= 8 and first + length <= len(content):
            yield Entry(at, tag, kind, amount, first, first + length)


def patched(structure: bytes, facts: Facts, *, has_orientation: bool = True) -> bytes:
    """
    Return a block of the same length for a picture that stands upright: size, thumbnail and positions are made
    true.

    With `has_orientation` false the entry is taken out: some containers say themselves how a picture is turned.
    A block that makes no sense gives b"".
    """
    order = order_of(structure)
    if order is None:
        return b""
    data = bytearray(structure)
    first = int.from_bytes(data[4:8], order)
    _drop_thumbnail(data, first, order)
    if not facts.keeps_positions:
        _drop_positions(data, first, order)
    if not has_orientation:
        _drop(data, first, order, _ORIENTATION)
    for entry in entries(data, first, order):
        if entry.tag == _ORIENTATION:
            _put(data, entry, _SHORT, 1, order)
        elif entry.tag in (_WIDTH, _HEIGHT):
            _put(data, entry, _LONG, facts.size[entry.tag - _WIDTH], order)
        elif entry.tag == _EXIF:
            _patch_exif(data, _number(data, entry, order), order, facts)
    return bytes(data)


def _patch_exif(data: bytearray, start: int, order: Order, facts: Facts) -> None:
    for entry in entries(data, start, order):
        if entry.tag in (_PIXEL_WIDTH, _PIXEL_HEIGHT):
            _put(data, entry, _LONG, facts.size[entry.tag - _PIXEL_WIDTH], order)
        elif entry.tag == _COLOUR_SPACE and facts.is_srgb:
            _put(data, entry, _SHORT, _SRGB, order)
        elif entry.tag == _INTEROPERABILITY and facts.is_srgb:
            for inner in entries(data, _number(data, entry, order), order):
                if inner.tag == _INDEX and inner.end - inner.start == 4:
                    data[inner.start : inner.end] = b"R98\0"


def _drop_thumbnail(data: bytearray, first: int, order: Order) -> None:
    """
    Unlink the second directory and what it describes, and leave none of its pixels.
    """
    link = first + 2 + 12 * int.from_bytes(data[first : first + 2], order)
    start = int.from_bytes(data[link : link + 4], order)
    if not start or len(data) < link + 4:
        return
    found = {entry.tag: _number(data, entry, order) for entry in entries(data, start, order)}
    at, length = found.get(_THUMBNAIL, 0), found.get(_THUMBNAIL_BYTES, 0)
    if at >= 8 and at + length <= len(data) and bytes(data[at : at + 2]) == b"\xff\xd8":
        data[at : at + length] = bytes(length)
    data[link : link + 4] = bytes(4)


def _drop_positions(data: bytearray, first: int, order: Order) -> None:
    for entry in entries(data, first, order):
        if entry.tag == _GPS:
            start = _number(data, entry, order)
            inner = entries(data, start, order)
            for each in inner:
                data[each.start : each.end] = bytes(each.end - each.start)
            length = 2 + 12 * int.from_bytes(data[start : start + 2], order) + 4
            if inner and length <= 2 + 12 * _MOST_ENTRIES and start + length <= len(data):
                data[start : start + length] = bytes(length)
    _drop(data, first, order, _GPS)


def _drop(data: bytearray, start: int, order: Order, tag: int) -> None:
    """
    Take entries out of a directory; those behind them, and the link to the next one, move up.
    """
    for entry in reversed(entries(data, start, order)):
        if entry.tag == tag:
            count = int.from_bytes(data[start : start + 2], order)
            end = start + 2 + 12 * count + 4
            if end <= len(data):
                data[entry.at : end] = data[entry.at + 12 : end] + bytes(12)
                data[start : start + 2] = (count - 1).to_bytes(2, order)


def _put(data: bytearray, entry: Entry, kind: int, number: int, order: Order) -> None:
    value = number.to_bytes(_SIZES[kind], order).ljust(4, b"\0")
    data[entry.at + 2 : entry.at + 12] = kind.to_bytes(2, order) + (1).to_bytes(4, order) + value


def _number(content: ByteSource, entry: Entry, order: Order) -> int:
    size = _SIZES[entry.kind]
    return int.from_bytes(content[entry.start : entry.start + min(size, 4)], order)


Value: TypeAlias = tuple[int, int, bytes]
"""Type, count, and bytes in the byte order of the file."""

_STRUCTURE = frozenset(
    {
        *(
            0x00FE,
            0x00FF,
            _WIDTH,
            _HEIGHT,
            0x0102,
            0x0103,
            0x0106,
            0x010A,
            0x0111,
            0x0115,
            0x0116,
            0x0117,
        ),
        *(
            0x011C,
            0x013D,
            0x0140,
            0x0142,
            0x0143,
            0x0144,
            0x0145,
            0x014A,
            0x0152,
            0x0153,
            0x015B,
            0x0201,
        ),
        *(
            0x0202,
            0x0211,
            0x0212,
            0x0213,
            0x0214,
            0x02BC,
            0x83BB,
            0x8649,
            0x8773,
            _EXIF,
            _GPS,
            0x013E,
            0x013F,
        ),
        *(
            0xC4A5,
            0x014C,
            0x0120,
            0x0121,
            0x0154,
            0x0155,
            0x0156,
            0x0157,
            0x0158,
            0x0159,
            0x015A,
            0x0122,
            0x0123,
        ),
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
    exif = _below(content, main, _EXIF, order)
    values = _values(content, exif)
    for tag, side in zip((_PIXEL_WIDTH, _PIXEL_HEIGHT), facts.size, strict=True):
        if tag in values:
            values[tag] = _LONG, 1, side.to_bytes(4, order)
    indices = _values(content, _below(content, exif, _INTEROPERABILITY, order))
    if facts.is_srgb and _COLOUR_SPACE in values:
        values[_COLOUR_SPACE] = _SHORT, 1, _SRGB.to_bytes(2, order)
        indices.pop(_INDEX, None)
    for tag in (_MAKER_NOTE, _INTEROPERABILITY):
        values.pop(tag, None)
    for tag in _NOT_IN_TIFF if for_tiff else ():
        values.pop(tag, None)
    own = _values(content, main)
    if _ORIENTATION in own:
        own[_ORIENTATION] = _SHORT, 1, (1).to_bytes(2, order)
    gps = _values(content, _below(content, main, _GPS, order)) if facts.keeps_positions else {}
    return Directories(
        order=order,
        main={tag: value for tag, value in own.items() if tag not in _STRUCTURE},
        exif=values,
        gps=gps,
        interoperability={} if for_tiff else indices,
    )


def _below(content: ByteSource, found: list[Entry], tag: int, order: Order) -> list[Entry]:
    start = next((_number(content, each, order) for each in found if each.tag == tag), 0)
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
        (_EXIF, dict(directories.exif)),
        (_GPS, directories.gps),
    )
    whole = {**directories.main, **main}
    blocks: list[bytes] = []
    if directories.interoperability:
        below[0][1][_INTEROPERABILITY] = _LONG, 1, bytes(4)
    for tag, values in below:
        if values:
            whole[tag] = _LONG, 1, bytes(4)
    position = start + _directory_size(whole)
    for tag, values in below:
        if not values:
            continue
        if _INTEROPERABILITY in values:
            inner = _written(directories.interoperability, position, order)
            values[_INTEROPERABILITY] = _LONG, 1, position.to_bytes(4, order)
            blocks.append(inner)
            position += len(inner)
        block = _written(values, position, order)
        whole[tag] = _LONG, 1, position.to_bytes(4, order)
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
        0x011A: (_RATIONAL, 1, dots),
        0x011B: (_RATIONAL, 1, dots),
        0x0128: (_SHORT, 1, (2).to_bytes(2, order)),
        0x0213: (_SHORT, 1, (1).to_bytes(2, order)),
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
