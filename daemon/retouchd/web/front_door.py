"""
The front door: `POST /edit` puts a picture into the inbox and answers with its edit.

A post is a drop like any other: the same inbox, the same spool, the same promises. Its name follows from its
Idempotency-Key, so that whoever asks again, after whatever has happened, finds the one picture.
"""

import asyncio
import contextlib
import hashlib
import re
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from retouchd.config.settings import Settings
from retouchd.job.filetypes import SNIFF_BYTES, sniff
from retouchd.status.alarms import OWNERS
from retouchd.tasks import in_own_thread
from retouchd.web.guard import fault
from retouchd.web.lookup import STEM, Found, Lookup, Place
from retouchd.web.posting import Post, PostRefused, parameters_of, read_post, too_large
from retouchd.web.taking import drop_post, drop_references, lack_of_space, require_place
from retouchd.web.watch import HeldPost, PostWatch

T = TypeVar("T")

_BODY_SECONDS = 300.0
"""How long the whole of a post may take to arrive."""
_MOST_WAIT_SECONDS = 900.0
_LOOK_SECONDS = 5.0
_LOOKS_AT_ONCE = 8
_BLOCK = 1 << 18
_RETRY_AFTER = "10"
_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,6})\"?")
_TYPES = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}


class FrontDoor:
    """
    The routes of posts. `settings` returns those in force; `dropped` hands to the run what lies in the inbox.
    """

    def __init__(
        self,
        *,
        settings: Callable[[], Settings],
        watch: PostWatch,
        lookup: Lookup,
        dropped: Callable[..., None],
        max_upload_mb: float,
        root_path: str,
    ) -> None:
        self._settings = settings
        self._watch = watch
        self._lookup = lookup
        self._dropped = dropped
        self._most_bytes = int(max_upload_mb * 1e6)
        self._root_path = root_path
        self._inside = 0
        self._locks: dict[str, asyncio.Lock] = {}
        self._users: Counter[str] = Counter()
        self._looks = asyncio.Semaphore(_LOOKS_AT_ONCE)

    async def post(self, request: Request) -> Response:
        """
        Take a picture, and answer with its edit or with where to ask for it.
        """
        if self._inside >= 2 * self._settings().endpoint.concurrency:
            return fault(
                503,
                "busy",
                "Too many posts wait already: try again in a moment.",
                retry_after=_RETRY_AFTER,
                connection="close",
            )
        self._inside += 1
        try:
            return await self._post(request)
        except PostRefused as refused:
            problems = str(refused).split("\n")
            body = {"code": refused.code, "message": problems[0], "problems": problems}
            headers = {"connection": "close"} if refused.status == 413 else {}
            return JSONResponse({"error": body}, refused.status, headers)
        finally:
            self._inside -= 1

    async def show(self, request: Request) -> Response:
        """
        Return what became of a post: its picture, or how it stands.
        """
        stem = request.path_params["stem"]
        found = await self._look(stem) if STEM.fullmatch(stem) else None
        if found is None:
            return fault(404, "not_found", "No post has this address.")
        number = request.path_params.get("number", 1)
        is_json = "application/json" in request.headers.get("accept", "")
        if found.place is Place.DONE and not is_json:
            return await self._picture(stem, found.results, number, found.job)
        return await self._standing(stem, found, self._watch.held(stem))

    async def _post(self, request: Request) -> Response:
        declared = request.headers.get("content-length", "0")
        if declared.isdecimal() and int(declared) > self._most_bytes:
            raise too_large(self._most_bytes)
        await self._require_space(int(declared) if declared.isdecimal() else 0)
        keys = request.headers.getlist("idempotency-key")
        if len(keys) > 1:
            raise PostRefused(400, "key_twice", "A post has one Idempotency-Key.")
        stem = stem_of(*keys)
        async with self._alone(stem), contextlib.AsyncExitStack() as stack:
            post = await self._read(stack, request)
            seconds = _seconds_to_wait(request, post)
            # Nobody can have sent before what has a name of its own.
            found = await self._look(stem, post.folder) if any(keys) else None
            folder = await self._taken(post, stem, found)
        return await self._answer(request, stem, folder, seconds)

    async def _read(self, stack: contextlib.AsyncExitStack, request: Request) -> Post:
        work = self._settings().folders.work
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                return await stack.enter_async_context(read_post(request, self._most_bytes, work))
        except TimeoutError as error:
            raise PostRefused(408, "timeout", "The post did not arrive in time.") from error

    async def _taken(self, post: Post, stem: str, found: Found | None) -> str:
        """
        Put a post into the inbox unless it was found to be somewhere already; return its sub-folder.
        """
        if found is not None and not _is_orphan(found):
            known = await self._threaded(partial(self._lookup.digest, found))
            if known is not None and known != post.digest:
                raise PostRefused(
                    422,
                    "key_reused",
                    "This Idempotency-Key was used for another picture or request.",
                )
            if post.wants_again and found.place is Place.INBOX:
                self._watch.release(stem)
                self._dropped(found.folder, [found.name], again=True)
            return found.folder
        settings = self._settings()
        await self._threaded(partial(require_place, post, settings))
        values = parameters_of(post, settings)
        name = f"{stem}.{post.extension}"
        if post.wants_again:
            # Known before the picture is there, as it may be claimed at once.
            self._dropped(post.folder, [name], again=True)
        self._dropped(*await self._threaded(partial(drop_references, post, stem, settings)))
        names = await self._threaded(partial(drop_post, post, stem, values, settings))
        self._dropped(post.folder, names, again=post.wants_again)
        return post.folder

    async def _answer(
        self, request: Request, stem: str, folder: str, seconds: float | None
    ) -> Response:
        """
        Return the picture once it is there, for as long as somebody waits; else where to ask for it.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + (seconds or 0.0)
        leaving = asyncio.ensure_future(_has_left(request))
        try:
            with self._watch.changes(stem) as changed:
                while True:
                    changed.clear()
                    found = await self._look(stem, folder)
                    held = self._watch.held(stem)
                    if found is None or found.place in {Place.DONE, Place.ERROR}:
                        return await self._ended(stem, found)
                    if held is not None and found.place is Place.INBOX:
                        twin = await self._twin(stem, found, held)
                        if twin is not None:
                            return twin
                    if self._watch.pause and seconds is not None:
                        return self._paused(stem, self._watch.pause)
                    left = end - loop.time()
                    if seconds is None or left <= 0:
                        return await self._standing(stem, found, held)
                    await _first(changed, leaving, min(left, _LOOK_SECONDS))
                    if leaving.done():
                        raise ClientDisconnect
        finally:
            leaving.cancel()

    async def _ended(self, stem: str, found: Found | None) -> Response:
        if found is None:
            return fault(410, "gone", "Somebody took the picture out of the inbox.")
        if found.place is Place.DONE:
            return await self._picture(stem, found.results, 1, found.job)
        return await self._standing(stem, found, None)

    async def _twin(self, stem: str, found: Found, held: HeldPost) -> Response | None:
        """
        Return the result of the job that asked for the same, None while that is in work or none is meant.
        """
        if not held.results:
            if held.same_as:
                return None  # It comes first; this one waits for its end.
            return fault(409, "held", held.reason, location=self._address(stem))
        answer = await self._picture(stem, held.results, 1, held.same_as, same_as=held.same_as)
        if answer.status_code != 200:
            return fault(
                409,
                "edited_before",
                f"The same was edited as job {held.same_as}, and its result is not there any more. "
                "With again=true it is edited, and charged, once more.",
                retouchd_same_as=held.same_as,
                location=self._address(stem),
            )
        await self._threaded(partial(_withdrawn, self._lookup, found))
        self._watch.release(stem)
        return answer

    async def _picture(
        self,
        stem: str,
        results: Sequence[str],
        number: int,
        job: str,
        same_as: str = "",
    ) -> Response:
        """
        Return a result as the body of an answer; of several the others are linked.
        """
        if not 1 <= number <= len(results):
            return fault(404, "not_found", "There is no such result.")
        stack = contextlib.ExitStack()
        try:
            file = await self._threaded(
                lambda: stack.enter_context(self._lookup.opened(results[number - 1]))
            )
            head = await self._threaded(lambda: file.read(SNIFF_BYTES))
            size = await self._threaded(lambda: file.seek(0, 2))
        except OSError:
            stack.close()
            return fault(410, "gone", "The result was taken out of the outbox.")
        file.seek(0)
        headers = {
            "content-length": str(size),
            "content-location": f"{self._address(stem)}/{number}",
            "retouchd-job": job,
        }
        if same_as:
            headers["retouchd-same-as"] = same_as
        elif len(results) > 1:
            headers["link"] = ", ".join(
                f'<{self._address(stem)}/{each}>; rel="item"' for each in range(1, len(results) + 1)
            )

        async def blocks() -> AsyncIterator[bytes]:
            while block := await self._threaded(lambda: file.read(_BLOCK)):
                yield block

        media = _TYPES.get(sniff(head) or "", "application/octet-stream")
        return _Streamed(stack, blocks(), 200, headers, media)

    async def _standing(self, stem: str, found: Found, held: HeldPost | None) -> Response:
        """
        Tell in a document how a post stands; 202 while it is not over.
        """
        body: dict[str, Any] = {
            "id": stem,
            "address": self._address(stem),
            "state": found.place.value,
            "folder": found.folder,
            "job": found.job or None,
            "reason": self._watch.pause or (held.reason if held else "") or None,
        }
        if found.place is Place.DONE:
            body["results"] = [
                f"{self._address(stem)}/{number}" for number, _ in enumerate(found.results, 1)
            ]
            return JSONResponse(body)
        if found.place is Place.ERROR:
            body["error"] = error = dict(found.record.get("error") or {})
            status = 422 if error.get("code") in set(OWNERS) else 502
            return JSONResponse(body, status, {"retouchd-job": found.job})
        headers = {"location": self._address(stem), "retry-after": _RETRY_AFTER}
        return JSONResponse(body, 202, headers)

    def _paused(self, stem: str, reason: str) -> Response:
        return fault(
            503,
            "paused",
            f"Nothing is sent now: {reason.rstrip('.')}. The picture is kept, and edited once that is over.",
            location=self._address(stem),
            retry_after="60",
        )

    def _address(self, stem: str) -> str:
        return f"{self._root_path}/edit/{stem}"

    async def _require_space(self, size: int) -> None:
        settings = self._settings()
        lack = await self._threaded(partial(lack_of_space, settings, size))
        if lack:
            raise PostRefused(507, "no_space", lack)

    async def _look(self, stem: str, hint: str | None = None) -> Found | None:
        return await self._threaded(partial(self._lookup.find, stem, hint))

    async def _threaded(self, function: Callable[[], T]) -> T:
        async with self._looks:
            return await in_own_thread(function)

    @contextlib.asynccontextmanager
    async def _alone(self, stem: str) -> AsyncIterator[None]:
        """
        Let two posts with one key come in one after the other: the second finds the first.
        """
        lock = self._locks.setdefault(stem, asyncio.Lock())
        self._users[stem] += 1
        try:
            async with lock:
                yield
        finally:
            self._users[stem] -= 1
            if not self._users[stem]:
                del self._users[stem], self._locks[stem]


class _Streamed(StreamingResponse):
    """
    An answer out of an open file, which closes with it, whether or not the client took any of it.
    """

    def __init__(self, stack: contextlib.ExitStack, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._stack = stack

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._stack:
            await super().__call__(scope, receive, send)


def stem_of(key: str = "") -> str:
    """
    Return the name of a post: that of its Idempotency-Key, else one of its own.
    """
    seed = key.encode("utf-8", "surrogateescape") if key else secrets.token_bytes(32)
    return f"post-{hashlib.sha256(seed).hexdigest()[:16]}"


def _seconds_to_wait(request: Request, post: Post) -> float | None:
    """
    Return how long an answer is waited for, None where it is not; a form of a browser says so in a field.
    """
    found = _WAIT.search(",".join(request.headers.getlist("prefer")).lower())
    seconds = float(found[1]) if found else post.seconds_to_wait
    return None if seconds is None else min(seconds, _MOST_WAIT_SECONDS)


def _is_orphan(found: Found) -> bool:
    """
    Return whether what is known of a post is only that its picture never came: it comes now.
    """
    error: Mapping[str, Any] = found.record.get("error") or {}
    return found.place is Place.ERROR and error.get("code") == "image_missing"


def _withdrawn(lookup: Lookup, found: Found) -> None:
    # It stays, held as a duplicate, where the disk does not let go of it.
    with contextlib.suppress(OSError):
        lookup.withdraw(found)


async def _has_left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _first(changed: asyncio.Event, leaving: "asyncio.Future[None]", seconds: float) -> None:
    """
    Wait for a change or for the client to leave, or so long.
    """
    waiting = asyncio.ensure_future(changed.wait())
    both: set[asyncio.Future[Any]] = {waiting, leaving}
    try:
        await asyncio.wait(both, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
