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

from retouchd.job.filetypes import ByteSource

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
_PACKED = frozenset({b"iCCP", b"iTXt", b"tEXt", b"zTXt"})
_MOST_UNPACKED = 2**20
_MOST_TEXTS = 32 * 2**20
_MOST_PROFILE = 4 * 2**20
"""Of a text or profile, of all of them, and of a profile that is read although it is larger."""
_MOST_ROW = 2**20
_PIECE = 2**18
_MOST_INFLATED = 2**20
"""Bytes read at once, and inflated: a few may inflate to a thousand times as many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PngOutline:
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


def outline(content: ByteSource) -> PngOutline | None:
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


def chunks_of(content: ByteSource) -> Iterator[tuple[bytes, int, int]]:
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


def colour_code(content: ByteSource) -> tuple[int, ...] | None:
    """
    Return the four numbers of the first cICP chunk before the pixels (11.3.2.6), None where there is none.
    """
    for name, start, end in chunks_of(content):
        if name == b"cICP" and end - start == 4:
            return tuple(bytes(content[start:end]))
        if name == b"IDAT":
            break
    return None


def excess(content: ByteSource) -> Iterator[tuple[bytes, int, int]]:
    """
    Yield the texts and profiles, as `chunks_of` does, that unpack to more than decoders take (1 MiB each).
    """
    room = _MOST_TEXTS
    for name, start, end in chunks_of(content):
        if name not in _PACKED:
            continue
        size = _unpacked_size(name, bytes(content[start : min(end, start + _MOST_BESIDE)]))
        if size > _MOST_UNPACKED or end - start > _MOST_BESIDE or size > room:
            yield name, start, end
        else:
            room -= size


def profile_in(content: ByteSource, chunks: list[tuple[bytes, int, int]]) -> bytes | None:
    """
    Return the colour profile that one of these chunks holds; None for none, and for one beyond all measure.
    """
    for name, start, end in chunks:
        if name == b"iCCP" and end - start <= _MOST_PROFILE:
            _, _, packed = bytes(content[start:end]).partition(b"\0")
            inflater = zlib.decompressobj()
            try:
                found = inflater.decompress(packed[1:], _MOST_PROFILE)
            except zlib.error:
                return None
            return found if inflater.eof else None
    return None


def _unpacked_size(name: bytes, text: bytes) -> int:
    """
    Return how long a text or profile is, or that it is too long.
    """
    _, _, value = text.partition(b"\0")
    if name == b"iTXt" and value[:1] not in (b"", b"\0"):
        packed = value[2:].partition(b"\0")[2].partition(b"\0")[2]
    elif name in (b"iCCP", b"zTXt"):
        packed = value[1:]
    else:
        return len(text)
    inflater = zlib.decompressobj()
    try:
        return len(inflater.decompress(packed, _MOST_UNPACKED)) + len(inflater.unconsumed_tail)
    except zlib.error:
        return 0


def stand_in(content: ByteSource, found: PngOutline) -> bytes:
    """
    Return a small PNG of one black row, with all chunks of another that hold no pixels.

    Pillow finds fault with them, and learns from them, as it does in the other. Checks behind the header
    are the decoder's own matter: it looks at those of chunks before the pixels and no others.
    """
    header = bytes(content[16:20]) + (1).to_bytes(4, "big") + bytes(content[24:29])
    row = zlib.compress(bytes(1 + found.row_bytes), 1)
    before, behind = content[_HEAD : found.first], content[found.behind : found.end]
    chunks = (chunk(b"IHDR", header), before, chunk(b"IDAT", row), behind)
    return bytes(content[:8]) + b"".join(chunks)


def has_every_row(content: ByteSource, found: PngOutline) -> bool:
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
    inflater: "zlib._Decompress", content: ByteSource, pixels: tuple[tuple[int, int], ...]
) -> Iterator[bytes]:
    for piece in _pieces(content, pixels):
        rest = piece
        while rest and not inflater.eof:
            yield inflater.decompress(rest, _MOST_INFLATED)
            rest = inflater.unconsumed_tail


def _pieces(content: ByteSource, pixels: tuple[tuple[int, int], ...]) -> Iterator[bytes]:
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


def _joined(content: ByteSource, ranges: list[tuple[int, int]]) -> bytes:
    first = ranges[0][0]
    block = memoryview(content[first : ranges[-1][1]])
    return b"".join(block[start - first : end - first] for start, end in ranges)


def _outline(
    content: ByteSource, pixels: tuple[tuple[int, int], ...], ends: dict[str, int]
) -> PngOutline | None:
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
    if header != chunk(b"IHDR", fields) or not is_known or any(methods) or not width or not height:
        return None
    row_bytes = -(-width * _CHANNELS[colour_type] * depth // 8)
    if row_bytes > _MOST_ROW:
        return None
    return PngOutline(width=width, height=height, row_bytes=row_bytes, pixels=pixels, **ends)


def chunk(name: bytes, content: bytes) -> bytes:
    """
    Return a chunk as it is written, its check at the end (5.3).
    """
    check = zlib.crc32(content, zlib.crc32(name))
    return len(content).to_bytes(4, "big") + name + content + check.to_bytes(4, "big")
