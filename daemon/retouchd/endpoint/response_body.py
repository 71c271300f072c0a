"""
The body of an HTTP/1.x response, told from its framing: by length, in chunks, or to the connection's end.

Where the framing is wrong the bytes count, not what was said of them: RFC 9112 §6.3 lets a client give up
there, but what came may have been paid for.
"""

import re
from typing import Protocol

from retouchd.endpoint.response_head import ResponseHead

_BODILESS = {204, 304}
_SIZE = re.compile(rb"[ \t]*([0-9A-Fa-f]{0,15})[ \t]*(?:;.*)?", re.DOTALL)
_LINE = 4096


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
        while data and not self.is_whole:
            if self._left:
                pieces.append(data[: self._left])
                self._left -= len(pieces[-1])
                data = data[len(pieces[-1]) :]
            elif not self._is_plain:
                data = self._take_size(data)
            else:
                pieces.append(self._plain.take(data))
                # After good chunks it is their order that was lost, and with it the end.
                self.is_whole = self._plain.is_whole and not self._any
                self.may_end = self._plain.may_end and not self._any
                break
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _take_size(self, data: bytes) -> bytes:
        """
        Read on towards the end of a line that tells a chunk's size; return what is to be read next.
        """
        end = data.find(b"\n") + 1
        line = self._line + data[: end or None]
        size = _SIZE.fullmatch(line.rstrip(b"\r\n")) if len(line) <= _LINE else None
        if size is None:
            self._is_plain, self._line = True, b""
            return line + data[end or len(data) :]
        if not end:
            self._line = line
            return b""
        self._line = b""
        if size[1]:  # An empty line ends the chunk before.
            self._any, self._left = True, int(size[1], 16)
            self.is_whole = self.may_end = not self._left
        return data[end:]


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
