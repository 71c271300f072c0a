"""
Still PNG files, which can be told sound without building their pixels: every row is there, and can be undone.

Pillow refuses chunks with a wrong check or content that stand before the pixels, data that does not
inflate, rows that are missing and rows filtered in no known way. Whether the first of these is so shows a
small file with the same chunks; the others show in the inflated bytes. Interlaced and animated pictures are
left to the decoder. Sections are those of the PNG specification, third edition.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from retouchd.rules.stored import Stored

_HEAD = 8 + 25
"""Where the header chunk ends, which is the first one and has a fixed length (5.2, 11.2.1)."""
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""By colour type (6.1)."""
_DEPTHS = {0: {1, 2, 4, 8, 16}, 2: {8, 16}, 3: {1, 2, 4, 8}, 4: {8, 16}, 6: {8, 16}}
_ANIMATED = frozenset({b"acTL", b"fcTL", b"fdAT"})
_FILTERS = bytes(range(5))
"""What the first byte of a row may be (9.2)."""

_MOST_CHUNKS = 1_000_000
"""Far more than any picture has: a file made of empty ones must not keep a thread busy."""
_MOST_LISTED = 2**16
_MOST_BESIDE = 4 * 2**20
"""What is copied of chunks without pixels; metadata of more bytes is rare."""
_MOST_ROW = 2**20
_PIECE = 2**18
_MOST_INFLATED = 2**20
"""Bytes read at once, and inflated: a few may inflate to a thousand times as many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """
    The sides of a still PNG, the bytes of a row, and where the chunks lie that hold its pixels.

    `pixels` are the beginning and end of the content of each; `first` and `behind` are where the first of
    them begins and what follows the last, `end` is where the file ends by its own account.
    """

    width: int
    height: int
    row_bytes: int
    pixels: tuple[tuple[int, int], ...]
    first: int
    behind: int
    end: int


def outline(content: Stored) -> Outline | None:
    """
    Return the outline of a still PNG that is not interlaced, None for any other and for odd ones.
    """
    chunks = list(islice(chunks_of(content), _MOST_LISTED))
    names = [name for name, _, _ in chunks]
    count = names.count(b"IDAT")
    if not count or names[-1] != b"IEND" or not _ANIMATED.isdisjoint(names):
        return None
    first = names.index(b"IDAT")
    is_one_run = names[first : first + count] == [b"IDAT"] * count
    if not is_one_run or names[0] != b"IHDR" or names.count(b"IHDR") > 1:
        return None
    pixels = tuple((start, end) for _, start, end in chunks[first : first + count])
    ends = {"first": pixels[0][0] - 8, "behind": pixels[-1][1] + 4, "end": chunks[-1][2] + 4}
    beside = ends["first"] + ends["end"] - ends["behind"]
    return _outline(content, pixels, ends) if beside <= _MOST_BESIDE else None


def chunks_of(content: Stored) -> Iterator[tuple[bytes, int, int]]:
    """
    Yield the name of each chunk up to the last, IEND, and where its content starts and ends (5.3).

    Ends earlier where a chunk has no name or is not all there.
    """
    position, length = 8, len(content)
    for _ in range(_MOST_CHUNKS):
        head = bytes(content[position : position + 8])
        name, start = head[4:], position + 8
        position = start + int.from_bytes(head[:4], "big") + 4
        if position > length or len(name) != 4 or not name.isalpha():
            return
        yield name, start, position - 4
        if name == b"IEND":
            return


def stand_in(content: Stored, found: Outline) -> bytes:
    """
    Return a small PNG of one black row, with all chunks of another that hold no pixels.

    Pillow finds fault with them, and learns from them, as it does in the other. Checks behind the header
    are the decoder's own matter: it looks at those of chunks before the pixels and no others.
    """
    header = bytes(content[16:20]) + (1).to_bytes(4, "big") + bytes(content[24:29])
    row = zlib.compress(bytes(1 + found.row_bytes), 1)
    before, behind = content[_HEAD : found.first], content[found.behind : found.end]
    chunks = (_chunk(b"IHDR", header), before, _chunk(b"IDAT", row), behind)
    return bytes(content[:8]) + b"".join(chunks)


def has_every_row(content: Stored, found: Outline) -> bool:
    """
    Say whether the data inflates to exactly the rows there should be, with a sound check (10.1) at its end.

    What surplus data follows, nobody looks at.
    """
    inflater = zlib.decompressobj()
    stride, seen = 1 + found.row_bytes, 0
    try:
        for rows in _inflated(inflater, content, found.pixels):
            if rows[-seen % stride :: stride].translate(None, _FILTERS):
                return False
            seen += len(rows)
            if seen > stride * found.height:
                return False
    except zlib.error:
        return False
    return inflater.eof and seen == stride * found.height


def _inflated(
    inflater: "zlib._Decompress", content: Stored, pixels: tuple[tuple[int, int], ...]
) -> Iterator[bytes]:
    for piece in _pieces(content, pixels):
        rest = piece
        while rest and not inflater.eof:
            yield inflater.decompress(rest, _MOST_INFLATED)
            rest = inflater.unconsumed_tail


def _pieces(content: Stored, pixels: tuple[tuple[int, int], ...]) -> Iterator[bytes]:
    """
    Yield what chunks hold: that of many small ones joined, that of a large one piece by piece.
    """
    joined: list[tuple[int, int]] = []
    for start, end in pixels:
        for position in range(start, end, _PIECE):
            stop = min(position + _PIECE, end)
            if joined and stop - joined[0][0] > _PIECE:
                yield _joined(content, joined)
                joined = []
            joined.append((position, stop))
    if joined:
        yield _joined(content, joined)


def _joined(content: Stored, ranges: list[tuple[int, int]]) -> bytes:
    first = ranges[0][0]
    block = memoryview(content[first : ranges[-1][1]])
    return b"".join(block[start - first : end - first] for start, end in ranges)


def _outline(
    content: Stored, pixels: tuple[tuple[int, int], ...], ends: dict[str, int]
) -> Outline | None:
    """
    Return the outline by the header chunk (11.2.1), None if it is unsound or of a kind left to the decoder.
    """
    header = bytes(content[8:_HEAD])
    fields = header[8:21]
    if len(fields) < 13:
        return None
    width, height = int.from_bytes(fields[:4], "big"), int.from_bytes(fields[4:8], "big")
    depth, colour_type, *methods = fields[8:]
    is_known = depth in _DEPTHS.get(colour_type, ())
    if header != _chunk(b"IHDR", fields) or not is_known or any(methods) or not width or not height:
        return None
    row_bytes = -(-width * _CHANNELS[colour_type] * depth // 8)
    if row_bytes > _MOST_ROW:
        return None
    return Outline(width=width, height=height, row_bytes=row_bytes, pixels=pixels, **ends)


def _chunk(name: bytes, content: bytes) -> bytes:
    check = zlib.crc32(content, zlib.crc32(name))
    return len(content).to_bytes(4, "big") + name + content + check.to_bytes(4, "big")
