"""
An endpoint that writes just the bytes it is told, and counts what it was asked.
"""

import asyncio
import base64
import contextlib
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field

RESET = b"(reset)"
"""In place of further bytes: the connection is reset."""
SILENCE = b"(silence)"
"""In place of further bytes: nothing comes, for as long as the other side waits."""


def head(status: int = 200, *headers: str, length: int | None = None) -> bytes:
    """
    The head of an answer, without a length unless it is given.
    """
    sized = [] if length is None else [f"Content-Length: {length}"]
    return "\r\n".join([f"HTTP/1.1 {status} So", *sized, *headers, "", ""]).encode()


def answer(body: bytes, *headers: str, status: int = 200) -> bytes:
    """
    A well-framed answer.
    """
    return head(status, *headers, length=len(body)) + body


@dataclass
class RawEndpoint:
    """
    `edit` is what each request for an edit is answered, `{echo}` being the picture that was sent; `pictures`
    the answers to each further path in order, the last one again and again.
    """

    edit: list[bytes] = field(default_factory=list)
    pictures: dict[str, list[bytes]] = field(default_factory=dict)
    bought: int = 0
    asked: Counter[str] = field(default_factory=Counter)
    heads: list[str] = field(default_factory=list)
    port: int = 0
    sent: bytes = b""

    @property
    def echo(self) -> bytes:
        """
        Return the first picture of the last request in base64.
        """
        boundary = b"\r\n" + self.sent.partition(b"\r\n")[0]
        parts = [part for part in self.sent.split(boundary) if b"filename=" in part[:500]]
        return base64.b64encode(parts[0].partition(b"\r\n\r\n")[2]) if parts else b""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            raw = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            self.heads.append(raw)
            method, path, *_ = raw.split()
            found = re.search(r"(?i)content-length: (\d+)", raw)
            self.sent = await reader.readexactly(int(found[1]) if found else 0)
            await self._answer(method, path, reader, writer)
        writer.close()

    async def _answer(
        self, method: str, path: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if method == "POST":
            self.bought += 1
            pieces: Iterable[bytes] = self.edit
        else:
            told = self.pictures.get(path, [answer(b"", status=404)])
            pieces = [told[min(self.asked[path], len(told) - 1)]]
            self.asked[path] += 1
        for piece in pieces:
            if piece == RESET:
                await asyncio.sleep(0.05)
                writer.transport.abort()
                return
            if piece == SILENCE:
                await reader.read()
                return
            told_here = piece.replace(b"{endpoint}", self.url.encode())
            writer.write(told_here.replace(b"{echo}", self.echo))
            await writer.drain()


@contextlib.asynccontextmanager
async def raw_endpoint() -> AsyncIterator[RawEndpoint]:
    """
    One that listens on loopback.
    """
    endpoint = RawEndpoint()
    server = await asyncio.start_server(endpoint.serve, "127.0.0.1", 0, limit=1 << 20)
    endpoint.port = server.sockets[0].getsockname()[1]
    async with server:
        yield endpoint
        server.close()
