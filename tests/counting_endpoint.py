"""
The embedded endpoint in a process of its own, with a ledger of what it was asked: one line a request.

Beside it, in LEDGER.seen, stands what each request held, once it was received: a line of JSON with its
prompt and the SHA-256 of its pictures.

    python counting_endpoint.py LEDGER FAULT…

Prints its base URL when it listens.
"""

import asyncio
import json
import os
import sys
from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from retouchd.sandbox.app import Rules, build_app
from retouchd.sandbox.seen import Seen
from retouchd.sandbox.server import serve
from retouchd.sandbox.spelling import parse_fault


class Ledger:
    """
    Notes the Idempotency-Key of each edit that is asked for, before it is made; afterwards what it held.
    """

    def __init__(self, app: Starlette, path: str) -> None:
        self._app = app
        self._path = path
        self._noted = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_edit = scope["type"] == "http" and scope["path"].endswith("/images/edits")
        if is_edit:
            key = dict(scope["headers"]).get(b"idempotency-key", b"-")
            _append(self._path, key.decode())
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


def _append(path: str, line: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(fd, f"{line}\n".encode())
    os.close(fd)


async def _main(ledger: str, faults: Sequence[str]) -> None:
    app = build_app(Rules(faults=tuple(map(parse_fault, faults))))
    async with serve(Ledger(app, ledger)) as url:
        sys.stdout.write(f"{url}\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], sys.argv[2:]))
