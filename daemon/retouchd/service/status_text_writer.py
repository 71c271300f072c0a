"""
Background tasks that keep `status.txt` and the summary of what waits up to date: soon after a change, at most
once a second.

`status.txt` is written over without a sync, and only where what has its name is one of ours or nothing. What
hangs or cannot be written here holds nothing else up: it is told once, and tried again.
"""

import asyncio
import contextlib
import errno
import os
import stat
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

from retouchd.clock import Clock
from retouchd.disk import durable
from retouchd.disk.calls import Folder
from retouchd.disk.folders import Folders
from retouchd.disk.threads import DiskThreads, in_work
from retouchd.errors import Blocked, FolderUnresponsive
from retouchd.events import emit
from retouchd.events.inbox import FileWaiting
from retouchd.events.run import StatusTextCrashed, StatusTextUnwritten, StatusUnwritten
from retouchd.inbox.waiting import Waiting, WaitingNews
from retouchd.job.naming import path_below
from retouchd.job.outcome import End
from retouchd.service.day_log import DayLog
from retouchd.service.run_status import RunStatus
from retouchd.spool.history import History
from retouchd.spool.spool import Spool
from retouchd.status.progress import Batch
from retouchd.status.report import StatusReport, stop_of
from retouchd.status.status_file import StatusFiles
from retouchd.status.text import (
    MARK,
    MOST_NAMED,
    Running,
    Scene,
    body_of,
    is_ours,
    paused,
    troubles,
    written,
)
from retouchd.tasks import running

_NAME = "status.txt"


def place_of(folders: Folders) -> Path:
    """
    Return where the text goes: beside the work folder, and never into one of the six folders, as it would be
    taken for a prompt there; where a link to the work folder lies in one of them, beside what it leads to.
    """
    work = Path(os.path.normpath(folders.work))
    name = _NAME if work.name == "work" else f"{work.name}-{_NAME}"
    parent = work.resolve().parent if folders.hold(work.parent) else work.parent
    return parent / name


def post_text(path: Path, data: bytes) -> None:
    """
    Put a text in place. Raises OSError, FileExistsError where somebody else's file has the name.
    """
    if not _is_free(path):
        raise FileExistsError(errno.EEXIST, "A file that retouchd did not write has this name")
    durable.post(path, data, path.with_name(f".retouchd-{path.name}.tmp"))


def remove_text(path: Path) -> None:
    """
    Remove a text of ours, if there is one: nobody keeps it true any more.
    """
    if path.exists() and _is_free(path):
        durable.remove(path)


def _is_free(path: Path) -> bool:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno == errno.ELOOP:
            return False
        raise
    try:
        return stat.S_ISREG(os.fstat(fd).st_mode) and is_ours(os.read(fd, len(MARK.encode())))
    finally:
        os.close(fd)


_GATHER_SECONDS = 0.1
"""What is dropped comes in several files: they are told of together."""
_PUBLISH_SECONDS = 1.0
_MOST_NAMED = 10
_SHARE = 50
"""To count a large inbox takes a while: the time between two is so many times as long."""


class WaitingPublisher:
    """
    Writes the summary of what waits into the work folder; `latest` is the last one, None before the first.
    """

    def __init__(self, status: RunStatus, status_files: StatusFiles) -> None:
        self._status = status
        self._status_files = status_files
        self._changes = -1
        self._is_told = False
        self._news = WaitingNews(status.holds)
        self.latest: Waiting | None = None

    @contextlib.asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """
        Keep the published summary up to date meanwhile.
        """
        async with running(self._keep()):
            yield

    async def _keep(self) -> None:
        while True:
            await self._status.turned()
            await asyncio.sleep(_GATHER_SECONDS)
            seconds = 0.0
            try:
                seconds = await self._look()
                self._is_told = False
            except OSError as error:
                if not self._is_told:
                    emit(StatusUnwritten(reason=str(error)))
                self._is_told = True
            await asyncio.sleep(max(_PUBLISH_SECONDS, _SHARE * seconds))

    async def _look(self) -> float:
        """
        Publish what is new; return how many seconds of work that was.
        """
        changes = self._status.changes
        if changes == self._changes:
            await in_work(self._status_files.confirm_waiting)
            return 0.0
        self.latest, seconds = await self._status.summary()
        self._tell(self.latest)
        await in_work(self._status_files.post_waiting, self.latest)
        self._changes = changes
        return seconds

    def _tell(self, waiting: Waiting) -> None:
        for count, (first, *others) in self._news.of(waiting):
            some = others[: _MOST_NAMED - 1]
            emit(
                FileWaiting(
                    folder=first.folder,
                    name=first.name,
                    reason=first.reason,
                    files=count,
                    others=[path_below(each.folder, each.name) for each in some],
                )
            )


_BEAT_SECONDS = 5.0
_RESTING_SECONDS = 30.0
"""How long what nobody told of stays unseen, such as what a person does in `error/`."""
_REST_SECONDS = 300.0
"""While anything waits, the text is written at least so often: an old one means that nobody writes it."""
_HUNG_SECONDS = 10.0
_LAST_SECONDS = 2.0


class StatusTextWriter:
    """
    Writes how a run stands: soon after a change, and now and then while anything waits.
    """

    def __init__(
        self, status: RunStatus, publisher: WaitingPublisher, folders: Folders, clock: Clock
    ) -> None:
        self._status = status
        self._publisher = publisher
        self._folders = folders
        self._clock = clock
        self._batch = Batch()
        self._today = DayLog(History(folders.work), clock)
        self._spool = Spool(work=folders.work, inbox=folders.inbox)
        # Threads of its own: the folder that holds the work folder is none of those that a run stands on.
        self._threads = DiskThreads()
        self._told = ""
        self._last = ("", float("-inf"))
        self._is_on = True

    @contextlib.asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """
        Keep the file up to date meanwhile, and say in it at a clean end that nobody does so any more.
        """
        async with running(self._keep()):
            yield
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_SECONDS):
                await self._end()

    async def _keep(self) -> None:
        await self._status.begun()
        moved, seen = self._status.moved, -1
        while True:
            changes = moved.count
            try:
                await self._look()
            except Exception as error:  # noqa: BLE001 - how things stand is only told by it: it must not end a run
                emit(StatusTextCrashed(exception=error))
            await asyncio.sleep(_BEAT_SECONDS)
            if changes == seen:
                # What is told of a change may be known a little later: one more look comes behind each.
                await moved.wait(changes, _RESTING_SECONDS)
            seen = changes

    async def _look(self) -> None:
        report = self._status.report()
        if report is None:
            return
        if not self._status.settings.status_text:
            await self._turn_off()
            return
        self._is_on = True
        await self._look_into_error()
        body = await self._threads.run(Folder.WORK, self._body, report)
        last, at = self._last
        now = self._clock.monotonic()
        waiting = self._publisher.latest
        is_due = now - at >= _REST_SECONDS and (self._status.jobs or (waiting and waiting.kinds))
        if body != last or is_due:
            await self._write(body)

    async def _look_into_error(self) -> None:
        """
        See which of those that failed today somebody has taken out of `error/` again; while that does not
        answer, all are taken to lie there.
        """
        look = partial(self._today.look_into, self._folders.error)
        with contextlib.suppress(FolderUnresponsive, OSError):
            await self._threads.attempt(Folder.ERROR, look)

    async def _end(self) -> None:
        if not (self._status.has_begun and self._status.settings.status_text):
            return
        latest, _ = await self._status.summary()
        await self._threads.run(Folder.WORK, self._today.look)
        await self._look_into_error()
        scene = Scene(stopped=True, waiting=latest, day=self._today.day())
        await self._write(body_of(scene))

    async def _turn_off(self) -> None:
        if self._is_on:
            self._is_on, self._last = False, ("", float("-inf"))
            with contextlib.suppress(OSError):
                await self._threads.run(Folder.WORK, self._remove)

    async def _write(self, body: str) -> None:
        writing = asyncio.ensure_future(self._threads.run(Folder.WORK, self._post, body))
        try:
            done, _ = await asyncio.wait({writing}, timeout=_HUNG_SECONDS)
            if not done:
                self._tell("the folder beside work does not answer")
            await writing
        except OSError as error:
            self._tell(error.strerror or str(error))
            return
        self._told = ""
        self._last = body, self._clock.monotonic()

    def _tell(self, reason: str) -> None:
        if self._told != reason:
            emit(StatusTextUnwritten(place=str(self._folders.work.parent), reason=reason))
        self._told = reason

    def _post(self, body: str) -> None:
        post_text(place_of(self._folders), written(body, self._clock.now().astimezone()))

    def _remove(self) -> None:
        remove_text(place_of(self._folders))

    def _body(self, report: StatusReport) -> str:
        """
        Return how things stand, without the time; looks into the work folder alone.
        """
        ends, jobs = self._status.ends, self._status.job_ids
        progress = self._batch.see(
            self._clock.monotonic(),
            over=ends[End.DONE] + ends[End.ERROR],
            left=len(jobs) + self._status.ready,
            is_empty=self._status.is_idle,
            is_held=report.pause is not None,
        )
        self._today.look()
        return body_of(
            Scene(
                paused=paused(report),
                stop=stop_of(report),
                troubles=tuple(troubles(report)),
                progress=progress,
                running=[each for job in jobs[:MOST_NAMED] if (each := self._running(job, report))],
                running_count=len(jobs),
                waiting=self._publisher.latest,
                day=self._today.day(),
            )
        )

    def _running(self, job_id: str, report: StatusReport) -> Running | None:
        try:
            job_state = self._spool.load(job_id)
        except (Blocked, OSError):
            return None
        if job_state.job is None:
            return None
        sent_at = job_state.sent_at
        since = f"{sent_at.astimezone():%H:%M:%S}" if sent_at else ""
        return Running(
            path=path_below(job_state.job.folder, job_state.job.members[0].name),
            doing=job_state.told(report.jobs.get(job_id), since=since),
        )
