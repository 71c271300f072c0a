"""
The live status of one run, for the commands and the status files.
"""

import asyncio
import datetime as dt
from collections import Counter
from collections.abc import Callable

from retouchd.clock import Clock
from retouchd.config.settings import Current, Settings
from retouchd.disk.filesystems import own_unit
from retouchd.events.messages import UnreadLog
from retouchd.inbox.waiting import Waiting
from retouchd.job.outcome import End
from retouchd.service.assembly import Assembly
from retouchd.service.status_writer import status_report
from retouchd.status.report import StatusReport
from retouchd.tasks import Changes
from retouchd.throttle.lane import Lane

_SAME = dt.timedelta(seconds=2)


class RunStatus:
    """
    What a run tells of itself; all of it is empty before the work folder is held.

    `moved` tells of each change of a run, so that nobody has to look in vain. `remark` is what a person should
    hear of the configuration, `stranded` why no job can go on, `stuck` why the run makes no progress.
    """

    def __init__(
        self,
        current: Current,
        lane: Lane,
        clock: Clock,
        unread_log: Callable[[], UnreadLog | None],
    ) -> None:
        self._current = current
        self._gate = lane.gate
        self._disks = lane.disks
        self._clock = clock
        self._unread_log = unread_log
        self._assembly: Assembly | None = None
        self._begun = asyncio.Event()
        self._unit = own_unit()
        self._started_at: dt.datetime | None = None
        self._ready_since: dt.datetime | None = None
        self.moved = Changes()
        self.remark = ""
        self.stranded = ""
        self.stuck = ""

    def note_held(self, assembly: Assembly) -> None:
        """
        Take in that the work folder is held, and who works there.
        """
        self._assembly = assembly
        self._begun.set()

    def note_started(self) -> None:
        """
        Take in that jobs are taken forward from now on.
        """
        self._started_at = self._clock.now()

    def note_over(self) -> None:
        """
        Take in that the run is over.
        """
        self._started_at = None

    @property
    def settings(self) -> Settings:
        """
        Return what the run works by now.
        """
        return self._current.settings

    @property
    def ends(self) -> Counter[End]:
        """
        Return how many jobs have ended in which way.
        """
        return self._assembly.runner.ends if self._assembly else Counter()

    @property
    def job_ids(self) -> list[str]:
        """
        Return the ids of the jobs in work.
        """
        return self._assembly.runner.ids if self._assembly else []

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
        return self._gate.reason or self.away or self.stranded or looking_up

    @property
    def pause_cause(self) -> str:
        """
        Return the kind of reason for which nothing is sent, empty where there is no pause.
        """
        held = self._gate.pause
        return held.cause.value if held else ""

    @property
    def away(self) -> str:
        """
        Return why the inbox is not there, empty while it is.
        """
        return self._assembly.watching.away if self._assembly else ""

    @property
    def is_idle(self) -> bool:
        """
        Return whether nothing is in work, and nothing will be without somebody's doing.
        """
        return self._assembly is None or self._assembly.is_drained()

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

    def line(self) -> str:
        """
        Return it in one line, for the service manager.
        """
        looking_up = self._assembly.looking_up if self._assembly else ""
        paused = f"paused: {self._gate.reason}" if self._gate.pause else ""
        hung = [each for each in self._disks.reasons.values() if each not in paused]
        now = f"{self.jobs} in work, {self.ends[End.DONE]} done"
        return "; ".join(each for each in (now, paused, looking_up, self.away, *hung) if each)

    def report(self) -> StatusReport | None:
        """
        Return it for other programs, None while the work folder is not held.
        """
        if self._assembly is None or self._started_at is None:
            return None
        return status_report(
            self._assembly,
            self._gate,
            self._disks,
            self._clock,
            started_at=self._started_at,
            remark=self.remark,
            stuck=self.stuck,
            ready_since=self._steady(self._assembly.intake.ready_since()),
            unread_log=self._unread_log(),
            unit=self._unit,
        )

    def _steady(self, since: dt.datetime | None) -> dt.datetime | None:
        """
        Return a moment that was told by two clocks as it was told before, unless it is another one.
        """
        told = self._ready_since
        is_same = told is not None and since is not None and abs(since - told) < _SAME
        self._ready_since = told if is_same else since
        return self._ready_since

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
        intake = (await self._held()).intake
        await intake.turned.wait()
        intake.turned.clear()

    async def summary(self) -> tuple[Waiting, float]:
        """
        Return what waits in the inbox, in short, and how many seconds of work that was.
        """
        return await (await self._held()).intake.summary()

    def holds(self, kind: str) -> bool:
        """
        Return whether anything that is ready is held for that kind of reason.
        """
        return self._assembly is not None and self._assembly.intake.holding.holds(kind)

    async def left(self) -> Waiting:
        """
        Return what waits in the inbox once the run is over, with what was given back at its end.
        """
        intake = (await self._held()).intake
        if not self.away:
            await intake.look_back()
        found, _ = await intake.summary()
        return found

    async def _held(self) -> Assembly:
        await self._begun.wait()
        assert self._assembly is not None, "a run that has begun is put together"
        return self._assembly
