"""
The means for a request, seen to before it is opened: room on the disks for its answer, and today's budget.
"""

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import ParamSpec

from retouchd.clock import Clock
from retouchd.disk import space, threads
from retouchd.disk.folders import Folders
from retouchd.errors import Blocked, FolderUnresponsive
from retouchd.job.model import Job
from retouchd.job.step_result import Wait
from retouchd.money.pricing import PriceList, estimate, pictures_asked
from retouchd.throttle.breaker import Bar, Cause
from retouchd.throttle.disk_monitor import DiskMonitor
from retouchd.throttle.ledger import Spending

P = ParamSpec("P")

_LOOK_AGAIN_SECONDS = 10.0


class Means:
    """
    Knows what the requests on their way will need, and whether one more can be afforded.
    """

    def __init__(
        self,
        *,
        folders: Folders,
        disks: DiskMonitor,
        spending: Spending,
        prices: PriceList,
        clock: Clock,
    ) -> None:
        self._folders = folders
        self._disks = disks
        self._spending = spending
        self._prices = prices
        self._clock = clock
        self._expected = 0
        self._refused: Job | None = None

    @contextlib.asynccontextmanager
    async def reserved(self, job: Job) -> AsyncIterator[Bar | Wait | None]:
        """
        Set aside what a job's request needs; yield what forbids it, None if nothing does: a bar forbids all
        others, too, a wait is over when a request on its way has told what it costs.

        Nothing is awaited between the look at the budget and the yield: who sends at once shares what is
        left of it with nobody. Raises Blocked where only this job cannot be sent.
        """
        pictures = pictures_asked(job.request)
        self._expected += pictures
        try:
            bar = await self._room(self._room_for, job.folder, self._expected) or self._budget(job)
            if isinstance(bar, Bar):
                self._refused = job
            yield bar
        finally:
            self._expected -= pictures

    async def look_again(self) -> Bar | None:
        """
        Return what still forbids the request that was refused last, None if nothing does.
        """
        await self._disks.look()
        job = self._refused
        pictures = self._expected + (pictures_asked(job.request) if job else 0)
        with contextlib.suppress(Blocked):
            found = await self._room(self._disk, pictures) or (self._budget(job) if job else None)
            return found if isinstance(found, Bar) else None
        return None

    async def _room(self, look: Callable[P, str], *args: P.args, **kwargs: P.kwargs) -> Bar | None:
        """
        Return what a look at the folders says against a request.
        """
        try:
            reason = await threads.look(look, *args, **kwargs)
        except (FolderUnresponsive, OSError) as obstacle:
            reason = str(obstacle)
        return Bar(cause=Cause.DISK, reason=reason, seconds=_LOOK_AGAIN_SECONDS) if reason else None

    def _room_for(self, folder: str, pictures: int) -> str:
        if reason := space.obstacle(self._folders, folder):
            raise Blocked(reason)
        return self._disk(pictures)

    def _disk(self, pictures: int) -> str:
        return self._disks.misplaced() or space.shortage(self._folders, pictures)

    def _budget(self, job: Job) -> Bar | Wait | None:
        cost = estimate(self._prices(job.request.model), job)
        lack = self._spending.lack(cost, pictures_asked(job.request))
        if lack is None:
            return None
        if lack.is_hopeless:
            raise Blocked(lack.reason)  # Others may well be sent.
        if lack.is_passing:
            return Wait(seconds=_LOOK_AGAIN_SECONDS, reason=lack.reason)
        seconds = max(0.0, (lack.until - self._clock.now()).total_seconds())
        return Bar(cause=Cause.BUDGET, reason=lack.reason, seconds=seconds)
