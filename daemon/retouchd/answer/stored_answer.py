"""
A kept answer, read without being loaded: its head, its text, each picture decoded as it is asked for.

Base64 as relays send it, decoded as it comes; the only module that knows pybase64.

Nearly all of it is plain: whole groups of the usual alphabet, for which the library is thirty times as
quick as the standard one. Whatever it refuses is put in order and left to the standard one to judge.
"""

import binascii
import contextlib
import errno
import io
import json
import re
import secrets
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import pybase64

from retouchd.answer.answer_json import LargeBody, Stretch, read_large_body
from retouchd.disk.threads import in_work
from retouchd.endpoint.addresses import FetchFailed
from retouchd.endpoint.api_key import Secrets
from retouchd.endpoint.compression import is_compressed, plain
from retouchd.endpoint.transport import Answer

Readable: TypeAlias = BinaryIO | io.RawIOBase

_URL_ALPHABET = bytes.maketrans(b"-_", b"+/")
_SPACE = b" \t\r\n"


class Decoder:
    """
    Takes a text in pieces, and says what it holds; white space and the alphabet of URLs are as good, and
    padding may be left out. Raises binascii.Error for what is no base64.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._is_over = False

    def take(self, piece: bytes) -> bytes:
        """
        Return what has come by now and was not returned yet.
        """
        text = self._rest + piece
        end = len(text) & ~3
        try:
            found = self._plain(text[:end])
        except binascii.Error:
            text = text.translate(_URL_ALPHABET, _SPACE)
            end = len(text.rstrip(b"=")) & ~3
            if b"=" in text[:end]:
                raise binascii.Error("Excess data after padding") from None
            found = self._judged(text[:end])
        self._rest = text[end:]
        return found

    def end(self) -> bytes:
        """
        Return what is left once all has come.
        """
        rest = self._rest.translate(_URL_ALPHABET, _SPACE).rstrip(b"=")
        return self._judged(rest + b"=" * (-len(rest) % 4))

    def _plain(self, text: bytes) -> bytes:
        if self._is_over and text:
            raise binascii.Error("Excess data after padding")
        found = pybase64.b64decode(text, validate=True)
        padding = len(text) - len(text.rstrip(b"="))
        if len(found) != len(text) // 4 * 3 - padding:  # It takes padding in the midst, too.
            raise binascii.Error("Discontinuous padding")
        self._is_over = self._is_over or padding > 0
        return found

    def _judged(self, text: bytes) -> bytes:
        if text and self._is_over:
            raise binascii.Error("Excess data after padding")
        return binascii.a2b_base64(text, strict_mode=True)


def is_plain(text: bytes | memoryview) -> bool:
    """
    Tell whether whole groups are plain base64. To decode them is quicker than to look at each character.
    """
    try:
        pybase64.b64decode(text, validate=True)
    except binascii.Error:
        return False
    return True


_BLOCK = 1 << 20
"""Bytes read at once: each read lets other threads in, which costs more than it takes."""


_START = 16
"""Bytes by which a compression is known."""
_ESCAPED_TWICE = re.compile(rb"\\(?:[nrt]|(?=/))")


class KeptAnswer:
    """
    An answer on disk: `head` is its head line, `large_body` its body without the bulk.

    `broken` says why an answer is not whole, "" where it is.
    """

    def __init__(self, head: dict[str, Any], body: Readable) -> None:
        self.head = head
        self.broken: str = head.get("broken", "")
        self._body = body
        self._start = body.tell()
        self.large_body: LargeBody = read_large_body(
            blocks_of(body), f"retouchd-{secrets.token_hex(8)}-", is_plain
        )

    def whole(self, beginning: bytes) -> Iterator[bytes]:
        """
        Return the body from where some bytes are met first, in pieces.
        """
        blocks, read = iter(blocks_of(self._body, self._start)), b""
        for block in blocks:
            read += block
            if (at := read.find(beginning)) >= 0:
                yield read[at:]
                yield from blocks
            read = read[-len(beginning) :]

    def picture(self, text: str) -> Iterator[bytes]:
        """
        Return the bytes that a text of the skeleton stands for in base64, in pieces.

        Raises binascii.Error.
        """
        decoder = Decoder()
        for piece in self._pieces(text):
            yield decoder.take(piece)
        yield decoder.end()

    def _pieces(self, text: str) -> Iterator[bytes]:
        for part in self.large_body.parts(text):
            if isinstance(part, Stretch):
                yield from self._unescaped(part)
            else:
                yield part

    def _unescaped(self, stretch: Stretch) -> Iterator[bytes]:
        """
        Return what a stretch says in JSON; it begins and ends between two characters.
        """
        self._body.seek(self._start + stretch.start)
        left, rest = stretch.end - stretch.start, b""
        while left:
            block = self._body.read(min(left, _BLOCK))
            if not block:
                raise OSError(errno.EIO, "a kept answer has become shorter")
            left -= len(block)
            block = rest + block
            cut = len(block) if not left else _last_escape(block)
            rest = block[cut:]
            yield _said(block[:cut])


@contextlib.contextmanager
def opened(path: Path, *, limit: int, hidden: Secrets) -> Iterator[KeptAnswer]:
    """
    Open a kept answer: a head line of JSON, then the body as received.

    One that an older version kept compressed is unpacked into a file without a name beside it, up to
    `limit` bytes. Raises OSError.
    """
    with path.open("rb") as buffered, contextlib.ExitStack() as stack:
        head = json.loads(buffered.readline())
        start = buffered.tell()
        # Large pieces are read past the buffer, which would only copy them once more.
        raw = buffered.raw
        assert isinstance(raw, io.FileIO)
        body: Readable = raw
        body.seek(start)
        headers = head.get("headers", {})
        if is_compressed(headers, body.read(_START) or b""):
            whole = plain(blocks_of(body, start), headers, limit)
            body = stack.enter_context(_unnamed(path.parent))
            body.writelines(hidden.hidden_in(whole))
            start = 0
        body.seek(start)
        yield KeptAnswer(head, body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spilled:
    """
    A file without a name that holds what came behind a url, and why it may not be all; None where it is.
    """

    file: BinaryIO
    broken: FetchFailed | None


async def spilled(answer: Answer, folder: Path, *, limit: int) -> Spilled:
    """
    Return an answer's body without its compression, once all of it is there that comes; the file is in a
    folder of the job.

    Raises OSError and FetchRefused, and FetchFailed where nothing came.
    """
    broken = None
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(await in_work(_unnamed, folder))
        try:
            async for chunk in answer.chunks():
                await in_work(file.write, chunk)
        except FetchFailed as failure:
            if not file.tell():
                raise
            broken = failure
        found = await in_work(_unpacked, file, answer.head.headers, folder, limit)
        if found is file:
            stack.pop_all()
    return Spilled(file=found, broken=broken)


def _unpacked(file: BinaryIO, headers: Mapping[str, str], folder: Path, limit: int) -> BinaryIO:
    """
    Return a file that holds what another one does without its compression, or that one if it has none.
    """
    found = file
    file.seek(0)
    if is_compressed(headers, file.read(_START)):
        with contextlib.ExitStack() as stack:
            found = stack.enter_context(_unnamed(folder))
            found.writelines(plain(blocks_of(file, 0), headers, limit))
            stack.pop_all()
    found.flush()
    found.seek(0)
    return found


def _unnamed(folder: Path) -> BinaryIO:
    return tempfile.TemporaryFile(dir=folder)


def blocks_of(file: Readable, start: int | None = None) -> Iterable[bytes]:
    """
    Return what is left of a file, or what stands there from `start` on, in pieces.
    """
    if start is not None:
        file.seek(start)
    return iter(lambda: file.read(_BLOCK) or b"", b"")


def _last_escape(block: bytes) -> int:
    """
    Return where the last escape of a block begins if it may go on in the next one.
    """
    found = block.rfind(b"\\", len(block) - 5)
    if found < 0:
        return len(block)
    # Of several backslashes in a row only every other one begins an escape.
    first = found
    while first and block[first - 1 : first] == b"\\":
        first -= 1
    return first


def _said(text: bytes) -> bytes:
    if b"\\" not in text:
        return text
    try:
        said: str = json.loads(b'"%s"' % text)
        # A document within a document's text is escaped once more.
        return _ESCAPED_TWICE.sub(b"", said.encode("ascii"))
    except ValueError as error:
        raise binascii.Error("Only base64 data is allowed") from error
