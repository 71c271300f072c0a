"""
Files on their way out: read in threads, in pieces, and exactly as long as announced.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from retouchd.adapters.transport import NotSent
from retouchd.rules.wire import Envelope

_PIECE = 256 * 1024


class Unreadable(NotSent):
    """
    A file to be sent could not be read, or changed meanwhile; the endpoint had no part in it.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """
    A file to be sent and its `image/*` type; opened anew for each request.

    `mtime_ns` is when it was last written as far as those know who judged it: whoever had it open before
    it was claimed can still write to it.
    """

    path: Path
    content_type: str
    mtime_ns: int | None = None


async def measure(uploads: Sequence[Upload]) -> list[int]:
    """
    Return the sizes of the files in bytes. Raises Unreadable.
    """
    return await asyncio.to_thread(lambda: [_size(upload.path) for upload in uploads])


async def stream(
    envelope: Envelope, uploads: Sequence[Upload], sizes: Sequence[int]
) -> AsyncIterator[bytes]:
    """
    Yield a whole request body in pieces of some 256 KiB, with no read on the event loop.

    Raises Unreadable before the last piece if a file is not what it was: a body without its end is
    none to any server.
    """
    pieces = _pieces(envelope, uploads, sizes)
    # Never closed by hand: when the request is cancelled a thread may still be inside. The file closes
    # with the last reference.
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        yield piece


def _pieces(envelope: Envelope, uploads: Sequence[Upload], sizes: Sequence[int]) -> Iterator[bytes]:
    held = b""
    for head, upload, size in zip(envelope.heads, uploads, sizes, strict=True):
        held += head
        for piece in _file(upload, size):
            held += piece
            if len(held) >= _PIECE:
                yield held
                held = b""
    yield held + envelope.tail


def _file(upload: Upload, size: int) -> Iterator[bytes]:
    path = upload.path
    try:
        with path.open("rb", buffering=0) as file:
            left = size
            while left and (piece := file.read(min(left, _PIECE))):
                left -= len(piece)
                yield piece
            is_changed = upload.mtime_ns not in (None, os.fstat(file.fileno()).st_mtime_ns)
            if left or is_changed or file.read(1):
                raise Unreadable(f"{path.name} changed while it was being sent")
    except OSError as error:
        raise _unreadable(path, error) from error


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> Unreadable:
    return Unreadable(f"{path.name} cannot be read: {error.strerror or error}")
