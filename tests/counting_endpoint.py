"""
The embedded endpoint in a process of its own, with a ledger of what it was asked: one line a request.

Beside it, in LEDGER.seen, stands what each request held, once it was received: a line of JSON with its
prompt and the SHA-256 of its pictures. With `first=STATUS` the first request of each new ledger is
answered by that status and also noted in LEDGER.unpaid.

    python counting_endpoint.py LEDGER [first=STATUS] FAULT…

Prints its base URL when it listens.
"""

import asyncio
import json
import os
import sys
from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from retouchd.sandbox.app import Rules, build_app
from retouchd.sandbox.seen import Seen
from retouchd.sandbox.server import serve
from retouchd.sandbox.spelling import parse_fault


class Ledger:
    """
    Notes the Idempotency-Key of each edit that is asked for, before it is made; afterwards what it held.
    """

    def __init__(self, app: Starlette, path: str, first: int | None) -> None:
        self._app = app
        self._path = path
        self._first = first
        self._noted = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_edit = scope["type"] == "http" and scope["path"].endswith("/images/edits")
        if is_edit:
            key = dict(scope["headers"]).get(b"idempotency-key", b"-").decode()
            is_first = not os.path.exists(self._path)
            _append(self._path, key)
            if is_first and self._first is not None:
                _append(f"{self._path}.unpaid", key)
                await _refuse(self._first, scope, receive, send)
                return
        await self._app(scope, receive, send)
        if is_edit:
            self._note_seen()

    def _note_seen(self) -> None:
        """
        Note in order of arrival, each once its end is known.
        """
        log: list[Seen] = self._app.state.log
        while self._noted < len(log) and log[self._noted].ended_at is not None:
            seen = log[self._noted]
            self._noted += 1
            pictures = [file.sha256 for file in seen.files]
            line = {"prompt": dict(seen.fields).get("prompt"), "pictures": pictures}
            _append(f"{self._path}.seen", json.dumps(line, ensure_ascii=False))


async def _refuse(status: int, scope: Scope, receive: Receive, send: Send) -> None:
    await Request(scope, receive).body()
    error = {"message": "Not now.", "type": "invalid_request_error", "code": None}
    await JSONResponse({"error": error}, status_code=status)(scope, receive, send)


def _append(path: str, line: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(fd, f"{line}\n".encode())
    os.close(fd)


async def _main(ledger: str, faults: Sequence[str]) -> None:
    firsts = [int(each.partition("=")[2]) for each in faults if each.startswith("first=")]
    others = [each for each in faults if not each.startswith("first=")]
    app = build_app(Rules(faults=tuple(map(parse_fault, others))))
    async with serve(Ledger(app, ledger, firsts[0] if firsts else None)) as url:
        sys.stdout.write(f"{url}\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], sys.argv[2:]))
