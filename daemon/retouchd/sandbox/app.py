"""
The endpoint as an ASGI application: its routes, its keys, and the way of one edit request.
"""

import asyncio
import hmac
import time
import uuid
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from retouchd.sandbox.faults import Fault, FaultKind, Script
from retouchd.sandbox.form import Form, read_form
from retouchd.sandbox.making import make_answer
from retouchd.sandbox.models import MODELS, listed, model_named
from retouchd.sandbox.refusal import Refusal
from retouchd.sandbox.scripted import refused
from retouchd.sandbox.seen import Seen, SeenFile, Shelf
from retouchd.sandbox.wire import gone, late, reset


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """
    How an endpoint behaves: `api_key` is the only key it accepts (None: any, even none).
    """

    api_key: str | None = None
    faults: tuple[Fault, ...] = ()


OPEN = Rules()
"""Any key, no faults."""


def build_app(rules: Rules = OPEN) -> Starlette:
    """
    Return an endpoint with a state of its own.

    `app.state.log` is the list of `Seen`, in order of arrival; `app.state.script` the `Script` of
    faults, which may be `set` anew at any time.
    """
    app = Starlette(
        routes=[
            Route("/v1/images/edits", _edit, methods=["POST"]),
            Route("/v1/models", _models),
            Route("/v1/models/{name}", _model),
            Route("/files/{name}", _file, name="file"),
        ],
        middleware=[Middleware(_signed)],
        exception_handlers={HTTPException: _on_no_route, Refusal: _on_refusal},
    )
    app.state.rules = rules
    app.state.log = []
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


def _recorded(answer: ASGIApp, seen: Seen) -> ASGIApp:
    async def respond(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_recorded(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen.status = message["status"]
            await send(message)

        try:
            await answer(scope, receive, send_recorded)
        finally:
            seen.ended_at = time.monotonic()

    return respond


async def _edit(request: Request) -> ASGIApp:
    seen = Seen(
        method=request.method,
        path=request.url.path,
        headers=dict(request.headers),
        arrived_at=time.monotonic(),
    )
    request.app.state.log.append(seen)
    hit = request.app.state.script.next()
    seen.fault = FaultKind.LATENCY if hit.seconds else None
    if hit.fault is not None:
        seen.fault = hit.fault.kind
    answer = await _answer(request, seen, hit.fault)
    return _recorded(late(answer, hit.seconds) if hit.seconds else answer, seen)


async def _answer(request: Request, seen: Seen, fault: Fault | None) -> ASGIApp:
    if fault is not None and fault.kind is FaultKind.DROP:
        return reset
    try:
        async with read_form(request) as form:
            _note(seen, form)
            _check_key(request)
            return await asyncio.to_thread(
                make_answer, form, fault, seen=seen, link=lambda *kept: _link(request, *kept)
            )
    except Refusal as refusal:
        return refused(refusal)
    except ClientDisconnect:
        return gone


def _note(seen: Seen, form: Form) -> None:
    seen.fields = form.fields
    seen.files = tuple(
        SeenFile(
            field=part.field,
            filename=part.filename,
            content_type=part.content_type,
            size=part.size,
            sha256=part.sha256,
        )
        for part in form.files
    )


def _check_key(request: Request) -> None:
    expected = request.app.state.rules.api_key
    if expected is None:
        return
    given = request.headers.get("authorization", "")
    if not given:
        message = "You didn't provide an API key in an Authorization header using Bearer auth."
    elif not hmac.compare_digest(given.encode(), f"Bearer {expected}".encode()):
        message = "Incorrect API key provided."
    else:
        return
    raise Refusal(message, status=401, code="invalid_api_key")


async def _models(request: Request) -> Response:
    _check_key(request)
    return JSONResponse({"object": "list", "data": [listed(model) for model in MODELS]})


async def _model(request: Request) -> Response:
    _check_key(request)
    return JSONResponse(listed(model_named(request.path_params["name"])))


def _link(request: Request, picture: bytes, output_format: str) -> str:
    name = request.app.state.shelf.put(picture, output_format)
    return str(request.url_for("file", name=name))


async def _file(request: Request) -> Response:
    kept = request.app.state.shelf.get(request.path_params["name"])
    if kept is None:
        raise HTTPException(404)
    picture, mimetype = kept
    return Response(picture, media_type=mimetype)


async def _on_refusal(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return refused(error)


async def _on_no_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = f"Invalid URL ({request.method} {request.url.path})"
    return refused(Refusal(message, status=error.status_code, headers=error.headers))
