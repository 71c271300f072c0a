"""
The daemon: one run on one work folder, from the first scan to the last job of a clean stop.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum

from retouchd.clock import Clock
from retouchd.config.settings import Current, Settings
from retouchd.disk.calls import Folder
from retouchd.disk.lock import WorkLock
from retouchd.disk.probes import telling_of_the_disk
from retouchd.disk.threads import in_any
from retouchd.endpoint.client import EditsClient
from retouchd.errors import Blocked, ConfigurationError, FolderUnresponsive
from retouchd.events import emit
from retouchd.events.jobs import JobLeft, JobWaiting
from retouchd.events.run import (
    DaemonReady,
    DaemonStarted,
    DaemonStopped,
    DaemonStopping,
    EndpointCorrected,
)
from retouchd.job.outcome import End
from retouchd.logs.logger import hide, unread
from retouchd.service.assembly import Assembly, end_finishing, finish_returns, note_folders, retrace
from retouchd.service.run_status import RunStatus
from retouchd.service.watchdog import StatusLine, Watchdog, extending, notify
from retouchd.spool.spool import Spool
from retouchd.throttle.lane import Lane


class Ending(StrEnum):
    """
    Why a run came to its end.
    """

    STOPPED = "stopped"
    DRAINED = "drained"
    UNAVAILABLE = "unavailable"
    AWAY = "away"
    ABANDONED = "abandoned"


class Daemon:
    """
    A run that can be told of other settings and stopped from outside; `status` says how it stands.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._current = Current(settings)
        self._clock = clock
        self._changed = asyncio.Event()
        self._stop = asyncio.Event()
        self._ready = asyncio.Event()
        self._lane = Lane(
            self._current,
            clock,
            folders=settings.folders,
            jobs=lambda: self.status.job_ids,
            on_change=self._moved,
        )
        self._disks = self._lane.disks
        self._assembly: Assembly | None = None
        self._on_look_again: list[Callable[[], None]] = []
        self._on_abandon: list[Callable[[], None]] = []
        self.status = RunStatus(self._current, self._lane, clock, unread)

    @property
    def is_stopping(self) -> bool:
        """
        Return whether a stop was asked for.
        """
        return self._stop.is_set()

    def stop(self) -> None:
        """
        Stop: claim nothing more, let what is on its way finish. The second time, stop at once.
        """
        if self._stop.is_set() and self._assembly is not None:
            self._assembly.runner.abandon()
            for function in self._on_abandon:
                function()
        self._stop.set()
        self._changed.set()

    def tell_abandoned(self) -> None:
        """
        Tell what is lost by an end that waits for no disk. From any thread.
        """
        self._tell_lost()
        self._tell_stopped(Ending.ABANDONED)

    async def adopt(self, settings: Settings) -> None:
        """
        Work by other settings from now on; folders and intake stay what they were at the start.

        Raises ConfigurationError, and then nothing has changed.
        """
        if self._assembly is not None:
            await self._assembly.adopt(settings)
            _tell_of_address(settings)

    async def ready(self) -> None:
        """
        Wait until the whole inbox was looked at once.
        """
        await self._ready.wait()

    async def reload(self, change: Callable[[], Awaitable[None]]) -> None:
        """
        Let the configuration be changed once the run is ready, then look again at all that waits.

        The service manager is told when it begins and when it is over. Too late for a run that is ending.
        """
        await self.ready()
        if self._stop.is_set():
            return
        notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            await change()
            self._lane.person.heed()
            self.look_again()
        finally:
            notify("READY=1", f"STATUS={self.status.line()}")

    def dropped(self, folder: str, names: Sequence[str], *, again: bool = False) -> None:
        """
        Take in what a drop of our own has put into the inbox. May be called from any thread.
        """
        if self._assembly is not None:
            self._assembly.dropped(folder, names, again=again)

    def heed_pause(self) -> None:
        """
        See at once that a person has paused or resumed. From any thread.
        """
        self._lane.person.heed()

    def on_look_again(self, function: Callable[[], None]) -> None:
        """
        Have this called as well whenever a person has mended something.
        """
        self._on_look_again.append(function)

    def on_abandon(self, function: Callable[[], None]) -> None:
        """
        Have this called as well where somebody does not want to wait for a stop.
        """
        self._on_abandon.append(function)

    def look_again(self) -> None:
        """
        Make every waiting job due and scan the inbox: a person has mended something.
        """
        self._lane.gate.wake()
        for function in self._on_look_again:
            function()
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
            self.status.note_over()
        self._tell_stopped(ending)
        return ending

    def _tell_stopped(self, ending: Ending) -> None:
        ends = self.status.ends
        emit(
            DaemonStopped(
                ending=ending.value,
                done=ends[End.DONE],
                error=ends[End.ERROR],
                returned=ends[End.RETURNED],
            )
        )

    async def _begin(self, stack: contextlib.AsyncExitStack) -> tuple[Assembly, list[str]]:
        """
        Take hold of the folders; return who works there, and the jobs that are in work already.
        """
        settings = self._current.settings
        if problems := await in_any(settings.folders.problems):
            raise ConfigurationError(problems)
        lock = stack.enter_context(WorkLock(settings.folders.work))
        self._disks.supervise(lock)
        stack.callback(self._tell_lost)
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
        await in_any(spool.prepare)
        await in_any(finish_returns, settings.folders)
        await in_any(end_finishing, settings, self._clock)
        await in_any(note_folders, settings.folders)
        emit(DaemonStarted(**settings.shown, was_clean=lock.was_clean))
        _tell_of_address(settings)
        self._assembly = assembly = Assembly(
            current=self._current,
            clock=self._clock,
            lane=self._lane,
            client=client,
            spool=spool,
            on_change=self._note_change,
        )
        self.status.note_held(assembly)
        await in_any(assembly.prime)
        await assembly.pausing.restore()
        await self._lane.person.look()
        self.status.note_started()
        if not lock.was_clean:
            await retrace(assembly)
        return assembly, await in_any(spool.ids)

    def _tell_lost(self) -> None:
        if self._assembly is not None:
            self._assembly.attempts.tell_lost()

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
                person = tasks.create_task(self._lane.person.run(), name="a person's pause")
                ending = await self._until_end(assembly, until_drained=until_drained)
                notify("STOPPING=1")
                emit(DaemonStopping(jobs=assembly.runner.jobs))
                assembly.close()
                await self._end_of(intake)
                await self._end_of(watching)
                prober.cancel()
            await self._drain(assembly)
            for task in (pausing, person, living):
                task.cancel()
        await assembly.pausing.write()
        if ending is Ending.UNAVAILABLE and not self._disks.reasons:
            for job_id in assembly.spool.ids():
                try:
                    await assembly.pipeline.release(job_id)
                except (Blocked, OSError) as obstacle:
                    emit(JobWaiting(job=job_id, reason=str(obstacle)))
        with contextlib.suppress(FolderUnresponsive, OSError):
            await in_any(assembly.spool.settle)
        return ending

    async def _until_end(self, assembly: Assembly, *, until_drained: bool) -> Ending:
        with contextlib.closing(StatusLine()) as line:
            while not self._stop.is_set():
                self._changed.clear()
                line.say(self.status.line())
                self.status.stranded = assembly.stranded
                if until_drained and (self._lane.gate.is_shut or self.status.stranded):
                    return Ending.UNAVAILABLE
                if until_drained and assembly.recovery.obstacle and assembly.intake.ready():
                    return Ending.UNAVAILABLE
                if until_drained and assembly.watching.away:
                    return Ending.AWAY
                if until_drained and assembly.is_drained():
                    # An inbox that is away is empty too.
                    await assembly.watching.check()
                    if assembly.is_drained() and not assembly.watching.away:
                        return Ending.DRAINED
                    continue
                await self._changed.wait()
        return Ending.STOPPED

    async def _end_of(self, task: asyncio.Task[None]) -> None:
        """
        Wait for a task that works on the inbox; once a stop was asked for, not for an inbox that hangs.
        """
        task.add_done_callback(lambda _: self._changed.set())
        while not task.done():
            self._changed.clear()
            if self._stop.is_set() and self._disks.is_hung(Folder.INBOX):
                task.cancel()
            await self._changed.wait()

    async def _drain(self, assembly: Assembly) -> None:
        """
        Wait for the jobs in work, but for those that a hung folder holds up: the next start finishes them.
        """
        async with extending(lambda: f"stopping: {self.status.line()}"):
            while any(not assembly.held_up(job_id) for job_id in assembly.runner.ids):
                self._changed.clear()
                await self._changed.wait()
        for job_id in assembly.runner.ids:
            emit(JobLeft(job=job_id, reason=assembly.held_up(job_id)))
        assembly.runner.abandon()

    async def _live(self, assembly: Assembly) -> None:
        await Watchdog(
            intake=assembly.intake,
            disks=self._disks,
            clock=self._clock,
            on_change=self._note_stuck,
        ).run()

    def _note_stuck(self, reason: str) -> None:
        self.status.stuck = reason
        self._note_change()

    def _note_change(self) -> None:
        self._changed.set()
        self.status.moved.tell()

    def _moved(self) -> None:
        self._note_change()
        if self._assembly is not None:
            self._assembly.prober.note_change()


def _tell_of_address(settings: Settings) -> None:
    for remark in settings.endpoint.remarks:
        emit(EndpointCorrected(remark=remark))
