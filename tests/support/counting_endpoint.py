"""
The embedded endpoint in a process of its own, with a ledger of what it was asked: one line a request.

Beside it, in LEDGER.seen, stands what each request held, once it was received: a line of JSON with its
prompt and the SHA-256 of its pictures. With `first=STATUS` the first request of each new ledger is
answered by that status and also noted in LEDGER.unpaid. With `spoilt=HOW` every answer with a picture is made
odd on its way out: one of `SPOILT`.

    python counting_endpoint.py LEDGER [first=STATUS] [spoilt=HOW] FAULT…

Prints its base URL when it listens.
"""

import asyncio
import contextlib
import gzip
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from retouchd.sandbox.app import Rules, build_app
from retouchd.sandbox.seen import Seen
from retouchd.sandbox.server import serve
from retouchd.sandbox.spelling import parse_fault
from retouchd.sandbox.wire import Body, truncated

Spoil = Callable[[bytes], ASGIApp]


def _packed(body: bytes) -> ASGIApp:
    """
    Compressed, though nobody asked for it.
    """
    headers = {"content-encoding": "gzip"}
    return Body(media_type="application/json", pieces=(gzip.compress(body, 1),), headers=headers)


def _broken(body: bytes) -> ASGIApp:
    """
    Broken off behind the last whole picture.
    """
    answer = Body(media_type="application/json", pieces=(body,))
    end = body.index(b'"', body.rindex(b'"b64_json": "') + 13) + 1
    return truncated(answer, end)


def _elsewhere(body: bytes) -> ASGIApp:
    """
    With its urls at a host that is not the endpoint's, and at a private address.
    """
    moved = body.replace(b"http://127.0.0.1:", b"http://localhost:")
    return Body(media_type="application/json", pieces=(moved,))


SPOILT: Mapping[str, Spoil] = {"packed": _packed, "broken": _broken, "elsewhere": _elsewhere}
"""How an answer may be made odd, which still holds or names the pictures that were paid for."""


class Ledger:
    """
    Notes the Idempotency-Key of each edit that is asked for, before it is made; afterwards what it held.
    """

    def __init__(
        self, app: Starlette, path: str, first: int | None = None, spoil: Spoil | None = None
    ) -> None:
        self._app = app
        self._path = path
        self._first = first
        self._spoil = spoil
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
        if is_edit and self._spoil is not None:
            await self._spoilt(self._spoil, scope, receive, send)
        else:
            await self._app(scope, receive, send)
        if is_edit:
            self._note_seen()

    async def _spoilt(self, spoil: Spoil, scope: Scope, receive: Receive, send: Send) -> None:
        pieces: list[bytes] = []

        async def collect(message: Message) -> None:
            pieces.append(message.get("body", b""))

        await self._app(scope, receive, collect)
        await spoil(b"".join(pieces))(scope, receive, send)

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


_OWN = {"first", "spoilt"}


async def serve_for_ever(ledger: str, faults: Sequence[str], told: int) -> None:
    """
    Tell the base URL to a descriptor and close it, once it listens.
    """
    async with serving(ledger, faults) as url:
        os.write(told, url.encode())
        os.close(told)
        await asyncio.Event().wait()


@contextlib.asynccontextmanager
async def serving(ledger: str, faults: Sequence[str]) -> AsyncIterator[str]:
    """
    Listen meanwhile; yield the base URL.
    """
    own = {key: value for key, _, value in (each.partition("=") for each in faults) if key in _OWN}
    others = [each for each in faults if each.partition("=")[0] not in _OWN]
    app = build_app(Rules(faults=tuple(map(parse_fault, others))))
    first = int(own["first"]) if "first" in own else None
    async with serve(Ledger(app, ledger, first, SPOILT.get(own.get("spoilt", "")))) as url:
        yield url


async def _main(ledger: str, faults: Sequence[str]) -> None:
    async with serving(ledger, faults) as url:
        sys.stdout.write(f"{url}\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], sys.argv[2:]))
