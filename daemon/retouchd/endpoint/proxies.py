"""
The proxies the environment names: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, and whom NO_PROXY exempts.

There is no standard. Lower case wins over upper case; NO_PROXY is read as curl, Go and Python do, all of them
together, since whoever wrote it did so for some other program.
"""

import fnmatch
import ipaddress
import re
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from retouchd.endpoint.addresses import USUAL_PORTS

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
