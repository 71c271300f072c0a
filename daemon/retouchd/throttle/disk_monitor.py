"""
The monitor of the six folders: whether each answers, and the work folder is in its place.

What is wrong blocks what would begin: claims, and requests whose result could not be delivered. What is in
flight goes on, in threads that wait for no other folder, and in the work folder wherever that is by now.
"""

import asyncio
from collections.abc import Callable

from retouchd.disk.calls import Folder
from retouchd.disk.folders import Folders
from retouchd.disk.lock import WorkLock
from retouchd.disk.threads import DiskThreads
from retouchd.events import emit
from retouchd.events.run import FolderAnswers, FolderHung, WorkMisplaced, WorkRestored
from retouchd.throttle.breaker import LocalBlock, PauseCause
from retouchd.throttle.gate import Gate

_CHECK_SECONDS = 10.0


class DiskMonitor:
    """
    Watches the six folders: blocks sending, and emits events, while one hangs or the work folder is misplaced.

    `jobs` returns the ids of those in work, `on_change` is called whenever anything changes.
    """

    def __init__(
        self,
        *,
        folders: Folders,
        gate: Gate,
        jobs: Callable[[], list[str]],
        on_change: Callable[[], None],
    ) -> None:
        self.threads = DiskThreads(folders.by_name(), on_change=self._heard)
        self._gate = gate
        self._jobs = jobs
        self._on_change = on_change
        self._told: dict[Folder, str] = {}
        self._misplaced = ""
        self._lock: WorkLock | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def reasons(self) -> dict[Folder, str]:
        """
        Return a sentence for each folder that cannot be used now.
        """
        misplaced = {Folder.WORK: self._misplaced} if self._misplaced else {}
        return {**self.threads.unresponsive, **misplaced}

    def is_hung(self, folder: Folder) -> bool:
        """
        Return whether a folder does not answer.
        """
        return folder in self.threads.unresponsive

    def _heard(self) -> None:
        """
        Take in that a folder has stopped answering, or answers again.
        """
        now = self.threads.unresponsive
        for folder in now.keys() - self._told.keys():
            emit(FolderHung(folder=folder.value, reason=now[folder]))
        for folder in self._told.keys() - now.keys():
            emit(FolderAnswers(folder=folder.value))
        self._told = dict(now)
        self._tell()

    def supervise(self, lock: WorkLock) -> None:
        """
        Supervise the place of this work folder from now on.
        """
        self._lock = lock
        self._loop = asyncio.get_running_loop()

    async def check(self) -> None:
        """
        See whether the work folder answers, and is in its place.
        """
        assert self._lock is not None, "a run holds its work folder"
        self._note_place(await self.threads.run(Folder.WORK, _check, self._lock))

    def misplaced(self) -> str:
        """
        Return why nothing may be begun on the work folder, empty if it may. Blocks.
        """
        return self._lock.obstacle() if self._lock is not None else ""

    def notice(self) -> None:
        """
        Take in that the work folder is not in its place. Called from any thread; blocks.
        """
        if self._lock is not None and self._loop is not None:
            self._loop.call_soon_threadsafe(self._note_place, self._lock.obstacle())

    def miss(self, reason: str) -> None:
        """
        Take in that outbox, done or error went away: nothing is sent until it is back. Called from any thread.
        """
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._missed, reason)

    def _missed(self, reason: str) -> None:
        self._gate.block(LocalBlock(cause=PauseCause.DISK, reason=reason, seconds=_CHECK_SECONDS))
        self._on_change()

    def _note_place(self, obstacle: str) -> None:
        if obstacle == self._misplaced:
            return
        self._misplaced = obstacle
        if obstacle:
            emit(WorkMisplaced(reason=obstacle, jobs=self._jobs()))
        else:
            emit(WorkRestored())
        self._tell()

    def _tell(self) -> None:
        """
        Pause while anything is wrong, and have the pause looked at again when nothing is.
        """
        reason = next(iter(self.reasons.values()), "")
        if reason:
            self._gate.block(
                LocalBlock(cause=PauseCause.DISK, reason=reason, seconds=_CHECK_SECONDS)
            )
        elif self._gate.pause_cause is PauseCause.DISK:
            self._gate.block(
                LocalBlock(cause=PauseCause.DISK, reason=self._gate.reason, seconds=0.0)
            )
        self._on_change()


def _check(lock: WorkLock) -> str:
    lock.renew()
    return lock.obstacle()
