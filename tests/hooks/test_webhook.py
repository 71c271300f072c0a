"""
The webhook and receivers that are odd: what they answer is never followed, nor read to its end.
"""

import contextlib
import datetime as dt
import http.server
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edits_server import certificate
from receiver import receiver
from retouchd.hooks.queue import QueuedEvent
from retouchd.hooks.rules import About, NotTold, Way
from retouchd.hooks.webhook import Webhook

__all__ = ["certificate"]

EVENT = QueuedEvent(
    id="20261130-101500-abcdefgh",
    way=Way.URL,
    about=About.DONE,
    at=dt.datetime(2026, 11, 30, tzinfo=dt.UTC),
    body={"record": {"id": "x"}},
)


@contextlib.contextmanager
def answering(
    head: str, piece: bytes = b"", context: ssl.SSLContext | None = None
) -> Iterator[int]:
    """
    Answer each post by a head, and by a piece again and again for as long as somebody reads; yield the port.
    """

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            with contextlib.suppress(OSError):
                self.wfile.write(head.encode())
                while piece:
                    self.wfile.write(piece)

        def handle(self) -> None:
            with contextlib.suppress(OSError):  # A certificate that nobody trusts.
                super().handle()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if context is not None:
            server.socket = context.wrap_socket(
                server.socket, server_side=True, do_handshake_on_connect=False
            )
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server.server_port
        server.shutdown()


async def fault_of(url: str) -> str:
    with pytest.raises(NotTold) as refused:
        await Webhook(url, "secret").post(EVENT)
    return str(refused.value)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_sends_nothing_elsewhere(status: int) -> None:
    """
    Neither the record nor what it is signed by.
    """
    with receiver() as elsewhere:
        head = (
            f"HTTP/1.1 {status} Elsewhere\r\nLocation: {elsewhere.url}\r\nContent-Length: 0\r\n\r\n"
        )
        with answering(head) as port:
            assert await fault_of(f"http://127.0.0.1:{port}/") == f"it answered HTTP {status}"
    assert elsewhere.posts == []


async def test_an_answer_without_end_is_not_read() -> None:
    """
    Its first line has said all.
    """
    began = time.monotonic()
    with answering("HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536) as port:
        await Webhook(f"http://127.0.0.1:{port}/", "secret").post(EVENT)
    with answering("HTTP/1.1 410 Gone\r\n\r\n", b"x" * 65536) as port:
        assert await fault_of(f"http://127.0.0.1:{port}/") == "it answered HTTP 410"
    assert time.monotonic() - began < 25


async def test_a_certificate_of_one_s_own_is_trusted_if_a_variable_names_it(
    certificate: tuple[Path, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Without it nothing is sent, and what is wrong is told in words.
    """
    path, context = certificate
    head = "HTTP/1.1 204 Taken\r\nContent-Length: 0\r\n\r\n"
    with answering(head, context=context) as port:
        assert "its certificate is not trusted" in await fault_of(f"https://localhost:{port}/")
        monkeypatch.setenv("SSL_CERT_FILE", str(path))
        await Webhook(f"https://localhost:{port}/", "secret").post(EVENT)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert await fault_of(f"https://localhost:{port}/") == (
        f"cannot connect to localhost:{port}: Connection refused"
    )
