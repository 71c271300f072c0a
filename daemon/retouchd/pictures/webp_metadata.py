"""
The metadata of WebP files: which chunks are sent, and which stay here (RFC 9649, section 2).

The first chunk of an extended file says which others there are, and the file's header how long it is: both
are written anew. Frames of an animation are sent as they are.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from retouchd.job.stripped import Removed, Stripped
from retouchd.pictures import exif
from retouchd.pictures.byte_source import Stored
from retouchd.pictures.metadata import Cutting, Shown

_BITSTREAMS = frozenset({b"VP8 ", b"VP8L"})
_SENT = _BITSTREAMS | {b"ALPH", b"ANIM", b"ANMF", b"ICCP"}
_FRAME = _BITSTREAMS | {b"ALPH"}
_FRAME_HEADER = 16
"""Where a frame stands, and for how long."""
_KINDS = {b"C2PA": Removed.C2PA, b"EXIF": Removed.EXIF, b"XMP ": Removed.XMP}
_EXTENDED_BYTES = 10
_HAS_EXIF = 0x08
_FLAGS = 0x32
"""An ICC profile, alpha, an animation."""
_MOST_CHUNKS = 10_000


@dataclass(frozen=True, slots=True)
class _Chunk:
    """
    A chunk by its name: where it begins, where its content starts and ends, and where the next one begins.
    """

    name: bytes
    first: int
    start: int
    end: int
    behind: int


def stripped(content: Stored, shown: Shown) -> Stripped | None:
    """
    Return a WebP without its metadata, None for one that is not written strictly up to its end.
    """
    end = 8 + int.from_bytes(content[4:8], "little")
    if end > len(content):
        return None
    chunks = list(_chunks(content, 12, end))
    block = exif.block(shown)
    if not _is_sound(content, chunks) or (block and chunks[0].name != b"VP8X"):
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


def _chunks(content: Stored, position: int, end: int) -> Iterator[_Chunk]:
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
        yield _Chunk(head[:4], first, start, start + length, position)


def _is_sound(content: Stored, chunks: list[_Chunk]) -> bool:
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


def _are_plain(content: Stored, frames: list[_Chunk]) -> bool:
    for frame in frames:
        inner = list(_chunks(content, frame.start + _FRAME_HEADER, frame.end))
        is_filled = bool(inner) and inner[-1].behind == frame.end
        if not is_filled or not {each.name for each in inner} <= _FRAME:
            return False
    return True


def _send(content: Stored, cutting: Cutting, chunks: list[_Chunk], block: bytes) -> None:
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
            cutting.cut(_KINDS.get(each.name, Removed.PRIVATE))
    if block:
        cutting.insert(
            b"EXIF" + len(block).to_bytes(4, "little") + block + b"\0" * (len(block) % 2)
        )


def _send_extended(content: Stored, cutting: Cutting, chunk: _Chunk, *, has_exif: bool) -> None:
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
