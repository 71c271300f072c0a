"""
The routes of the page.
"""

import asyncio
import contextlib
import datetime as dt
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, TypeVar
from urllib.parse import quote

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from retouchd.config.settings import Settings
from retouchd.job.filetypes import SNIFF_BYTES, sniff
from retouchd.pictures.decoding import ImageFault
from retouchd.process import in_own_thread
from retouchd.spool.history_cache import HistoryCache
from retouchd.throttle.person_pause import PersonPauseFile
from retouchd.web.access import Access, May
from retouchd.web.guard import fault
from retouchd.web.page.actions import Actions, Refused
from retouchd.web.page.feed import Feed
from retouchd.web.page.jobs import Jobs, JobView
from retouchd.web.page.rendering import STATIC, environment, static
from retouchd.web.page.scene import Scene, Scenes
from retouchd.web.page.thumbnails import SIZES, Thumbnails
from retouchd.web.page.words import Words, language_of
from retouchd.web.posting import PostRefused, read_post

T = TypeVar("T")

_LANGUAGE = "retouchd-language"
_YEAR = 365 * 24 * 3600
_MOST_READERS = 100
_WALL, _ROWS = 9, 48
_BLOCK = 1 << 18
_BODY_SECONDS = 300.0
_KEPT = {"cache-control": "private, max-age=604800"}
_TYPES = {
    "png": "image/png",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
    "avif": "image/avif",
}
_DOUBTFUL = frozenset({"in_doubt", "bad_response", "content_policy"})


class Page:
    """
    The page of one run. `settings` returns those in force, `dropped` hands to the run what lies in the inbox,
    `heed_pause` has it look whether a person has paused it.
    """

    def __init__(
        self,
        *,
        settings: Callable[[], Settings],
        dropped: Callable[..., None],
        heed_pause: Callable[[], None],
        access: Access,
        root_path: str,
        max_upload_mb: float,
    ) -> None:
        work = settings().folders.work
        self._settings = settings
        self._heed_pause = heed_pause
        self._access = access
        self._root_path = root_path
        self._most_bytes = int(max_upload_mb * 1e6)
        self._cache = HistoryCache(work)
        self._jobs = Jobs(settings, self._cache)
        self._scenes = Scenes(settings, self._jobs, self._cache)
        self._thumbnails = Thumbnails(work, self._jobs)
        self._actions = Actions(settings, self._jobs, dropped)
        self._pause_file = PersonPauseFile(work)
        self._templates = environment()
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
        return [
            Route("/", self.overview),
            Route("/wall", self.wall),
            Route("/jobs", self.history),
            Route("/jobs/{job}", self.job),
            Route("/jobs/{job}/again", self.again, methods=["POST"]),
            Route("/jobs/{job}/retry", self.retry, methods=["POST"]),
            Route("/jobs/{job}/{which}/{size:int}.webp", self.thumbnail),
            Route("/jobs/{job}/{which}/file", self.file),
            Route("/drop", self.drop, methods=["POST"]),
            Route("/pause", self.pause, methods=["POST"]),
            Route("/resume", self.resume, methods=["POST"]),
            Route("/events", self.events),
            Route("/static/{name}", self.static),
        ]

    def login(self, request: Request, *, is_wrong: bool = False) -> Response:
        """
        Ask for a token.
        """
        status = 401 if is_wrong else 200
        return self._shown(request, "login.html", status, is_wrong=is_wrong, here="login")

    async def overview(self, request: Request) -> Response:
        """
        Show what runs, waits, failed and was finished.
        """
        return self._shown(request, "overview.html", scene=await self._now(), here="overview")

    async def wall(self, request: Request) -> Response:
        """
        Show finished edits as pairs, newest first, for a screen that nobody touches.
        """
        jobs = await in_own_thread(lambda: self._scenes.finished(_WALL))
        return self._shown(request, "wall.html", jobs=jobs, here="wall")

    async def history(self, request: Request) -> Response:
        """
        Show the jobs that ended, page by page.
        """
        asked = request.query_params
        status = asked.get("status", "") if asked.get("status") in {"done", "error"} else ""
        words, before = asked.get("q", "")[:200], asked.get("before", "")
        start = int(before) if before.isdecimal() and len(before) < 18 else None
        page = await in_own_thread(
            lambda: self._cache.page(limit=_ROWS, before=start, status=status, words=words)
        )
        jobs = [self._jobs.ended(line) for line in page.lines]
        return self._shown(
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
        if found is None:
            return self._refused(request, Refused("There is no such job.", 404))
        later = await in_own_thread(lambda: self._cache.after(found.id))
        return self._shown(
            request,
            "job.html",
            job=found,
            later=later.get("id") if later else None,
            is_doubtful=found.error.get("code") in _DOUBTFUL,
            here="job",
        )

    async def again(self, request: Request) -> Response:
        """
        Have a job's original edited with another prompt.
        """
        form = await self._form(request)
        found = await self._found(request)
        if found is None:
            return self._refused(request, Refused("There is no such job.", 404))
        return await self._act(
            request, lambda: self._actions.again(found, form.get("prompt", "").strip())
        )

    async def retry(self, request: Request) -> Response:
        """
        Move a job's files from `error/` back into the inbox.
        """
        found = await self._found(request)
        if found is None:
            return self._refused(request, Refused("There is no such job.", 404))
        return await self._act(request, lambda: self._actions.retry(found))

    async def drop(self, request: Request) -> Response:
        """
        Put a picture that a browser sends into the inbox.
        """
        try:
            async with (
                self._uploads,
                asyncio.timeout(_BODY_SECONDS),
                read_post(request, self._most_bytes) as post,
            ):
                await in_own_thread(lambda: self._actions.drop(post))
        except PostRefused as refused:
            return self._refused(request, Refused(str(refused).split("\n")[0], refused.status))
        except Refused as refused:
            return self._refused(request, refused)
        return self._back(request)

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

    async def thumbnail(self, request: Request) -> Response:
        """
        Return a picture scaled down.
        """
        job_id, which = request.path_params["job"], request.path_params["which"]
        size = request.path_params["size"]
        if size not in SIZES or not (which == "before" or which.isdecimal()):
            return fault(404, "not_found", "There is no such picture.")
        find = self._finder(job_id, which)
        if find is None:
            return fault(404, "not_found", "There is no such picture.")
        try:
            data = await self._thumbnails.get(job_id, which, size, find)
        except ImageFault as problem:
            return fault(415, "not_shown", str(problem))
        except OSError:
            data = None
        if data is None:
            return fault(404, "gone", "That picture is not there any more.")
        return Response(data, 200, _KEPT, "image/webp")

    async def file(self, request: Request) -> Response:
        """
        Return a picture as it lies on the disk, to be looked at or kept.
        """
        job_id, which = request.path_params["job"], request.path_params["which"]
        find = self._finder(job_id, which)
        picture = await in_own_thread(find) if find else None
        if picture is None:
            return fault(404, "not_found", "There is no such picture.")
        stack = contextlib.ExitStack()
        try:
            file = await in_own_thread(lambda: stack.enter_context(self._jobs.opened(picture)))
            head = await in_own_thread(lambda: file.read(SNIFF_BYTES))
            size = await in_own_thread(lambda: file.seek(0, 2))
            file.seek(0)
        except OSError:
            stack.close()
            return fault(404, "gone", "That picture is not there any more.")

        async def blocks() -> AsyncIterator[bytes]:
            try:
                while block := await in_own_thread(lambda: file.read(_BLOCK)):
                    yield block
            finally:
                stack.close()

        media = _TYPES.get(sniff(head) or "")
        is_kept = media is None or "keep" in request.query_params
        way = "attachment" if is_kept else "inline"
        headers = {
            "content-length": str(size),
            "content-disposition": f"{way}; filename*=UTF-8''{quote(picture.name, safe='')}",
        }
        media = media or "application/octet-stream"
        return StreamingResponse(
            blocks(), 200, headers, media, background=BackgroundTask(stack.close)
        )

    async def events(self, _: Request) -> Response:
        """
        Tell of changes for as long as somebody listens.
        """
        if self.feed.readers >= _MOST_READERS:
            return fault(503, "busy", "Too many pages are open.", retry_after="30")
        return StreamingResponse(self.feed.messages(), media_type="text/event-stream")

    async def static(self, request: Request) -> Response:
        """
        Return one of the page's own files.
        """
        name = request.path_params["name"]
        if name not in STATIC:
            return fault(404, "not_found", "There is nothing here.")
        return Response(static(name), 200, _KEPT, STATIC[name])

    def _finder(self, job_id: str, which: str) -> Callable[[], Any] | None:
        def find() -> Any:
            job = self._jobs.find(job_id)
            return job.picture(which) if job is not None else None

        return find

    async def _found(self, request: Request) -> JobView | None:
        return await in_own_thread(lambda: self._jobs.find(request.path_params["job"]))

    async def _form(self, request: Request) -> dict[str, str]:
        async with asyncio.timeout(_BODY_SECONDS):
            form = await request.form(max_files=0, max_fields=4)
        return {key: value for key, value in form.items() if isinstance(value, str)}

    async def _act(self, request: Request, action: Callable[[], object]) -> Response:
        try:
            await in_own_thread(action)
        except Refused as refused:
            return self._refused(request, refused)
        except OSError as error:
            return self._refused(request, Refused(f"The disk refuses it: {error.strerror}.", 507))
        return self._back(request)

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

    def _shown(
        self, request: Request, template: str, status_code: int = 200, **values: Any
    ) -> Response:
        asked = request.query_params.get("lang", "")
        accepted = request.headers.get("accept-language", "")
        words = Words(language_of(asked, request.cookies.get(_LANGUAGE, ""), accepted))
        may = self._access.may(request.state.head)
        text = self._templates.get_template(template).render(
            _=words,
            root=self._root_path,
            path=request.url.path,
            may_act=may is May.ACT,
            has_token=bool(self._access.token),
            **values,
        )
        answer = Response(text, status_code, media_type="text/html")
        if asked == words.language:
            path = self._root_path or "/"
            answer.set_cookie(_LANGUAGE, asked, max_age=_YEAR, path=path, samesite="strict")
        return answer

    def _refused(self, request: Request, refused: Refused) -> Response:
        if "application/json" in request.headers.get("accept", ""):
            return fault(refused.status, "refused", str(refused))
        return self._shown(
            request, "refused.html", refused.status, message=str(refused), here="refused"
        )

    def _back(self, request: Request) -> Response:
        if "application/json" in request.headers.get("accept", ""):
            return Response(status_code=204)
        return RedirectResponse(f"{self._root_path}/", 303)
