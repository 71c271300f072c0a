"""
A world for the engine: real folders, the real client, the embedded endpoint over loopback, and a time
that skips whatever nobody needs to wait for.
"""

import asyncio
import contextlib
import datetime as dt
import errno
import io
import json
import os
import re
import time
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.types import Message, Receive, Scope, Send
from structlog.testing import capture_logs

from builders import tree_of
from canary import CANARY, assert_unsaid
from fork_server import ForkingFinishers
from retouchd.config.settings import EditDefaults, Settings
from retouchd.disk.calls import Task
from retouchd.disk.folders import Folders
from retouchd.disk.thread_pools import Pool
from retouchd.endpoint.api_key import KeySource
from retouchd.endpoint.client import Endpoint
from retouchd.endpoint.styles import style_for
from retouchd.events import listen
from retouchd.inbox import watcher
from retouchd.inbox.readiness import Patience
from retouchd.inbox.watch_mode import Choice
from retouchd.logs import logger
from retouchd.pictures.finishing import apart
from retouchd.request.limits import limits_for
from retouchd.sandbox.app import Rules, build_app
from retouchd.sandbox.faults import Fault
from retouchd.sandbox.seen import Seen
from retouchd.sandbox.server import serve
from retouchd.sandbox.styles import DIALECTS
from retouchd.service.daemon import Daemon, Ending
from retouchd.spool.history import History
from retouchd.throttle.retry import RetryBudget

HOUR = 3600.0
DAY = 24 * HOUR

_FORKING = ForkingFinishers(apart._PROGRAM)
_GRACE_SECONDS = 0.001
_REAL_SECONDS = 120.0
_CIRCLING_SECONDS = 40.0


class SkippedTime:
    """
    A loop's time that jumps to the next timer as soon as nothing else can happen before it.

    Nothing can happen while no thread works for the loop and no socket stirs: client, endpoint and engine
    all live on this one loop. The watcher's threads are outside; set `is_skipping` to False where their
    events matter, and time passes as it does.
    """

    def __init__(self, *, threads: int = 8) -> None:
        loop: Any = asyncio.get_running_loop()
        self.is_skipping = True
        self._loop = loop
        self._ahead = 0.0
        self._busy = 0
        self._disk_calls: set[Task] = set()
        self._on_still: list[asyncio.Future[None]] = []
        self._on_jump: list[asyncio.Future[None]] = []
        self._rested_at = time.monotonic()
        self._executor = ThreadPoolExecutor(threads)
        self._select = loop._selector.select
        loop.set_default_executor(self._executor)
        loop.run_in_executor = self._run_in_executor
        self._shut_down_executor = loop.shutdown_default_executor
        loop.shutdown_default_executor = self._end_threads
        loop.time = self.seconds
        loop._selector.select = self._select_or_skip

    def count_disk_calls(self, patch: pytest.MonkeyPatch) -> None:
        """
        Take the threads for disks for threads that work for the loop: they tell it directly what they came to.
        """
        start, call_off = Pool.start, Task.call_off

        def counted(pool: Pool, task: Task) -> None:
            tell = task.on_end

            def ended(result: Any, error: BaseException | None) -> None:
                tell(result, error)
                with contextlib.suppress(RuntimeError):  # The loop is closed.
                    self._loop.call_soon_threadsafe(self._disk_calls.discard, task)

            task.on_end = ended
            self._disk_calls.add(task)
            start(pool, task)

        def called_off(task: Task) -> None:
            call_off(task)
            if not task.is_begun:
                self._disk_calls.discard(task)

        patch.setattr(Pool, "start", counted)
        patch.setattr(Task, "call_off", called_off)

    def seconds(self) -> float:
        return time.monotonic() + self._ahead

    @contextlib.contextmanager
    def passing(self) -> Iterator[None]:
        """
        Skip nothing meanwhile, so that nobody who waits for a while goes on.
        """
        is_skipping, self.is_skipping = self.is_skipping, False
        try:
            yield
        finally:
            self.is_skipping = is_skipping

    def pass_by(self, seconds: float) -> None:
        """
        Let time pass at once, whatever happens meanwhile.
        """
        self._ahead += seconds

    async def until(self, condition: Callable[[], object], *, within: float = DAY) -> None:
        """
        Wait for a condition, looking whenever everything stands still; `within` is in skipped seconds.

        Fails as well where nothing ever stands still: something runs in circles.
        """
        end, real_end = self._ahead + within, time.monotonic() + _REAL_SECONDS
        while not condition():
            assert self._ahead <= end, f"it did not come to that within {within:g} s"
            assert time.monotonic() <= real_end, "it did not come to that"
            if not self.is_skipping:
                await asyncio.sleep(0.01)
                continue
            await self._next(self._on_still)
            if not condition():
                await self._next(self._on_jump)

    async def still(self) -> None:
        """
        Wait until nothing more happens without time passing; where it is not skipped, for the threads.
        """
        if not self.is_skipping:
            await self.until(lambda: not self._is_busy)
            return
        await self._next(self._on_still)

    @property
    def _is_busy(self) -> bool:
        return bool(self._busy or self._disk_calls)

    async def _next(self, those_who_wait: list[asyncio.Future[None]]) -> None:
        future = self._loop.create_future()
        self._rested_at = time.monotonic()
        those_who_wait.append(future)
        await future

    def _run_in_executor(
        self, executor: ThreadPoolExecutor | None, function: Callable[..., Any], *arguments: Any
    ) -> asyncio.Future[Any]:
        self._busy += 1
        submitted = (executor or self._executor).submit(function, *arguments)
        future = asyncio.wrap_future(submitted, loop=self._loop)
        # Added after the wrapper's own callback: the loop hears of the result first.
        submitted.add_done_callback(lambda _: self._loop.call_soon_threadsafe(self._rest))
        return future

    async def _end_threads(self, *args: Any) -> None:
        # Python 3.12 gives the threads some minutes to end, by the loop's own time.
        self.is_skipping = False
        await self._shut_down_executor(*args)

    def _rest(self) -> None:
        self._busy -= 1

    def _select_or_skip(self, timeout: float | None = None) -> list[Any]:
        if self._on_still and time.monotonic() > self._rested_at + _CIRCLING_SECONDS:
            _release(self._on_still, AssertionError("it runs in circles and never stands still"))
        if not self.is_skipping or (timeout is not None and timeout <= 0):
            return self._events(timeout)
        events = self._events(_GRACE_SECONDS if timeout is None else min(timeout, _GRACE_SECONDS))
        if events:
            return events
        if self._is_busy:
            return self._events(timeout)
        self._rested_at = time.monotonic()
        if self._on_still:
            _release(self._on_still)
            return []
        if timeout is None and not self._on_jump:
            return self._events(None)
        self._ahead += timeout or 0.0
        _release(self._on_jump)
        return []

    def _events(self, timeout: float | None) -> list[Any]:
        events: list[Any] = self._select(timeout)
        return events


def _release(those_who_wait: list[asyncio.Future[None]], fault: Exception | None = None) -> None:
    for future in those_who_wait:
        if future.done():
            continue
        if fault is None:
            future.set_result(None)
        else:
            future.set_exception(fault)
    those_who_wait.clear()


class WorldClock:
    """
    The engine's clock: the loop's own time; `jump` is how far the time of day was set wrong, in seconds.
    """

    def __init__(self, skipped: SkippedTime) -> None:
        self._skipped = skipped
        self._offset = time.time() - skipped.seconds()
        self.jump = 0.0

    def now(self) -> dt.datetime:
        return dt.datetime.fromtimestamp(self.monotonic() + self._offset + self.jump, dt.UTC)

    def monotonic(self) -> float:
        return self._skipped.seconds()


@dataclass
class World:
    """
    Everything around the engine. What a test wants otherwise it says by `tell`, before a daemon is made.
    """

    root: Path
    folders: Folders
    settings: Settings
    app: Starlette
    time: SkippedTime
    clock: WorldClock
    lines: list[MutableMapping[str, Any]]
    rejecting: bytes | None = None
    """A request whose body holds these bytes is answered 503, before the endpoint sees it."""
    rejected: int = 0
    bodies: list[bytes] | None = None
    """The bodies of requests as they came, kept from when this is a list."""
    _served: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)

    def tell(self, **changes: Any) -> None:
        """
        Change settings, each by its own name, whichever part of them it belongs to.
        """
        settings = self.settings
        for name in ("endpoint", "budget", "allowance", "patience", "edit"):
            part = getattr(settings, name)
            names = [each.name for each in fields(part) if each.name in changes]
            settings = replace(
                settings, **{name: replace(part, **{key: changes.pop(key) for key in names})}
            )
        self.settings = replace(settings, **changes)

    def faults(self, *faults: Fault) -> None:
        """
        Set what the endpoint does wrong from now on; nothing, if none is given.
        """
        self.app.state.script.set(faults)

    def drop(
        self,
        name: str,
        prompt: str | bytes | None = "make it blue",
        *,
        image: bytes | None = None,
        mask: bytes | None = None,
    ) -> Path:
        """
        Put a bundle into the inbox as one should: the prompt and the mask first, the image last.

        Unless it is given, the image is one that no other name has.
        """
        path = self.folders.inbox / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if prompt is not None:
            text = prompt.encode() if isinstance(prompt, str) else prompt
            path.with_suffix(".txt").write_bytes(text)
        if mask is not None:
            path.with_suffix(".mask.png").write_bytes(mask)
        path.write_bytes(photo(seed=zlib.crc32(os.fsencode(name))) if image is None else image)
        return path

    def daemon(self) -> Daemon:
        return Daemon(self.settings, self.clock)

    async def once(self, *daemons: Daemon) -> Ending:
        """
        Drain the inbox, which may take a day; with several daemons, return the first one's ending.
        """
        async with contextlib.AsyncExitStack() as stack:
            tasks = [
                await stack.enter_async_context(self._at_work(daemon.run(until_drained=True)))
                for daemon in daemons or (self.daemon(),)
            ]
            await self.until(lambda: all(task.done() for task in tasks))
            return next(task.result() for task in tasks)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Daemon]:
        """
        A daemon at work, stopped cleanly at the end.
        """
        daemon = self.daemon()
        async with self._at_work(daemon.run()) as task:
            yield daemon
            daemon.stop()
            await self.until(task.done)
            assert Ending.STOPPED is task.result()

    @contextlib.asynccontextmanager
    async def killing(self) -> AsyncIterator[Daemon]:
        """
        A daemon at work, ended at once where the block ends, as good as killed: nothing is tidied up.
        """
        daemon = self.daemon()
        async with self._at_work(daemon.run()):
            yield daemon

    @contextlib.asynccontextmanager
    async def _at_work(
        self, run: Coroutine[Any, Any, Ending]
    ) -> AsyncIterator[asyncio.Task[Ending]]:
        task = asyncio.create_task(run)
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.wait([task])
            # What a thread had begun is finished, as it would be by a kernel.
            await self.time.still()
            if not task.cancelled() and (error := task.exception()) is not None:
                raise error

    async def until(self, condition: Callable[[], object], *, within: float = DAY) -> None:
        await self.time.until(condition, within=within)

    async def reasons(self, daemon: Daemon) -> dict[str, str]:
        """
        Each file that waits in the inbox, by its path below it, with the reason.
        """
        if not daemon.status.has_begun:
            return {}
        found, _ = await daemon.status.summary()
        return {f"{each.folder}/{each.name}".lstrip("/"): each.reason for each in found.files}

    def scanned_at(self, daemon: Daemon) -> dt.datetime | None:
        """
        When the inbox was last looked at as a whole, None if never.
        """
        report = daemon.status.report()
        return report.scanned_at if report else None

    async def noticed(self, daemon: Daemon, name: str) -> None:
        """
        Wait until a new file is known to wait, and all is at rest again; two minutes at most.
        """
        async with asyncio.timeout(120):
            while name not in await self.reasons(daemon):  # noqa: ASYNC110 - no event tells it
                await asyncio.sleep(1)
        await self.time.still()

    async def adopt(self, daemon: Daemon, settings: Settings) -> None:
        """
        Have a daemon work by other settings from this moment on: no time is skipped meanwhile, so that what
        waits for its next try is not sent by the old ones.
        """
        with self.time.passing():
            await daemon.adopt(settings)

    async def asked(self, number: int) -> None:
        """
        Wait until the endpoint saw so many edit requests.
        """
        await self.until(lambda: len(self.requests) >= number)

    async def come_up(self) -> None:
        """
        Start the endpoint, again on the same port where it was up before; nobody asks anew until it is up.
        """
        endpoint = self.settings.endpoint
        port, root = urlsplit(endpoint.base_url).port or 0, DIALECTS[endpoint.style.name].root
        serving = serve(self._front, port=port, root=root)
        with self.time.passing():
            url = await self._served.enter_async_context(serving)
        self.tell(base_url=endpoint.style.righted(url)[0])

    async def speak(self, style: str, **rules: Any) -> None:
        """
        Have the endpoint be one of that style from now on, and the client ask it so.
        """
        await self.go_down()
        self.app = build_app(Rules(style=style, **rules))
        found = style_for(style, "")
        self.tell(style=found, limits=partial(limits_for, interface=found.interface))
        await self.come_up()

    async def go_down(self) -> None:
        """
        End the endpoint: nobody listens on its port any more.
        """
        await self._served.aclose()

    @property
    def requests(self) -> list[Seen]:
        """
        The edit requests the endpoint saw, in order.
        """
        log: list[Seen] = self.app.state.log
        return log

    @property
    def charged(self) -> int:
        return sum(seen.charged for seen in self.requests)

    def requests_by_job(self) -> Counter[str]:
        """
        How many requests each job made.
        """
        return Counter(seen.headers["idempotency-key"] for seen in self.requests)

    def prompts(self) -> list[str]:
        """
        The prompts asked, in order.
        """
        return [dict(seen.fields)["prompt"] for seen in self.requests]

    def tree(self, folder: str) -> list[str]:
        """
        The files in and below one of the six folders.
        """
        return tree_of(getattr(self.folders, folder))

    def jobs(self) -> list[Path]:
        """
        The directories of the jobs in work, oldest first.
        """
        jobs = self.folders.work / "jobs"
        return sorted(jobs.iterdir()) if jobs.is_dir() else []

    def in_work(self, pattern: str) -> list[Path]:
        """
        The files of jobs in work that fit a pattern, such as `attempt-*.open`.
        """
        return sorted((self.folders.work / "jobs").glob(f"*/{pattern}"))

    def record(self, name: str) -> dict[str, Any]:
        """
        A record by its path below the root: `done/cat.job.json`.
        """
        body: dict[str, Any] = json.loads((self.root / name).read_bytes())
        return body

    def received(self, request: int = -1) -> dict[str, bytes]:
        """
        The files of a request whose body was kept, each by the name it had there.
        """
        assert self.bodies is not None, "nothing is kept unless a test asks for it"
        body = self.bodies[request]
        boundary = b"\r\n" + body.partition(b"\r\n")[0]
        parts = [part.partition(b"\r\n\r\n") for part in (b"\r\n" + body).split(boundary)[1:-1]]
        names = ((re.search(rb'filename="([^"]+)"', head), data) for head, _, data in parts)
        return {match[1].decode(): data for match, data in names if match}

    def verdicts(self, name: str) -> list[str]:
        """
        What the attempts of a recorded job came to.
        """
        return [attempt["verdict"] for attempt in self.record(name)["attempts"]]

    def history(self) -> list[dict[str, Any]]:
        return list(History(self.folders.work).lines())

    def events(self, event: str) -> list[MutableMapping[str, Any]]:
        """
        The lines of the log with that event.
        """
        return [line for line in self.lines if line["event"] == event]

    async def _front(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (self.rejecting is None and self.bodies is None) or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        body, is_more = b"", True
        while is_more:
            message = await receive()
            body += message.get("body", b"")
            is_more = message.get("more_body", False)
        if self.bodies is not None:
            self.bodies.append(body)
        if self.rejecting is not None and self.rejecting in body:
            self.rejected += 1
            answer = JSONResponse({"error": {"message": "overloaded"}}, status_code=503)
            await answer(scope, receive, send)
            return
        whole: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def again() -> Message:
            return whole.pop() if whole else await receive()

        await self.app(scope, again, send)


class NoWatches:
    """
    Stands for watchdog's observer on a machine whose kernel has no watches left.
    """

    def __init__(self, *_: object) -> None:
        raise OSError(errno.ENOSPC, "inotify watch limit reached")


class Refusing:
    """
    The system as one sees it who may not read one file.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def open(self, path: Any, *rest: Any, **more: Any) -> int:
        if os.fspath(path).endswith(self._name):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), os.fspath(path))
        return os.open(path, *rest, **more)


@contextlib.asynccontextmanager
async def open_world(
    root: Path, *, has_events: bool = False, threads: int = 8
) -> AsyncIterator[World]:
    """
    A world below `root` whose endpoint is up: nothing settles slowly, nothing goes wrong by itself.

    Without events everything comes from scans. With them time is not skipped, as the kernel's events come
    from outside of the loop. With one thread whatever happens on the disk happens in one order.
    """
    folders = Folders(
        **{name: root / name for name in ("inbox", "outbox", "review", "done", "error", "work")}
    )
    assert not folders.make()
    settings = Settings(
        folders=folders,
        endpoint=Endpoint(
            base_url="http://127.0.0.1:0/v1",
            api_key=CANARY,
            key_source=KeySource(place="endpoint.api_key"),
            timeout_seconds=600,
            connect_timeout_seconds=10,
        ),
        budget=RetryBudget(),
        edit=EditDefaults(model="gpt-image-2"),
        limits=partial(limits_for, overrides=None),
        patience=Patience(settle_seconds=0),
        observer=Choice.INOTIFY,
    )
    skipped = SkippedTime(threads=threads)
    skipped.is_skipping = not has_events
    with (
        capture_logs() as lines,
        contextlib.ExitStack() as stack,
        pytest.MonkeyPatch.context() as patch,
    ):
        stack.callback(listen(logger.write))
        skipped.count_disk_calls(patch)
        patch.setattr(apart, "subprocess", _FORKING)
        if not has_events:
            patch.setattr(watcher, "Observer", NoWatches)
        world = World(
            root=root,
            folders=folders,
            settings=settings,
            app=build_app(),
            time=skipped,
            clock=WorldClock(skipped),
            lines=lines,
        )
        await world.come_up()
        try:
            yield world
        finally:
            # Since Python 3.12 the loop's end waits for the threads by the loop's time.
            skipped.is_skipping = False
        await world.go_down()
    assert_unsaid(root, *map(repr, lines))


def put(world: World, name: str, content: str | bytes) -> Path:
    """
    Put a file into the inbox by its path below it.
    """
    path = world.folders.inbox / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def photo(
    width: int = 48, height: int = 32, *, kind: str = "PNG", mode: str = "RGB", seed: int = 0
) -> bytes:
    """
    A picture's bytes; another seed makes other bytes. In RGBA the left half is transparent.
    """
    image = Image.linear_gradient("L").resize((width, height)).convert("RGB")
    image.putpixel((0, 0), (seed % 256, seed // 256 % 256, 7))
    if mode == "RGBA":
        image.putalpha(255)
        image.paste((0, 0, 0, 0), (0, 0, width // 2, height))
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def moment(text: str) -> dt.datetime:
    """
    A time of a record.
    """
    return dt.datetime.fromisoformat(text)


async def held(world: World) -> dict[str, str]:
    """
    Drain the inbox; return what waits in it, and why.
    """
    daemon = world.daemon()
    assert await world.once(daemon) is Ending.DRAINED
    return await world.reasons(daemon)
