"""
Where a URL may lead, and through which of the environment's proxies.

No answer sends us into the network it was asked from. A URL is taken apart once and the request is built from
the parts, so that no two parsers can disagree about its host; the host is resolved once and the checked address
itself is connected to, so that a name cannot change its mind in between.

For HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY there is no standard. Lower case wins over upper case;
NO_PROXY is read as curl, Go and Python do, all of them together, since whoever wrote it did so for some other
program.
"""

import asyncio
import fnmatch
import ipaddress
import re
import socket
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, urljoin, urlsplit

import httpx

from retouchd.request.headers import KEY_WORDS

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


_USER = re.compile(r"//[^/?#]*@")
_USER_OF_NONE = re.compile(r"//.*@", re.DOTALL)
KEY_PARAMETER = rf"{KEY_WORDS}|code|cred|jwt"
"""An expression for what stands in the name of a query's parameter that holds a key; case does not matter."""
_KEY_IN_QUERY = re.compile(rf"([?&][^=&#]*(?:{KEY_PARAMETER})[^=&#]*=)[^&#]*", re.IGNORECASE)
_HIDDEN = "**********"


def without_password(address: str) -> str:
    """
    Return an address as it may be shown, also one that is none.
    """
    try:
        parts = urlsplit(address)
        user = _USER if parts.hostname and parts.port != 0 else _USER_OF_NONE
    except ValueError:
        user = _USER_OF_NONE
    return _KEY_IN_QUERY.sub(rf"\1{_HIDDEN}", user.sub(f"//{_HIDDEN}@", address))


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
        host, port = _ascii_host(parts.hostname or ""), parts.port
        path = quote(parts.path, safe="/%:@!$&'()*+,;=~") or "/"
        if parts.query:
            path += "?" + quote(parts.query, safe="/%:@!$&'()*+,;=~?")
    except (ValueError, httpx.InvalidURL) as error:
        raise FetchRefused("the answer's URL is malformed") from error
    if parts.scheme not in USUAL_PORTS or not host:
        raise FetchRefused(f"the answer's URL is not http or https but {parts.scheme!r}")
    return Target(
        scheme=parts.scheme,
        host=host,
        port=USUAL_PORTS[parts.scheme] if port is None else port,
        path=path,
    )


def _ascii_host(name: str) -> str:
    """
    Return a host as requests go to it: of two spellings of a name only one must have the key.

    Raises ValueError or InvalidURL where it can be none.
    """
    if not name:
        return ""
    url = httpx.URL(scheme="http", host=name)
    host = url.raw_host.decode("ascii")
    if ":" not in host:
        host.encode("idna")  # As whoever resolves it does: it refuses some names.
    return host if url.host else ""


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


_SCHEMES = ("http", "https", "all")
_BRACKETS = re.compile(r"^\[([^]]*)\](/\d+)?$")
_WITH_PORT = re.compile(r"(\[[^]]*\]|[^:]*):(\d+)")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxies:
    """
    Proxies by `http`, `https` and `all`, and the entries of NO_PROXY.
    """

    urls: Mapping[str, str]
    exempt: tuple[str, ...]

    def proxy_of(self, url: str) -> str | None:
        """
        Return the proxy a request for that URL goes through; none for this machine itself.
        """
        if not self.urls:
            return None
        parts = urlsplit(url)
        if _is_loopback(parts.hostname or "") or self._is_exempt(parts):
            return None
        return self.urls.get(self._variable(parts))

    def named_for(self, url: str) -> str | None:
        """
        Return what to call the proxy of that URL: its address, without a password, and who names it.
        """
        proxy = self.proxy_of(url)
        if proxy is None:
            return None
        return f"the proxy {proxy.rpartition('@')[2].rpartition('//')[2].strip('/')} ({self._named_by(url)})"

    def fault_of(self, url: str) -> str | None:
        """
        Return a sentence that says why requests for that URL cannot go through its proxy, without the
        proxy's password.
        """
        proxy = self.proxy_of(url)
        if proxy is None:
            return None
        name = self._named_by(url)
        scheme = proxy.partition(":")[0].lower()
        if scheme not in USUAL_PORTS:
            return f"{name} names a {scheme} proxy; only http and https proxies can be used"
        return None if _is_address(proxy) else f"{name} is no address: write http://host:port"

    def _named_by(self, url: str) -> str:
        return f"{self._variable(urlsplit(url)).upper()}_PROXY in the environment"

    def _variable(self, parts: SplitResult) -> str:
        return parts.scheme if parts.scheme in self.urls else "all"

    def _is_exempt(self, parts: SplitResult) -> bool:
        host = (parts.hostname or "").rstrip(".")
        port = parts.port or USUAL_PORTS.get(parts.scheme)
        return any(_matches(entry, host, port) for entry in self.exempt)


def environment_proxies() -> Proxies:
    """
    Return what the environment says about proxies.
    """
    named = urllib.request.getproxies_environment()
    urls = {
        scheme: value if "://" in value else f"http://{value}"
        for scheme in _SCHEMES
        if (value := named.get(scheme, "").strip())
    }
    exempt = tuple(entry for entry in re.split(r"[\s,;|]+", named.get("no", "").lower()) if entry)
    return Proxies(urls=urls, exempt=exempt)


def _matches(entry: str, host: str, port: int | None) -> bool:
    """
    Tell whether an entry means a host: a domain and all below it, an address, a network, `*`, or one of
    these with a port. Names are not resolved, as with every other program.
    """
    address = _address(host)
    if (network := _network(entry)) is not None:
        return address is not None and address in network
    if with_port := _WITH_PORT.fullmatch(entry):
        return int(with_port[2]) == port and _matches(with_port[1] or "*", host, port)
    if "*" in entry:
        return fnmatch.fnmatchcase(host, entry.removeprefix(".")) or (
            entry.startswith("*.") and host == entry[2:]
        )
    name = entry.strip(".")
    return bool(name) and (host == name or (address is None and host.endswith(f".{name}")))


def _network(entry: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """
    Return the network an entry names, or its one address.
    """
    try:
        network = ipaddress.ip_network(_BRACKETS.sub(r"\1\2", entry), strict=False)
    except ValueError:
        return None
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped is not None and network.prefixlen >= 96:
        return ipaddress.ip_network((mapped, network.prefixlen - 96), strict=False)
    return network


def _address(host: str) -> Address | None:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _is_address(proxy: str) -> bool:
    try:
        parts = urlsplit(proxy)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _is_loopback(host: str) -> bool:
    address = _address(host)
    if address is not None:
        return address.is_loopback
    return host.rstrip(".") == "localhost" or host.rstrip(".").endswith(".localhost")
