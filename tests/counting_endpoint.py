"""
The embedded endpoint in a process of its own, with a ledger of what it was asked: one line a request.

    python counting_endpoint.py LEDGER FAULT…

Prints its base URL when it listens.
"""

import asyncio
import os
import sys
from collections.abc import Sequence

from starlette.types import ASGIApp, Receive, Scope, Send

from retouchd.sandbox.app import Rules, build_app
from retouchd.sandbox.server import serve
from retouchd.sandbox.spelling import parse_fault


class Ledger:
    """
    Notes the Idempotency-Key of each edit that is asked for, before it is made.
    """

    def __init__(self, app: ASGIApp, path: str) -> None:
        self._app = app
        self._path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].endswith("/images/edits"):
            key = dict(scope["headers"]).get(b"idempotency-key", b"-")
            fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.write(fd, key + b"\n")
            os.close(fd)
        await self._app(scope, receive, send)


async def _main(ledger: str, faults: Sequence[str]) -> None:
    app = build_app(Rules(faults=tuple(map(parse_fault, faults))))
    async with serve(Ledger(app, ledger)) as url:
        sys.stdout.write(f"{url}\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], sys.argv[2:]))
