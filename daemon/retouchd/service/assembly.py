"""
Composition root: builds one run's objects and wires their callbacks; and the recovery before anything is taken.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence

from retouchd.clock import Clock
from retouchd.config.settings import Current, Settings
from retouchd.disk.calls import Folder, at
from retouchd.disk.folders import Folders, remember
from retouchd.disk.threads import in_work
from retouchd.endpoint.client import EditsClient
from retouchd.events import emit
from retouchd.events.inbox import FileReturned, FileUnreturned, FinishEnded, FinishUnended
from retouchd.events.jobs import JobCrashed
from retouchd.events.run import FolderUnnoted
from retouchd.inbox.claimer import Claimer
from retouchd.inbox.duplicates import Duplicates, take_all
from retouchd.inbox.intake import Intake
from retouchd.inbox.references import ReferenceCopier, used_references
from retouchd.inbox.watch_supervisor import WatchSupervisor
from retouchd.job.model import Job
from retouchd.job.naming import escaped
from retouchd.money.budget import BudgetLeft
from retouchd.pipeline.attempts import Attempts
from retouchd.pipeline.disk_steps import DiskSteps
from retouchd.pipeline.edit_steps import EditSteps
from retouchd.pipeline.finish import Finisher
from retouchd.pipeline.job_in_hand import RefinishError
from retouchd.pipeline.judge import Judge
from retouchd.pipeline.kept_results import KeptResults
from retouchd.pipeline.pipeline import RISKY, Pipeline
from retouchd.pipeline.prepare import Preparer
from retouchd.pipeline.refinish import Refinisher
from retouchd.pipeline.results import Downloads
from retouchd.pipeline.runner import Runner
from retouchd.retry import error_folder
from retouchd.spool.delivery import Delivery
from retouchd.spool.fingerprint import Policy
from retouchd.spool.history import History
from retouchd.spool.history_recovery import Recovery
from retouchd.spool.spool import Spool
from retouchd.status.inbox_snapshot import builder_of, inbox_of, index_of
from retouchd.throttle.lane import Lane


class Assembly:
    """
    The objects of one run, wired; those with a loop have a task each. `on_change` is called at any change.
    """

    def __init__(
        self,
        *,
        current: Current,
        clock: Clock,
        lane: Lane,
        client: EditsClient,
        spool: Spool,
        on_change: Callable[[], None],
    ) -> None:
        settings = current.settings
        self._current = current
        self._client = client
        self._admission = lane.admission
        self._gate = lane.gate
        self._ledger = lane.ledger
        self._disks = lane.disks
        self._on_change = on_change
        self._tasks: asyncio.TaskGroup | None = None
        self._is_closing = False
        self._folders: dict[str, str] = {}
        self.spool = spool
        self._history = History(settings.folders.work)
        self._inbox = inbox_of(settings)
        self._reference_copier = ReferenceCopier(spool=spool, inbox=self._inbox)
        self._preparer = Preparer(
            spool=spool, reference_copier=self._reference_copier, current=current
        )
        self.pausing = lane.pausing
        self.recovery = Recovery(
            folders=settings.folders,
            history=self._history,
            spool=spool,
            on_change=self._note_change,
        )
        self._duplicates = Duplicates(
            policy=settings.duplicates, recovery=self.recovery, folders=settings.folders
        )
        self.attempts = Attempts(spool=spool, client=client, clock=clock, prices=current.prices)
        self.pipeline = self._pipeline(current, clock, client)
        self.runner = Runner(
            pipeline=self.pipeline,
            changes=lane.gate.changes,
            room=lambda: current.most_at_work,
            on_over=self._over,
            on_change=self._note_change,
        )
        self.intake = self._intake(settings, clock)
        self.watching = WatchSupervisor(
            settings=settings, intake=self.intake, clock=clock, on_change=self._note_change
        )
        self.prober = lane.prober(
            jobs=self.runner,
            client=client,
            has_ready=lambda: self.intake.ready() > 0,
            wake_intake=self.intake.wake,
        )

    @property
    def looking_up(self) -> str:
        """
        Return why nothing may be claimed as it is not known yet what was done before, empty once it is.
        """
        return self.recovery.reason if self._current.settings.duplicates is Policy.HOLD else ""

    @property
    def budget_left(self) -> BudgetLeft:
        """
        Return what the budget leaves for the rest of the day.
        """
        return self._ledger.left()

    def is_drained(self) -> bool:
        """
        Return whether nothing is in work, and nothing will be without somebody's doing.
        """
        is_looking_up = self.looking_up and not self.recovery.obstacle
        return not self.runner.jobs and self.intake.is_idle() and not is_looking_up

    @property
    def stranded(self) -> str:
        """
        Return why nothing of what is in work can go on, empty where some can or more can be claimed beside it.
        """
        but_not = self.runner.room()
        is_full = but_not is None or (but_not and not self.intake.ready(but_not))
        return self.runner.stranded if is_full or self.intake.is_idle() else ""

    def held_up(self, job_id: str) -> str:
        """
        Return the sentence of the unresponsive folder that holds up a job, with all of its edits that are under
        way; empty if none does.
        """
        return self._disks.threads.holds_up(*self.pipeline.strands(job_id))

    def dropped(self, folder: str, names: Sequence[str], *, again: bool) -> None:
        """
        Take in what a drop of our own has put into the inbox, the picture last; `again`, whatever was done
        before. May be called from any thread.
        """
        if again:
            self._duplicates.want_again((folder, names[-1]))
        self.intake.dropped(folder, names)

    def prime(self) -> None:
        """
        Take in what today has cost, what jobs have asked for, and which pictures of the inbox they have
        used as references. Blocking.
        """
        self._ledger.prime(self._history, self.spool)
        take_all(self._duplicates, self.spool)
        self._folders = {job.id: job.folder for job in self.spool.jobs()}
        self.intake.spare(used_references(self._history, self.spool))

    async def adopt(self, settings: Settings) -> None:
        """
        Work by other settings from now on. Raises ConfigurationError, and then nothing has changed.
        """
        await self._client.adopt(settings.endpoint)
        self._current.settings = settings
        await self._admission.adopt()

    def start(self, job_ids: list[str], tasks: asyncio.TaskGroup) -> None:
        """
        Go on with the jobs that are in work already, and be able to take new ones.
        """
        self._tasks = tasks
        if self.looking_up:
            tasks.create_task(self.recovery.run(), name="recovery")
        for job_id in job_ids:
            self.runner.start(job_id, self._folders.get(job_id, ""), tasks)

    def close(self) -> None:
        """
        Claim and send nothing more; what can be finished without is finished.
        """
        self._is_closing = True
        self.intake.stop()
        self.watching.stop()
        self.recovery.stop()
        self.runner.stop()
        self._admission.stop()

    def _pipeline(self, current: Current, clock: Clock, client: EditsClient) -> Pipeline:
        spool = self.spool
        finisher = Finisher(spool=spool, current=current)
        disk_steps = DiskSteps(
            spool=spool,
            delivery=Delivery(
                spool=spool,
                folders=current.settings.folders,
                known=self._duplicates.known,
                on_results=self._duplicates.publish,
            ),
            history=self._history,
            clock=clock,
            is_finishing=finisher.is_asked,
            on_return=self._returned,
            on_unread=self.recovery.again,
            on_away=self._disks.miss,
        )
        return Pipeline(
            spool=spool,
            disk_steps=disk_steps,
            edit_steps=EditSteps(
                spool=spool,
                disk_steps=disk_steps,
                preparer=self._preparer,
                attempts=self.attempts,
                judge=Judge(
                    spool=spool,
                    client=client,
                    downloads=Downloads(spool=spool, client=client, clock=clock),
                ),
                admission=self._admission,
                duplicates=self._duplicates,
                kept_results=KeptResults(spool=spool, current=current, clock=clock),
            ),
            finisher=finisher,
            admission=self._admission,
            changes=self._gate.changes,
            clock=clock,
        )

    def _intake(self, settings: Settings, clock: Clock) -> Intake:
        inbox, index = self._inbox, index_of(self._current, self._inbox, clock)
        return Intake(
            index=index,
            claimer=Claimer(
                index=index,
                builder=builder_of(self._current, inbox, self._preparer, clock),
                duplicates=self._duplicates,
                reference_copier=self._reference_copier,
                spool=self.spool,
                patience=settings.patience,
                retry_seconds=settings.rescan_seconds,
                clock=clock,
            ),
            rescan_seconds=settings.rescan_seconds,
            settle_seconds=settings.patience.settle_seconds,
            clock=clock,
            room=self._room,
            start=self._start,
            on_change=self._note_change,
        )

    def _start(self, job: Job) -> None:
        assert self._tasks is not None, "nothing is claimed before the run is started"
        self.prober.take(job.id)
        self.runner.start(job.id, job.folder, self._tasks)

    def _over(self, job_id: str) -> None:
        for folder, name in self._duplicates.over(job_id):
            self.intake.look_soon(folder, [name])

    def _returned(self, folder: str, names: list[str], reason: str) -> None:
        self.intake.came_back(folder, names, reason)

    def _room(self, coming: int = 0) -> Collection[str] | None:
        """
        Return of which sub-folders no other job may be claimed besides so many that are about to be, None where
        none may at all: a probe may even where there is no room.
        """
        is_held_up = self.watching.away or self.looking_up or self._disks.reasons
        if self._is_closing or is_held_up:
            return None
        if self._gate.pause is not None:
            return () if self.prober.wants_new and not coming else None
        return self.runner.room(coming)

    def _note_change(self) -> None:
        self._on_change()
        self.prober.note_change()
        but_not = self._room()
        if but_not is not None and self.intake.ready(but_not):
            self.intake.wake()


async def retrace(assembly: Assembly) -> None:
    """
    After an unclean end, take alone, one at a time, the step that may have caused it.

    Those noted least often come first: the culprit must not take the innocent with it again and again.
    """
    suspects = await in_work(assembly.spool.suspects, RISKY)
    for job_id in suspects:
        try:
            await assembly.pipeline.retrace(job_id)
        except Exception as error:  # noqa: BLE001 - noted as a crash already; the others must not suffer for it
            emit(JobCrashed(job=job_id, exception=error))


def finish_returns(folders: Folders) -> None:
    """
    Finish what a `retry` that was killed left between `error/` and the inbox.
    """
    try:
        with at(Folder.ERROR):
            returned = list(error_folder.finish(folders))
        for path in returned:
            emit(FileReturned(path=path))
    except OSError as error:
        emit(FileUnreturned(reason=str(error)))


def end_finishing(settings: Settings, clock: Clock) -> None:
    """
    End what a `retouchd finish` that was killed left half done.
    """
    try:
        for path in Refinisher(settings, clock).end_left():
            emit(FinishEnded(path=escaped(path)))
    except (OSError, RefinishError) as error:
        emit(FinishUnended(reason=str(error)))


def note_folders(folders: Folders) -> None:
    """
    Have the work folder remember these folders: one of them that is missing later on is not made anew.
    """
    try:
        remember(folders)
    except OSError as error:
        emit(FolderUnnoted(reason=str(error)))
