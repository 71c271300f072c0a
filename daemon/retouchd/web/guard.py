"""
What every request passes first: who may ask, the path below a proxy, headers for browsers, time limits.
"""

import asyncio
import http.cookies
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from retouchd.events import emit
from retouchd.events.web import WebCrashed
from retouchd.web.access import LOGIN, Access, Head, Refused, is_trusted

Refuse: TypeAlias = Callable[..., Response]
"""Answers a request with a status, a code, a sentence and headers, as `fault` does without looking at it."""

_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: "
    "data:; connect-src 'self'; font-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}
_FOR_SCRIPTS = {
    "access-control-allow-methods": "GET, POST",
    "access-control-allow-headers": "Authorization, Content-Type, Idempotency-Key, Prefer",
    "access-control-expose-headers": "Content-Location, Link, Location, Retouchd-Job, Retouchd-Same-As, "
    "Retry-After",
    "vary": "Origin",
}
"""What lets scripts of a page elsewhere ask and read: https://fetch.spec.whatwg.org/#http-cors-protocol."""
_TWO_LENGTHS = Refused(
    status=400,
    code="malformed",
    message="A request has either Content-Length or Transfer-Encoding, not both.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardRules:
    """
    Who may ask, the proxies whose word counts, the path below which they put us, and how long a client may take
    for the next piece of what it sends; then it is dropped.
    """

    access: Access
    proxies: tuple[str, ...] = ()
    root_path: str = ""
    receive_seconds: float = 30.0


class Guard:
    """
    An application that lets through to another one what may pass. `refuse` answers what may not.
    """

    def __init__(self, app: ASGIApp, rules: GuardRules, refuse: Refuse) -> None:
        self._app = app
        self._rules = rules
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """
        Answer one request.
        """
        if scope["type"] != "http":
            return
        scope = self._placed(scope)
        head = head_of(scope)
        scope["state"]["head"] = head
        headers = dict(_HEADERS)
        if origin := self._rules.access.named_origin(head):
            headers |= {"access-control-allow-origin": origin, **_FOR_SCRIPTS}
        send = _with_headers(send, headers)
        if origin and head.method == "OPTIONS":
            # A browser asks so before a script's request, and sends no token with it.
            await Response(status_code=204)(scope, receive, send)
            return
        if refused := self._rules.access.refusal(head):
            await self._answer(refused, head, scope)(scope, receive, send)
            return
        if {"transfer-encoding", "content-length"} <= head.headers.keys():
            # A proxy in front may go by the other one: then the next request's head is within this one's body.
            await self._answer(_TWO_LENGTHS, head, scope)(scope, receive, send)
            return
        try:
            await self._app(scope, _arriving(receive, self._rules.receive_seconds), send)
        except (ClientDisconnect, TimeoutError):
            # Nobody is there any more, or is too slow: the connection is closed by whoever holds it.
            return
        except Exception as error:  # noqa: BLE001 - one request must not end the listener
            # What is in a query may be somebody's own.
            emit(WebCrashed(method=head.method, path=head.path[:200], exception=error))

    def _answer(self, refused: Refused, head: Head, scope: Scope) -> Response:
        is_page = head.method == "GET" and "text/html" in head.headers.get("accept", "")
        if refused.status == 401 and is_page:
            return RedirectResponse(f"{scope['root_path']}{LOGIN}", 303)
        more = {"www_authenticate": "Bearer"} if refused.status == 401 else {}
        # What a browser sends along is not read: the connection ends.
        more["connection"] = "close"
        return self._refuse(Request(scope), refused.status, refused.code, refused.message, **more)

    def _placed(self, scope: Scope) -> Scope:
        """
        Return the request as the browser made it: below our path, by the scheme that a trusted proxy names.
        """
        root, path = self._rules.root_path, scope["path"]
        if root and not (path == root or path.startswith(f"{root}/")):
            path = f"{root}{path}"  # The proxy has cut it off.
        found = {**scope, "root_path": root, "path": path, "state": dict(scope.get("state", {}))}
        client = scope.get("client")
        if is_trusted(client[0] if client else "", self._rules.proxies):
            headers = dict(scope["headers"])
            proto = headers.get(b"x-forwarded-proto", b"").decode("latin-1").strip().lower()
            if proto in {"http", "https"}:
                found["scheme"] = proto
            # The last one is whom the proxy itself has seen.
            said = headers.get(b"x-forwarded-for", b"").decode("latin-1").rpartition(",")[2]
            if said.strip():
                found["client"] = (said.strip(), 0)
        return found


def head_of(scope: Scope) -> Head:
    """
    Return what is decided by of a request.
    """
    lines = [
        (name.decode("latin-1").lower(), value.decode("latin-1"))
        for name, value in scope["headers"]
    ]
    headers = dict(lines)
    cookies: http.cookies.SimpleCookie = http.cookies.SimpleCookie()
    try:
        cookies.load(headers.get("cookie", ""))
    except http.cookies.CookieError:
        cookies.clear()
    return Head(
        method=scope["method"],
        path=scope["path"].removeprefix(scope.get("root_path", "")) or "/",
        scheme=scope["scheme"],
        headers=headers,
        hosts=tuple(value for name, value in lines if name == "host"),
        cookies={name: morsel.value for name, morsel in cookies.items()},
    )


def fault(status: int, code: str, message: str, **headers: str) -> Response:
    """
    Return an answer that says what is wrong, for programs and people.
    """
    body = {"error": {"code": code, "message": message}}
    return JSONResponse(body, status, {key.replace("_", "-"): v for key, v in headers.items()})


def _with_headers(send: Send, headers: Mapping[str, str]) -> Send:
    async def told(message: Message) -> None:
        if message["type"] == "http.response.start":
            known = {name.lower() for name, _ in message["headers"]}
            more = [
                (name.encode(), value.encode())
                for name, value in headers.items()
                if name.encode() not in known
            ]
            message["headers"] = [*message["headers"], *more]
        await send(message)

    return told


def _arriving(receive: Receive, seconds: float) -> Receive:
    """
    Return what waits for the next piece of a body only so long. Whoever listens for the end of a connection,
    after the whole body, may do so for as long as it lasts.
    """
    is_whole = False

    async def timed() -> Message:
        nonlocal is_whole
        if is_whole:
            return await receive()
        async with asyncio.timeout(seconds):
            message = await receive()
        is_whole = message["type"] != "http.request" or not message.get("more_body")
        return message

    return timed
