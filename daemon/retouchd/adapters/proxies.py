"""
The proxies the environment names: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, and NO_PROXY.
"""

import ipaddress
import urllib.request
from collections.abc import Mapping
from urllib.parse import urlsplit

from retouchd.errors import ConfigurationError

_SCHEMES = {"http", "https", "all"}


def environment_proxies() -> dict[str, str]:
    """
    Return a proxy's URL for each of `http`, `https` and `all` that has one.

    Raises ConfigurationError for a proxy that does not speak HTTP.
    """
    named = {
        scheme: value if "://" in value else f"http://{value}"
        for scheme, value in urllib.request.getproxies().items()
        if scheme in _SCHEMES and value
    }
    problems = [
        f"{scheme.upper()}_PROXY in the environment names a {url.partition(':')[0]} proxy;"
        " only http and https proxies can be used"
        for scheme, url in named.items()
        if not url.startswith(("http://", "https://"))
    ]
    if problems:
        raise ConfigurationError(problems)
    return named


def proxy_of(url: str, proxies: Mapping[str, str]) -> str | None:
    """
    Return the proxy a request for that URL goes through; none for this machine itself.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if _is_loopback(host) or urllib.request.proxy_bypass(host):
        return None
    return proxies.get(parts.scheme) or proxies.get("all")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
