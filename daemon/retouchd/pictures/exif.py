"""
Blocks of EXIF, read and changed as bytes: TIFF structures as in CIPA DC-008 (4.5.2) and TIFF 6.0 (section 2).

Pillow reads their texts as Latin-1 and writes them as ASCII with question marks, so that it must never
write one. Here nothing moves: what is changed is changed in its place.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from retouchd.pictures.metadata import Shown

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
