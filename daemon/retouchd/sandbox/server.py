"""
The endpoint served over real HTTP by uvicorn's protocol, on a listener of our own.

uvicorn's `Server` is left out: it takes the process's signals, wakes ten times a second, exits the
process when a port is taken, and waits for open connections at the end.
"""

import asyncio
import errno
import signal
from asyncio import Transport
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from retouchd.errors import RetouchdError
from retouchd.sandbox.wire import TRANSPORT


@asynccontextmanager
async def serve(
    app: ASGIApp, *, host: str = "127.0.0.1", port: int = 0, root: str = "/v1"
) -> AsyncIterator[str]:
    """
    Serve an application while the context lasts, and yield its base URL, which ends in `root`.

    Port 0 takes a free one. At the end every open connection is cut; only edits being painted are
    waited for. Raises RetouchdError if the address cannot be listened on.
    """
    config = Config(
        app,
        http=_Protocol,
        ws="none",
        interface="asgi3",
        lifespan="off",
        log_config=None,
        log_level="error",
        access_log=False,
        proxy_headers=False,
    )
    config.load()
    state = ServerState()
    listener = await _listen(
        lambda: _Protocol(config=config, server_state=state, app_state={}), host, port
    )
    try:
        yield _url(host, listener.sockets[0].getsockname()[1], root)
    finally:
        listener.close()
        await _close(state)


def run(
    app: ASGIApp,
    *,
    host: str,
    port: int,
    root: str = "/v1",
    ready: Callable[[str], object] | None = None,
) -> None:
    """
    Serve an application until SIGINT or SIGTERM; `ready` is told the base URL once it listens.

    Raises RetouchdError if the address cannot be listened on.
    """
    asyncio.run(_until_signal(app, host, port, root, ready))


async def _until_signal(
    app: ASGIApp, host: str, port: int, root: str, ready: Callable[[str], object] | None
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with serve(app, host=host, port=port, root=root) as url:
        if ready is not None:
            ready(url)
        await stop.wait()


class _Protocol(H11Protocol):
    """
    uvicorn's HTTP/1.1 connection, which also hands the application its transport.
    """

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        app = self.app

        async def with_transport(scope: Scope, receive: Receive, send: Send) -> None:
            await app({**scope, "extensions": {TRANSPORT: transport}}, receive, send)

        self.app = with_transport


async def _listen(protocol: Callable[[], H11Protocol], host: str, port: int) -> asyncio.Server:
    loop = asyncio.get_running_loop()
    try:
        return await loop.create_server(protocol, host, port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise RetouchdError(
                f"Port {port} on {host} is already taken by another program. "
                "Choose another port, or 0 for any that is free."
            ) from error
        raise RetouchdError(
            f"The endpoint cannot listen on {host}, port {port}: {error.strerror}. "
            "Choose an address of this machine and a port from 1024 to 65535."
        ) from error


async def _close(state: ServerState) -> None:
    while state.connections or state.tasks:
        for connection in list(state.connections):
            connection.transport.abort()
        # A connection leaves the set in the loop's next round; a task may still be painting.
        await asyncio.sleep(0)
        if state.tasks:
            await asyncio.wait(set(state.tasks), return_when=asyncio.FIRST_COMPLETED)


def _url(host: str, port: int, root: str) -> str:
    # The wildcard addresses can be listened on but not asked.
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"http://[{name}]:{port}{root}" if ":" in name else f"http://{name}:{port}{root}"
