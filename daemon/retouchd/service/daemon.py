"""
The daemon: one run on one work folder, from the first scan to the last job of a clean stop.
"""

import asyncio
import contextlib
import datetime as dt
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from enum import StrEnum

from retouchd.clock import Clock
from retouchd.config.settings import Current, Settings
from retouchd.disk.lock import WorkLock
from retouchd.disk.probes import telling_of_the_disk
from retouchd.disk.thread_pools import Folder
from retouchd.disk.threads import look
from retouchd.endpoint.client import EditsClient
from retouchd.errors import Blocked, ConfigurationError
from retouchd.events import emit
from retouchd.events.jobs import JobLeft, JobWaiting
from retouchd.events.run import DaemonReady, DaemonStarted, DaemonStopped, DaemonStopping
from retouchd.inbox.waiting import Waiting
from retouchd.inbox.watch_mode import Stance
from retouchd.job.model import End
from retouchd.logs.logger import hide, unread
from retouchd.service.assembly import Crew, finish_returns, note_folders, retrace
from retouchd.service.status_writer import report_of
from retouchd.service.watchdog import Liveness, StatusLine, extending, notify
from retouchd.spool.spool import Spool
from retouchd.status.report import Report
from retouchd.throttle.lane import Throttle


class Ending(StrEnum):
    """
    Why a run came to its end.
    """

    STOPPED = "stopped"
    DRAINED = "drained"
    UNAVAILABLE = "unavailable"
    AWAY = "away"


class Daemon:
    """
    A run that can be watched, told of other settings, and stopped from outside.

    `remark` is what a person should hear of the configuration, empty while there is nothing to say.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._current = Current(settings)
        self._clock = clock
        self._stirred = asyncio.Event()
        self._stop = asyncio.Event()
        self._begun = asyncio.Event()
        self._ready = asyncio.Event()
        self._throttle = Throttle(
            self._current,
            clock,
            folders=settings.folders,
            jobs=self._job_ids,
            on_change=self._moved,
        )
        self._admission = self._throttle.admission
        self._disks = self._throttle.disks
        self._crew: Crew | None = None
        self._started_at: dt.datetime | None = None
        self._stranded = ""
        self.remark = ""

    @property
    def ends(self) -> Counter[End]:
        """
        Return how many jobs have ended in which way.
        """
        return self._crew.workshop.ends if self._crew else Counter()

    @property
    def jobs(self) -> int:
        """
        Return how many jobs are in work.
        """
        return self._crew.workshop.jobs if self._crew else 0

    @property
    def ready(self) -> int:
        """
        Return how many families could be claimed if there were room.
        """
        return self._crew.intake.ready() if self._crew else 0

    @property
    def trouble(self) -> str:
        """
        Return why nothing is sent, empty while all is well.
        """
        looking_up = self._crew.looking_up if self._crew else ""
        return self._admission.reason or self._away or self._stranded or looking_up

    @property
    def pause_cause(self) -> str:
        """
        Return the kind of reason for which nothing is sent, empty where the gate is open.
        """
        held = self._admission.held
        return held.cause.value if held else ""

    @property
    def watch(self) -> Stance | None:
        """
        Return how changes are noticed, and why so; None before the first scan.
        """
        return self._crew.watching.stance if self._crew else None

    @property
    def scanned_at(self) -> dt.datetime | None:
        """
        Return when the inbox was last looked at as a whole, None if never.
        """
        return self._crew.intake.scanned_at if self._crew else None

    @property
    def scan_seconds(self) -> float:
        """
        Return how long that took.
        """
        return self._crew.intake.scan_took if self._crew else 0.0

    @property
    def _away(self) -> str:
        return self._crew.watching.away if self._crew else ""

    def report(self) -> Report | None:
        """
        Return how the run stands for other programs, None while the work folder is not held.
        """
        if self._crew is None or self._started_at is None:
            return None
        return report_of(
            self._crew,
            self._admission,
            self._disks,
            self._clock,
            started_at=self._started_at,
            remark=self.remark,
            unread_log=unread(),
        )

    @property
    def settings(self) -> Settings:
        """
        Return what the run works by now.
        """
        return self._current.settings

    @property
    def job_ids(self) -> list[str]:
        """
        Return the ids of the jobs in work.
        """
        return self._job_ids()

    @property
    def is_idle(self) -> bool:
        """
        Return whether nothing is in work, and nothing will be without somebody's doing.
        """
        return self._crew is None or _is_drained(self._crew)

    @property
    def is_stopping(self) -> bool:
        """
        Return whether a stop was asked for.
        """
        return self._stop.is_set()

    @property
    def has_begun(self) -> bool:
        """
        Return whether the work folder is, or was, held by this run.
        """
        return self._begun.is_set()

    async def begun(self) -> None:
        """
        Wait until the work folder is held.
        """
        await self._begun.wait()

    @property
    def changes(self) -> int:
        """
        Return a number that grows whenever there is something new to tell of what waits in the inbox.
        """
        return self._crew.intake.changes if self._crew else 0

    async def turned(self) -> None:
        """
        Wait until the inbox has been looked at since this was last called.
        """
        await self._begun.wait()
        assert self._crew is not None, "there is a crew once a run has begun"
        await self._crew.intake.turned.wait()
        self._crew.intake.turned.clear()

    async def summary(self) -> tuple[Waiting, float]:
        """
        Return what waits in the inbox, in short, and how many seconds of work that was.
        """
        await self._begun.wait()
        assert self._crew is not None, "there is a crew once a run has begun"
        return await self._crew.intake.summary()

    def holds(self, kind: str) -> bool:
        """
        Return whether anything that is ready is held for that kind of reason.
        """
        return self._crew is not None and self._crew.intake.holding.holds(kind)

    async def waiting(self) -> list[tuple[str, str, str]]:
        """
        Return every file that waits in the inbox: its folder, its name, the reason.
        """
        return await self._crew.intake.waiting() if self._crew else []

    async def left(self) -> Waiting:
        """
        Return what waits in the inbox once the run is over, with what was given back at its end.
        """
        assert self._crew is not None, "there is a crew once a run has begun"
        if not self._away:
            await self._crew.intake.look_back()
        found, _ = await self._crew.intake.summary()
        return found

    def stop(self) -> None:
        """
        Stop: claim nothing more, let what is on its way finish. The second time, stop at once.
        """
        if self._stop.is_set() and self._crew is not None:
            self._crew.workshop.abandon()
        self._stop.set()
        self._stirred.set()

    async def adopt(self, settings: Settings) -> None:
        """
        Work by other settings from now on; folders and intake stay what they were at the start.

        Raises ConfigurationError, and then nothing has changed.
        """
        if self._crew is not None:
            await self._crew.adopt(settings)

    async def reload(self, change: Callable[[], Awaitable[None]]) -> None:
        """
        Let the configuration be changed once the run is ready, then look again at all that waits.

        The service manager is told when it begins and when it is over. Too late for a run that is ending.
        """
        await self._ready.wait()
        if self._stop.is_set():
            return
        notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            await change()
            self.look_again()
        finally:
            notify("READY=1", f"STATUS={self._status()}")

    def look_again(self) -> None:
        """
        Make every waiting job due and scan the inbox: a person has mended something.
        """
        self._admission.wake()
        if self._crew is not None:
            self._crew.intake.reconsider()
            self._crew.watching.try_again()

    async def run(self, *, until_drained: bool = False) -> Ending:
        """
        Work until stopped, or until the inbox is drained or the endpoint turns out to be unavailable.

        Raises ConfigurationError, WorkFolderHeld and DiskFailed before anything is claimed or sent.
        """
        async with contextlib.AsyncExitStack() as stack:
            stack.enter_context(self._disks.threads.entered())
            with telling_of_the_disk():
                async with extending(lambda: "starting"):
                    crew, job_ids = await self._begin(stack)
            ending = await self._work(crew, job_ids, until_drained=until_drained)
            self._started_at = None
        emit(
            DaemonStopped(
                ending=ending.value,
                done=self.ends[End.DONE],
                error=self.ends[End.ERROR],
                returned=self.ends[End.RETURNED],
            )
        )
        return ending

    async def _begin(self, stack: contextlib.AsyncExitStack) -> tuple[Crew, list[str]]:
        """
        Take hold of the folders; return who works there, and the jobs that are in work already.
        """
        settings = self._current.settings
        if problems := await look(settings.folders.problems):
            raise ConfigurationError(problems)
        lock = stack.enter_context(WorkLock(settings.folders.work))
        self._disks.hold(lock)
        # Nobody else may hold the folder while a thread of ours is still at work in it.
        stack.push_async_callback(self._disks.threads.settle)
        client = await stack.enter_async_context(EditsClient(settings.endpoint))
        # Asked anew for each text: a reload may bring another key.
        hide(lambda text: client.secrets.hidden(text))  # noqa: PLW0108
        spool = Spool(
            work=settings.folders.work,
            inbox=settings.folders.inbox,
            lock=lock,
            on_misplaced=self._disks.notice,
        )
        await look(spool.prepare)
        await look(finish_returns, settings.folders)
        await look(note_folders, settings.folders)
        emit(DaemonStarted(**settings.shown, was_clean=lock.was_clean))
        self._crew = crew = Crew(
            current=self._current,
            clock=self._clock,
            throttle=self._throttle,
            client=client,
            spool=spool,
            on_change=self._stirred.set,
        )
        self._begun.set()
        await look(crew.remember)
        await crew.pausing.restore()
        self._started_at = self._clock.now()
        if not lock.was_clean:
            await retrace(crew)
        return crew, await look(spool.ids)

    async def _work(self, crew: Crew, job_ids: list[str], *, until_drained: bool) -> Ending:
        async with asyncio.TaskGroup() as tasks:
            async with crew.watching:
                crew.start(job_ids, tasks)
                living = tasks.create_task(self._live(crew), name="liveness")
                async with extending(lambda: f"starting: {crew.intake.steps:,} names seen"):
                    await self._end_of(tasks.create_task(crew.watching.begin()))
                    await self._end_of(tasks.create_task(crew.intake.begin()))
                notify("READY=1")
                self._ready.set()
                if not until_drained:
                    emit(DaemonReady(inbox=str(self._current.settings.folders.inbox)))
                intake = tasks.create_task(crew.intake.run(), name="intake")
                watching = tasks.create_task(crew.watching.run(), name="watching")
                prober = tasks.create_task(crew.prober.run(), name="prober")
                pausing = tasks.create_task(crew.pausing.run(), name="pausing")
                ending = await self._until_end(crew, until_drained=until_drained)
                notify("STOPPING=1")
                emit(DaemonStopping(jobs=crew.workshop.jobs))
                crew.close()
                await self._end_of(intake)
                await self._end_of(watching)
                prober.cancel()
            await self._drain(crew)
            for task in (pausing, living):
                task.cancel()
        await crew.pausing.write()
        if ending is Ending.UNAVAILABLE and not self._disks.reasons:
            for job_id in crew.spool.ids():
                try:
                    await crew.pipeline.release(job_id)
                except (Blocked, OSError) as obstacle:
                    emit(JobWaiting(job=job_id, reason=str(obstacle)))
        return ending

    async def _until_end(self, crew: Crew, *, until_drained: bool) -> Ending:
        with contextlib.closing(StatusLine()) as line:
            while not self._stop.is_set():
                self._stirred.clear()
                line.say(self._status())
                self._stranded = _stranded(crew)
                if until_drained and (self._admission.is_shut or self._stranded):
                    return Ending.UNAVAILABLE
                if until_drained and crew.recovery.obstacle and crew.intake.ready():
                    return Ending.UNAVAILABLE
                if until_drained and crew.watching.away:
                    return Ending.AWAY
                if until_drained and _is_drained(crew):
                    # An inbox that is away is empty too.
                    await crew.watching.check()
                    if _is_drained(crew) and not crew.watching.away:
                        return Ending.DRAINED
                    continue
                await self._stirred.wait()
        return Ending.STOPPED

    async def _end_of(self, task: asyncio.Task[None]) -> None:
        """
        Wait for a task that works on the inbox; once a stop was asked for, not for an inbox that hangs.
        """
        task.add_done_callback(lambda _: self._stirred.set())
        while not task.done():
            self._stirred.clear()
            if self._stop.is_set() and self._disks.is_hung(Folder.INBOX):
                task.cancel()
            await self._stirred.wait()

    async def _drain(self, crew: Crew) -> None:
        """
        Wait for the jobs in work, but for those that a hung folder holds up: the next start finishes them.
        """
        async with extending(lambda: f"stopping: {self._status()}"):
            while any(not self._disks.threads.holds_up(job_id) for job_id in crew.workshop.ids):
                self._stirred.clear()
                await self._stirred.wait()
        for job_id in crew.workshop.ids:
            emit(JobLeft(job=job_id, reason=self._disks.threads.holds_up(job_id)))
        crew.workshop.abandon()

    async def _live(self, crew: Crew) -> None:
        await Liveness(intake=crew.intake, disks=self._disks, clock=self._clock).run()

    def _moved(self) -> None:
        self._stirred.set()
        if self._crew is not None:
            self._crew.prober.stir()

    def _job_ids(self) -> list[str]:
        return self._crew.workshop.ids if self._crew else []

    def _status(self) -> str:
        held = f"; paused: {self._admission.reason}" if self._admission.held else ""
        held += f"; {self._crew.looking_up}" if self._crew and self._crew.looking_up else ""
        away = f"; {self._away}" if self._away else ""
        hung = "".join(f"; {each}" for each in self._disks.reasons.values() if each not in held)
        return f"{self.jobs} in work, {self.ends[End.DONE]} done{held}{away}{hung}"


def _is_drained(crew: Crew) -> bool:
    is_looking_up = crew.looking_up and not crew.recovery.obstacle
    return not crew.workshop.jobs and crew.intake.is_idle() and not is_looking_up


def _stranded(crew: Crew) -> str:
    """
    Return why nothing of what is in work can go on, empty where some can or more can be claimed beside it.
    """
    but_not = crew.workshop.room
    is_full = but_not is None or (but_not and not crew.intake.ready(but_not))
    return crew.workshop.stranded if is_full or crew.intake.is_idle() else ""
