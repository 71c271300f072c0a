"""
How a server is reached: directly or through an HTTP proxy, plain or with TLS.
"""

import base64
import ssl

import httpx

from retouchd.adapters.connection import Connection, Plain, Secured, connected, received
from retouchd.adapters.deadline import Deadline
from retouchd.rules.response_head import HeadReader

_PORTS = {"http": 80, "https": 443}

Headers = list[tuple[bytes, bytes]]


class ProxyRefused(Exception):
    """
    The proxy does not connect us to the server; a plain sentence says why.
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
        Expired, ProxyRefused.
        """
        proxy = self._proxy
        first = url if proxy is None else proxy.url
        reaching = connected(_host(first), _port(first))
        connection: Connection = Plain(await self._step(deadline).run(reaching))
        try:
            if proxy is not None:
                if proxy.url.scheme == "https":
                    connection = await self._secured(connection, _host(proxy.url), deadline)
                if url.scheme == "https":
                    await _tunnel(connection, proxy, url, self._step(deadline))
            if url.scheme == "https":
                connection = await self._secured(connection, server_name or _host(url), deadline)
        except BaseException:
            connection.close()
            raise
        return connection

    async def _secured(self, under: Connection, name: str, deadline: Deadline) -> Connection:
        secured = Secured(under, self._context, name)
        await secured.shake_hands(self._step(deadline))
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
                raise ProxyRefused(f"the proxy answered HTTP {head.status}")
            return
    raise ProxyRefused("the proxy closed the connection")


def _credentials(proxy: httpx.Proxy) -> Headers:
    if proxy.raw_auth is None:
        return []
    return [(b"proxy-authorization", b"Basic " + base64.b64encode(b":".join(proxy.raw_auth)))]


def _host(url: httpx.URL) -> str:
    return url.raw_host.decode("ascii")


def _port(url: httpx.URL) -> int:
    return url.port or _PORTS[url.scheme]
