"""
Answers on the wire: well, late, drop by drop, never, cut short, or a connection closed.

Each is an ASGI application. Cutting needs the transport, which `server` leaves in the scope.
"""

import asyncio
import itertools
import math
import socket
import struct
from asyncio import Transport
from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Message, Receive, Scope, Send

TRANSPORT = "retouchd.transport"
"""The scope's extension that holds the connection's asyncio transport."""


_DROPS_A_SECOND = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """
    A good answer, in the pieces it is sent in: one document, or the events of a stream.
    """

    media_type: str
    pieces: tuple[bytes, ...]
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int = 200

    @property
    def is_stream(self) -> bool:
        """
        Whether its length is not told in advance.
        """
        return self.media_type.startswith("text/event-stream")

    def start(self, length: int | None) -> Message:
        """
        Return the ASGI message that begins the answer; `length` None tells none.
        """
        told = {} if length is None else {"content-length": str(length)}
        headers = {"content-type": self.media_type, **self.headers, **told}
        return {
            "type": "http.response.start",
            "status": self.status,
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """
        Send it as it is.
        """
        whole = sum(map(len, self.pieces))
        await send(self.start(None if self.is_stream else whole))
        for piece in self.pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def late(answer: ASGIApp, seconds: float) -> ASGIApp:
    """
    Return an answer held back for some seconds; a client that left meanwhile is sent nothing.
    """

    async def respond(scope: Scope, receive: Receive, send: Send) -> None:
        if not await _is_gone_within(seconds, receive):
            await answer(scope, receive, send)

    return respond


async def stalled(_scope: Scope, receive: Receive, _send: Send) -> None:
    """
    Answer nothing for as long as the client waits.
    """
    await _until_gone(receive)


async def gone(_scope: Scope, _receive: Receive, _send: Send) -> None:
    """
    Answer nothing: the client has left.
    """


async def reset(scope: Scope, receive: Receive, _send: Send) -> None:
    """
    Reset the connection unanswered.
    """
    transport = _transport(scope)
    # A linger of zero seconds makes the kernel send RST however much has been read.
    linger = struct.pack("ii", 1, 0)
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    transport.abort()
    await _until_gone(receive)


async def closed(scope: Scope, receive: Receive, _send: Send) -> None:
    """
    Close the connection unanswered, in good order.
    """
    _transport(scope).close()
    await _until_gone(receive)


def truncated(answer: Body, cut: int | None) -> ASGIApp:
    """
    Return an answer of which only the first `cut` bytes arrive (None: half) before a good end.
    """
    return _cut_off(answer, cut, closed)


def dropped(answer: Body, cut: int | None) -> ASGIApp:
    """
    Return an answer of which only the first `cut` bytes arrive (None: half) before a reset.
    """
    return _cut_off(answer, cut, reset)


def _cut_off(answer: Body, cut: int | None, end: ASGIApp) -> ASGIApp:
    body = b"".join(answer.pieces)
    # One byte is always kept back, or the answer would be whole.
    kept = min(len(body) // 2 if cut is None else cut, len(body) - 1)

    async def respond(scope: Scope, receive: Receive, send: Send) -> None:
        await send(answer.start(len(body)))
        await send({"type": "http.response.body", "body": body[:kept], "more_body": True})
        await end(scope, receive, send)

    return respond


def mismeasured(answer: Body, length: int | None) -> ASGIApp:
    """
    Return an answer whose Content-Length is a wrong number (None: half): all of it is sent.
    """
    body = b"".join(answer.pieces)
    told = len(body) // 2 if length is None else length

    async def respond(scope: Scope, receive: Receive, send: Send) -> None:
        await send(answer.start(told))
        await send(
            {"type": "http.response.body", "body": body[:told], "more_body": told > len(body)}
        )
        # The server would not send more than was told; the connection itself does.
        _transport(scope).write(body[told:])
        await closed(scope, receive, send)

    return respond


def dripping(answer: Body, seconds: float) -> ASGIApp:
    """
    Return an answer that arrives in small pieces over that many seconds; it never stands still.
    """
    body = b"".join(answer.pieces)
    drops = max(1, min(len(body), math.ceil(seconds * _DROPS_A_SECOND)))
    edges = [len(body) * number // drops for number in range(drops + 1)]

    async def respond(_scope: Scope, receive: Receive, send: Send) -> None:
        await send(answer.start(len(body)))
        for begin, end in itertools.pairwise(edges):
            if await _is_gone_within(seconds / drops, receive):
                return
            piece = body[begin:end]
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    return respond


def _transport(scope: Scope) -> Transport:
    transport = scope["extensions"][TRANSPORT]
    assert isinstance(transport, Transport)
    return transport


async def _is_gone_within(seconds: float, receive: Receive) -> bool:
    """
    Wait so long, or until the client has left; say whether it has.
    """
    try:
        async with asyncio.timeout(seconds):
            await _until_gone(receive)
    except TimeoutError:
        return False
    return True


async def _until_gone(receive: Receive) -> None:
    # An application that returned earlier would be reported as one that forgot to answer.
    while (await receive())["type"] != "http.disconnect":
        pass
