"""
The head of an HTTP/1.x response, read leniently: what can be understood of it counts, the rest is dropped.

An answer may have been paid for, so a server's slips in spelling must not lose it: odd bytes, folded lines
(RFC 9112 §5.2), bare line feeds (§2.2), a status line without a reason (§4), lines without a colon, spaces
before one (§5.1), endless headers. Only where no status line can be found is there no response.
"""

import re
from dataclasses import dataclass

_STATUS = re.compile(rb"\s*HTTP(?:/\S*)?[ \t]+([1-9]\d\d)(?!\d)", re.IGNORECASE)
_NAME = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_FRAMING = {b"content-length", b"transfer-encoding", b"content-encoding", b"content-type"}

_LINE = 32 << 10
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
        if len(self._line) + len(piece) > _LINE:
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
