"""
A fast fake of the edits endpoint in a process of its own: it drains what is uploaded, waits if it is told
to, and answers with bytes prepared beforehand.

    python endpoint.py PICTURE SECONDS [CERTIFICATE]

Prints its port when it listens. `GET /times` returns of each request when its first byte, its last byte and
its answer passed, on the clock that all processes of a machine share; `GET /forget` forgets them. A thread
for each connection and blocking calls: nothing in Python is cheaper.

With a certificate, its key in the same file, it also speaks TLS where the other side begins with it, and
takes the part of a proxy: behind a `CONNECT` to anywhere it is itself the server, so that nothing is relayed.
"""

import json
import re
import socket
import ssl
import sys
import threading
import time
from base64 import b64encode
from pathlib import Path
from typing import TypeAlias

_HEAD_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_BUFFER_BYTES = 1 << 20
_TLS_RECORD = b"\x16"
"""How a connection begins that is to be encrypted: the type of a handshake's record (RFC 8446, 5.1)."""

Times: TypeAlias = tuple[float, float, float]


class Endpoint:
    """
    Answers every request with the same picture, so many seconds after it came.
    """

    def __init__(
        self, picture: bytes, seconds: float, context: ssl.SSLContext | None = None
    ) -> None:
        self._answer = _framed(
            b'{"created":1,"data":[{"b64_json":"%s"}],'
            b'"usage":{"input_tokens":1,"output_tokens":1,"total_tokens":2}}' % b64encode(picture)
        )
        self._seconds = seconds
        self._context = context
        self._times: list[Times] = []

    def serve(self, listener: socket.socket) -> None:
        """
        Serve whoever connects, for ever.
        """
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        buffer = memoryview(bytearray(_BUFFER_BYTES))
        try:
            with self._begun(connection) as begun:
                while self._exchange(begun, buffer):
                    pass
        except OSError:
            pass  # A client that was ended in the midst of a request is no matter.

    def _begun(self, connection: socket.socket) -> socket.socket:
        """
        Return a connection as it is talked over: encrypted, if the client begins so.
        """
        if self._context is None:
            return connection
        start = connection.recv(7, socket.MSG_PEEK)
        if start == b"CONNECT":
            head = b""
            while _HEAD_END not in head:
                head += connection.recv(1)
            connection.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            return self._begun(connection)
        if start[:1] == _TLS_RECORD:
            return self._context.wrap_socket(connection, server_side=True)
        return connection

    def _exchange(self, connection: socket.socket, buffer: memoryview) -> bool:
        """
        Take one request and answer it; return whether another may come.
        """
        count = connection.recv_into(buffer)
        if not count:
            return False
        first = time.monotonic()
        held = bytes(buffer[:count])
        while _HEAD_END not in held:
            held += connection.recv(65536)
        head, _, begun = held.partition(_HEAD_END)
        if head.startswith(b"GET"):
            connection.sendall(_framed(self._told(head)))
            return True
        if b"100-continue" in head:
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        length = _LENGTH.search(head)
        left = int(length[1]) - len(begun) if length else 0
        while left > 0:
            count = connection.recv_into(buffer, min(left, len(buffer)))
            if not count:
                return False
            left -= count
        last = time.monotonic()
        if self._seconds:
            time.sleep(self._seconds)
        self._times.append((first, last, time.monotonic()))
        connection.sendall(self._answer)
        return b"connection: close" not in head.lower()

    def _told(self, head: bytes) -> bytes:
        told = json.dumps(self._times).encode()
        if b"/forget" in head.partition(b"\r\n")[0]:
            self._times.clear()
        return told


def _framed(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (
        len(body),
        body,
    )


def main(picture: str, seconds: str, certificate: str | None = None) -> None:
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    Endpoint(Path(picture).read_bytes(), float(seconds), context).serve(listener)


if __name__ == "__main__":
    main(*sys.argv[1:])
