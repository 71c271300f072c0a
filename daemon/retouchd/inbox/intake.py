"""
The loop that takes photos in: events and scans update the index; what is ready is claimed when there is room.

Events are only hints. Everything here works without any, at the pace of the scans.
"""

import asyncio
import contextlib
import datetime as dt
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from functools import partial

from retouchd.clock import Clock
from retouchd.disk.calls import Folder
from retouchd.disk.threads import all_steps, follow, in_work, run
from retouchd.events import emit
from retouchd.events.inbox import IntakeCrashed, WatchOverflow
from retouchd.events.jobs import JobClaimed
from retouchd.inbox.claimer import Claimer, Pick
from retouchd.inbox.folder_index import Key
from retouchd.inbox.held import HeldBundles
from retouchd.inbox.index import InboxIndex
from retouchd.inbox.waiting import Waiting
from retouchd.inbox.waiting_summary import WaitingSummary
from retouchd.inbox.watch_mode import Depth, scan_pause
from retouchd.inbox.watcher import EventQueue, InboxEvent
from retouchd.job.model import Job, Reference
from retouchd.job.naming import path_below
from retouchd.process import trim_memory

_AFTER_CRASH_SECONDS = 5.0
_CLAIMING_SECONDS = 1.0
_CLAIMS_AT_ONCE = 16
_DECISIONS = 1000
"""Families that one turn decides about: of a large inbox the first are claimed before the last are known."""
_FIRST_DECISIONS = 32
"""… and before the first claim of a turn: who comes first in order is decided about first."""


class Intake:
    """
    The loop: each turn looks, decides and claims.

    `room` says, besides so many that are about to be, of which sub-folders nothing may be claimed now, None
    where nothing may at all; `start` takes the job; `on_change` is called after each turn, and `turned` set;
    `is_turning` while one is taken.
    """

    def __init__(
        self,
        *,
        index: InboxIndex,
        claimer: Claimer,
        rescan_seconds: float,
        settle_seconds: float,
        clock: Clock,
        room: Callable[[int], Collection[str] | None],
        start: Callable[[Job], None],
        on_change: Callable[[], None],
    ) -> None:
        self._index = index
        self._queue = index.queue
        self._claimer = claimer
        self._rescan_seconds = rescan_seconds
        self._settle_seconds = settle_seconds
        self._clock = clock
        self._room = room
        self._start = start
        self._on_change = on_change
        self._scan_every = rescan_seconds
        self._next_scan = 0.0
        self._next_listing = 0.0
        self._is_scan_asked = True
        self.scan_pause = rescan_seconds
        self.scan_took = 0.0
        self.scanned_at: dt.datetime | None = None
        self._is_stopped = False
        self._is_reconsidering = False
        self._claims = 0
        self._kept: Key | None = None
        """A family that was ready, and has to wait for the claims before it."""
        # The index is changed in threads, by one turn at a time.
        self._turning = asyncio.Lock()
        self.is_turning = False
        self._wake = asyncio.Event()
        self.turned = asyncio.Event()
        loop = asyncio.get_running_loop()
        self.event_queue = EventQueue(partial(loop.call_soon_threadsafe, self._wake.set))

    @property
    def holding(self) -> HeldBundles:
        """
        Return what is ready and yet not claimed.
        """
        return self._claimer.holding

    def stop(self) -> None:
        """
        Have no other turn begin.
        """
        self._is_stopped = True
        self._wake.set()

    def wake(self) -> None:
        """
        Have the next turn begin at once: there may be room again.
        """
        self._wake.set()

    def look_soon(self, folder: str, names: list[str]) -> None:
        """
        Have these names looked at in the next turn.
        """
        for name in names:
            self.event_queue.put(InboxEvent(path=path_below(folder, name)))

    def dropped(self, folder: str, names: Iterable[str]) -> None:
        """
        Have files taken without waiting for their quiet: a drop of our own has just given them their names. May
        be called from any thread.
        """
        for name in names:
            self.event_queue.put(InboxEvent(path=path_below(folder, name), is_whole=True))

    def came_back(self, folder: str, names: list[str], reason: str) -> None:
        """
        Have these names looked at in the next turn, which came back from work. May be called from any thread.
        """
        now = self._clock.monotonic()
        for name in names:
            self._claimer.returns.note((folder, name), reason, now)
        self.look_soon(folder, names)

    def scan_soon(self) -> None:
        """
        Have every file of the inbox looked at in the next turn.
        """
        self._is_scan_asked = True
        self._wake.set()

    def reconsider(self) -> None:
        """
        Have every file of the inbox looked at in the next turn, and all that is held there tried again.
        """
        self._is_reconsidering = True
        self.scan_soon()

    def spare(self, references: Iterable[Reference]) -> None:
        """
        Leave alone what jobs have used as references, unless it gets a sidecar of its own.
        """
        self._index.files.references.spare(references)

    def scan_every(self, seconds: float) -> None:
        """
        Have the whole inbox looked at so often, or less often if that takes long.
        """
        self._scan_every = self.scan_pause = seconds

    def note_watched(self, *, is_watched: bool) -> None:
        """
        Take in whether events tell of all that happens in the inbox from now on.
        """
        self._index.is_watched = is_watched

    @property
    def steps(self) -> int:
        """
        Return a number that grows with whatever a turn does.
        """
        return self._index.looks + self._claims

    def ready(self, but_not: Collection[str] = ()) -> int:
        """
        Return how many families wait to be claimed, without those of some sub-folders.
        """
        return self._queue.ready(but_not) + (self._kept is not None)

    def ready_since(self) -> dt.datetime | None:
        """
        Return since when the family that has waited longest could be claimed, None where none waits.
        """
        since = self._queue.ready_since()
        if since is None:
            return None
        return self._clock.now() - dt.timedelta(seconds=self._clock.monotonic() - since)

    def is_idle(self) -> bool:
        """
        Return whether nothing is ready and nothing will be without somebody's doing.
        """
        is_at_rest = not self.is_turning and not self._wake.is_set()
        is_waiting = self._is_scan_asked or self._kept is not None
        return is_at_rest and not is_waiting and self._queue.is_settled()

    @property
    def changes(self) -> int:
        """
        Return a number that grows whenever there is something new to tell of what waits.
        """
        return self._index.files.changes + self.holding.changes

    async def summary(self) -> tuple[Waiting, float]:
        """
        Return what waits in the inbox, in short, and how many seconds of work that was.
        """
        async with self._turning:
            return await in_work(self._summary)

    async def look_back(self) -> None:
        """
        Look at what came back from work since the last turn, once no other one comes; nothing is claimed, and
        what lies there waits for its turn at once.
        """
        async with self._turning:
            await run(Folder.INBOX, self._look_back)

    async def begin(self) -> None:
        """
        Look at every file of the inbox for the first time, and claim nothing yet.
        """
        await self._survive(lambda: run(Folder.INBOX, self._scan, self._depth()))

    async def run(self) -> None:
        """
        Take turns until stopped; a turn that was begun is finished.
        """
        while not self._is_stopped:
            if not await self.turn():
                await asyncio.sleep(_AFTER_CRASH_SECONDS)
            self._on_change()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._seconds_to_turn()):
                    await self._wake.wait()

    async def turn(self) -> bool:
        """
        Look where events tell of changes, scan if it is time, then claim what is ready while there is room.

        Return False after a fault that nobody foresaw.
        """
        return await self._survive(self._turn)

    async def _survive(self, work: Callable[[], Awaitable[None]]) -> bool:
        async with self._turning:
            self.is_turning = True
            try:
                await work()
            except Exception as error:  # noqa: BLE001 - as with jobs: one turn must not end the daemon
                emit(IntakeCrashed(exception=error))
                self._is_scan_asked = True
                return False
            finally:
                self.is_turning = False
                self.turned.set()
        return True

    async def _turn(self) -> None:
        self._wake.clear()
        events, is_lost = self.event_queue.take()
        if is_lost:
            emit(WatchOverflow(action="scanning the whole inbox"))
            self._is_scan_asked = True
        # All in one go: each way to a thread and back takes as long as a look.
        picks = await run(Folder.INBOX, self._look_and_pick, self._depth(), events)
        end = self._clock.monotonic() + _CLAIMING_SECONDS
        while picks is not None:
            for job in await self._claim(picks) if picks else ():
                emit(JobClaimed(**job.about, files=[m.name for m in job.members]))
                self._start(job)
            if self._clock.monotonic() > end:
                self._wake.set()  # To go on after the next looks: a thousand duplicates take long to read.
                return
            picks = await run(Folder.INBOX, self._pick) if self._is_claimable() else None

    def _is_claimable(self) -> bool:
        but_not = self._room(0)
        return but_not is not None and self.ready(but_not) > 0

    async def _claim(self, picks: Sequence[Pick]) -> list[Job]:
        if len(picks) == 1:
            return await run(Folder.INBOX, self._claim_one, picks[0])
        async with asyncio.TaskGroup() as tasks:
            takes = [tasks.create_task(follow(partial(self._claimer.take, pick))) for pick in picks]
        outcomes = [take.result() for take in takes]
        return await run(Folder.INBOX, self._claimer.settle, picks, outcomes)

    def _claim_one(self, pick: Pick) -> list[Job]:
        return self._claimer.settle([pick], [all_steps(self._claimer.take(pick))])

    def _look_back(self) -> None:
        events, is_lost = self.event_queue.take()
        self._scan(Depth.FILES if is_lost else None)
        self._index.observe(events)
        self._index.settle(self._clock.monotonic() + self._settle_seconds)

    def _depth(self) -> Depth | None:
        """
        Return how thoroughly the inbox is to be looked at now, None for not at all.

        Names are listed every `rescan_seconds` whatever the folders themselves show: some filesystems over
        the network do not tell of changes in them.
        """
        now, is_asked = self._clock.monotonic(), self._is_scan_asked
        self._is_scan_asked = False
        if is_asked:
            return Depth.FILES
        if now < self._next_scan:
            return None
        return Depth.NAMES if now >= self._next_listing else Depth.CHANGES

    def _look_and_pick(self, depth: Depth | None, events: list[InboxEvent]) -> list[Pick] | None:
        self._scan(depth)
        if self._is_reconsidering:
            self._is_reconsidering = False
            self._claimer.reconsider()
        self._index.observe(events)
        self._index.settle(self._clock.monotonic(), _FIRST_DECISIONS)
        if (picks := self._pick()) is not None:
            return picks
        self._index.settle(self._clock.monotonic(), _DECISIONS)
        return self._pick()

    def _scan(self, depth: Depth | None) -> None:
        if depth is None:
            return
        began = self._clock.monotonic()
        self._index.scan([""], depth)
        for place in self._claimer.holding.reasons() if depth is not Depth.FILES else ():
            self._index.look(*place)
        self._claimer.forget()
        if depth is Depth.FILES:
            trim_memory()
        ended = self._clock.monotonic()
        self.scanned_at, self.scan_took = self._clock.now(), ended - began
        # What was asked for once says nothing of what looking at regular times takes.
        took = self.scan_took if depth is not Depth.FILES else 0.0
        self.scan_pause = scan_pause(self._scan_every, self._rescan_seconds, took)
        self._next_scan = ended + self.scan_pause
        if depth is not Depth.CHANGES:
            self._next_listing = ended + self._rescan_seconds

    def _pick(self) -> list[Pick] | None:
        """
        Pick of the next ready families what can be claimed at once; return None where none is left, or there is
        no room for it.
        """
        picks: list[Pick] = []
        has_looked = False
        while len(picks) < _CLAIMS_AT_ONCE:
            if (but_not := self._room(len(picks))) is None:
                break
            kept, self._kept = self._kept, None
            if kept is not None and kept[0].partition("/")[0] in but_not:
                self._queue.look_again(kept, self._clock.monotonic())
                kept = None
            if (key := kept or self._queue.take(but_not)) is None:
                break
            has_looked = True
            self._claims += 1
            try:
                found = self._claimer.pick(key, picks)
            except Exception:
                # They are ready no longer, and nothing new would be seen of them: only this brings them back.
                for each in (key, *(pick.key for pick in picks)):
                    self._queue.try_later(each, self._clock.monotonic() + _AFTER_CRASH_SECONDS)
                raise
            if found is None:
                self._kept = key
                break
            picks += found
            if not found or any(pick.job.references for pick in found):
                break
        return picks if has_looked else None

    def _summary(self) -> tuple[Waiting, float]:
        began = time.thread_time()
        summary = WaitingSummary(self._queue, self.holding, self._index.faults, self._clock)
        return summary.waiting(), time.thread_time() - began

    def _seconds_to_turn(self) -> float:
        due = self._queue.next_due()
        until = self._next_scan if due is None else min(due, self._next_scan)
        return 0.0 if self._is_scan_asked else max(0.0, until - self._clock.monotonic())
