"""
Quantisation tables of a JPEG: how well it was written by them, and which a picture made of it is written by.

What is decoded, not changed and written by the same tables is decoded as the same again, nearly everywhere; by
others it is not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_LUMINANCE = (
    *(16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55),
    *(14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62),
    *(18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92),
    *(49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99),
)
"""ITU-T T.81, table K.1; libjpeg's quality scales it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JpegTables:
    """
    Tables by number, each of 64 in rows, and how much of the colours is stored: 0 all, 1 half, 2 a quarter.
    """

    tables: tuple[tuple[int, ...], ...]
    sampling: int

    @property
    def quality(self) -> float:
        """
        Return the quality of libjpeg, 1 to 100, that has tables about as fine.
        """
        found = self.tables[0]
        scale = sum(100 * own / usual for own, usual in zip(found, _LUMINANCE, strict=True)) / 64
        return (200 - scale) / 2 if scale <= 100 else 5000 / scale

    def turned(self) -> "JpegTables":
        """
        Return those for the picture lying on its side.
        """
        tables = tuple(
            tuple(each[column * 8 + row] for row in range(8) for column in range(8))
            for each in self.tables
        )
        # Half of the rows instead of half of the columns is nothing that can be written here.
        return JpegTables(tables=tables, sampling=0 if self.sampling == 1 else self.sampling)


def tables_of(quantization: Mapping[int, Sequence[int]], sampling: int) -> JpegTables | None:
    """
    Return the tables that a decoder tells of; None for those that no ordinary file can be written by.
    """
    tables = tuple(tuple(int(value) for value in quantization[key]) for key in sorted(quantization))
    is_plain = 0 < len(tables) <= 4 and all(
        len(t) == 64 and max(t) <= 255 and min(t) > 0 for t in tables
    )
    return (
        JpegTables(tables=tables, sampling=sampling) if is_plain and sampling in (0, 1, 2) else None
    )
