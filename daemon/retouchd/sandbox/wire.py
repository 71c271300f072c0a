"""
Answers that go wrong on the wire: late, never, cut short, or a connection closed.

Each is an ASGI application. Cutting needs the transport, which `server` leaves in the scope.
"""

import asyncio
import socket
import struct
from asyncio import Transport

from starlette.types import ASGIApp, Receive, Scope, Send

TRANSPORT = "retouchd.transport"
"""The scope's extension that holds the connection's asyncio transport."""


def late(answer: ASGIApp, seconds: float) -> ASGIApp:
    """
    Return an answer held back for some seconds; a client that left meanwhile is sent nothing.
    """

    async def respond(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with asyncio.timeout(seconds):
                await _until_gone(receive)
        except TimeoutError:
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


def truncated(body: bytes, cut: int | None) -> ASGIApp:
    """
    Return a good answer of which only the first `cut` bytes of the body arrive; None is half.
    """
    # One byte is always kept back, or the answer would be whole.
    kept = min(len(body) // 2 if cut is None else cut, len(body) - 1)
    length = str(len(body)).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", length)]

    async def respond(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body[:kept], "more_body": True})
        await closed(scope, receive, send)

    return respond


def _transport(scope: Scope) -> Transport:
    transport = scope["extensions"][TRANSPORT]
    assert isinstance(transport, Transport)
    return transport


async def _until_gone(receive: Receive) -> None:
    # An application that returned earlier would be reported as one that forgot to answer.
    while (await receive())["type"] != "http.disconnect":
        pass
