"""
A multimap in 16 bytes an entry: from hashes or sizes to positions in a journal, for a hundred thousand jobs.
"""

from array import array
from bisect import bisect_left

_MOST_UNSORTED = 512
"""Entries that are gone through one by one before all are sorted anew: as quick as a look among the sorted."""


class HashIndex:
    """
    Two arrays sorted by key up to some entry; behind it stands what was added since, in no order.

    Keys and positions are 0 to 2⁶⁴-1. A key may have several positions, and equal keys prove nothing: who
    finds one compares in full.
    """

    def __init__(self) -> None:
        self._keys = array("Q")
        self._positions = array("Q")
        self._sorted = 0

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, key: int) -> bool:
        return bool(self.find(key))

    def add(self, key: int, position: int) -> None:
        """
        Add an entry.
        """
        self._keys.append(key)
        self._positions.append(position)

    def find(self, key: int) -> list[int]:
        """
        Return the positions of a key, in no order.
        """
        if len(self._keys) - self._sorted > _MOST_UNSORTED:
            self._sort()
        found = []
        at = bisect_left(self._keys, key, 0, self._sorted)
        while at < self._sorted and self._keys[at] == key:
            found.append(self._positions[at])
            at += 1
        added = range(self._sorted, len(self._keys))
        return found + [self._positions[at] for at in added if self._keys[at] == key]

    def _sort(self) -> None:
        order = sorted(range(len(self._keys)), key=self._keys.__getitem__)
        self._keys = array("Q", map(self._keys.__getitem__, order))
        self._positions = array("Q", map(self._positions.__getitem__, order))
        self._sorted = len(order)


def hash_key(sha256: str) -> int:
    """
    Return the key of a SHA-256 in hexadecimal digits: its first 64 bits.
    """
    return int(sha256[:16], 16)


def text_key(text: str) -> int:
    """
    Return the key of a text, good for as long as this process lives.
    """
    return hash(text) & 0xFFFF_FFFF_FFFF_FFFF
