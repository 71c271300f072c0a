"""
The endpoint as an ASGI application: its routes, its keys, and the way of one edit request.
"""

import asyncio
import hmac
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from retouchd.sandbox.faults import Fault, FaultKind, Hit, Script
from retouchd.sandbox.limiting import Meter
from retouchd.sandbox.making import Maker
from retouchd.sandbox.models import Manner, listed, model_named
from retouchd.sandbox.refusal import Refusal
from retouchd.sandbox.scripted import refused
from retouchd.sandbox.seen import REQUESTS, Seen, Shelf
from retouchd.sandbox.styles import DIALECTS, Dialect
from retouchd.sandbox.wire import gone, late, reset


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """
    How an endpoint behaves: `api_key` is the only key it accepts (None: any, even none), `style` what kind of
    endpoint it is, by the name that the configuration has for it.

    A copy of each result is kept in the folder `pictures` (None: nowhere); `tell` is told of each
    request when it is over.
    """

    api_key: str | None = None
    faults: tuple[Fault, ...] = ()
    style: str = "openai"
    manner: Manner = Manner.PROVIDER
    pictures: Path | None = None
    tell: Callable[[Seen], object] = lambda _seen: None


_SEEN = "retouchd.seen"
"""Where a request's scope holds its `Seen`."""

OPEN = Rules()
"""Any key, no faults."""


def build_app(rules: Rules = OPEN) -> Starlette:
    """
    Return an endpoint with a state of its own.

    `app.state.log` holds the `Seen` of the last edits, in order of arrival; `app.state.script` the
    `Script` of faults, which may be `set` anew at any time.
    """
    dialect = DIALECTS[rules.style]
    app = Starlette(
        routes=[
            Route(dialect.edits, _edit, methods=["POST"]),
            Route(dialect.models, _models),
            Route(f"{dialect.models}/{{name}}", _model),
            Route("/files/{name}", _file, name="file"),
        ],
        middleware=[Middleware(_noted, tell=rules.tell), Middleware(_signed)],
        exception_handlers={HTTPException: _on_no_route, Refusal: _on_refusal},
    )
    app.state.rules = rules
    app.state.dialect = dialect
    app.state.log = []
    app.state.meter = Meter()
    app.state.script = Script(rules.faults)
    app.state.shelf = Shelf()
    return app


def _signed(app: ASGIApp) -> ASGIApp:
    async def respond(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_signed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("x-request-id", f"req_{uuid.uuid4().hex}")
                headers["x-retouchd-sandbox"] = "no AI: pictures are changed by Pillow"
            await send(message)

        await app(scope, receive, send_signed)

    return respond


def _noted(app: ASGIApp, tell: Callable[[Seen], object]) -> ASGIApp:
    """
    Note each request from its arrival to its end.
    """

    async def respond(scope: Scope, receive: Receive, send: Send) -> None:
        seen = scope[_SEEN] = Seen(
            method=scope["method"],
            path=scope["path"],
            headers=dict(Request(scope).headers),
            arrived_at=time.monotonic(),
        )

        async def send_noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen.status = message["status"]
            await send(message)

        try:
            await app(scope, receive, send_noted)
        finally:
            seen.ended_at = time.monotonic()
            tell(seen)

    return respond


async def _edit(request: Request) -> ASGIApp:
    seen: Seen = request.scope[_SEEN]
    log: list[Seen] = request.app.state.log
    log.append(seen)
    del log[:-REQUESTS]
    hit = request.app.state.script.next()
    seen.fault = FaultKind.LATENCY if hit.seconds else None
    if hit.fault is not None:
        seen.fault = hit.fault.kind
    answer = await _answer(request, seen, hit)
    return late(answer, hit.seconds) if hit.seconds else answer


async def _answer(request: Request, seen: Seen, hit: Hit) -> ASGIApp:
    if hit.fault is not None and hit.fault.kind is FaultKind.DROP:
        return reset
    try:
        async with _dialect(request).read(request) as form:
            seen.note(form)
            _check_key(request)
            return await asyncio.to_thread(_maker(request).answer, form, hit, seen)
    except Refusal as refusal:
        seen.refused = refusal.message
        return refused(refusal, _dialect(request))
    except ClientDisconnect:
        return gone


def _maker(request: Request) -> Maker:
    rules: Rules = request.app.state.rules
    return Maker(
        manner=rules.manner,
        dialect=_dialect(request),
        meter=request.app.state.meter,
        link=lambda *kept: _link(request, *kept),
        folder=rules.pictures,
    )


def _check_key(request: Request) -> None:
    expected = request.app.state.rules.api_key
    if expected is None:
        return
    dialect = _dialect(request)
    given = dialect.key_of(request)
    if not given:
        message = "You didn't provide an API key in an Authorization header using Bearer auth."
        raise Refusal(message, status=401, code="invalid_api_key")
    if not hmac.compare_digest(given.encode(), expected.encode()):
        wrong = Refusal("Incorrect API key provided.", status=401, code="invalid_api_key")
        raise dialect.errors.get(FaultKind.KEY, wrong)


def _dialect(request: Request) -> Dialect:
    dialect: Dialect = request.app.state.dialect
    return dialect


async def _models(request: Request) -> Response:
    _check_key(request)
    return JSONResponse({"object": "list", "data": _dialect(request).listed(_manner(request))})


async def _model(request: Request) -> Response:
    _check_key(request)
    name, manner = request.path_params["name"], _manner(request)
    for entry in _dialect(request).listed(manner):
        if entry["id"] == name:
            return JSONResponse(entry)
    return JSONResponse(listed(model_named(name, manner)))


def _manner(request: Request) -> Manner:
    rules: Rules = request.app.state.rules
    return rules.manner


def _link(request: Request, picture: bytes, output_format: str) -> str:
    name = request.app.state.shelf.put(picture, output_format)
    return str(request.url_for("file", name=name))


async def _file(request: Request) -> Response:
    kept = request.app.state.shelf.get(request.path_params["name"])
    if kept is None:
        raise HTTPException(404)
    picture, mimetype = kept
    return Response(picture, media_type=mimetype)


async def _on_refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return refused(error, _dialect(request))


async def _on_no_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = f"Invalid URL ({request.method} {request.url.path})"
    return refused(
        Refusal(message, status=error.status_code, headers=error.headers), _dialect(request)
    )
