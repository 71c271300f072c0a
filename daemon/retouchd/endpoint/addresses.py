"""
Where a result's URL may lead: what keeps an answer from sending us into the house it was asked from.

A URL is taken apart once and the request is built from the parts, so that no two parsers can disagree about
its host; the host is resolved once and the checked address itself is connected to, so that a name cannot
change its mind in between.
"""

import asyncio
import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import quote, urljoin, urlsplit

USUAL_PORTS = {"http": 80, "https": 443}
"""The port of an address that names none, by its scheme."""
_LONGEST = 8192
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class FetchRefused(Exception):
    """
    A result's URL will never be fetched; a plain sentence says why.
    """


class FetchPrivate(FetchRefused):
    """
    A result's URL leads into a private network, which only a person can allow; a plain sentence says so.
    """


class FetchFailed(Exception):
    """
    A result's URL could not be fetched now; a plain sentence says why.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """
    An http(s) URL in parts: ASCII host without brackets, port, and the path with its query.
    """

    scheme: str
    host: str
    port: int
    path: str

    @property
    def origin(self) -> tuple[str, str, int]:
        """
        Whom a key belongs to: scheme, host and port.
        """
        return (self.scheme, self.host, self.port)

    @property
    def netloc(self) -> str:
        """
        The host as it is written in a URL and in the Host header; a scheme's own port is left out.
        """
        return _netloc(self.scheme, self.host, self.port)

    def at(self, address: str | None = None) -> str:
        """
        Return the URL, with an address in place of the host if one is given.
        """
        if address is None:
            return f"{self.scheme}://{self.netloc}{self.path}"
        host = f"[{address}]" if ":" in address else address
        return f"{self.scheme}://{host}:{self.port}{self.path}"


def origin_of(address: str) -> str | None:
    """
    Return scheme, host and port of an address: who hears what is sent there. None where it has no host.
    """
    try:
        parts = urlsplit(address.strip())
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        return None
    return f"{parts.scheme}://{_netloc(parts.scheme, host, port)}" if host else None


def target_of(url: str, base_url: str) -> Target:
    """
    Return the parts of a URL, absolute or relative to the endpoint's. Raises FetchRefused.
    """
    if len(url) > _LONGEST:
        raise FetchRefused("the answer's URL is too long")
    try:
        parts = urlsplit(urljoin(base_url.partition("?")[0].rstrip("/") + "/", url))
        host = (
            (parts.hostname or "").encode("ascii" if ":" in parts.netloc[:1] else "idna").decode()
        )
        port = parts.port
        path = quote(parts.path, safe="/%:@!$&'()*+,;=~") or "/"
        if parts.query:
            path += "?" + quote(parts.query, safe="/%:@!$&'()*+,;=~?")
    except ValueError as error:
        raise FetchRefused("the answer's URL is malformed") from error
    if parts.scheme not in USUAL_PORTS or not host:
        raise FetchRefused(f"the answer's URL is not http or https but {parts.scheme!r}")
    return Target(
        scheme=parts.scheme,
        host=host,
        port=USUAL_PORTS[parts.scheme] if port is None else port,
        path=path,
    )


async def public_addresses(target: Target, *, numeric: bool = False) -> list[str]:
    """
    Return the addresses of a host, all of them public; `numeric` asks no name server.

    Raises FetchPrivate if any address is private, FetchFailed if the name cannot be resolved.
    """
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(
            target.host,
            target.port,
            type=socket.SOCK_STREAM,
            flags=socket.AI_NUMERICHOST if numeric else 0,
        )
    except OSError as error:
        raise FetchFailed(f"{target.host} cannot be resolved: {error.strerror}") from error
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    for address in addresses:
        if not is_public(address):
            named = "" if address == target.host else f" ({target.host})"
            raise FetchPrivate(
                f"the answer's URL leads to the private address {address}{named}; "
                "endpoint.allow_private_urls would allow it"
            )
    return addresses


def is_public(address: str) -> bool:
    """
    Tell whether an address belongs to the open internet: not ours, not the link's, not one in disguise.
    """
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        if ip in _NAT64:
            ip = ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
        elif ip.ipv4_mapped or ip.sixtofour or ip.teredo:
            return False
    return ip.is_global and not ip.is_multicast


def _netloc(scheme: str, host: str, port: int | None) -> str:
    name = f"[{host}]" if ":" in host else host
    return name if port in (None, USUAL_PORTS.get(scheme)) else f"{name}:{port}"
