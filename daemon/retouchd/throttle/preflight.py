"""
Checks before a request: free space and inodes, write permission, the budget; reserved while it is in flight.
"""

import contextlib
import os
import stat
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import ParamSpec

from retouchd.clock import Clock
from retouchd.disk import file_stat, threads
from retouchd.disk.calls import Folder, at
from retouchd.disk.folders import Folders
from retouchd.errors import Blocked, FolderUnresponsive
from retouchd.job.model import Job
from retouchd.job.naming import shown
from retouchd.job.outcome import Wait
from retouchd.money.pricing import PriceList, estimate, pictures_asked
from retouchd.throttle.breaker import LocalBlock, PauseCause
from retouchd.throttle.disk_monitor import DiskMonitor
from retouchd.throttle.ledger import Ledger
from retouchd.throttle.person_pause import PersonPauseFile

PICTURE_BYTES = 16 << 20
"""Room kept for each picture expected: a PNG of 8 megapixels that compresses badly."""

_ANSWER = 4 / 3
"""Base64 makes four bytes of three."""
_FILES = 32
"""Names that one job makes in a folder, amply."""


def shortage(folders: Folders, pictures: int, *, is_reviewed: bool = False) -> str:
    """
    Return why an answer with so many pictures might find no room, empty if it will.

    The work folder holds the answer as it came and the pictures decoded; the outbox takes the pictures,
    where they are reviewed the folder for that too, done and error only names, where they are on the same disk.
    Folders of one disk are added up.
    """
    size = pictures * PICTURE_BYTES
    wanted = {
        Folder.WORK: (folders.work, int(size * (1 + _ANSWER))),
        Folder.OUTBOX: (folders.outbox, size),
        **({Folder.REVIEW: (folders.review, size)} if is_reviewed else {}),
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


def obstacle(folders: Folders, folder: str, *, is_reviewed: bool = False) -> str:
    """
    Return why a result could not be written into this folder of outbox, review, done or error, empty if it can.
    """
    targets = {
        Folder.OUTBOX: folders.outbox,
        Folder.DONE: folders.done,
        Folder.ERROR: folders.error,
    }
    if is_reviewed:
        with at(Folder.REVIEW):
            state = _state(folders.review)
            if reason := state if isinstance(state, str) else _unwritable(folders.review, folder):
                return reason
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
        person: PersonPauseFile,
    ) -> None:
        self._folders = folders
        self._person = person
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
            lack = await self._look(self._against, job, self._expected) or self._budget(job)
            if isinstance(lack, LocalBlock):
                self._refused = job
            yield lack
        finally:
            self._expected -= pictures

    async def look_again(self) -> LocalBlock | None:
        """
        Return what still forbids the request that was refused last, None if nothing does.
        """
        await self._disks.check()
        job = self._refused
        pictures = self._expected + (pictures_asked(job.request) if job else 0)
        with contextlib.suppress(Blocked):
            is_reviewed = job is not None and job.is_reviewed
            found = await self._look(self._disk, pictures, is_reviewed=is_reviewed) or (
                self._budget(job) if job else None
            )
            if isinstance(found, LocalBlock):
                return found
        return await threads.in_any(self._person.block)

    async def _look(
        self, look: Callable[P, LocalBlock | str], *args: P.args, **kwargs: P.kwargs
    ) -> LocalBlock | None:
        """
        Return what a look at the folders says against a request; in words, it is the disk that forbids it.
        """
        try:
            found = await threads.in_any(look, *args, **kwargs)
        except (FolderUnresponsive, OSError) as obstacle:
            found = str(obstacle)
        if isinstance(found, str):
            block = LocalBlock(cause=PauseCause.DISK, reason=found, seconds=_LOOK_AGAIN_SECONDS)
            return block if found else None
        return found

    def _against(self, job: Job, pictures: int) -> LocalBlock | str:
        return self._person.block() or self._room_for(job, pictures)

    def _room_for(self, job: Job, pictures: int) -> str:
        if reason := obstacle(self._folders, job.folder, is_reviewed=job.is_reviewed):
            raise Blocked(reason)
        return self._disk(pictures, is_reviewed=job.is_reviewed)

    def _disk(self, pictures: int, *, is_reviewed: bool) -> str:
        misplaced = self._disks.misplaced()
        return misplaced or shortage(self._folders, pictures, is_reviewed=is_reviewed)

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
