"""
The routes of the page.
"""

import asyncio
import contextlib
import datetime as dt
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from retouchd.config.settings import Settings
from retouchd.disk.calls import Folder
from retouchd.errors import FolderUnresponsive
from retouchd.request.fields import MAX_EDITS
from retouchd.spool.history_cache import HistoryCache
from retouchd.tasks import in_own_thread
from retouchd.throttle.person_pause import PersonPauseFile
from retouchd.web.access import Access
from retouchd.web.page.actions import Actions, Refused, refused_post
from retouchd.web.page.answers import Answers
from retouchd.web.page.feed import Feed
from retouchd.web.page.jobs import Jobs, JobView
from retouchd.web.page.looks import Looks
from retouchd.web.page.pictures import Pictures
from retouchd.web.page.rendering import KEPT, environment, static_files
from retouchd.web.page.reviews import Reviews
from retouchd.web.page.scene import Scene, Scenes
from retouchd.web.page.thumbnails import Thumbnails
from retouchd.web.posting import PostRefused, read_post

_MOST_READERS = 100
_AT_ONCE = {"x-accel-buffering": "no"}
"""A proxy keeps back what is short until there is more of it, unless it is told not to: nginx by this."""
_WALL, _ROWS = 9, 48
_BODY_SECONDS = 300.0
_DOUBTFUL = frozenset({"in_doubt", "bad_response", "content_policy"})


class Page:
    """
    The page of one run and its `history`. `settings` returns those in force, `dropped` hands to the run what
    lies in the inbox, `heed_pause` has it look whether a person has paused it.
    """

    def __init__(
        self,
        *,
        settings: Callable[[], Settings],
        history: HistoryCache,
        dropped: Callable[..., None],
        heed_pause: Callable[[], None],
        access: Access,
        root_path: str,
        max_upload_mb: float,
    ) -> None:
        work = settings().folders.work
        self._settings = settings
        self._heed_pause = heed_pause
        self._root_path = root_path
        self._most_bytes = int(max_upload_mb * 1e6)
        self._cache = history
        self._jobs = Jobs(settings, self._cache)
        self._looks = Looks(settings)
        self._scenes = Scenes(settings, self._jobs, self._cache, self._looks)
        self._reviews = Reviews(settings, self._jobs, self._cache)
        thumbnails = Thumbnails(work, self._jobs, self._looks)
        self._pictures = Pictures(self._jobs, self._looks, thumbnails)
        self._actions = Actions(settings, self._jobs, dropped)
        self._pause_file = PersonPauseFile(work)
        self._static = static_files()
        self.answers = Answers(access, root_path, environment(self._static))
        self.feed = Feed()
        self._scene: tuple[int, float, Scene] | None = None
        self._looking: asyncio.Future[Scene] | None = None
        self._looked_for = -1
        self._uploads = asyncio.Semaphore(2)

    @contextlib.contextmanager
    def hearing(self) -> Iterator[None]:
        """
        Hear meanwhile what happens in the run; at the end, end what is being told.
        """
        with self.feed.hearing():
            try:
                yield
            finally:
                self.feed.close()

    @property
    def routes(self) -> list[Route]:
        """
        Return the routes, for the listener's loop.
        """
        self.feed.attach(asyncio.get_running_loop())
        shown = {
            "/": self.overview,
            "/wall": self.wall,
            "/review": self.review,
            "/jobs": self.history,
            "/jobs/{job}": self.job,
            "/jobs/{job}/{which}/{size:int}.webp": self._pictures.thumbnail,
            "/jobs/{job}/{which}/file": self._pictures.file,
            "/events": self.events,
            "/static/{name}": self.static,
        }
        done = {
            "/jobs/{job}/again": self.again,
            "/jobs/{job}/retry": self.retry,
            "/jobs/{job}/{which}/approve": self.approve,
            "/jobs/{job}/{which}/reject": self.reject,
            "/drop": self.drop,
            "/pause": self.pause,
            "/resume": self.resume,
        }
        return [
            *(Route(path, self._answering(show)) for path, show in shown.items()),
            *(Route(path, self._answering(act), methods=["POST"]) for path, act in done.items()),
        ]

    def login(self, request: Request, *, is_wrong: bool = False) -> Response:
        """
        Ask for a token.
        """
        status = 401 if is_wrong else 200
        return self.answers.page(request, "login.html", status, is_wrong=is_wrong, here="login")

    async def overview(self, request: Request) -> Response:
        """
        Show what runs, waits, failed and was finished.
        """
        return self.answers.page(request, "overview.html", scene=await self._now(), here="overview")

    async def wall(self, request: Request) -> Response:
        """
        Show finished edits as pairs, newest first, for a screen that nobody touches.
        """
        jobs = await in_own_thread(lambda: self._scenes.wall(_WALL))
        return self.answers.page(request, "wall.html", jobs=jobs, here="wall")

    async def history(self, request: Request) -> Response:
        """
        Show the jobs that ended, page by page.
        """
        asked = request.query_params
        status = asked.get("status", "") if asked.get("status") in {"done", "error"} else ""
        words, before = asked.get("q", "")[:200], asked.get("before", "")
        start = int(before) if before.isdecimal() and len(before) < 18 else None
        page = await self._looks.look(
            lambda: self._cache.page(limit=_ROWS, before=start, status=status, words=words)
        )
        jobs = [self._jobs.ended(line) for line in page.lines]
        return self.answers.page(
            request,
            "history.html",
            jobs=jobs,
            before=page.before,
            status=status,
            words=words,
            is_first=start is None,
            here="history",
        )

    async def job(self, request: Request) -> Response:
        """
        Show a job with its pictures.
        """
        found = await self._found(request)
        later = await self._looks.look(lambda: self._cache.after(found.id))
        return self.answers.page(
            request,
            "job.html",
            job=found,
            later=later.get("id") if later else None,
            waiting=await self._waiting_of(found),
            is_doubtful=found.error.get("code") in _DOUBTFUL,
            here="job",
        )

    async def _waiting_of(self, job: JobView) -> set[int]:
        """
        Return the numbers of the results of a job that wait to be approved.
        """

        def look() -> set[int]:
            return {n for n, each in enumerate(job.after, 1) if self._jobs.is_waiting(each)}

        if any(len(each.places) > 1 for each in job.after):
            with contextlib.suppress(FolderUnresponsive, OSError):
                return await self._looks.look(look, Folder.REVIEW)
        return set()

    async def again(self, request: Request) -> Response:
        """
        Have a job's original edited with another prompt.
        """
        form = await self._form(request)
        found = await self._found(request)
        prompts = {
            number: form.get(f"prompt-{number}", "").strip()
            for number in range(1, len(found.edits) + 1)
        }
        which = form.get("instead", "")
        needed = (Folder.INBOX, Folder.REVIEW) if which else (Folder.INBOX,)
        return await self._act(
            request, lambda: self._actions.again(found, prompts, instead=which), *needed
        )

    async def review(self, request: Request) -> Response:
        """
        Show the results that wait for somebody to look at them.
        """
        found = await self._looks.look(self._reviews.queue, Folder.REVIEW, Folder.DONE)
        return self.answers.page(request, "review.html", queue=found, here="review")

    async def approve(self, request: Request) -> Response:
        """
        Move a result to the outbox.
        """
        return await self._decide(request, self._actions.approve, Folder.REVIEW, Folder.OUTBOX)

    async def reject(self, request: Request) -> Response:
        """
        Delete a result.
        """
        return await self._decide(request, self._actions.reject, Folder.REVIEW)

    async def _decide(
        self, request: Request, action: Callable[[JobView, str], object], *needed: Folder
    ) -> Response:
        found = await self._found(request)
        which = request.path_params["which"]
        return await self._act(request, lambda: action(found, which), *needed, back="/review")

    async def retry(self, request: Request) -> Response:
        """
        Move a job's files from `error/` back into the inbox.
        """
        found = await self._found(request)
        needed = Folder.ERROR, Folder.INBOX
        return await self._act(request, lambda: self._actions.retry(found), *needed)

    async def drop(self, request: Request) -> Response:
        """
        Put a picture that a browser sends into the inbox.
        """
        try:
            async with (
                self._uploads,
                asyncio.timeout(_BODY_SECONDS),
                read_post(request, self._most_bytes, self._settings().folders.work) as post,
            ):
                return await self._act(request, lambda: self._actions.drop(post), Folder.INBOX)
        except PostRefused as refused:
            raise refused_post(refused) from refused
        except TimeoutError as error:
            raise Refused("It took too long to arrive.", 408, "slow") from error

    async def pause(self, request: Request) -> Response:
        """
        Send nothing from now on.
        """

        def hold() -> None:
            self._pause_file.write(dt.datetime.now(dt.UTC))
            self._heed_pause()

        return await self._act(request, hold)

    async def resume(self, request: Request) -> Response:
        """
        Let it go on after a person's pause.
        """

        def let_go() -> None:
            self._pause_file.remove()
            self._heed_pause()

        return await self._act(request, let_go)

    async def events(self, _: Request) -> Response:
        """
        Tell of changes for as long as somebody listens.
        """
        if self.feed.readers >= _MOST_READERS:
            raise Refused("Too many pages are open.", 503, "busy")
        return StreamingResponse(self.feed.messages(), 200, _AT_ONCE, "text/event-stream")

    async def static(self, request: Request) -> Response:
        """
        Return one of the page's own files.
        """
        found = self._static.get(request.path_params["name"])
        if found is None:
            raise Refused("There is nothing here.", 404, "not_found")
        return Response(found.content, 200, KEPT, found.media_type)

    async def _found(self, request: Request) -> JobView:
        job_id = request.path_params["job"]
        found = await self._looks.look(lambda: self._jobs.find(job_id))
        if found is None:
            raise Refused("There is no such job.", 404)
        if found.state == "work":
            return found
        archive = Folder.DONE if found.state == "done" else Folder.ERROR
        return await self._looks.look(lambda: self._jobs.ended(found.line, is_whole=True), archive)

    def _answering(
        self, show: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """
        Return what answers in place of a page whose folder does not.
        """

        async def shown(request: Request) -> Response:
            refusal = partial(self.answers.refusal, request)
            try:
                return await show(request)
            except Refused as refused:
                return refusal(refused.status, refused.code, str(refused))
            except FolderUnresponsive as error:
                return refusal(503, "unresponsive", str(error))
            except OSError as error:
                return refusal(503, "refused", f"The disk refuses it: {error.strerror}.")

        return shown

    async def _form(self, request: Request) -> dict[str, str]:
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                form = await request.form(max_files=0, max_fields=MAX_EDITS + 2)
        except TimeoutError as error:
            raise Refused("It took too long to arrive.", 408, "slow") from error
        return {key: value for key, value in form.items() if isinstance(value, str)}

    async def _act(
        self, request: Request, action: Callable[[], object], *needed: Folder, back: str = "/"
    ) -> Response:
        try:
            await self._looks.look(action, *needed)
        except OSError as error:
            raise Refused(f"The disk refuses it: {error.strerror}.", 507) from error
        if "application/json" in request.headers.get("accept", ""):
            return Response(status_code=204)
        return RedirectResponse(f"{self._root_path}{back}", 303)

    async def _now(self) -> Scene:
        """
        Return the scene, looked at after the last change; those who ask meanwhile share one look.
        """
        version = self.feed.version
        if self._scene is not None:
            known, looked_at, scene = self._scene
            if known == version and time.monotonic() - looked_at < 1.0:
                return scene
        if self._looking is None or self._looked_for != version:
            self._looked_for = version
            looking = asyncio.ensure_future(in_own_thread(self._scenes.look))
            self._looking = looking
            looking.add_done_callback(lambda done: self._note(version, done))
        return await asyncio.shield(self._looking)

    def _note(self, version: int, looked: "asyncio.Future[Scene]") -> None:
        if self._looking is looked:
            self._looking = None
        if not looked.cancelled() and looked.exception() is None:
            self._scene = (version, time.monotonic(), looked.result())
