"""
Servers that answer before they have read a request, and close in the ways real ones do.

Blocking sockets in threads: how a connection ends is decided call by call, and no library reads ahead.
"""

import contextlib
import json
import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Self

MB = 1 << 20
Manner = Callable[["Visit"], None]


@dataclass
class Visit:
    """
    One connection, its request's head read, and the answer it is to get.
    """

    sock: socket.socket
    answer: bytes
    length: int = 0

    def send(self) -> None:
        self.sock.sendall(self.answer)

    def read(self, most: int) -> int:
        """
        Read up to so many bytes, fewer where the client ends or breaks off before.
        """
        got = 0
        with contextlib.suppress(OSError):
            while got < most and (piece := self.sock.recv(min(most - got, 65_536))):
                got += len(piece)
        return got

    def read_all(self) -> None:
        self.read(self.length)

    def half_close(self) -> None:
        if isinstance(self.sock, ssl.SSLSocket):
            # close_notify goes out; what the client still sends is drained below it.
            self.sock.settimeout(0.05)
            with contextlib.suppress(OSError):
                self.sock.unwrap()
            self.sock.settimeout(20)
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


def close_at_once(visit: Visit) -> None:
    """
    What Node, Python's http.server and small gateways do: the kernel resets, as bytes lie unread.
    """
    visit.send()
    visit.sock.close()


def half_close_and_drain(visit: Visit) -> None:
    """
    Go's net/http: half a close, then up to 256 KiB are read, then all of it.
    """
    visit.send()
    visit.half_close()
    visit.read(256 << 10)
    visit.sock.close()


def half_close_and_stay(visit: Visit) -> None:
    visit.send()
    visit.half_close()
    visit.read(1 << 40)


def stay_open_unread(visit: Visit) -> None:
    """
    As haproxy and a middleware under uvicorn: nobody reads on, nobody closes.
    """
    visit.send()
    wait_for_end(visit.sock)


def reset_amid(visit: Visit) -> None:
    visit.read(MB + 7)
    visit.send()
    visit.reset()


def reset_at_once(visit: Visit) -> None:
    visit.send()
    visit.reset()


def read_then_close(visit: Visit) -> None:
    visit.read(MB)
    visit.send()
    visit.sock.close()


def read_all_then_close(visit: Visit) -> None:
    visit.read_all()
    visit.send()


def drain(visit: Visit) -> None:
    """
    nginx: all of it is read before the connection ends.
    """
    visit.send()
    visit.read(1 << 40)


def in_drops(visit: Visit) -> None:
    """
    The head comes in parts, as it does through a slow network.
    """
    for start in range(0, len(visit.answer), 40):
        visit.sock.sendall(visit.answer[start : start + 40])
        time.sleep(0.01)
    visit.sock.close()


def late(visit: Visit) -> None:
    """
    The upload is stuck for a while before anybody answers.
    """
    time.sleep(0.3)
    visit.send()
    visit.sock.close()


MANNERS: list[Manner] = [
    close_at_once,
    half_close_and_drain,
    half_close_and_stay,
    stay_open_unread,
    reset_amid,
    reset_at_once,
    read_then_close,
    drain,
    in_drops,
    late,
]


def wait_for_end(sock: socket.socket) -> None:
    """
    Wait until the client has gone, without reading.
    """
    end = time.monotonic() + 20
    while is_established(sock) and time.monotonic() < end:
        time.sleep(0.01)


def is_established(sock: socket.socket) -> bool:
    return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1) == b"\x01"


@dataclass
class EarlyServer:
    """
    Answers each request in one manner, before it has read it.
    """

    answer: bytes
    manner: Manner
    context: ssl.SSLContext | None = None
    before_head: bool = False
    accepted: int = 0
    requests: int = 0
    _listening: socket.socket = field(
        default_factory=lambda: socket.create_server(("127.0.0.1", 0))
    )
    _threads: list[threading.Thread] = field(default_factory=list)

    @property
    def base_url(self) -> str:
        scheme, host = ("https", "localhost") if self.context else ("http", "127.0.0.1")
        return f"{scheme}://{host}:{self._listening.getsockname()[1]}/v1"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for thread in self._threads:
            thread.join(30)

    def _start(self, work: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=work, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listening.accept()
                self.accepted += 1
                self._start(self._serve, sock)

    def _serve(self, sock: socket.socket) -> None:
        sock.settimeout(20)
        # As real servers do: else a close throws away what waits for TLS' session tickets to arrive.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            if self.context is not None:
                sock = self.context.wrap_socket(sock, server_side=True)
            stack.callback(sock.close)
            head = b""
            while not self.before_head and b"\r\n\r\n" not in head:
                if not (byte := sock.recv(1)):
                    return
                head += byte
            self.requests += 1
            found = re.search(rb"(?i)content-length: (\d+)", head)
            self.manner(Visit(sock, self.answer, int(found[1]) if found else 0))


def error(status: str, code: str, *headers: str) -> bytes:
    """
    Return an answer as an endpoint refuses with.
    """
    body = json.dumps({"error": {"message": f"{code}!", "type": code, "code": code}}).encode()
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", *headers]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


@contextlib.contextmanager
def serving_early(answer: bytes, manner: Manner, **options: object) -> Iterator[EarlyServer]:
    with EarlyServer(answer, manner, **options) as server:  # type: ignore[arg-type]
        yield server
