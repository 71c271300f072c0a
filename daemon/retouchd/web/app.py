"""
The routes of the listener.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from retouchd.web import metrics
from retouchd.web.access import COOKIE, LOGIN, LOGOUT, May
from retouchd.web.api import Api
from retouchd.web.front_door import FrontDoor
from retouchd.web.guard import Guard, GuardRules, Refuse
from retouchd.web.latest import Latest
from retouchd.web.metrics import Metrics
from retouchd.web.page.page import Page
from retouchd.web.view import RunView
from retouchd.web.watch import PostWatch

_COOKIE_SECONDS = 30 * 24 * 3600
_LOGIN_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """
    What the routes need of the run beside them.
    """

    view: RunView
    metrics: Metrics
    rules: GuardRules
    front_door: FrontDoor
    api: Api
    watch: PostWatch
    page: Page


def build_app(parts: Parts) -> ASGIApp:
    """
    Return the application, behind its guard. On the loop that is to serve it.
    """
    pages, door = _Pages(parts), parts.front_door
    parts.watch.attach(asyncio.get_running_loop())
    app = Starlette(
        routes=[
            *parts.page.routes,
            Route("/livez", pages.livez),
            Route("/readyz", pages.readyz),
            Route("/metrics", pages.metrics),
            Route(LOGIN, pages.login, methods=["GET", "POST"]),
            Route(LOGOUT, pages.logout, methods=["POST"]),
            Route("/api/status.json", parts.api.status),
            Route("/api/jobs", parts.api.jobs),
            Route("/api/openapi.json", parts.api.openapi),
            Route("/edit", door.post, methods=["POST"]),
            Route("/edit/{stem}", door.show),
            Route("/edit/{stem}/{number:int}", door.show),
        ],
        exception_handlers=_handlers(parts.page.answers.refusal),
    )
    return Guard(app, parts.rules, parts.page.answers.refusal)


def _handlers(refuse: Refuse) -> Mapping[Any, Callable[[Request, Exception], Response]]:
    def not_found(request: Request, _: Exception) -> Response:
        return refuse(request, 404, "not_found", "There is nothing here.")

    def not_allowed(request: Request, error: Exception) -> Response:
        allowed = dict(getattr(error, "headers", None) or {})
        return refuse(
            request, 405, "method_not_allowed", "That is not how this is asked.", **allowed
        )

    def malformed(request: Request, error: Exception) -> Response:
        return refuse(request, 400, "malformed", str(getattr(error, "detail", error)))

    def failed(request: Request, _: Exception) -> Response:
        return refuse(request, 500, "failed", "That failed; the log says why.")

    return {400: malformed, 404: not_found, 405: not_allowed, Exception: failed}


class _Pages:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._view = parts.view
        self._metrics = Latest(parts.metrics.text)
        self._ready = Latest(self._readiness)

    def _readiness(self) -> bytes:
        reasons = self._view.unreadiness
        return json.dumps({"ready": not reasons, "reasons": reasons}).encode()

    async def livez(self, _: Request) -> Response:
        """
        Say whether the run makes progress.
        """
        death = self._view.death
        return JSONResponse({"alive": not death, "reason": death}, 503 if death else 200)

    async def readyz(self, _: Request) -> Response:
        """
        Say whether what is dropped now would be edited, and what stands in its way.
        """
        found = await self._ready.get()
        status = 200 if found.startswith(_READY) else 503
        return Response(found, status, media_type="application/json")

    async def metrics(self, _: Request) -> Response:
        """
        Return the figures for Prometheus.
        """
        return Response(await self._metrics.get(), media_type=metrics.CONTENT_TYPE)

    async def login(self, request: Request) -> Response:
        """
        Give a browser a cookie for a token.
        """
        access = self._parts.rules.access
        if request.method == "GET":
            return self._parts.page.login(request)
        async with asyncio.timeout(30):
            form = await request.form(max_files=0, max_fields=2, max_part_size=_LOGIN_BYTES)
        given = form.get("token")
        may = access.of_token(given.strip()) if isinstance(given, str) else May.NOTHING
        if may is May.NOTHING:
            return self._parts.page.login(request, is_wrong=True)
        answer = RedirectResponse(f"{self._parts.rules.root_path}/", 303)
        answer.set_cookie(
            COOKIE,
            access.cookie(may),
            max_age=_COOKIE_SECONDS,
            path=self._parts.rules.root_path or "/",
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )
        return answer

    async def logout(self, _: Request) -> Response:
        """
        Take the cookie back.
        """
        answer = RedirectResponse(f"{self._parts.rules.root_path}{LOGIN}", 303)
        answer.delete_cookie(COOKIE, path=self._parts.rules.root_path or "/")
        return answer


_READY = b'{"ready": true'
