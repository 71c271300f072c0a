"""
What programs ask for as JSON: how things stand, finished jobs page by page, schemas, and the OpenAPI document.
"""

import asyncio
import hashlib
import json
import re
from collections.abc import Callable
from itertools import islice
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from retouchd.config.settings import Settings
from retouchd.errors import RetouchdError
from retouchd.job.text import json_text
from retouchd.spool.history import History
from retouchd.status.collect import Inventory
from retouchd.status.document import unknown
from retouchd.tasks import in_own_thread
from retouchd.web.guard import fault
from retouchd.web.latest import Latest
from retouchd.web.openapi import document

_CURSOR = re.compile(r"([0-9a-f]{1,12})\.([0-9a-f]{8})")
_MOST_JOBS, _JOBS = 1000, 100
_LOOKS_AT_ONCE = 4


class Api:
    """
    The routes below `/api`. `settings` returns those in force.
    """

    def __init__(self, settings: Callable[[], Settings], root_path: str) -> None:
        self._settings = settings
        self._history = History(settings().folders.work)
        self._looks = asyncio.Semaphore(_LOOKS_AT_ONCE)
        self._status = Latest(self._look)
        self._document = Latest(lambda: json.dumps(document(root_path)).encode())

    async def status(self, _: Request) -> Response:
        """
        Return what `retouchd status --json` says.
        """
        return Response(await self._status.get(), media_type="application/json")

    async def jobs(self, request: Request) -> Response:
        """
        Return finished jobs, oldest first, from `after` on: `next` is the `after` of the next page.
        """
        after = request.query_params.get("after", "")
        limit = request.query_params.get("limit", str(_JOBS))
        if not limit.isdecimal() or not 1 <= int(limit) <= _MOST_JOBS:
            return fault(400, "limit_invalid", f"limit is a number from 1 to {_MOST_JOBS}.")
        if after and not _CURSOR.fullmatch(after):
            return fault(400, "after_invalid", "after is what an earlier answer has as next.")
        async with self._looks:
            page = await in_own_thread(lambda: self._page(after, int(limit)))
        if page is None:
            return fault(
                410, "history_replaced", "The history is another one by now: begin without after."
            )
        return JSONResponse(page)

    async def openapi(self, _: Request) -> Response:
        """
        Return the OpenAPI document of this listener.
        """
        return Response(await self._document.get(), media_type="application/json")

    def _look(self) -> bytes:
        try:
            found = Inventory().overview(self._settings())
        except RetouchdError as error:
            found = unknown(error)
        return json_text(found.document()).encode()

    def _page(self, after: str, limit: int) -> dict[str, Any] | None:
        """
        Return a page of the history, None where that was replaced or cut since. Blocking.
        """
        head, size = self._history.state()
        mark = hashlib.sha256(head).hexdigest()[:8]
        start = 0
        if found := _CURSOR.fullmatch(after):
            start = int(found[1], 16)
            is_same = found[2] == mark or start == 0
            if not is_same or start > size:
                return None
        jobs, seen, end = [], set[object](), start
        for _, behind, text in islice(self._history.texts(start), limit):
            end = behind
            try:
                line = json.loads(text)
            except (ValueError, RecursionError):
                continue
            if isinstance(line, dict) and line.get("id") not in seen:
                seen.add(line.get("id"))
                jobs.append(line)
        return {"jobs": jobs, "next": f"{end:x}.{mark}", "is_last": end >= size}
