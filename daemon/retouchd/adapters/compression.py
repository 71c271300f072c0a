"""
Answers that come compressed although nobody asked for it.
"""

import contextlib
import zlib
from collections.abc import Callable, Iterable, Iterator

from retouchd.adapters.transport import Head

_PIECE = 1 << 18
_GZIP = b"\x1f\x8b\x08"
"""How every file of gzip begins (RFC 1952, 2.3.1), whatever a head says of it."""


def plain(blocks: Callable[[], Iterable[bytes]], head: Head, limit: int) -> Iterator[bytes]:
    """
    Return a body without its compression, as the head names it or its own bytes do, in pieces of at most
    256 KiB.

    `blocks` begins the body anew each time. Of what breaks off as much as there is comes. What is unknown, or
    would grow beyond `limit` bytes, comes as it is: whoever reads it will find that it is not JSON. Slow for
    large bodies: do it in a thread.
    """
    for form in _forms(head, next(iter(blocks()), b"")):
        if _can_be_undone(blocks(), form, limit):
            return _inflated(blocks(), zlib.decompressobj(form))
    return iter(blocks())


def is_compressed(head: Head, start: bytes) -> bool:
    """
    Say whether a body is named or begins as one whose compression could be undone.
    """
    return bool(_forms(head, start))


def decoded(body: bytes, head: Head, limit: int) -> bytes:
    """
    Return a small body without its compression, as `plain` does.
    """
    return b"".join(plain(lambda: [body], head, limit))


def _forms(head: Head, start: bytes) -> list[int]:
    if start.startswith(_GZIP):
        return [zlib.MAX_WBITS | 16]
    # The standard says with a zlib header, some servers send none.
    is_deflate = head.headers.get("content-encoding", "").strip().lower() == "deflate"
    return [zlib.MAX_WBITS, -zlib.MAX_WBITS] if is_deflate else []


def _can_be_undone(blocks: Iterable[bytes], form: int, limit: int) -> bool:
    """
    Tell whether a body inflates to something, and to no more than `limit` bytes.

    Without any header nothing but a sound end tells it from something else.
    """
    inflate = zlib.decompressobj(form)
    grown = 0
    for piece in _inflated(blocks, inflate):
        grown += len(piece)
        if grown > limit:
            return False
    return inflate.eof or (form > 0 and grown > 0)


def _inflated(blocks: Iterable[bytes], inflate: "zlib._Decompress") -> Iterator[bytes]:
    for block in blocks:
        rest = block
        while True:
            before = inflate.copy()
            try:
                piece = inflate.decompress(rest, _PIECE)
            except zlib.error:
                yield from _before_damage(rest, before)
                return
            if not piece:
                break
            yield piece
            rest = inflate.unconsumed_tail


def _before_damage(block: bytes, inflate: "zlib._Decompress") -> Iterator[bytes]:
    """
    Yield what comes before the damaged byte of a block: the library keeps it to itself.
    """
    with contextlib.suppress(zlib.error):
        for at in range(len(block)):
            yield inflate.decompress(block[at : at + 1])
