"""
What is sent of a picture's file: its pieces, without the metadata that stays here.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

Piece: TypeAlias = tuple[int, int] | bytes
"""Beginning and end of a range of the file, or bytes that do not stand there."""


class Removed(StrEnum):
    """
    What was cut out of a picture, or left behind when it was encoded anew.
    """

    EXIF = "exif"
    XMP = "xmp"
    IPTC = "iptc"
    COMMENT = "comment"
    TEXT = "text"
    TIME = "time"
    C2PA = "c2pa"
    THUMBNAIL = "thumbnail"
    PICTURES = "pictures"
    """Further pictures of the same file: frames, and what announces others behind the first one."""
    PRIVATE = "private"
    """Segments and chunks of programs and cameras that nothing is known of."""
    TRAILER = "trailer"
    """Everything behind the picture's end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stripped:
    """
    A picture without its metadata: what is sent of its file in order, in all `size` bytes, and what is not.
    """

    pieces: tuple[Piece, ...]
    size: int
    removed: tuple[Removed, ...]
