"""
Who may ask, and what: decided by the request's head alone.

Without a token the Host of every request must be a loopback name or the address that is listened on: a page of
somebody's that makes a browser ask here under a name of its own (DNS rebinding) gets nothing. With one,
everything but health wants it. A write that a foreign page makes a browser send is refused either way.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

COOKIE = "retouchd"
OPEN = frozenset({"/livez", "/readyz"})
"""Asked by those who watch whether it lives: they know no token."""
LOGIN, LOGOUT = "/login", "/logout"
STATIC = "/static/"
"""What the page looks like, before somebody has logged in too."""
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_SITES = frozenset({"same-origin", "none"})
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?")
_DEFAULT_PORTS = {"http": 80, "https": 443}


class May(IntEnum):
    """
    What somebody may do, in order: nothing, look, act.
    """

    NOTHING = 0
    LOOK = 1
    ACT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """
    Why a request is not answered: its status, a code for programs, a sentence for people.
    """

    status: int
    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """
    The head of a request: `headers` under lower-case names, of several alike the last; `hosts` all Host lines.
    """

    method: str
    path: str
    scheme: str
    headers: Mapping[str, str]
    hosts: tuple[str, ...]
    cookies: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """
    The rules of one listener. `hosts` are the addresses listened on, `origins` other pages that may act.
    """

    token: str = field(default="", repr=False)
    read_token: str = field(default="", repr=False)
    hosts: frozenset[str] = frozenset()
    origins: frozenset[str] = frozenset()

    def refusal(self, head: Head) -> Refused | None:
        """
        Return why a request is refused, None where it may pass.
        """
        if not self.token and not self._is_own_host(head.hosts):
            return Refused(
                status=421,
                code="misdirected",
                message="Without web.token only localhost, or the address listened on, is answered as Host.",
            )
        if head.method not in _SAFE and not self._is_own_page(head):
            return Refused(
                status=403,
                code="foreign_origin",
                message="Another site's page must not act here: add its origin to web.origins if it may.",
            )
        if head.path in OPEN or head.path in {LOGIN, LOGOUT} or head.path.startswith(STATIC):
            return None
        may = self.may(head)
        if may is May.NOTHING:
            return Refused(
                status=401,
                code="unauthorized",
                message="A token is needed: Authorization: Bearer …, or log in at /login.",
            )
        if may is May.LOOK and head.method not in _SAFE:
            return Refused(status=403, code="read_only", message="This token may look and not act.")
        return None

    def may(self, head: Head) -> May:
        """
        Return what whoever asks may do.
        """
        if not self.token:
            return May.ACT
        scheme, _, given = head.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self.of_token(given.strip())
        return self._of_cookie(head.cookies.get(COOKIE, ""))

    def of_token(self, given: str) -> May:
        """
        Return what a token allows; takes as long whatever it is.
        """
        acts = hmac.compare_digest(given.encode(), self.token.encode())
        looks = hmac.compare_digest(given.encode(), self.read_token.encode())
        if self.token and acts:
            return May.ACT
        return May.LOOK if self.read_token and looks else May.NOTHING

    def named_origin(self, head: Head) -> str:
        """
        Return the origin of a page elsewhere that may act, and see what it is answered; empty for others.
        """
        origin = head.headers.get("origin", "").lower()
        return origin if origin in self.origins else ""

    def cookie(self, may: May) -> str:
        """
        Return what a browser keeps in place of the token that allows so much.
        """
        token = self.token if may is May.ACT else self.read_token
        return hmac.new(token.encode(), b"retouchd cookie 1", hashlib.sha256).hexdigest()

    def _of_cookie(self, given: str) -> May:
        for may in (May.ACT, May.LOOK):
            has_token = self.token if may is May.ACT else self.read_token
            if has_token and hmac.compare_digest(given.encode(), self.cookie(may).encode()):
                return may
        return May.NOTHING

    def _is_own_host(self, hosts: tuple[str, ...]) -> bool:
        if len(hosts) != 1:
            return False
        name = _host_of(hosts[0])
        return name is not None and (_is_loopback(name) or name in self.hosts)

    def _is_own_page(self, head: Head) -> bool:
        if self.named_origin(head):
            return True
        origin = head.headers.get("origin", "").lower()
        site = head.headers.get("sec-fetch-site")
        if site is not None:
            return site.lower() in _OWN_SITES
        if not origin:
            return True  # A program: browsers send one or the other with each write.
        host = head.hosts[0] if len(head.hosts) == 1 else ""
        own = _address(f"{head.scheme}://{host}")
        return own is not None and _address(origin) == own


def is_trusted(client: str, proxies: tuple[str, ...]) -> bool:
    """
    Return whether an address is that of a proxy in front: one without an address is a Unix socket's.
    """
    try:
        address = ip_address(client)
    except ValueError:
        return bool(proxies) and not client
    return any(address in ip_network(each, strict=False) for each in proxies)


def _host_of(text: str) -> str | None:
    """
    Return the name in a Host line without its port, None where it is none.
    """
    address = _address(f"http://{text}") if _HOST.fullmatch(text) else None
    return address[1] if address else None


def _address(url: str) -> tuple[str, str, int] | None:
    """
    Return scheme, host and port of an origin, None for anything else, `null` too.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or _DEFAULT_PORTS[parts.scheme]
    except (ValueError, KeyError):
        return None
    if not parts.hostname or parts.path or parts.query or parts.fragment or "@" in parts.netloc:
        return None
    return parts.scheme, parts.hostname.lower().rstrip("."), port


def _is_loopback(name: str) -> bool:
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False
