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
from retouchd.inbox.watch_mode import ChosenMode
from retouchd.job.model import End
from retouchd.logs.logger import hide, unread
from retouchd.service.assembly import Assembly, finish_returns, note_folders, retrace
from retouchd.service.status_writer import report_of
from retouchd.service.watchdog import StatusLine, Watchdog, extending, notify
from retouchd.spool.spool import Spool
from retouchd.status.report import StatusReport
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
        self._assembly: Assembly | None = None
        self._started_at: dt.datetime | None = None
        self._stranded = ""
        self.remark = ""

    @property
    def ends(self) -> Counter[End]:
        """
        Return how many jobs have ended in which way.
        """
        return self._assembly.runner.ends if self._assembly else Counter()

    @property
    def jobs(self) -> int:
        """
        Return how many jobs are in work.
        """
        return self._assembly.runner.jobs if self._assembly else 0

    @property
    def ready(self) -> int:
        """
        Return how many families could be claimed if there were room.
        """
        return self._assembly.intake.ready() if self._assembly else 0

    @property
    def trouble(self) -> str:
        """
        Return why nothing is sent, empty while all is well.
        """
        looking_up = self._assembly.looking_up if self._assembly else ""
        return self._admission.reason or self._away or self._stranded or looking_up

    @property
    def pause_cause(self) -> str:
        """
        Return the kind of reason for which nothing is sent, empty where the gate is open.
        """
        held = self._admission.held
        return held.cause.value if held else ""

    @property
    def watch(self) -> ChosenMode | None:
        """
        Return how changes are noticed, and why so; None before the first scan.
        """
        return self._assembly.watching.stance if self._assembly else None

    @property
    def scanned_at(self) -> dt.datetime | None:
        """
        Return when the inbox was last looked at as a whole, None if never.
        """
        return self._assembly.intake.scanned_at if self._assembly else None

    @property
    def scan_seconds(self) -> float:
        """
        Return how long that took.
        """
        return self._assembly.intake.scan_took if self._assembly else 0.0

    @property
    def _away(self) -> str:
        return self._assembly.watching.away if self._assembly else ""

    def report(self) -> StatusReport | None:
        """
        Return how the run stands for other programs, None while the work folder is not held.
        """
        if self._assembly is None or self._started_at is None:
            return None
        return report_of(
            self._assembly,
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
        return self._assembly is None or _is_drained(self._assembly)

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
        return self._assembly.intake.changes if self._assembly else 0

    async def turned(self) -> None:
        """
        Wait until the inbox has been looked at since this was last called.
        """
        await self._begun.wait()
        assert self._assembly is not None, "there is a crew once a run has begun"
        await self._assembly.intake.turned.wait()
        self._assembly.intake.turned.clear()

    async def summary(self) -> tuple[Waiting, float]:
        """
        Return what waits in the inbox, in short, and how many seconds of work that was.
        """
        await self._begun.wait()
        assert self._assembly is not None, "there is a crew once a run has begun"
        return await self._assembly.intake.summary()

    def holds(self, kind: str) -> bool:
        """
        Return whether anything that is ready is held for that kind of reason.
        """
        return self._assembly is not None and self._assembly.intake.holding.holds(kind)

    async def waiting(self) -> list[tuple[str, str, str]]:
        """
        Return every file that waits in the inbox: its folder, its name, the reason.
        """
        return await self._assembly.intake.waiting() if self._assembly else []

    async def left(self) -> Waiting:
        """
        Return what waits in the inbox once the run is over, with what was given back at its end.
        """
        assert self._assembly is not None, "there is a crew once a run has begun"
        if not self._away:
            await self._assembly.intake.look_back()
        found, _ = await self._assembly.intake.summary()
        return found

    def stop(self) -> None:
        """
        Stop: claim nothing more, let what is on its way finish. The second time, stop at once.
        """
        if self._stop.is_set() and self._assembly is not None:
            self._assembly.runner.abandon()
        self._stop.set()
        self._stirred.set()

    async def adopt(self, settings: Settings) -> None:
        """
        Work by other settings from now on; folders and intake stay what they were at the start.

        Raises ConfigurationError, and then nothing has changed.
        """
        if self._assembly is not None:
            await self._assembly.adopt(settings)

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
        if self._assembly is not None:
            self._assembly.intake.reconsider()
            self._assembly.watching.try_again()

    async def run(self, *, until_drained: bool = False) -> Ending:
        """
        Work until stopped, or until the inbox is drained or the endpoint turns out to be unavailable.

        Raises ConfigurationError, WorkFolderHeld and DiskFailed before anything is claimed or sent.
        """
        async with contextlib.AsyncExitStack() as stack:
            stack.enter_context(self._disks.threads.entered())
            with telling_of_the_disk():
                async with extending(lambda: "starting"):
                    assembly, job_ids = await self._begin(stack)
            ending = await self._work(assembly, job_ids, until_drained=until_drained)
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

    async def _begin(self, stack: contextlib.AsyncExitStack) -> tuple[Assembly, list[str]]:
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
        self._assembly = assembly = Assembly(
            current=self._current,
            clock=self._clock,
            throttle=self._throttle,
            client=client,
            spool=spool,
            on_change=self._stirred.set,
        )
        self._begun.set()
        await look(assembly.remember)
        await assembly.pausing.restore()
        self._started_at = self._clock.now()
        if not lock.was_clean:
            await retrace(assembly)
        return assembly, await look(spool.ids)

    async def _work(self, assembly: Assembly, job_ids: list[str], *, until_drained: bool) -> Ending:
        async with asyncio.TaskGroup() as tasks:
            async with assembly.watching:
                assembly.start(job_ids, tasks)
                living = tasks.create_task(self._live(assembly), name="liveness")
                async with extending(lambda: f"starting: {assembly.intake.steps:,} names seen"):
                    await self._end_of(tasks.create_task(assembly.watching.begin()))
                    await self._end_of(tasks.create_task(assembly.intake.begin()))
                notify("READY=1")
                self._ready.set()
                if not until_drained:
                    emit(DaemonReady(inbox=str(self._current.settings.folders.inbox)))
                intake = tasks.create_task(assembly.intake.run(), name="intake")
                watching = tasks.create_task(assembly.watching.run(), name="watching")
                prober = tasks.create_task(assembly.prober.run(), name="prober")
                pausing = tasks.create_task(assembly.pausing.run(), name="pausing")
                ending = await self._until_end(assembly, until_drained=until_drained)
                notify("STOPPING=1")
                emit(DaemonStopping(jobs=assembly.runner.jobs))
                assembly.close()
                await self._end_of(intake)
                await self._end_of(watching)
                prober.cancel()
            await self._drain(assembly)
            for task in (pausing, living):
                task.cancel()
        await assembly.pausing.write()
        if ending is Ending.UNAVAILABLE and not self._disks.reasons:
            for job_id in assembly.spool.ids():
                try:
                    await assembly.pipeline.release(job_id)
                except (Blocked, OSError) as obstacle:
                    emit(JobWaiting(job=job_id, reason=str(obstacle)))
        return ending

    async def _until_end(self, assembly: Assembly, *, until_drained: bool) -> Ending:
        with contextlib.closing(StatusLine()) as line:
            while not self._stop.is_set():
                self._stirred.clear()
                line.say(self._status())
                self._stranded = _stranded(assembly)
                if until_drained and (self._admission.is_shut or self._stranded):
                    return Ending.UNAVAILABLE
                if until_drained and assembly.recovery.obstacle and assembly.intake.ready():
                    return Ending.UNAVAILABLE
                if until_drained and assembly.watching.away:
                    return Ending.AWAY
                if until_drained and _is_drained(assembly):
                    # An inbox that is away is empty too.
                    await assembly.watching.check()
                    if _is_drained(assembly) and not assembly.watching.away:
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

    async def _drain(self, assembly: Assembly) -> None:
        """
        Wait for the jobs in work, but for those that a hung folder holds up: the next start finishes them.
        """
        async with extending(lambda: f"stopping: {self._status()}"):
            while any(not self._disks.threads.holds_up(job_id) for job_id in assembly.runner.ids):
                self._stirred.clear()
                await self._stirred.wait()
        for job_id in assembly.runner.ids:
            emit(JobLeft(job=job_id, reason=self._disks.threads.holds_up(job_id)))
        assembly.runner.abandon()

    async def _live(self, assembly: Assembly) -> None:
        await Watchdog(intake=assembly.intake, disks=self._disks, clock=self._clock).run()

    def _moved(self) -> None:
        self._stirred.set()
        if self._assembly is not None:
            self._assembly.prober.stir()

    def _job_ids(self) -> list[str]:
        return self._assembly.runner.ids if self._assembly else []

    def _status(self) -> str:
        held = f"; paused: {self._admission.reason}" if self._admission.held else ""
        held += (
            f"; {self._assembly.looking_up}" if self._assembly and self._assembly.looking_up else ""
        )
        away = f"; {self._away}" if self._away else ""
        hung = "".join(f"; {each}" for each in self._disks.reasons.values() if each not in held)
        return f"{self.jobs} in work, {self.ends[End.DONE]} done{held}{away}{hung}"


def _is_drained(assembly: Assembly) -> bool:
    is_looking_up = assembly.looking_up and not assembly.recovery.obstacle
    return not assembly.runner.jobs and assembly.intake.is_idle() and not is_looking_up


def _stranded(assembly: Assembly) -> str:
    """
    Return why nothing of what is in work can go on, empty where some can or more can be claimed beside it.
    """
    but_not = assembly.runner.room
    is_full = but_not is None or (but_not and not assembly.intake.ready(but_not))
    return assembly.runner.stranded if is_full or assembly.intake.is_idle() else ""
