"""
What the fake endpoint can do by itself: the least client there is, on the same machine.
"""

import socket
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

from benchmarks.figures import Figure
from benchmarks.scale import Scale
from benchmarks.scene import Scene, Served

_CLIENTS = 8
_PIECE = 1 << 20


def ceilings(scene: Scene, scale: Scale) -> Iterator[Figure]:
    """
    Yield the requests a second that the endpoint answers, for each size.
    """
    for name, sizes, requests in (
        ("2 MB/2 MB", scale.middle, 4 * scale.jobs),
        ("50 KB/100 KB", scale.small, 40 * scale.jobs),
        ("20 MB/2 MB", scale.large, scale.jobs),
    ):
        with scene.endpoint(sizes[1]) as endpoint:
            rates = tuple(_rate(endpoint, sizes[0], requests) for _ in range(min(3, scale.rounds)))
        yield Figure(
            row="endpoint", what=f"the endpoint alone, {name}", values=rates, unit="requests/s"
        )


def _rate(endpoint: Served, size: int, requests: int) -> float:
    address = urlsplit(endpoint.url)
    assert address.hostname is not None
    assert address.port is not None
    peer, each = (address.hostname, address.port), max(1, requests // _CLIENTS)
    clients = [
        threading.Thread(target=_ask, args=(peer, bytes(size), each)) for _ in range(_CLIENTS)
    ]
    began = time.monotonic()
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    return each * _CLIENTS / (time.monotonic() - began)


def _ask(peer: tuple[str, int], body: bytes, requests: int) -> None:
    head = b"POST /v1/images/edits HTTP/1.1\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
    buffer = bytearray(_PIECE)
    for _ in range(requests):
        with socket.create_connection(peer) as connection:
            connection.sendall(head % len(body))
            connection.sendall(body)
            while connection.recv_into(buffer):
                pass
