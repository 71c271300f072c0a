"""
Files on their way out: read in threads, in pieces, and exactly as long as announced.
"""

import os
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from retouchd.disk.threads import in_work
from retouchd.endpoint.transport import NotSent
from retouchd.job.stripped import Piece, Removed, Stripped
from retouchd.request.multipart import Envelope

_PIECE = 1 << 20
"""Bytes sent at once: each piece takes one way to a thread and back."""


class Unreadable(NotSent):
    """
    A file to be sent could not be read, or changed meanwhile; the endpoint had no part in it.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """
    A file to be sent, its `image/*` type and its size in bytes; opened anew for each request. `removed` is
    what was dropped and is not sent.

    `size` and `mtime_ns`, when it was last written, are what those saw who judged it: whoever had it open
    before it was claimed can still write to it. `stripped` says what is sent of it, None for all.
    """

    path: Path
    content_type: str
    size: int
    mtime_ns: int | None = None
    stripped: Stripped | None = None
    removed: tuple[Removed, ...] = ()

    @property
    def sent_size(self) -> int:
        """
        Return how many bytes are sent.
        """
        return self.size if self.stripped is None else self.stripped.size


async def begun(envelope: Envelope, uploads: Sequence[Upload]) -> AsyncIterator[bytes]:
    """
    Return a whole request body in pieces of some 1 MiB, the first of them read already; no read is on the
    event loop.

    Raises Unreadable here or before the last piece if a file is not what it was: a body without its end is
    none to any server.
    """
    pieces = _pieces(envelope, uploads)
    return _stream(await in_work(next, pieces), pieces)


async def _stream(
    first: tuple[bytes, bool], pieces: Iterator[tuple[bytes, bool]]
) -> AsyncIterator[bytes]:
    piece, is_last = first
    yield piece
    # Never closed by hand: when the request is cancelled a thread may still be inside. The file closes
    # with the last reference.
    while not is_last:
        piece, is_last = await in_work(next, pieces)
        yield piece


def _pieces(envelope: Envelope, uploads: Sequence[Upload]) -> Iterator[tuple[bytes, bool]]:
    """
    Yield the pieces of a body, and whether each is the last.
    """
    held = b""
    for head, upload in zip(envelope.heads, uploads, strict=True):
        held += head
        for piece in _file(upload):
            held += piece
            if len(held) >= _PIECE:
                yield held, False
                held = b""
    yield held + envelope.tail, True


def _file(upload: Upload) -> Iterator[bytes]:
    path = upload.path
    try:
        with path.open("rb", buffering=0) as file:
            whole: tuple[Piece, ...] = ((0, upload.size),)
            for piece in whole if upload.stripped is None else upload.stripped.pieces:
                if isinstance(piece, bytes):
                    yield piece
                    continue
                left = piece[1] - file.seek(piece[0])
                while left and (data := file.read(min(left, _PIECE))):
                    left -= len(data)
                    yield data
                if left:
                    raise _changed(path)
            found = os.fstat(file.fileno())
            if found.st_size != upload.size or upload.mtime_ns not in (None, found.st_mtime_ns):
                raise _changed(path)
    except OSError as error:
        raise _unreadable(path, error) from error


def _changed(path: Path) -> Unreadable:
    return Unreadable(f"{path.name} changed while it was being sent")


def _unreadable(path: Path, error: OSError) -> Unreadable:
    return Unreadable(f"{path.name} cannot be read: {error.strerror or error}")
