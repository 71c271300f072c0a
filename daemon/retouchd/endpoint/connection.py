"""
A connection that is read while it is written, plain or with TLS, and whose last bytes are never lost.

Sockets and not asyncio's streams: those close on the first error in writing, and what had arrived by then,
an early answer above all, goes unread (measured: Python 3.11, `_SelectorTransport._force_close`). The
kernel keeps what came before a reset.
"""

import asyncio
import contextlib
import encodings.idna  # noqa: F401 - looking up a name would load it in the midst of a first job
import fcntl
import itertools
import socket
import ssl
import struct
import termios
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from retouchd.endpoint.deadline import Deadline, wake

_READ = 256 << 10
"""Bytes read at once at most."""
_STAGGER = 0.25
"""Seconds until the next address is tried beside one that does not answer (RFC 8305 §8)."""

# A relay answers nothing for minutes; without a sign of life a NAT on the way forgets the connection.
_OPTIONS = [
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 20),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 5),
]

_NO_LINGER = struct.pack("ii", 1, 0)

Info = tuple[Any, Any, int, str, tuple[Any, ...]]


class Connection(Protocol):
    """
    Bytes in both directions; one task may send while another reads.
    """

    def take(self) -> bytes | None:
        """
        Return what has arrived, None if nothing has, nothing at its end; never waits. Raises OSError.
        """
        ...

    async def readable(self, deadline: Deadline) -> None:
        """
        Wait until something may have arrived, somebody wakes us, or for a while within the deadline.
        """
        ...

    def wake(self) -> None:
        """
        Let whoever waits in `readable` look again.
        """
        ...

    async def send(self, data: memoryview) -> None:
        """
        Hand all bytes to the kernel. Raises OSError.
        """
        ...

    def close(self) -> None:
        """
        Close the connection; nobody may wait on it any more. What is still unsent is dropped.
        """
        ...


class TcpConnection:
    """
    A connected TCP socket.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._loop = asyncio.get_running_loop()
        self._reading: asyncio.Future[None] | None = None

    def take(self) -> bytes | None:
        """
        Return what has arrived, as the kernel has it.
        """
        try:
            return self._socket.recv(_READ)
        except (BlockingIOError, InterruptedError):
            return None

    async def readable(self, deadline: Deadline) -> None:
        """
        Wait until the kernel has something.
        """
        self._reading = self._loop.create_future()
        self._loop.add_reader(self._socket, wake, self._reading)
        try:
            await deadline.wait(self._reading)
        finally:
            self._loop.remove_reader(self._socket)
            self._reading = None

    def wake(self) -> None:
        """
        Let the reader look again.
        """
        if self._reading is not None:
            wake(self._reading)

    async def send(self, data: memoryview) -> None:
        """
        Hand all bytes to the kernel.
        """
        while data:
            try:
                data = data[self._socket.send(data) :]
            except (BlockingIOError, InterruptedError):
                await self._writable()

    async def _writable(self) -> None:
        ready = self._loop.create_future()
        self._loop.add_writer(self._socket, wake, ready)
        try:
            await ready
        finally:
            self._loop.remove_writer(self._socket)

    def close(self) -> None:
        """
        Close the socket; the kernel would go on for minutes to offer some megabytes that nobody reads.
        """
        with contextlib.suppress(OSError):
            (unsent,) = struct.unpack("i", fcntl.ioctl(self._socket, termios.TIOCOUTQ, bytes(4)))
            if unsent:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self._socket.close()


class TlsConnection:
    """
    TLS over another connection.
    """

    def __init__(self, under: Connection, context: ssl.SSLContext, server_name: str) -> None:
        self._under = under
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)
        self.readable, self.wake = under.readable, under.wake

    async def shake_hands(self, deadline: Deadline) -> None:
        """
        Agree with the server on keys, and make sure that it is the one we mean. Raises OSError.
        """
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._flush()
                self._feed(await received(self._under, deadline))
            except ssl.SSLError:
                with contextlib.suppress(OSError):
                    await self._flush()  # The server learns why.
                raise
            else:
                return await self._flush()

    def take(self) -> bytes | None:
        """
        Return what has arrived, decrypted.
        """
        pieces: list[bytes] = []
        while sum(map(len, pieces)) < _READ:
            try:
                piece = self._tls.read(_READ)
            except ssl.SSLWantReadError:
                if pieces or (data := self._under.take()) is None:
                    break
                self._feed(data)
            except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
                return b"".join(pieces)
            except OSError:
                if not pieces:
                    raise
                break  # It will be raised again once these are read.
            else:
                if not piece:
                    return b"".join(pieces)
                pieces.append(piece)
        return b"".join(pieces) if pieces else None

    async def send(self, data: memoryview) -> None:
        """
        Hand all bytes to the kernel, encrypted. They are all in memory meanwhile: send them in portions.
        """
        while data:
            data = data[self._tls.write(data) :]
        await self._flush()

    def _feed(self, data: bytes) -> None:
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    async def _flush(self) -> None:
        if self._outgoing.pending:
            await self._under.send(memoryview(self._outgoing.read()))

    def close(self) -> None:
        """
        Close the connection without a word: what was not read is not wanted.
        """
        self._under.close()


async def received(connection: Connection, deadline: Deadline) -> bytes:
    """
    Return the next bytes, nothing at the end; what is there already counts even when time is up.

    Raises OSError, Expired.
    """
    while (data := connection.take()) is None:
        deadline.check()
        await connection.readable(deadline)
    deadline.heard()
    return data


async def connected(host: str, port: int) -> socket.socket:
    """
    Return a socket connected to whichever address of a host answers first. Raises OSError.
    """
    waiting = _in_turns(await _addresses(host, port))
    trying: set[asyncio.Task[socket.socket]] = set()
    failure = OSError(f"{host} has no address")
    try:
        while waiting or trying:
            if waiting:
                trying.add(asyncio.create_task(_connected(waiting.pop())))
            done, _ = await asyncio.wait(
                trying, timeout=_STAGGER if waiting else None, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                trying.remove(task)
                if not (error := task.exception()):
                    return task.result()
                if isinstance(error, OSError):
                    failure = error
        raise failure
    finally:
        for task in trying:
            task.cancel()
        for outcome in await asyncio.gather(*trying, return_exceptions=True):
            if isinstance(outcome, socket.socket):
                outcome.close()


async def _addresses(host: str, port: int) -> Sequence[Info]:
    kind = socket.SOCK_STREAM
    # What is an address already, nobody has to be asked for.
    with contextlib.suppress(socket.gaierror):
        return socket.getaddrinfo(host, port, type=kind, flags=socket.AI_NUMERICHOST)
    return await asyncio.get_running_loop().getaddrinfo(host, port, type=kind)


def _in_turns(infos: Iterable[Info]) -> list[Info]:
    """
    Return addresses the last to be tried first, those of the two families by turns.
    """
    families: dict[int, list[Info]] = {}
    for info in infos:
        families.setdefault(info[0], []).append(info)
    turns = itertools.chain.from_iterable(itertools.zip_longest(*families.values()))
    return [info for info in turns if info is not None][::-1]


async def _connected(info: Info) -> socket.socket:
    family, kind, protocol, _, address = info
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)
        for option in _OPTIONS:
            sock.setsockopt(*option)
        await asyncio.get_running_loop().sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock
