"""
EXIF of an original made true for its result, as bytes and in their place: nothing moves, so that offsets inside
maker notes, which nobody knows, hold.
"""

from retouchd.pictures.finishing.tiff_structure import (
    COLOUR_SPACE,
    EXIF,
    GPS,
    HEIGHT,
    INDEX,
    INTEROPERABILITY,
    LONG,
    MOST_ENTRIES,
    ORIENTATION,
    PIXEL_HEIGHT,
    PIXEL_WIDTH,
    SHORT,
    SIZES,
    SRGB,
    WIDTH,
    Entry,
    Facts,
    Order,
    entries,
    number_of,
    order_of,
)

_THUMBNAIL, _THUMBNAIL_BYTES = 0x0201, 0x0202


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
        _drop(data, first, order, ORIENTATION)
    for entry in entries(data, first, order):
        if entry.tag == ORIENTATION:
            _put(data, entry, SHORT, 1, order)
        elif entry.tag in (WIDTH, HEIGHT):
            _put(data, entry, LONG, facts.size[entry.tag - WIDTH], order)
        elif entry.tag == EXIF:
            _patch_exif(data, number_of(data, entry, order), order, facts)
    return bytes(data)


def _patch_exif(data: bytearray, start: int, order: Order, facts: Facts) -> None:
    for entry in entries(data, start, order):
        if entry.tag in (PIXEL_WIDTH, PIXEL_HEIGHT):
            _put(data, entry, LONG, facts.size[entry.tag - PIXEL_WIDTH], order)
        elif entry.tag == COLOUR_SPACE and facts.is_srgb:
            _put(data, entry, SHORT, SRGB, order)
        elif entry.tag == INTEROPERABILITY and facts.is_srgb:
            for inner in entries(data, number_of(data, entry, order), order):
                if inner.tag == INDEX and inner.end - inner.start == 4:
                    data[inner.start : inner.end] = b"R98\0"


def _drop_thumbnail(data: bytearray, first: int, order: Order) -> None:
    """
    Unlink the second directory and what it describes, and leave none of its pixels.
    """
    link = first + 2 + 12 * int.from_bytes(data[first : first + 2], order)
    start = int.from_bytes(data[link : link + 4], order)
    if not start or len(data) < link + 4:
        return
    found = {entry.tag: number_of(data, entry, order) for entry in entries(data, start, order)}
    at, length = found.get(_THUMBNAIL, 0), found.get(_THUMBNAIL_BYTES, 0)
    if at >= 8 and at + length <= len(data) and bytes(data[at : at + 2]) == b"\xff\xd8":
        data[at : at + length] = bytes(length)
    data[link : link + 4] = bytes(4)


def _drop_positions(data: bytearray, first: int, order: Order) -> None:
    for entry in entries(data, first, order):
        if entry.tag == GPS:
            start = number_of(data, entry, order)
            inner = entries(data, start, order)
            for each in inner:
                data[each.start : each.end] = bytes(each.end - each.start)
            length = 2 + 12 * int.from_bytes(data[start : start + 2], order) + 4
            if inner and length <= 2 + 12 * MOST_ENTRIES and start + length <= len(data):
                data[start : start + length] = bytes(length)
    _drop(data, first, order, GPS)


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
    value = number.to_bytes(SIZES[kind], order).ljust(4, b"\0")
    data[entry.at + 2 : entry.at + 12] = kind.to_bytes(2, order) + (1).to_bytes(4, order) + value
