"""
The listener: sockets, connections and the thread in which they are served by uvicorn's protocol.

uvicorn's `Server` is left out, as for the embedded endpoint: it takes the process's signals and exits the
process when a port is taken. Here that is told of and tried again: photos do not wait for a listener.
"""

import asyncio
import contextlib
import os
import socket
import stat
import threading
from asyncio import Transport
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.server import ServerState

from retouchd.disk import durable
from retouchd.errors import ConfigurationError
from retouchd.events import emit
from retouchd.events.web import WebClosed, WebListening
from retouchd.tasks import in_own_thread

MOST_CONNECTIONS = 256
"""More are turned away: they must not use up the files that jobs need."""
_BACKLOG = 64
_HEAD_SECONDS = 10.0
"""How long a client may take for the head of a request."""
_RETRY_SECONDS = 10.0
_LAST_SECONDS = 5.0
_FIRST_FD = 3


def inherited_sockets() -> list[socket.socket]:
    """
    Return the sockets that a systemd socket unit has opened for this process. See sd_listen_fds(3).
    """
    pid, count = os.environ.get("LISTEN_PID"), os.environ.get("LISTEN_FDS", "")
    if pid != str(os.getpid()) or not count.isdecimal():
        return []
    found = []
    for fd in range(_FIRST_FD, _FIRST_FD + int(count)):
        os.set_inheritable(fd, False)
        found.append(socket.socket(fileno=fd))
    return found


def is_loopback(listener: socket.socket) -> bool:
    """
    Return whether nobody on another machine reaches a socket.
    """
    if listener.family == socket.AF_UNIX:
        return True
    host = str(listener.getsockname()[0])
    return host.startswith("127.") or host == "::1"


def opened(host: str, port: int) -> list[socket.socket]:
    """
    Open the sockets of an address; a host that begins with `/` is a Unix socket's path. Raises OSError.
    """
    if host.startswith("/"):
        return [_unix(host)]
    found: list[socket.socket] = []
    for family, kind, number, _, address in socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    ):
        listener = socket.socket(family, kind, number)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind(address)
        except OSError:
            listener.close()
            if found and host == "localhost":
                continue  # A machine without IPv6 has a name for it all the same.
            raise
        found.append(listener)
    return found


def _unix(path: str) -> socket.socket:
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISSOCK(os.lstat(path).st_mode) and not _is_served(path):
            durable.unlink(Path(path))
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(path)
    except OSError:
        listener.close()
        raise
    return listener


def _is_served(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(path) == 0


class _Protocol(H11Protocol):
    """
    uvicorn's HTTP/1.1 connection, which waits only so long for the head of a request, and for whoever does not
    take what it has asked for.
    """

    send_seconds = 60.0
    _waiting: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
            return
        self._wait_for_a_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.is_answering:
            self._wait_no_more()
        elif self._waiting is None:
            self._wait_for_a_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_no_more()
        self._forget_unread()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        # Closed, it would wait for its reader without end.
        self._unread = self.loop.call_later(self.send_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        self._forget_unread()
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """
        Cut the connection, with the end of an answer that nobody took.
        """
        if not self.transport.is_closing():
            self.transport.abort()

    @property
    def is_answering(self) -> bool:
        """
        Return whether a request has come and is not answered yet.
        """
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def _wait_for_a_head(self) -> None:
        self._waiting = self.loop.call_later(_HEAD_SECONDS, self._give_up)

    def _wait_no_more(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _forget_unread(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _give_up(self) -> None:
        self._waiting = None
        if not self.is_answering:
            self.transport.abort()


class Listener:
    """
    A thread that serves an application. `open_sockets` returns what to listen on; it is called there. Who does
    not take what it has asked for is cut off after `send_seconds`.
    """

    def __init__(
        self,
        build: Callable[[], ASGIApp],
        open_sockets: Callable[[], Sequence[socket.socket]],
        *,
        send_seconds: float = 60.0,
    ) -> None:
        self._build = build
        self._open_sockets = open_sockets
        self._send_seconds = send_seconds
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._is_stopped = threading.Event()

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """
        Serve meanwhile; at the end what is being answered gets some seconds more.
        """
        thread = threading.Thread(target=self._run, name="web", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._is_stopped.set()
            if self._loop is not None and self._stopping is not None:
                with contextlib.suppress(RuntimeError):
                    self._loop.call_soon_threadsafe(self._stopping.set)
            await in_own_thread(lambda: thread.join(_LAST_SECONDS + 1))

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        config = Config(
            self._build(),
            http=_Protocol,
            ws="none",
            interface="asgi3",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=15,
        )
        config.load()
        state = ServerState()
        servers = await self._opened(config, state)
        if self._is_stopped.is_set():
            self._stopping.set()
        await self._stopping.wait()
        for server in servers:
            server.close()
        await _close(state)

    async def _opened(self, config: Config, state: ServerState) -> list[asyncio.Server]:
        told = ""
        assert self._loop is not None, "this is that loop"
        while not self._is_stopped.is_set():
            try:
                sockets = self._open_sockets()
                servers = [
                    await self._loop.create_server(
                        partial(self._connection, config, state),
                        sock=each,
                        backlog=_BACKLOG,
                    )
                    for each in sockets
                ]
            except (OSError, ConfigurationError) as error:
                if str(error) != told:
                    emit(WebClosed(reason=str(error)))
                told = str(error)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_RETRY_SECONDS):
                        assert self._stopping is not None, "as above"
                        await self._stopping.wait()
            else:
                emit(WebListening(addresses=[_name_of(each) for each in sockets]))
                return servers
        return []

    def _connection(self, config: Config, state: ServerState) -> _Protocol:
        found = _Protocol(config=config, server_state=state, app_state={})
        found.send_seconds = self._send_seconds
        return found


def _name_of(listener: socket.socket) -> str:
    address: Any = listener.getsockname()
    if listener.family == socket.AF_UNIX:
        return f"unix:{os.fsdecode(address)}"
    host = f"[{address[0]}]" if listener.family == socket.AF_INET6 else address[0]
    return f"http://{host}:{address[1]}"


async def _close(state: ServerState) -> None:
    """
    Wait some seconds for what is being answered, then cut all connections.
    """
    for connection in list(state.connections):
        if isinstance(connection, _Protocol) and not connection.is_answering:
            connection.transport.abort()
    if state.tasks:
        await asyncio.wait(set(state.tasks), timeout=_LAST_SECONDS)
    for task in list(state.tasks):
        task.cancel()
    for connection in list(state.connections):
        connection.transport.abort()
