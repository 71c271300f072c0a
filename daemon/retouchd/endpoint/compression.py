"""
Answers that come compressed although nobody asked for it; the only module that knows these codings.
"""

import contextlib
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

import brotli
import zstandard

from retouchd.job.filetypes import sniff

_PIECE = 1 << 18
"""Bytes that come out at once at most, however well they were compressed."""
_START = 16
"""Bytes by which a coding is known."""
_LOOKED_AT = 1024
"""Bytes of a first piece by which text is told from what is compressed: pieces may be large, and all are waited
for."""
_MOST_CODINGS = 3
"""One around the other; some relays compress what is compressed already."""
_MOST_HELD = 1 << 16
"""Bytes that come back as they are where nothing else comes of them."""
_GZIP = b"\x1f\x8b\x08"
"""How every file of gzip begins (RFC 1952, 2.3.1), whatever a head says of it."""
_ZLIB_WINDOW = 0x78
"""How nearly every stream of zlib begins: deflate with the largest window (RFC 1950, 2.2)."""
_ZSTD = b"\x28\xb5\x2f\xfd"
_ZSTD_WINDOW = 8 << 20
"""Bytes of memory; more is not allowed over HTTP (RFC 9659)."""
_ZSTD_SLICE = 64
"""Bytes; what the library makes of one slice comes out at once: 3 MiB at worst."""


class Unpacker:
    """
    Takes a body in pieces and gives it back without its compression, in pieces of some 256 KiB.

    gzip, zstd and deflate with a header are known by their own first bytes, other deflate and br by name
    (`encoding`, the header's value).
    Of what is damaged or breaks off as much as there is comes. What is none of these comes as it is: whoever
    reads it will find that it is not JSON.
    """

    def __init__(self, encoding: str, *, codings: int = _MOST_CODINGS) -> None:
        named = [name.strip().lower() for name in encoding.split(",") if name.strip()]
        self._named = named[-1] if named else ""
        self._inner = Unpacker(",".join(named[:-1]), codings=codings - 1) if codings else None
        self._start = b""
        self._coding: _Coding | None = None
        self._is_known = self._inner is None
        self._is_over = False

    def take(self, piece: bytes) -> Iterator[bytes]:
        """
        Yield what has come by now and was not yielded yet.
        """
        if not self._is_known:
            self._start += piece
            if len(self._start) < _START:
                return
            piece = self._begin()
        yield from self._unpacked(piece)

    def end(self) -> Iterator[bytes]:
        """
        Yield what is left once all has come.
        """
        if not self._is_known:
            yield from self._unpacked(self._begin())
        if self._start:  # Nothing came of it: it was called what it is not.
            yield self._start
        elif self._coding is not None and self._inner is not None:
            yield from self._inner.end()

    def _begin(self) -> bytes:
        self._is_known = True
        self._coding = _coding_of(self._start[:_LOOKED_AT], self._named)
        piece = self._start
        if self._coding is None:
            self._start = b""
        return piece

    def _unpacked(self, piece: bytes) -> Iterator[bytes]:
        if self._coding is None or self._inner is None:
            if piece:
                yield piece
            return
        if self._start and piece is not self._start:
            self._start += piece
        if self._is_over:
            return
        try:
            for each in self._coding.take(piece):
                self._start = b""
                yield from self._inner.take(each)
        except _Damaged:
            self._is_over = True
        if self._start and self._is_over:
            self._coding, piece, self._start = None, self._start, b""
            yield piece
        elif len(self._start) > _MOST_HELD:
            self._start = b""


def plain(blocks: Iterable[bytes], headers: Mapping[str, str], limit: int) -> Iterator[bytes]:
    """
    Return a body without its compression, up to so many bytes. Slow for large ones: do it in a thread.
    """
    unpacker = Unpacker(headers.get("content-encoding", ""))
    left = limit
    for piece in _all_of(unpacker, blocks):
        yield piece[:left]
        left -= len(piece)
        if left <= 0:
            return


def is_compressed(headers: Mapping[str, str], start: bytes) -> bool:
    """
    Say whether a body is named or begins as one whose compression can be undone.
    """
    named = headers.get("content-encoding", "").rpartition(",")[2].strip().lower()
    return _coding_of(start[:_START], named) is not None


def _all_of(unpacker: Unpacker, blocks: Iterable[bytes]) -> Iterator[bytes]:
    for block in blocks:
        yield from unpacker.take(block)
    yield from unpacker.end()


class _Damaged(Exception):
    """
    What comes cannot be read on.
    """


class _Coding(Protocol):
    """
    One layer of compression.
    """

    def take(self, data: bytes) -> Iterator[bytes]:
        """
        Yield what data unpack to, no empty pieces; raise _Damaged behind all that came before the damage.
        """
        ...


def _coding_of(start: bytes, named: str) -> _Coding | None:
    if start.startswith(_GZIP):
        return _Zlib(zlib.MAX_WBITS | 16)
    if start.startswith(_ZSTD):
        return _Zstd()
    is_plain = not start or sniff(start) is not None or (start.isascii() and _is_text(start))
    if is_plain:
        return None
    # The standard says with a zlib header (RFC 1950, 2.2), some servers send none.
    has_header = start[0] & 0x0F == zlib.DEFLATED and int.from_bytes(start[:2], "big") % 31 == 0
    if named == "deflate":
        return _Zlib(zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS)
    if named == "br":
        return _Brotli()
    return _Zlib(zlib.MAX_WBITS) if has_header and start[0] == _ZLIB_WINDOW else None


def _is_text(start: bytes) -> bool:
    return start.translate(None, b"\t\n\r").decode("ascii").isprintable()


class _Zlib:
    def __init__(self, form: int) -> None:
        self._form = form
        self._inflate = zlib.decompressobj(form)

    def take(self, data: bytes) -> Iterator[bytes]:
        while True:
            if self._inflate.eof:
                # A file of gzip may have several members (RFC 1952, 2.2).
                if not data.startswith(_GZIP[:1]) or self._form < zlib.MAX_WBITS:
                    return
                self._inflate = zlib.decompressobj(self._form)
            before = self._inflate.copy()
            try:
                piece = self._inflate.decompress(data, _PIECE)
            except zlib.error:
                yield from _before_damage(data, before)
                raise _Damaged from None
            if piece:
                yield piece
            data = self._inflate.unused_data if self._inflate.eof else self._inflate.unconsumed_tail
            if not data and len(piece) < _PIECE:
                return


def _before_damage(data: bytes, inflate: "zlib._Decompress") -> Iterator[bytes]:
    """
    Yield what comes before the damaged byte: the library keeps it to itself.
    """
    with contextlib.suppress(zlib.error):
        for at in range(len(data)):
            if piece := inflate.decompress(data[at : at + 1]):
                yield piece


class _Brotli:
    def __init__(self) -> None:
        self._brotli = brotli.Decompressor()

    def take(self, data: bytes) -> Iterator[bytes]:
        if self._brotli.is_finished():
            return
        try:
            piece: bytes = self._brotli.process(data, output_buffer_limit=_PIECE)
            while piece:
                yield piece
                piece = self._brotli.process(b"", output_buffer_limit=_PIECE)
        except brotli.error:
            raise _Damaged from None


class _Zstd:
    def __init__(self) -> None:
        unpack = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
        self._frames = unpack.decompressobj(read_across_frames=True)

    def take(self, data: bytes) -> Iterator[bytes]:
        try:
            for at in range(0, len(data), _ZSTD_SLICE):
                whole = self._frames.decompress(data[at : at + _ZSTD_SLICE])
                yield from (whole[n : n + _PIECE] for n in range(0, len(whole), _PIECE))
        except zstandard.ZstdError:
            raise _Damaged from None
