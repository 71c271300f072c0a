"""
IPTC as older programs write it (IIM 4.2): the segments of a JPEG that hold it, and the same in the words of
XMP.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from retouchd.job.filetypes import ByteSource
from retouchd.pictures import jpeg

_APP13 = 0xED
_PHOTOSHOP = b"Photoshop 3.0\0"
_RESOURCE = b"8BIM"
_IPTC = 0x0404
_NAMES = {
    5: ("dc", "title"),
    25: ("dc", "subject"),
    40: ("photoshop", "Instructions"),
    80: ("dc", "creator"),
    85: ("photoshop", "AuthorsPosition"),
    90: ("photoshop", "City"),
    95: ("photoshop", "State"),
    101: ("photoshop", "Country"),
    105: ("photoshop", "Headline"),
    110: ("photoshop", "Credit"),
    115: ("photoshop", "Source"),
    116: ("dc", "rights"),
    120: ("dc", "description"),
    122: ("photoshop", "CaptionWriter"),
}
"""Data sets of record 2, and what means the same (IPTC Photo Metadata Standard 2025.1, mappings)."""
_MOST_SETS = 2_000


@dataclass(frozen=True, slots=True)
class Iptc:
    """
    What a file holds of it: the raw segments of a JPEG, and values by prefix and name of a property of XMP;
    `guessed` are those that are not UTF-8, read as Latin-1.
    """

    segments: tuple[bytes, ...] = ()
    values: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    guessed: frozenset[tuple[str, str]] = frozenset()


def iptc_in_jpeg(content: ByteSource) -> Iptc:
    """
    Return what the segments of a JPEG before its scan hold.
    """
    found, resources = [], b""
    for each in jpeg.segments(content):
        if each.mark == jpeg.SCAN:
            break
        body = bytes(content[each.start : each.end])
        if each.mark == _APP13 and body.startswith(_PHOTOSHOP):
            found.append(bytes([0xFF, _APP13]) + (len(body) + 2).to_bytes(2, "big") + body)
            resources += body.removeprefix(_PHOTOSHOP)
    data = b"".join(_resources(resources))
    return iptc_of(data, tuple(found) if data else ())


def _resources(data: bytes) -> Iterator[bytes]:
    """
    Yield what resources of Photoshop hold of IPTC (Adobe Photoshop File Formats, Image Resource Blocks).
    """
    position = 0
    while data[position : position + 4] == _RESOURCE:
        kind = int.from_bytes(data[position + 4 : position + 6], "big")
        name = 1 + data[position + 6] if position + 6 < len(data) else 1
        start = position + 6 + name + name % 2 + 4
        length = int.from_bytes(data[start - 4 : start], "big")
        if kind == _IPTC:
            yield data[start : start + length]
        position = start + length + length % 2


def iptc_of(data: bytes, segments: tuple[bytes, ...] = ()) -> Iptc:
    """
    Return what IIM data sets hold. Many programs write UTF-8 without saying so.
    """
    found, guessed = dict[tuple[str, str], list[str]](), set[tuple[str, str]]()
    for record, number, raw in _sets(data):
        if record != 2 or number not in _NAMES:
            continue
        name = _NAMES[number]
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            text = raw.decode("latin-1")
            guessed.add(name)
        if text := text.strip("\0 "):
            found.setdefault(name, []).append(text)
    return Iptc(segments, found, frozenset(guessed))


def _sets(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    position = 0
    for _ in range(_MOST_SETS):
        head = data[position : position + 5]
        length = int.from_bytes(head[3:], "big")
        if len(head) < 5 or head[0] != 0x1C or length & 0x8000:
            return
        yield head[1], head[2], data[position + 5 : position + 5 + length]
        position += 5 + length
