"""
Clients that are slow in either direction, at a real listener with short limits: each is dropped.
"""

import asyncio
import contextlib
import os
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from retouchd.web.access import Access
from retouchd.web.guard import Guard, GuardRules, fault
from retouchd.web.server import Listener, opened

pytestmark = pytest.mark.slow(20)

SECONDS = 1.0


class Answers:
    """
    An application that answers without end, or reads all that is sent; `left` counts whose body ended.
    """

    def __init__(self) -> None:
        self.left = 0

    async def endless(self, _: Request) -> Response:
        async def blocks() -> AsyncIterator[bytes]:
            while True:
                await asyncio.sleep(0)
                yield b"x" * 65536

        return StreamingResponse(blocks())

    async def read(self, request: Request) -> Response:
        try:
            return PlainTextResponse(str(len(await request.body())))
        finally:
            self.left += 1


def refused(_: Request, status: int, code: str, message: str) -> Response:
    return fault(status, code, message)


@pytest.fixture
async def answers() -> AsyncIterator[tuple[Answers, int]]:
    found = Answers()
    routes = [Route("/endless", found.endless), Route("/read", found.read, methods=["POST"])]
    rules = GuardRules(access=Access(), receive_seconds=SECONDS)
    (listening,) = opened("127.0.0.1", 0)
    port = listening.getsockname()[1]
    listener = Listener(
        lambda: Guard(Starlette(routes=routes), rules, refused),
        lambda: [listening],
        send_seconds=SECONDS,
    )
    async with listener.serving():
        until(lambda: not _refused(port))
        yield found, port


def _refused(port: int) -> int:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port))


def until(condition: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.02)


def sockets() -> int:
    return sum(os.readlink(f"/proc/self/fd/{fd}").startswith("socket:") for fd in _open_files())


def _open_files() -> Iterator[str]:
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            os.readlink(f"/proc/self/fd/{fd}")
            yield fd


async def test_who_reads_nothing_is_dropped(answers: tuple[Answers, int]) -> None:
    """
    However much lies ready for it: its socket does not outlive the limit by long.
    """
    _, port = answers
    with contextlib.ExitStack() as stack:
        before = sockets()
        for _ in range(4):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            client.sendall(b"GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n")
        until(lambda: sockets() == before + 8)

        until(lambda: sockets() == before + 4)


async def test_who_stops_sending_is_dropped(answers: tuple[Answers, int]) -> None:
    """
    In the midst of a body; one that comes slowly, but comes, is read to its end.
    """
    found, port = answers
    head = b"POST /read HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=60) as silent:
        silent.sendall(head + b"half")
        with contextlib.suppress(ConnectionResetError):
            while silent.recv(4096):
                pass
    assert found.left == 1
    with socket.create_connection(("127.0.0.1", port), timeout=60) as slow:
        slow.sendall(head)
        for _ in range(8):
            slow.sendall(b"x")
            threading.Event().wait(SECONDS / 5)
        assert slow.recv(4096).startswith(b"HTTP/1.1 200 ")
