"""
How a server is reached: directly or through an HTTP proxy, plain or with TLS.
"""

import base64
import ssl

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
from retouchd.endpoint.response_head import HeadReader

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
