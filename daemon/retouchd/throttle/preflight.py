"""
Checks before a request: folders that answer, free space and inodes, write permission, the budget; and the
monitor that watches the five folders meanwhile.

Either blocks what would begin: claims, and requests whose result could not be delivered. What is in flight goes
on, in threads that wait for no other folder, and in the work folder wherever that is by now.
"""

import asyncio
import contextlib
import os
import stat
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import ParamSpec

from retouchd.clock import Clock
from retouchd.disk import file_stat, threads
from retouchd.disk.folders import Folders
from retouchd.disk.lock import WorkLock
from retouchd.disk.thread_pools import Folder, at
from retouchd.disk.threads import DiskThreads
from retouchd.errors import Blocked, FolderUnresponsive
from retouchd.events import emit
from retouchd.events.run import FolderAnswers, FolderHung, WorkMisplaced, WorkRestored
from retouchd.job.model import Job, Wait
from retouchd.job.naming import shown
from retouchd.money.pricing import PriceList, estimate, pictures_asked
from retouchd.throttle.breaker import LocalBlock, PauseCause
from retouchd.throttle.gate import Gate
from retouchd.throttle.ledger import Ledger

PICTURE_BYTES = 16 << 20
"""Room kept for each picture expected: a PNG of 8 megapixels that compresses badly."""

_ANSWER = 4 / 3
"""Base64 makes four bytes of three."""
_FILES = 32
"""Names that one job makes in a folder, amply."""


def shortage(folders: Folders, pictures: int) -> str:
    """
    Return why an answer with so many pictures might find no room, empty if it will.

    The work folder holds the answer as it came and the pictures decoded; the outbox takes the pictures,
    done and error only names, where they are on the same disk. Folders of one disk are added up.
    """
    size = pictures * PICTURE_BYTES
    wanted = {
        Folder.WORK: (folders.work, int(size * (1 + _ANSWER))),
        Folder.OUTBOX: (folders.outbox, size),
        Folder.DONE: (folders.done, 0),
        Folder.ERROR: (folders.error, 0),
    }
    on_disk: dict[int, int] = {}
    for folder, (place, needed) in wanted.items():
        with at(folder):
            state = _state(place)
            if isinstance(state, str):
                return state
            try:
                device = place.stat().st_dev
            except OSError as error:
                return _unusable(place, error)
        # On the disk of the work folder a decoded picture is only renamed, and counted already.
        on_disk[device] = on_disk.get(device, 0) or needed
        if reason := _too_little(place, state, on_disk[device]):
            return reason
    return ""


def _too_little(place: Path, state: os.statvfs_result, needed: int) -> str:
    name, free = shown(str(place)), state.f_bavail * state.f_frsize
    if free < needed:
        return (
            f"{name} has {free / 1e6:.0f} MB left, and {needed / 1e6:.0f} MB are kept free for what is "
            "being edited; make room on that disk."
        )
    if state.f_files and state.f_favail < _FILES:
        return f"{name} can take only {state.f_favail} more files; remove some from that disk."
    return ""


def obstacle(folders: Folders, folder: str) -> str:
    """
    Return why a result could not be written into this folder of outbox, done or error, empty if it can.
    """
    targets = {
        Folder.OUTBOX: folders.outbox,
        Folder.DONE: folders.done,
        Folder.ERROR: folders.error,
    }
    for target, root in targets.items():
        with at(target):
            if reason := _unwritable(root, folder):
                return reason
    return ""


def _unwritable(root: Path, folder: str) -> str:
    """
    Return why nothing can be written into a folder below one of ours; empty if it can or is still to be made.
    """
    place = root
    for part in folder.split("/") if folder else ():
        inner = place / part
        if not file_stat.is_taken(inner):
            break
        if not stat.S_ISDIR(file_stat.stat_at(inner).st_mode):
            return file_stat.in_the_way(inner)  # A link, too: nothing is written behind one.
        place = inner
    state = _state(place) if place != root else ""
    return state if isinstance(state, str) else ""


def _state(place: Path) -> os.statvfs_result | str:
    try:
        state = os.statvfs(place)
    except OSError as error:
        return _unusable(place, error)
    if state.f_flag & os.ST_RDONLY:
        return f"{shown(str(place))} is on a disk that is mounted read-only; mount it for writing."
    if not os.access(place, os.W_OK | os.X_OK):
        return f"{shown(str(place))} may not be written by this user; change its owner or mode."
    return state


def _unusable(place: Path, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return file_stat.away(place)
    return f"{shown(str(place))} cannot be used: {error.strerror}. Make it, or see to its disk."


_LOOK_SECONDS = 10.0


class DiskMonitor:
    """
    Watches the five folders: blocks sending, and emits events, while one hangs or the work folder is misplaced.

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

    async def look(self) -> None:
        """
        See whether the work folder answers, and is in its place.
        """
        assert self._lock is not None, "a run holds its work folder"
        self._place(await self.threads.run(Folder.WORK, _look, self._lock))

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
            self._loop.call_soon_threadsafe(self._place, self._lock.obstacle())

    def miss(self, reason: str) -> None:
        """
        Take in that outbox, done or error went away: nothing is sent until it is back. Called from any thread.
        """
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._missed, reason)

    def _missed(self, reason: str) -> None:
        self._gate.block(LocalBlock(cause=PauseCause.DISK, reason=reason, seconds=_LOOK_SECONDS))
        self._on_change()

    def _place(self, obstacle: str) -> None:
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
                LocalBlock(cause=PauseCause.DISK, reason=reason, seconds=_LOOK_SECONDS)
            )
        elif self._gate.pause_cause is PauseCause.DISK:
            self._gate.block(
                LocalBlock(cause=PauseCause.DISK, reason=self._gate.reason, seconds=0.0)
            )
        self._on_change()


def _look(lock: WorkLock) -> str:
    lock.renew()
    return lock.obstacle()


P = ParamSpec("P")

_LOOK_AGAIN_SECONDS = 10.0


class Preflight:
    """
    Reserves disk space and budget for requests in flight, and says whether one more can be afforded.
    """

    def __init__(
        self,
        *,
        folders: Folders,
        disks: DiskMonitor,
        ledger: Ledger,
        prices: PriceList,
        clock: Clock,
    ) -> None:
        self._folders = folders
        self._disks = disks
        self._ledger = ledger
        self._prices = prices
        self._clock = clock
        self._expected = 0
        self._refused: Job | None = None

    @contextlib.asynccontextmanager
    async def reserved(self, job: Job) -> AsyncIterator[LocalBlock | Wait | None]:
        """
        Set aside what a job's request needs; yield what forbids it, None if nothing does: a block forbids
        all others, too, a wait is over when a request on its way has told what it costs.

        Nothing is awaited between the look at the budget and the yield: who sends at once shares what is
        left of it with nobody. Raises Blocked where only this job cannot be sent.
        """
        pictures = pictures_asked(job.request)
        self._expected += pictures
        try:
            lack = await self._room(self._room_for, job.folder, self._expected) or self._budget(job)
            if isinstance(lack, LocalBlock):
                self._refused = job
            yield lack
        finally:
            self._expected -= pictures

    async def look_again(self) -> LocalBlock | None:
        """
        Return what still forbids the request that was refused last, None if nothing does.
        """
        await self._disks.look()
        job = self._refused
        pictures = self._expected + (pictures_asked(job.request) if job else 0)
        with contextlib.suppress(Blocked):
            found = await self._room(self._disk, pictures) or (self._budget(job) if job else None)
            return found if isinstance(found, LocalBlock) else None
        return None

    async def _room(
        self, look: Callable[P, str], *args: P.args, **kwargs: P.kwargs
    ) -> LocalBlock | None:
        """
        Return what a look at the folders says against a request.
        """
        try:
            reason = await threads.look(look, *args, **kwargs)
        except (FolderUnresponsive, OSError) as obstacle:
            reason = str(obstacle)
        return (
            LocalBlock(cause=PauseCause.DISK, reason=reason, seconds=_LOOK_AGAIN_SECONDS)
            if reason
            else None
        )

    def _room_for(self, folder: str, pictures: int) -> str:
        if reason := obstacle(self._folders, folder):
            raise Blocked(reason)
        return self._disk(pictures)

    def _disk(self, pictures: int) -> str:
        return self._disks.misplaced() or shortage(self._folders, pictures)

    def _budget(self, job: Job) -> LocalBlock | Wait | None:
        cost = estimate(self._prices(job.request.model), job)
        lack = self._ledger.lack(cost, pictures_asked(job.request))
        if lack is None:
            return None
        if lack.is_hopeless:
            raise Blocked(lack.reason)  # Others may well be sent.
        if lack.is_passing:
            return Wait(seconds=_LOOK_AGAIN_SECONDS, reason=lack.reason)
        seconds = max(0.0, (lack.until - self._clock.now()).total_seconds())
        return LocalBlock(cause=PauseCause.BUDGET, reason=lack.reason, seconds=seconds)
