"""
Servers of a few lines for the endpoint's client, and how it is asked.
"""

import asyncio
import contextlib
import shutil
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from retouchd.endpoint.client import EditsClient, Endpoint, Head, Upload
from retouchd.job.model import Request

KEY = "sk-CANARY-0123456789"

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(100)

REQUEST = Request(model="m", prompt="改成蓝色")

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"

Handler = Callable[["Exchange"], Awaitable[None]]


@dataclass
class Exchange:
    """
    One connection as the server sees it, its request read up to the body.
    """

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    line: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    async def read_head(self) -> None:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        self.line = head[0]
        self.headers = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:-2])
        }

    async def read_body(self) -> None:
        self.body = await self.reader.readexactly(int(self.headers.get("content-length", 0)))

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()


class Server:
    """
    A server of one behaviour that remembers what it was asked.
    """

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.seen: list[Exchange] = []
        self.port = 0
        self.tasks: set[asyncio.Task[Any] | None] = set()

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.tasks.add(asyncio.current_task())
        exchange = Exchange(reader, writer)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            try:
                await exchange.read_head()
                self.seen.append(exchange)
                await self.handler(exchange)
            finally:
                writer.close()
                await writer.wait_closed()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"


@contextlib.asynccontextmanager
async def serving(handler: Handler, **options: Any) -> AsyncIterator[Server]:
    server = Server(handler)
    listening = await asyncio.start_server(server.connected, "127.0.0.1", 0, **options)
    server.port = listening.sockets[0].getsockname()[1]
    async with listening:
        yield server
        listening.close()
        tasks = [task for task in server.tasks if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def answering(data: bytes) -> Handler:
    async def answer(exchange: Exchange) -> None:
        await exchange.read_body()
        await exchange.send(data)

    return answer


def endpoint(base_url: str, **changes: Any) -> Endpoint:
    values: dict[str, Any] = {
        "base_url": base_url,
        "api_key": KEY,
        "timeout_seconds": 20.0,
        "connect_timeout_seconds": 5.0,
    }
    return Endpoint(**(values | changes))


def upload_of(path: Path, mtime_ns: int | None = None) -> Upload:
    size = path.stat().st_size
    return Upload(path=path, content_type="image/png", size=size, mtime_ns=mtime_ns)


async def asked(
    client: EditsClient, *images: Upload, mask: Upload | None = None
) -> tuple[Head, bytes]:
    async with client.ask(request=REQUEST, images=images, mask=mask, key="job-1") as answer:
        return answer.head, b"".join([chunk async for chunk in answer.chunks()])


async def fetched(client: EditsClient, url: str) -> bytes:
    async with client.fetch(url) as answer:
        return b"".join([chunk async for chunk in answer.chunks()])


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    """
    A certificate of nobody's for `cdn.example`, and a server's context with it.
    """
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=cdn.example", "-keyout", str(key), "-out", str(cert)]
    command += ["-addext", "subjectAltName=DNS:cdn.example,DNS:localhost"]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return cert, context


async def reset_after_head(exchange: Exchange) -> None:
    exchange.writer.get_extra_info("socket").setsockopt(
        socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0"
    )
