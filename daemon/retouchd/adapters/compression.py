"""
Answers that come compressed although nobody asked for it.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator

from retouchd.adapters.transport import Head

_PIECE = 1 << 18


def plain(blocks: Callable[[], Iterable[bytes]], head: Head, limit: int) -> Iterator[bytes]:
    """
    Return a body without its compression, as the head names it, in pieces of at most 256 KiB.

    `blocks` begins the body anew each time. What is damaged, unknown, or would grow beyond `limit` bytes
    comes as it is: whoever reads it will find that it is not JSON. Slow for large bodies: do it in a thread.
    """
    for form in _forms(head):
        if _ends_well(blocks(), form, limit):
            return _inflated(blocks(), form)
    return iter(blocks())


def is_compressed(head: Head) -> bool:
    """
    Say whether the head names a compression that could be undone.
    """
    return bool(_forms(head))


def decoded(body: bytes, head: Head, limit: int) -> bytes:
    """
    Return a small body without its compression, as `plain` does.
    """
    return b"".join(plain(lambda: [body], head, limit))


def _forms(head: Head) -> list[int]:
    match head.headers.get("content-encoding", "").strip().lower():
        case "gzip" | "x-gzip":
            return [zlib.MAX_WBITS | 16]
        case "deflate":  # the standard says with a zlib header, some servers send none
            return [zlib.MAX_WBITS, -zlib.MAX_WBITS]
        case _:
            return []


def _ends_well(blocks: Iterable[bytes], form: int, limit: int) -> bool:
    inflate = zlib.decompressobj(form)
    grown = 0
    try:
        for piece in _pieces(blocks, inflate):
            grown += len(piece)
            if grown > limit:
                return False
    except zlib.error:
        return False
    return inflate.eof


def _inflated(blocks: Iterable[bytes], form: int) -> Iterator[bytes]:
    return _pieces(blocks, zlib.decompressobj(form))


def _pieces(blocks: Iterable[bytes], inflate: "zlib._Decompress") -> Iterator[bytes]:
    for block in blocks:
        piece = inflate.decompress(block, _PIECE)
        while piece:
            yield piece
            piece = inflate.decompress(inflate.unconsumed_tail, _PIECE)
