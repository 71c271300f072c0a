"""
The daemon: everything put together, from the first scan to the last job of a clean stop.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from retouchd.adapters.delivery import Delivery
from retouchd.adapters.edits import EditsClient, Endpoint
from retouchd.adapters.folders import Folders
from retouchd.adapters.history import History
from retouchd.adapters.inbox import Inbox
from retouchd.adapters.lock import WorkLock
from retouchd.adapters.notify import notify
from retouchd.adapters.spool import Spool
from retouchd.adapters.watch import Watcher
from retouchd.engine.attempts import Attempts
from retouchd.engine.backlog import Backlog
from retouchd.engine.clock import Clock
from retouchd.engine.framing import Edit, Framer
from retouchd.engine.gate import Gate
from retouchd.engine.intake import Intake
from retouchd.engine.judging import Judge
from retouchd.engine.pipeline import RISKY, End, Pipeline
from retouchd.engine.preparing import Preparer
from retouchd.engine.prober import Prober
from retouchd.engine.workshop import Workshop
from retouchd.errors import ConfigurationError
from retouchd.logs import logger
from retouchd.rules.ignore import ignore_table
from retouchd.rules.limits import Limits
from retouchd.rules.retrying import Budget
from retouchd.rules.settling import Patience

log = logger()

_EXTEND_USEC = 30_000_000
_DRAIN_BEAT_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """
    All that the engine is told, as plain values.
    """

    folders: Folders
    endpoint: Endpoint
    budget: Budget
    edit: Edit
    limits: Callable[[str], Limits]
    patience: Patience
    rescan_seconds: float = 60
    recursive: bool = True
    ignore: tuple[str, ...] = ()
    text_encoding: str | None = None
    max_megapixels: float = 100
    shown: Mapping[str, Any] = field(default_factory=dict)
    """The effective configuration for the log, secrets masked."""


class Ending(StrEnum):
    """
    Why a run came to its end.
    """

    STOPPED = "stopped"
    DRAINED = "drained"
    UNAVAILABLE = "unavailable"


class Daemon:
    """
    One run on one work folder. Raises ConfigurationError and WorkFolderHeld before anything is touched.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._stirred = asyncio.Event()
        self._stop = asyncio.Event()
        self._intake: Intake | None = None
        self._workshop: Workshop | None = None
        self._gate = Gate(concurrency=settings.endpoint.concurrency, clock=clock)

    @property
    def ends(self) -> Mapping[End, int]:
        """
        Return how many jobs have ended in which way.
        """
        return self._workshop.ends if self._workshop else {}

    @property
    def jobs(self) -> int:
        """
        Return how many jobs are in work.
        """
        return self._workshop.jobs if self._workshop else 0

    @property
    def ready(self) -> int:
        """
        Return how many bundles could be claimed if there were room.
        """
        return self._intake.ready() if self._intake else 0

    @property
    def trouble(self) -> str:
        """
        Return why nothing is sent, empty while all is well.
        """
        return self._gate.reason

    def waiting(self) -> list[tuple[str, str, str]]:
        """
        Return every file that waits in the inbox: its folder, its name, the reason.
        """
        return self._intake.waiting() if self._intake else []

    def stop(self) -> None:
        """
        Stop: claim nothing more, let what is on its way finish. The second time, stop at once.
        """
        if self._stop.is_set() and self._workshop is not None:
            self._workshop.abandon()
        self._stop.set()
        self._stir()

    def look_again(self) -> None:
        """
        Make every waiting job due and scan the inbox: a person has mended something.
        """
        self._gate.wake()
        if self._intake is not None:
            self._intake.scan_soon()

    async def run(self, *, until_drained: bool = False) -> Ending:
        """
        Work until stopped, or until the inbox is drained or the endpoint turns out to be unavailable.
        """
        if problems := self._settings.folders.problems():
            raise ConfigurationError(problems)
        with WorkLock(self._settings.folders.work) as lock:
            async with EditsClient(self._settings.endpoint) as client:
                return await self._run(
                    client, was_clean=lock.was_clean, until_drained=until_drained
                )

    async def _run(self, client: EditsClient, *, was_clean: bool, until_drained: bool) -> Ending:
        folders = self._settings.folders
        spool = Spool(work=folders.work, inbox=folders.inbox)
        await asyncio.to_thread(spool.prepare)
        pipeline = self._pipeline(spool, client)
        log.info("daemon.started", **self._settings.shown, was_clean=was_clean)
        if not was_clean:
            await _retrace(spool, pipeline)
        async with asyncio.TaskGroup() as tasks:
            self._assemble(tasks, spool, pipeline, client)
            ending = await self._work(tasks, spool, until_drained=until_drained)
        if ending is Ending.UNAVAILABLE:
            for job_id in spool.ids():
                await pipeline.release(job_id)
        log.info("daemon.stopped", ending=ending.value, **_counted(self.ends))
        return ending

    def _pipeline(self, spool: Spool, client: EditsClient) -> Pipeline:
        settings, clock = self._settings, self._clock
        attempts = Attempts(spool=spool, client=client, gate=self._gate, clock=clock)
        return Pipeline(
            spool=spool,
            delivery=Delivery(spool=spool, folders=settings.folders),
            history=History(settings.folders.work),
            preparer=Preparer(
                spool=spool, limits=settings.limits, max_megapixels=settings.max_megapixels
            ),
            attempts=attempts,
            judge=Judge(
                spool=spool,
                client=client,
                attempts=attempts,
                clock=clock,
                max_megapixels=settings.max_megapixels,
            ),
            gate=self._gate,
            clock=clock,
            budget=settings.budget,
        )

    def _assemble(
        self, tasks: asyncio.TaskGroup, spool: Spool, pipeline: Pipeline, client: EditsClient
    ) -> None:
        settings = self._settings
        inbox = Inbox(
            root=settings.folders.inbox,
            ignored=ignore_table(settings.ignore),
            recursive=settings.recursive,
        )
        workshop = Workshop(
            pipeline=pipeline,
            gate=self._gate,
            room=2 * settings.endpoint.concurrency,
            on_change=self._stir,
        )
        intake = Intake(
            inbox=inbox,
            backlog=Backlog(
                patience=settings.patience, has_default_prompt=settings.edit.prompt is not None
            ),
            framer=Framer(
                inbox=inbox,
                edit=settings.edit,
                limits=settings.limits,
                text_encoding=settings.text_encoding,
            ),
            spool=spool,
            patience=settings.patience,
            rescan_seconds=settings.rescan_seconds,
            clock=self._clock,
            has_room=self._may_claim,
            start=lambda job_id: self._start(job_id, tasks),
            on_change=self._stir,
        )
        self._prober = Prober(
            gate=self._gate,
            workshop=workshop,
            client=client,
            clock=self._clock,
            has_ready=lambda: intake.ready() > 0,
            wake_intake=intake.wake,
        )
        self._workshop, self._intake = workshop, intake

    async def _work(self, tasks: asyncio.TaskGroup, spool: Spool, *, until_drained: bool) -> Ending:
        assert self._workshop is not None and self._intake is not None, "assembled before"
        with _watching(self._settings, self._intake):
            for job_id in await asyncio.to_thread(spool.ids):
                self._workshop.start(job_id, tasks)
            await self._intake.turn()
            notify("READY=1")
            helpers = [
                tasks.create_task(self._intake.run(), name="intake"),
                tasks.create_task(self._prober.run(), name="prober"),
            ]
            ending = await self._until_end(until_drained=until_drained)
            notify("STOPPING=1")
            log.info("daemon.stopping", jobs=self._workshop.jobs)
            for helper in helpers:
                helper.cancel()
        self._workshop.stop()
        await self._drain()
        return ending

    async def _until_end(self, *, until_drained: bool) -> Ending:
        assert self._workshop is not None and self._intake is not None, "assembled before"
        while not self._stop.is_set():
            self._stirred.clear()
            notify(f"STATUS={self._status()}")
            if until_drained and self._gate.hold is not None:
                return Ending.UNAVAILABLE
            if until_drained and not self._workshop.jobs and self._intake.is_idle():
                return Ending.DRAINED
            await self._stirred.wait()
        return Ending.STOPPED

    async def _drain(self) -> None:
        assert self._workshop is not None, "assembled before"
        while self._workshop.jobs:
            self._stirred.clear()
            notify(f"EXTEND_TIMEOUT_USEC={_EXTEND_USEC}", f"STATUS=stopping: {self._status()}")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stirred.wait(), _DRAIN_BEAT_SECONDS)

    def _start(self, job_id: str, tasks: asyncio.TaskGroup) -> None:
        assert self._workshop is not None, "assembled before"
        self._prober.wants_new = False
        self._workshop.start(job_id, tasks)

    def _may_claim(self) -> bool:
        """
        Tell whether another job may be claimed: a probe's even where there is no room.
        """
        if self._workshop is None or self._stop.is_set():
            return False
        if self._gate.hold is not None:
            return self._prober.wants_new
        return self._workshop.has_room

    def _stir(self) -> None:
        self._stirred.set()
        if self._workshop is not None:
            self._prober.stir()
        if self._intake is not None and self._may_claim() and self._intake.ready():
            self._intake.wake()

    def _status(self) -> str:
        held = f"; paused: {self._gate.reason}" if self._gate.hold else ""
        return f"{self.jobs} in work, {self.ends.get(End.DONE, 0)} done{held}"


async def _retrace(spool: Spool, pipeline: Pipeline) -> None:
    """
    After an unclean end, take alone, one at a time, the step that may have caused it.
    """
    standings = [await asyncio.to_thread(spool.load, job_id) for job_id in spool.ids()]
    suspects = [standing for standing in standings if standing.phase in RISKY]
    for standing in sorted(suspects, key=lambda each: len(each.crashes)):
        await pipeline.retrace(standing.id)


@contextlib.contextmanager
def _watching(settings: Settings, intake: Intake) -> Iterator[None]:
    """
    Watch the inbox if the kernel lets us; without it everything happens at the pace of the scans.
    """
    with contextlib.ExitStack() as stack:
        try:
            watcher = Watcher(
                inbox=settings.folders.inbox, bell=intake.bell, recursive=settings.recursive
            )
            stack.enter_context(watcher)
        except OSError as error:
            log.warning("watch.mode", mode="scan", every=settings.rescan_seconds, reason=str(error))
        else:
            log.info("watch.mode", mode="inotify", rescan_seconds=settings.rescan_seconds)
        yield


def _counted(ends: Mapping[End, int]) -> dict[str, int]:
    return {end.value: ends.get(end, 0) for end in End}
