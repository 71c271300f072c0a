"""
A file on disk as a content to take pieces from.
"""

import os

_AHEAD = 2**14
"""Bytes read at once at least: small pieces that are asked for often lie close together."""


class OnDisk:
    """
    The content of an open file, read when it is asked for, and as long as the file was at first.

    Read rather than mapped: a writer that truncates a mapped file would kill this process. Asking for a
    piece raises OSError where it cannot be read.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._length = os.fstat(descriptor).st_size
        self._start, self._block = 0, b""

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, piece: slice) -> bytes:
        start, stop, _ = piece.indices(self._length)
        if stop - start >= _AHEAD:
            return os.pread(self._descriptor, stop - start, start)
        if not self._start <= start <= stop <= self._start + len(self._block):
            self._start, self._block = start, os.pread(self._descriptor, _AHEAD, start)
        return self._block[start - self._start : max(0, stop - self._start)]
