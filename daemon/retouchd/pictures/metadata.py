"""
What a picture is sent as when its metadata stays here: ranges of its file, and a few bytes of our own.

Nothing is encoded or written anew: coded pixels go out byte for byte, and so does what tells how they are
meant (colour profiles, gamma, the shape of a pixel). The rules for each format stand in
`jpeg_metadata`, `png_metadata` and `webp_metadata`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from retouchd.job.stripped import Piece, Removed, Stripped


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
