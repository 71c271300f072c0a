"""
The way in: rings, looks and scans keep the backlog true; what is ready is claimed when there is room.

Events are only hints. Everything here works without any, at the pace of the scans.
"""

import asyncio
import contextlib
import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

from retouchd.adapters import images
from retouchd.adapters.bell import Bell, Ring
from retouchd.adapters.inbox import Inbox, Left
from retouchd.adapters.spool import Spool
from retouchd.engine.attempts import about
from retouchd.engine.backlog import Backlog, Candidate
from retouchd.engine.clock import Clock
from retouchd.engine.deciding import Decider
from retouchd.engine.framing import Framer, HeldError
from retouchd.engine.sightings import Key, is_below
from retouchd.logs import logger
from retouchd.rules.job import Job, Reference
from retouchd.rules.names import partners
from retouchd.rules.phase import Phase
from retouchd.rules.readiness import Ready
from retouchd.rules.settling import Patience
from retouchd.rules.watching import scan_pause

log = logger()

_AFTER_CRASH_SECONDS = 5.0


class Intake:
    """
    Claims bundles. `has_room` says whether another may be claimed, `start` takes the job's id;
    `on_change` is called after each turn.
    """

    def __init__(
        self,
        *,
        inbox: Inbox,
        backlog: Backlog,
        decider: Decider,
        framer: Framer,
        spool: Spool,
        patience: Patience,
        rescan_seconds: float,
        clock: Clock,
        has_room: Callable[[], bool],
        start: Callable[[str], None],
        on_change: Callable[[], None],
    ) -> None:
        self._inbox = inbox
        self._backlog = backlog
        self._sightings = backlog.sightings
        self._decider = decider
        self._framer = framer
        self._spool = spool
        self._patience = patience
        self._rescan_seconds = rescan_seconds
        self._clock = clock
        self._has_room = has_room
        self._start = start
        self._on_change = on_change
        self._held: dict[tuple[str, str], str] = {}
        self._told: set[tuple[str, str, str]] = set()
        self._next_scan = 0.0
        self._scan_every = rescan_seconds
        self.scan_took = 0.0
        self.scanned_at: dt.datetime | None = None
        self._is_stopped = False
        # The backlog is changed in threads, by one turn at a time.
        self._turning = asyncio.Lock()
        self._wake = asyncio.Event()
        loop = asyncio.get_running_loop()
        self.bell = Bell(partial(loop.call_soon_threadsafe, self._wake.set))

    @property
    def held(self) -> Mapping[tuple[str, str], str]:
        """
        Return why what is ready cannot be claimed: folder and name of each bundle's first file.
        """
        return self._held

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

    def ring(self, folder: str, names: list[str]) -> None:
        """
        Have these names looked at in the next turn.
        """
        for name in names:
            self.bell.ring(Ring(path=f"{folder}/{name}" if folder else name))

    def scan_soon(self) -> None:
        """
        Have the whole inbox looked at in the next turn.
        """
        self._next_scan = 0.0
        self._wake.set()

    def spare(self, references: Iterable[Reference]) -> None:
        """
        Leave alone what jobs have used as references, unless it gets a sidecar of its own.
        """
        self._sightings.references.spare(references)

    def scan_every(self, seconds: float) -> None:
        """
        Have the whole inbox looked at so often, or less often if that takes long.
        """
        self._scan_every = seconds

    @property
    def scan_pause(self) -> float:
        """
        Return the seconds from the end of a scan to the next one.
        """
        return scan_pause(self._scan_every, self._rescan_seconds, self.scan_took)

    def ready(self) -> int:
        """
        Return how many families wait to be claimed.
        """
        return self._backlog.ready()

    def is_idle(self) -> bool:
        """
        Return whether nothing is ready and nothing will be without somebody's doing.
        """
        is_at_rest = not self._turning.locked() and not self._wake.is_set()
        return is_at_rest and self._next_scan > 0 and self._backlog.is_settled()

    async def waiting(self) -> list[tuple[str, str, str]]:
        """
        Return every file that waits in the inbox: its folder, its name, the reason.
        """
        async with self._turning:
            now = self._clock.monotonic()
            found = await asyncio.to_thread(list, self._backlog.waiting(now))
        return [(f, name, self._held.get((f, name), reason)) for f, name, reason in found]

    async def run(self) -> None:
        """
        Take turns until stopped; a turn that was begun is finished.
        """
        while not self._is_stopped:
            if not await self.turn():
                await asyncio.sleep(_AFTER_CRASH_SECONDS)
            self._on_change()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self._seconds_to_turn())

    async def turn(self) -> bool:
        """
        Look where the bell rang, scan if it is time, then claim what is ready while there is room.

        Return False after a fault that nobody foresaw.
        """
        async with self._turning:
            try:
                await self._turn()
            except Exception:
                # As with jobs: one turn must not end the daemon.
                log.exception("intake.crashed")
                self._next_scan = self._clock.monotonic() + _AFTER_CRASH_SECONDS
                return False
        return True

    async def _turn(self) -> None:
        self._wake.clear()
        rings, is_lost = self.bell.take()
        if is_lost:
            log.warning("watch.overflow", action="scanning the whole inbox")
        if is_lost or self._clock.monotonic() >= self._next_scan:
            began = self._clock.monotonic()
            await asyncio.to_thread(self._scan, "")
            ended = self._clock.monotonic()
            self.scanned_at, self.scan_took = self._clock.now(), ended - began
            self._next_scan = ended + self.scan_pause
        await asyncio.to_thread(self._answer, rings)
        unread = await asyncio.to_thread(self._decider.settle, self._clock.monotonic())
        for folder, name, left in unread:
            self._tell(folder, name, left)
        while self._has_room() and await self.claim_next():
            pass

    async def claim_next(self) -> bool:
        """
        Claim the next ready family; return False when none is left.
        """
        key = self._backlog.take()
        if key is None:
            return False
        for job in await asyncio.to_thread(self._claim, key):
            log.info("job.claimed", **about(job), files=[m.name for m in job.members])
            self._start(job.id)
        return True

    def _seconds_to_turn(self) -> float:
        due = self._backlog.next_due()
        until = self._next_scan if due is None else min(due, self._next_scan)
        return max(0.0, until - self._clock.monotonic())

    def _answer(self, rings: list[Ring]) -> None:
        """
        Look at each name that rang.
        """
        for ring in rings:
            folder, _, name = ring.path.rpartition("/")
            self._decider.hear(ring.path, self._clock.monotonic())
            if ring.is_folder:
                self._scan(ring.path)
            elif self._inbox.takes_folder(folder):
                self._look(folder, name, is_event=True)
                if ring.source and self._inbox.is_temporary(ring.source.rpartition("/")[2]):
                    self._sightings.prove(folder, name, self._clock.monotonic())

    def _look(self, folder: str, name: str, *, is_event: bool = False) -> None:
        found = self._inbox.look(folder, name)
        now = self._clock.monotonic()
        is_new = self._sightings.see(folder, name, found, now)
        if is_event and not is_new:
            self._sightings.disturb(folder, name, now)
        if isinstance(found, Left):
            self._tell(folder, name, found)

    def _scan(self, folder: str) -> None:
        """
        Look at a whole folder and all below it; all that is found new counts as seen at one moment.
        """
        began = self._clock.monotonic()
        listings = list(self._inbox.walk(folder))
        # The last moment: on a slow disk a file may have been written long after the first.
        now = self._clock.monotonic()
        seen, unread = set(), set()
        for listing in listings:
            seen.add(listing.folder)
            if listing.fault is not None:
                unread.add(listing.folder)
                self._tell(listing.folder, "", Left(listing.fault, is_told=True))
                continue
            for name, signature in listing.files.items():
                self._sightings.see(listing.folder, name, signature, now)
            for name, left in listing.left.items():
                self._sightings.see(listing.folder, name, left, now)
                self._tell(listing.folder, name, left)
            names = listing.files.keys() | listing.left.keys()
            self._sightings.keep_only(listing.folder, set(names), began, now)
        self._decider.look_at_references(self._sightings.references.paths(), now)
        for gone in self._below(folder):
            if gone not in seen and not any(is_below(gone, shut) for shut in unread):
                self._sightings.keep_only(gone, set(), began, now)

    def _below(self, folder: str) -> Iterator[str]:
        for each in self._sightings.folders():
            if is_below(each, folder):
                yield each

    def _tell(self, folder: str, name: str, left: Left) -> None:
        told = (folder, name, left.reason)
        if left.is_told and told not in self._told:
            self._told.add(told)
            log.warning("file.left", folder=folder, name=name, reason=left.reason)

    def _claim(self, key: Key) -> list[Job]:
        """
        Look once more at all files of a family, then claim the bundles of it that are ready.
        """
        folder = key[0]
        names = self._sightings.names(key)
        for name in dict.fromkeys([*names, *(p for each in names for p in partners(each))]):
            self._look(folder, name)
        for source in list(self._sightings.sources(folder)):
            self._look(source.folder, source.name)
        now = self._clock.monotonic()
        for unread in self._decider.read(key, now):
            self._tell(*unread)
        for candidate in self._backlog.candidates(key, now):
            self._decider.look_at_references(candidate.surroundings.references, now)
        ready = [c for c in self._backlog.candidates(key, now) if isinstance(c.state, Ready)]
        jobs = [job for candidate in ready if (job := self._claim_one(key, candidate))]
        for name in self._sightings.names(key) if jobs else ():
            self._look(folder, name)
        return jobs

    def _claim_one(self, key: Key, candidate: Candidate) -> Job | None:
        try:
            for named in candidate.bundle.files:
                self._inbox.read(candidate.folder, named.name, 0)
            if not self._is_whole(key, candidate):
                return None
            job = self._framer.frame(candidate, self._clock.now())
            if not self._take(job):
                return None
        except HeldError as held:
            self._hold(candidate, str(held))
            return None
        except FileNotFoundError:
            return None  # Somebody took it away meanwhile.
        except OSError as error:
            self._hold(candidate, f"it cannot be taken: {error}")
            self._backlog.try_later(key, self._clock.monotonic() + self._rescan_seconds)
            return None
        self.spare(job.references)
        self._release(candidate)
        return job

    def _take(self, job: Job) -> bool:
        """
        Open and claim a job; return False if somebody else was faster.

        A claim that fails half-way is taken back: what may not be renamed now holds the whole bundle.
        """
        self._spool.open(job)
        try:
            self._spool.claim(job)
        except OSError:
            if self._took_back(job):
                raise
            return True  # The pipeline goes on with what could not be given back either.
        is_empty = self._spool.load(job.id).phase is Phase.EMPTY
        if is_empty:
            self._spool.discard(job.id)
        return not is_empty

    def _took_back(self, job: Job) -> bool:
        try:
            self._spool.give_back(job)
            self._spool.discard(job.id)
        except OSError:
            return False
        return True

    def _is_whole(self, key: Key, candidate: Candidate) -> bool:
        """
        Return whether every image has its end marker, or has been quiet for long enough without one.
        """
        assert isinstance(candidate.state, Ready), "only a ready bundle is looked into"
        if candidate.state.problems:
            return True
        for named in candidate.bundle.images:
            sight = candidate.sights[named.name]
            end = sight.quiet_since + self._patience.incomplete_seconds
            path = self._inbox.root / candidate.folder / named.name
            if self._clock.monotonic() < end and not images.whole(path):
                self._backlog.look_again(key, end)
                return False
        return True

    def _hold(self, candidate: Candidate, reason: str) -> None:
        first = (candidate.folder, candidate.bundle.files[0].name)
        if reason not in self._held.values():  # One line for all that one fault holds.
            log.warning("file.held", folder=first[0], name=first[1], reason=reason)
        self._held[first] = reason

    def _release(self, candidate: Candidate) -> None:
        self._held.pop((candidate.folder, candidate.bundle.files[0].name), None)
