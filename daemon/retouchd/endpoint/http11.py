"""
HTTP/1.1 as a transport of httpx: one request over one connection, which may lead through a proxy.

How a server is reached: directly or through an HTTP proxy, plain or with TLS.

httpx' own sends the request to its end first, and then reads: of a server that answers before (a spent
account, a file too large) and closes, it hears a reset. h11 writes the request: it checks names, values and
the length announced. It does not read the response: it gives up at slips that cost a picture, and with it
what had come (`endpoint.response`).
"""

import asyncio
import base64
import contextlib
import ssl
from collections.abc import AsyncGenerator

import h11
import httpx

from retouchd.endpoint.addresses import USUAL_PORTS
from retouchd.endpoint.connection import (
    Connection,
    TcpConnection,
    TlsConnection,
    connected,
    received,
)
from retouchd.endpoint.deadline import Deadline, Expired
from retouchd.endpoint.response import HeadReader, ResponseHead, Sized, body_of

Headers = list[tuple[bytes, bytes]]


class ProxyFailed(Exception):
    """
    The proxy cannot be reached or does not connect us to the server; what it does, as a half sentence.
    """


class Route:
    """
    A way to servers. Each step (connecting, TLS, the proxy's answer) may take `connect_seconds`.
    """

    def __init__(
        self, *, context: ssl.SSLContext, proxy: str | None, connect_seconds: float
    ) -> None:
        self._context = context
        self._proxy = None if proxy is None else httpx.Proxy(proxy)
        self._connect_seconds = connect_seconds

    def target(self, url: httpx.URL) -> tuple[bytes, Headers]:
        """
        Return what a request line names (RFC 9112 §3.2), and the headers meant for the proxy.
        """
        if self._proxy is None or url.scheme == "https":
            return url.raw_path, []
        return str(url).encode("ascii"), _credentials(self._proxy)

    async def open(self, url: httpx.URL, server_name: str | None, deadline: Deadline) -> Connection:
        """
        Return a connection that requests for a URL can be sent over.

        `server_name` is who the certificate must be for, where that is not the URL's host. Raises OSError,
        Expired, ProxyFailed.
        """
        if self._proxy is None:
            connection = await self._connected(url, deadline)
        else:
            connection = await self._through(self._proxy, url, deadline)
        if url.scheme == "https":
            connection = await self._secured(connection, server_name or _host(url), deadline)
        return connection

    async def _through(self, proxy: httpx.Proxy, url: httpx.URL, deadline: Deadline) -> Connection:
        """
        Return a connection to the proxy, or for TLS one that it makes to the server.
        """
        try:
            connection = await self._connected(proxy.url, deadline)
            if proxy.url.scheme == "https":
                connection = await self._secured(connection, _host(proxy.url), deadline)
        except Expired as error:
            raise ProxyFailed("cannot be reached: it took too long") from error
        except OSError as error:
            raise ProxyFailed("cannot be reached") from error
        if url.scheme != "https":
            return connection
        try:
            await _tunnel(connection, proxy, url, self._step(deadline))
        except BaseException as error:
            connection.close()
            if isinstance(error, Expired):
                raise ProxyFailed(f"did not connect us to {_host(url)} in time") from error
            if isinstance(error, OSError):
                raise ProxyFailed("closed the connection") from error
            raise
        return connection

    async def _connected(self, url: httpx.URL, deadline: Deadline) -> Connection:
        return TcpConnection(await self._step(deadline).run(connected(_host(url), _port(url))))

    async def _secured(self, under: Connection, name: str, deadline: Deadline) -> Connection:
        try:
            secured = TlsConnection(under, self._context, name)
            await secured.shake_hands(self._step(deadline))
        except BaseException:
            under.close()
            raise
        return secured

    def _step(self, deadline: Deadline) -> Deadline:
        return Deadline(self._connect_seconds, whole=deadline)


async def _tunnel(
    connection: Connection, proxy: httpx.Proxy, url: httpx.URL, deadline: Deadline
) -> None:
    """
    Let a proxy connect us to a server (RFC 9110 §9.3.6).
    """
    host = f"[{_host(url)}]" if ":" in _host(url) else _host(url)
    authority = f"{host}:{_port(url)}".encode("ascii")
    headers = [(b"host", authority), *_credentials(proxy)]
    lines = [b"CONNECT %s HTTP/1.1" % authority, *(b"%s: %s" % header for header in headers)]
    await connection.send(memoryview(b"\r\n".join([*lines, b"", b""])))
    reader = HeadReader()
    while data := await received(connection, deadline):
        if head := reader.take(data):
            if head.status >= 300:
                raise ProxyFailed(_refusal(head.status, _host(url)))
            return
    raise ProxyFailed("closed the connection")


def _refusal(status: int, host: str) -> str:
    match status:
        case 407:
            return (
                f"wants a user and a password (HTTP {status}): write it as "
                "http://user:password@host:port"
            )
        case 500 | 502 | 503 | 504:
            return f"cannot connect to {host} either (HTTP {status})"
    return f"does not let us through to {host} (HTTP {status})"


def _credentials(proxy: httpx.Proxy) -> Headers:
    if proxy.raw_auth is None:
        return []
    return [(b"proxy-authorization", b"Basic " + base64.b64encode(b":".join(proxy.raw_auth)))]


def _host(url: httpx.URL) -> str:
    return url.raw_host.decode("ascii")


def _port(url: httpx.URL) -> int:
    return url.port or USUAL_PORTS[url.scheme]


_PORTION = 256 << 10
"""Bytes encrypted, and counted as sent, at once."""
_HEAD = 64 << 20
"""Bytes of heads and interim responses that are read at most: they may come faster than time passes."""
_REFUSED = 5.0
"""Seconds to wait for the body of a refusal that came before the upload's end: its status says it all."""
_SURPLUS, _MORE = 0.2, 2.0
"""Seconds to wait for what a server may send beyond the length it told; then for more of it."""


class Http11Transport(httpx.AsyncBaseTransport):
    """
    Sends requests by one route, within one deadline.

    Raises httpx' errors. ConnectError, ConnectTimeout, ProxyError: no request was sent. WriteError,
    WriteTimeout: its last bytes were never handed to the kernel, and no response was heard. All others: it
    may have been received.
    """

    def __init__(self, route: Route, deadline: Deadline) -> None:
        self._route = route
        self._deadline = deadline

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """
        Return the response once its head is there; closing it closes the connection.

        Its extension `is_cut` says whether the request's last bytes never left for the kernel, and never will.
        """
        connection = await self._connected(request)
        exchange = _Exchange(connection, self._deadline)
        try:
            head = await exchange.begin(request, self._route.target(request.url))
        except BaseException:
            await exchange.aclose()
            raise
        return httpx.Response(
            head.status,
            headers=list(head.headers),
            stream=exchange,
            extensions={"is_cut": exchange.is_refusal},
        )

    async def _connected(self, request: httpx.Request) -> Connection:
        server_name = request.extensions.get("sni_hostname")
        try:
            return await self._route.open(request.url, server_name, self._deadline)
        except ProxyFailed as error:
            raise httpx.ProxyError(str(error)) from error
        except Expired as error:
            raise httpx.ConnectTimeout("it took too long") from error
        except OSError as error:
            raise httpx.ConnectError(str(error)) from error


class _Exchange(httpx.AsyncByteStream):
    """
    A request on its way out and its response on its way in; itself the response's body.
    """

    def __init__(self, connection: Connection, deadline: Deadline) -> None:
        self._connection = connection
        self._deadline = deadline
        self._offered = self._length = 0
        self._sending: asyncio.Task[None] | None = None
        self._broken: OSError | None = None
        self._head = ResponseHead(status=0, headers=())
        self.is_refusal = False

    async def begin(self, request: httpx.Request, target: tuple[bytes, Headers]) -> ResponseHead:
        """
        Send the request and return the response's head as soon as it is there.

        An error response ends the sending; beside any other it goes on, as some servers answer at once and
        still want all of it.
        """
        self._length = int(request.headers.get("content-length", 0))
        self._sending = asyncio.create_task(self._send(request, *target))
        self._sending.add_done_callback(lambda _: self._connection.wake())
        self._head = await self._heard()
        self.is_refusal = self._head.status >= 300 and not self._is_sent
        if self.is_refusal:
            await self._stop_sending()
        return self._head

    @property
    def _is_sent(self) -> bool:
        """
        Whether the server may have all of the request.
        """
        return self._offered >= self._length

    async def _send(self, request: httpx.Request, target: bytes, headers: Headers) -> None:
        writer = h11.Connection(h11.CLIENT)
        headers = request.headers.raw + headers
        try:
            head = h11.Request(method=request.method, target=target, headers=headers)
            await self._hand_over(writer.send(head) or b"")
            assert isinstance(request.stream, httpx.AsyncByteStream)
            async for piece in request.stream:
                # Handed through: `send` would copy it.
                for data in writer.send_with_data_passthrough(h11.Data(data=piece)) or ():
                    await self._hand_over(data, is_body=True)
                if self._broken:
                    return
            writer.send(h11.EndOfMessage())
        except h11.LocalProtocolError as error:
            raise httpx.LocalProtocolError(str(error)) from error

    async def _hand_over(self, data: bytes | memoryview, *, is_body: bool = False) -> None:
        """
        Give bytes to the kernel until it refuses; what came before that is still to be read.
        """
        left = memoryview(data)
        while left and not self._broken:
            portion, left = left[:_PORTION], left[_PORTION:]
            if is_body:
                self._offered += len(portion)
            try:
                await self._connection.send(portion)
            except OSError as error:
                self._broken = error

    async def _heard(self) -> ResponseHead:
        reader, size = HeadReader(), 0
        try:
            while size < _HEAD and (data := await self._received(self._deadline)):
                size += len(data)
                if head := reader.take(data):
                    return head
        except Expired as error:
            late = httpx.ReadTimeout if self._is_sent else httpx.WriteTimeout
            raise late("it took too long") from error
        except OSError as error:
            self._broken = self._broken or error
        if head := reader.ended():
            return head
        failure = httpx.RemoteProtocolError if self._is_sent else httpx.WriteError
        raise failure("the connection broke") from self._broken

    async def _received(self, deadline: Deadline) -> bytes:
        """
        Return the next bytes; raise what kept the request from being sent, if there are none yet.
        """
        while (data := self._connection.take()) is None:
            if self._sending is not None and self._sending.done() and not self.is_refusal:
                self._sending.result()
            deadline.check()
            await self._connection.readable(deadline)
        deadline.heard()
        # Without a pause a fast server would have the loop for itself.
        await asyncio.sleep(0)
        return data

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        """
        Yield the body; raise only when all that came was yielded.
        """
        body, data = body_of(self._head), self._head.rest
        while True:
            if piece := body.take(data):
                with self._deadline.paused():
                    yield piece
            if body.is_whole:
                break
            if not (data := await self._more(is_end=body.may_end and self._head.is_whole)):
                return
        if isinstance(body, Sized) and not self.is_refusal:
            async for piece in self._surplus(body):
                yield piece

    async def _more(self, *, is_end: bool) -> bytes:
        """
        Return the next bytes of the body, nothing at its end.
        """
        deadline = self._deadline
        if self.is_refusal:
            deadline = Deadline(_REFUSED, whole=deadline)
        try:
            if (data := await self._received(deadline)) or is_end or self.is_refusal:
                return data
        except Expired as error:
            if not self.is_refusal:
                raise httpx.ReadTimeout("it took too long") from error
        except OSError as error:
            if not self.is_refusal:
                raise httpx.ReadError(str(error)) from error
        else:
            raise httpx.RemoteProtocolError("the connection broke")
        return b""

    async def _surplus(self, body: Sized) -> AsyncGenerator[bytes, None]:
        seconds = _SURPLUS
        with contextlib.suppress(Expired, OSError):
            while piece := body.take(await self._received(Deadline(seconds, whole=self._deadline))):
                with self._deadline.paused():
                    yield piece
                seconds = _MORE

    async def aclose(self) -> None:
        """
        Stop sending and close the connection.
        """
        try:
            await self._stop_sending()
        finally:
            self._connection.close()

    async def _stop_sending(self) -> None:
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)
