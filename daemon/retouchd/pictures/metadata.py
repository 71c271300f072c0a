"""
The metadata of pictures as bytes: what is cut out of a file, EXIF read and changed, blocks put back in.

A picture without its metadata is sent as ranges of its file and a few bytes of our own. Nothing is encoded or
written anew: coded pixels go out byte for byte, and so does what tells how they are meant (colour profiles,
gamma, the shape of a pixel). The rules for each format stand in `stripping`.

EXIF are TIFF structures as in CIPA DC-008 (4.5.2) and TIFF 6.0 (section 2).

Pillow reads their texts as Latin-1 and writes them as ASCII with question marks, so that it must never write
one. Here nothing moves: what is changed is changed in its place.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, TypeAlias

from retouchd.job.stripped import Piece, Removed, Stripped
from retouchd.pictures import jpeg, png


class Metadata(StrEnum):
    """
    What becomes of metadata in the pictures that are sent (`images.metadata`).
    """

    STRIP = "strip"
    KEEP = "keep"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """
    What of a picture's metadata changes what is seen: its orientation, and whether EXIF alone says that
    its colours are those of Adobe RGB (1998).
    """

    orientation: int = 1
    is_adobe_rgb: bool = False

    @property
    def is_plain(self) -> bool:
        """
        Return whether a picture without metadata is seen as it was.
        """
        return self.orientation == 1 and not self.is_adobe_rgb


@dataclass(slots=True)
class Cutting:
    """
    Collects what is sent of a file; ranges that touch become one.
    """

    _pieces: list[Piece] = field(default_factory=list)
    _removed: set[Removed] = field(default_factory=set)

    def keep(self, start: int, end: int) -> None:
        """
        Send a range of the file.
        """
        last = self._pieces[-1] if self._pieces else None
        if isinstance(last, tuple) and last[1] == start:
            self._pieces[-1] = (last[0], end)
        elif start < end:
            self._pieces.append((start, end))

    def insert(self, data: bytes) -> None:
        """
        Send bytes that do not stand in the file.
        """
        if data:
            self._pieces.append(data)

    def cut(self, kind: Removed) -> None:
        """
        Note that something is not sent.
        """
        self._removed.add(kind)

    @property
    def size(self) -> int:
        """
        Return the number of bytes that are sent so far.
        """
        return sum(_length(piece) for piece in self._pieces)

    def done(self) -> Stripped:
        """
        Return what was collected.
        """
        return Stripped(pieces=tuple(self._pieces), size=self.size, removed=in_order(self._removed))


def in_order(kinds: Iterable[str]) -> tuple[Removed, ...]:
    """
    Return kinds of metadata, each once, in the order in which they are always told.
    """
    found = set(kinds)
    return tuple(kind for kind in Removed if kind in found)


def _length(piece: Piece) -> int:
    return len(piece) if isinstance(piece, bytes) else piece[1] - piece[0]


PREFIX = b"Exif\0\0"
"""What stands before the structure in a JPEG, and sometimes elsewhere."""

_ByteOrder: TypeAlias = Literal["little", "big"]

_ORIENTATION = 0x0112
_EXIF = 0x8769
_COLOUR_SPACE = 0xA001
_INTEROPERABILITY = 0xA005
_INDEX = 0x0001
_SRGB, _ADOBE_RGB, _UNCALIBRATED = 1, 2, 0xFFFF
_ASCII, _SHORT, _LONG = 2, 3, 4


def block(shown: Shown) -> bytes:
    """
    Return the EXIF of a picture that tells how it is seen and nothing else; b"" where nothing is to be told.
    """
    if shown.is_plain:
        return b""
    turned = [(_ORIENTATION, _SHORT, 1, _short(shown.orientation))] * (shown.orientation != 1)
    if not shown.is_adobe_rgb:
        return _HEADER + _directory(turned)
    exif_at = 8 + _size_of(len(turned) + 1)
    index_at = exif_at + _size_of(2)
    return (
        _HEADER
        + _directory([*turned, (_EXIF, _LONG, 1, exif_at.to_bytes(4, "big"))])
        + _directory(
            [
                (_COLOUR_SPACE, _SHORT, 1, _short(_UNCALIBRATED)),
                (_INTEROPERABILITY, _LONG, 1, index_at.to_bytes(4, "big")),
            ]
        )
        + _directory([(_INDEX, _ASCII, 4, b"R03\0")])
    )


def says_adobe_rgb(structure: bytes) -> bool:
    """
    Say whether colours are meant as in Adobe RGB (1998): what DCF calls an option file (JEITA CP-3461, 3.3).

    Some programs write 2 for the space, which no standard knows.
    """
    data, space, index = bytearray(structure), _UNCALIBRATED, b""
    for entry in _entries(data):
        if (entry.directory, entry.tag) == (_EXIF, _COLOUR_SPACE):
            space = int.from_bytes(data[entry.at + 8 : entry.at + 10], entry.order)
        elif (entry.directory, entry.tag) == (_INTEROPERABILITY, _INDEX):
            index = bytes(data[entry.at + 8 : entry.at + 11])
    return space == _ADOBE_RGB or (space == _UNCALIBRATED and index == b"R03")


def corrected(structure: bytes, *, is_srgb: bool) -> bytes:
    """
    Return EXIF of the same length for a picture that was turned upright, and its colours made sRGB.

    Only these entries differ; where a structure makes no sense, it stays as it is.
    """
    data = bytearray(structure)
    for entry in _entries(data):
        if (entry.directory, entry.tag) == (0, _ORIENTATION):
            entry.put(data, 1)
        elif is_srgb and (entry.directory, entry.tag) == (_EXIF, _COLOUR_SPACE):
            entry.put(data, _SRGB)
        elif is_srgb and (entry.directory, entry.tag) == (_INTEROPERABILITY, _INDEX):
            data[entry.at + 8 : entry.at + 12] = b"R98\0"
    return bytes(data)


_HEADER = b"MM\0*" + (8).to_bytes(4, "big")


@dataclass(frozen=True, slots=True)
class _Entry:
    """
    An entry of a directory, which is named by the tag that points to it; the first one is 0.
    """

    directory: int
    tag: int
    at: int
    order: _ByteOrder

    def put(self, data: bytearray, number: int) -> None:
        """
        Make it one short number, whatever it was.
        """
        kind, count = _SHORT.to_bytes(2, self.order), (1).to_bytes(4, self.order)
        data[self.at + 2 : self.at + 12] = kind + count + number.to_bytes(2, self.order) + b"\0\0"


def _entries(data: bytearray) -> Iterator[_Entry]:
    """
    Yield the entries of the first directory and of those for EXIF and for interoperability.
    """
    order: _ByteOrder = "little" if data[:2] == b"II" else "big"
    if data[2:4] != (42).to_bytes(2, order):
        return
    places = {0: int.from_bytes(data[4:8], order)}
    for directory, pointer in ((0, _EXIF), (_EXIF, _INTEROPERABILITY), (_INTEROPERABILITY, 0)):
        start = places.get(directory, len(data))
        count = int.from_bytes(data[start : start + 2], order)
        for at in range(start + 2, min(start + 2 + 12 * count, len(data) - 11), 12):
            tag = int.from_bytes(data[at : at + 2], order)
            if pointer and tag == pointer:
                places[pointer] = int.from_bytes(data[at + 8 : at + 12], order)
            yield _Entry(directory, tag, at, order)


def _directory(entries: list[tuple[int, int, int, bytes]]) -> bytes:
    """
    Return a directory of entries in big-endian order, each with its tag, type, count and 4 bytes of value.
    """
    lines = [
        tag.to_bytes(2, "big") + kind.to_bytes(2, "big") + count.to_bytes(4, "big") + value
        for tag, kind, count, value in entries
    ]
    return len(lines).to_bytes(2, "big") + b"".join(lines) + bytes(4)


def _size_of(count: int) -> int:
    return 2 + 12 * count + 4


def _short(number: int) -> bytes:
    return number.to_bytes(2, "big") + b"\0\0"


_XMP_PREFIX = b"http://ns.adobe.com/xap/1.0/\0"
_XMP_CHUNK = b"XML:com.adobe.xmp\0\0\0\0\0"
_MOST_SEGMENT = 65_533
_BEHIND_HEADER = 33
"""Where the second chunk of a PNG begins."""
_APP0 = 0xE0


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocks:
    """
    The metadata of a picture: EXIF from its TIFF header on, the XMP packet, b"" for none; its ICC profile; and
    whole segments of a JPEG with IPTC.
    """

    exif: bytes = b""
    xmp: bytes = b""
    icc: bytes | None = None
    iptc: tuple[bytes, ...] = ()


def with_blocks(data: bytes, kind: str, blocks: Blocks) -> bytes:
    """
    Return a plain JPEG or PNG with EXIF and XMP where each belongs (CIPA DC-008, 4.5.4; XMP part 3, 1.1).

    XMP that is too long for one segment of a JPEG is left out. The profile is the encoder's matter.
    """
    if kind == "jpeg":
        at = next((each.end for each in jpeg.segments(data) if each.mark == _APP0), 2)
        inserted = b"".join(_segments(blocks))
    else:
        at = _BEHIND_HEADER
        inserted = png.chunk(b"eXIf", blocks.exif) if blocks.exif else b""
        inserted += png.chunk(b"iTXt", _XMP_CHUNK + blocks.xmp) if blocks.xmp else b""
    return data[:at] + inserted + data[at:]


def _segments(blocks: Blocks) -> list[bytes]:
    most = _MOST_SEGMENT - len(PREFIX)
    bodies = [
        PREFIX + blocks.exif[start : start + most] for start in range(0, len(blocks.exif), most)
    ]
    if blocks.xmp and len(_XMP_PREFIX + blocks.xmp) <= _MOST_SEGMENT:
        bodies.append(_XMP_PREFIX + blocks.xmp)
    return [*(jpeg.app1(body) for body in bodies), *blocks.iptc]
