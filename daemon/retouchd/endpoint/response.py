"""
The response of an HTTP/1.x server as bytes: its head read leniently, its body told from its framing.

An answer may have been paid for, so a server's slips in spelling must not lose it: odd bytes, folded lines
(RFC 9112 §5.2), bare line feeds (§2.2), a status line without a reason (§4), lines without a colon, spaces
before one (§5.1), endless headers. Only where no status line can be found is there no response.

Where the framing is wrong the bytes count, not what was said of them: RFC 9112 §6.3 lets a client give up
there, but what came may have been paid for.
"""

import re
from dataclasses import dataclass
from typing import Protocol

_STATUS = re.compile(rb"\s*HTTP(?:/\S*)?[ \t]+([1-9]\d\d)(?!\d)", re.IGNORECASE)
_NAME = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_FRAMING = {b"content-length", b"transfer-encoding", b"content-encoding", b"content-type"}

_LONGEST_LINE = 32 << 10
"""Bytes of one line that are looked at; a longer one is dropped."""
_KEPT = 64 << 10
"""Bytes of headers that are kept, as they go into the record of the job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseHead:
    """
    A final status, and the well-formed headers as they came, names in lower case.

    `rest` is what came behind the head already. `is_whole` is False where the connection ended within it.
    """

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    rest: bytes = b""
    is_whole: bool = True

    def values(self, name: bytes) -> list[bytes]:
        """
        Return what a header says, in lower case, lists taken apart; nothing where it is missing.
        """
        found = b",".join(value for key, value in self.headers if key == name)
        return [part for each in found.lower().split(b",") if (part := each.strip(b" \t"))]


class HeadReader:
    """
    Takes the bytes of a response from their beginning, in pieces of any size, until its head is there.

    Interim responses (1xx) are passed over. Memory is bounded, however long lines and heads are.
    """

    def __init__(self) -> None:
        self._line = bytearray()
        self._is_too_long = False
        self._begin()

    def _begin(self) -> None:
        self._status: int | None = None
        self._headers: list[tuple[bytes, bytes]] = []
        self._size = 0
        self._may_fold = False

    def take(self, data: bytes) -> ResponseHead | None:
        """
        Return the head once its empty line has come; then nothing more may be given.
        """
        start = 0
        while (end := data.find(b"\n", start)) >= 0:
            self._add(data[start:end])
            start = end + 1
            if self._take_line():
                return self._head(data[start:])
        self._add(data[start:])
        return None

    def ended(self) -> ResponseHead | None:
        """
        Return what there is of a head when nothing more will come, if its status line was whole.
        """
        return None if self._status is None else self._head(is_whole=False)

    def _head(self, rest: bytes = b"", *, is_whole: bool = True) -> ResponseHead:
        assert self._status is not None
        headers = tuple(self._headers)
        return ResponseHead(status=self._status, headers=headers, rest=rest, is_whole=is_whole)

    def _add(self, piece: bytes) -> None:
        if len(self._line) + len(piece) > _LONGEST_LINE:
            self._is_too_long = True
            self._line.clear()
        if not self._is_too_long:
            self._line += piece

    def _take_line(self) -> bool:
        """
        Take the line that has come to its end; tell whether it ends a final head.
        """
        line, is_too_long = bytes(self._line).rstrip(b"\r"), self._is_too_long
        self._line.clear()
        self._is_too_long = False
        if self._status is None:
            if found := _STATUS.match(line):
                self._status = int(found[1])
        elif is_too_long:
            self._may_fold = False
        elif line:
            self._take_header(line)
        elif self._status < 200:
            self._begin()
        else:
            return True
        return False

    def _take_header(self, line: bytes) -> None:
        if line[:1] in {b" ", b"\t"}:
            if self._may_fold:
                name, value = self._headers.pop()
                self._keep(name, value + b" " + line.strip(b" \t"), folded=len(name) + len(value))
            return
        name, colon, value = line.partition(b":")
        name = name.rstrip(b" \t").lower()
        self._may_fold = False
        if colon and _NAME.fullmatch(name):
            self._keep(name, value.strip(b" \t"))

    def _keep(self, name: bytes, value: bytes, *, folded: int = 0) -> None:
        self._size -= folded
        grown = self._size + len(name) + len(value)
        self._may_fold = not _CONTROL.search(value) and (name in _FRAMING or grown <= _KEPT)
        if self._may_fold:
            self._headers.append((name, value))
            self._size = grown


_BODILESS = {204, 304}
_SIZE = re.compile(rb"[ \t]*([0-9A-Fa-f]{0,15})[ \t]*(?:;.*)?", re.DOTALL)
_EMPTY_LINES = re.compile(rb"(?:[\r\n]*\n)?")
_LONGEST_SIZE_LINE = 4096


class Body(Protocol):
    """
    Turns what comes over the connection into the body.

    `is_whole`: nothing more has to come. `may_end`: it is whole as well if the connection ends here.
    """

    is_whole: bool
    may_end: bool

    def take(self, data: bytes) -> bytes:
        """
        Return the bytes of the body among those received.
        """
        ...


class Sized:
    """
    A body of a length that was told. What comes beyond it is returned too, as the length may be wrong,
    unless it is another response: of a server that takes the rest of an upload for a request.
    """

    def __init__(self, length: int) -> None:
        self._left = length
        self.is_whole = self.may_end = not length

    def take(self, data: bytes) -> bytes:
        """
        Return everything, or nothing more.
        """
        within, beyond = data[: self._left], data[self._left :]
        self._left -= len(within)
        self.is_whole = self.may_end = not self._left
        return within if beyond[:5] == b"HTTP/" else data


class Endless:
    """
    A body that ends with its connection.
    """

    is_whole = False
    may_end = True

    def take(self, data: bytes) -> bytes:
        """
        Return everything.
        """
        return data


class Chunked:
    """
    A body in chunks (RFC 9112 §7.1). From where there is no chunk the rest comes as it is: some servers say
    "chunked" and send a `plain` body.
    """

    def __init__(self, plain: Body) -> None:
        self.is_whole = self.may_end = False
        self._plain = plain
        self._is_plain = self._any = False
        self._left = 0
        self._line = b""

    def take(self, data: bytes) -> bytes:
        """
        Return the chunks' contents; what follows the last one is dropped.
        """
        pieces: list[bytes] = []
        at = 0
        while at < len(data) and not self.is_whole:
            if self._left:
                pieces.append(data[at : at + self._left])
                at += len(pieces[-1])
                self._left -= len(pieces[-1])
            elif not self._is_plain:
                at = self._take_size(data, at)
            else:
                pieces.append(self._plain.take(self._line + data[at:]))
                self._line = b""
                # After good chunks it is their order that was lost, and with it the end.
                self.is_whole = self._plain.is_whole and not self._any
                self.may_end = self._plain.may_end and not self._any
                break
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _take_size(self, data: bytes, at: int) -> int:
        """
        Read on from there towards the end of a line that tells a chunk's size; return where to read on. Empty
        lines, of which one ends the chunk before, are passed over.
        """
        if not self._line:
            at = _EMPTY_LINES.match(data, at).end()  # type: ignore[union-attr]  # It matches anything.
        end = data.find(b"\n", at) + 1
        line = self._line + data[at : end or None]
        size = _SIZE.fullmatch(line.rstrip(b"\r\n")) if len(line) <= _LONGEST_SIZE_LINE else None
        if size is None:
            self._is_plain = True
            return at
        if not end:
            self._line = line
            return len(data)
        self._line = b""
        if size[1]:
            self._any, self._left = True, int(size[1], 16)
            self.is_whole = self.may_end = not self._left
        return end


def body_of(head: ResponseHead) -> Body:
    """
    Return how the body behind a head is to be read; contradictions are settled by the connection's end.
    """
    lengths = set(head.values(b"content-length"))
    told = lengths.pop() if len(lengths) == 1 else b""
    plain = Sized(int(told)) if re.fullmatch(rb"\d{1,15}", told) else Endless()
    if b"chunked" in head.values(b"transfer-encoding"):
        return Chunked(plain)
    return Sized(0) if head.status in _BODILESS else plain
