"""
Bundles that are ready and yet not claimed, with the reason; the back-off of files that came back from work; and
the summary of all that waits, counted in memory.

Each family bears its kind of reason since it was decided about, so that counting a hundred thousand costs some
hundredths of a second; the reason itself is made for those files alone that are told by name.
"""

import datetime as dt
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from itertools import islice

from retouchd.clock import Clock
from retouchd.disk.signature import Signature
from retouchd.inbox.folder_index import Family
from retouchd.inbox.queue import InboxQueue
from retouchd.inbox.references import Place
from retouchd.inbox.waiting import (
    CHANGING,
    MOST_FILES,
    MOST_KINDS,
    OTHERS,
    READY,
    UNDECIDED,
    Waiting,
    WaitingFile,
    in_order,
    is_no_work,
    is_picture,
    kind_of,
    shares,
)
from retouchd.inbox.waiting_reasons import Idle
from retouchd.job.naming import escaped


class HeldCause(Enum):
    """
    What holds a bundle: a fault that a person must mend, a writer that has not finished, or that the same was
    asked for already.
    """

    FAULT = auto()
    UNFINISHED = auto()
    IN_WORK = auto()
    DONE = auto()


class HeldError(Exception):
    """
    The bundle stays in the inbox; the message says why.
    """

    def __init__(self, reason: str, cause: HeldCause = HeldCause.FAULT) -> None:
        super().__init__(reason)
        self.cause = cause


class NotYetError(Exception):
    """
    It is not known yet what was done before: it is tried again soon. The message says why; `is_stuck` where a
    person has to mend something first.
    """

    def __init__(self, reason: str, *, is_stuck: bool) -> None:
        super().__init__(reason)
        self.is_stuck = is_stuck


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldBundle:
    """
    Why a bundle is held, the kind of that reason, and the names of its files; `seen` is the state of the first
    of them.
    """

    cause: HeldCause
    reason: str
    kind: str
    names: tuple[str, ...]
    seen: Signature


class HeldBundles:
    """
    All that is held, by folder and name of each bundle's first file: what a person should look at in
    `faults`, what may still be written to in `unfinished`, what only came again in `duplicates`. `changes`
    counts how often that became another.
    """

    def __init__(self) -> None:
        self.faults: dict[Place, HeldBundle] = {}
        self.unfinished: dict[Place, HeldBundle] = {}
        self.duplicates: dict[Place, HeldBundle] = {}
        self.changes = 0
        self._reasons: Counter[str] = Counter()
        self._kinds: Counter[str] = Counter()

    def hold(self, first: Place, hold: HeldBundle) -> bool:
        """
        Hold a bundle; return whether its reason is news: one fault may hold many, of which the first alone is.
        """
        before = self.held(first)
        is_its_own = hold.cause in (HeldCause.IN_WORK, HeldCause.DONE)
        is_known = (
            before and before.reason == hold.reason if is_its_own else self._reasons[hold.reason]
        )
        self.release(first)
        self._held(hold.cause)[first] = hold
        self.changes += 1
        self._reasons[hold.reason] += 1
        self._kinds[hold.kind] += 1
        return not is_known

    def held(self, first: Place) -> HeldBundle | None:
        """
        Return why the bundle with this first file is held, None if it is not.
        """
        every = (self.faults, self.unfinished, self.duplicates)
        return next((held[first] for held in every if first in held), None)

    def holds(self, kind: str) -> bool:
        """
        Return whether anything is held for that kind of reason.
        """
        return self._kinds[kind] > 0

    def release(self, first: Place) -> None:
        """
        Hold a bundle no longer.
        """
        for held in (self.faults, self.unfinished, self.duplicates):
            if (hold := held.pop(first, None)) is None:
                continue
            self.changes += 1
            self._kinds[hold.kind] -= 1
            self._reasons[hold.reason] -= 1
            if not self._reasons[hold.reason]:
                del self._reasons[hold.reason]

    def forget(self, knows: Callable[[str, str], bool]) -> None:
        """
        Forget what is no longer there.
        """
        for first in [each for each in self.places() if not knows(*each)]:
            self.release(first)

    def places(self) -> Iterable[Place]:
        """
        Return the first file of each bundle that is held.
        """
        return [*self.faults, *self.unfinished, *self.duplicates]

    def reasons(self) -> Mapping[Place, str]:
        """
        Return why each file of each bundle is held.
        """
        return {
            (folder, name): hold.reason
            for held in (self.faults, self.unfinished, self.duplicates)
            for (folder, _), hold in held.items()
            for name in hold.names
        }

    def _held(self, cause: HeldCause) -> dict[Place, HeldBundle]:
        match cause:
            case HeldCause.FAULT:
                return self.faults
            case HeldCause.UNFINISHED:
                return self.unfinished
            case HeldCause.IN_WORK | HeldCause.DONE:
                return self.duplicates


_FREE = 2
"""Returns in a row without a pause: an outage gives jobs back, too, and is over at some time."""
_FIRST_SECONDS = 2.0
_LONGEST_SECONDS = 300.0
_STREAK_SECONDS = 30.0
"""What comes back later than this after its pause has begun anew."""


@dataclass(frozen=True, slots=True)
class ReturnBackoff:
    """
    The back-off of one file: how often it came back in a row, why at last, and until when it is left, in
    seconds of the monotonic clock.
    """

    count: int
    reason: str
    until: float

    @property
    def is_news(self) -> bool:
        """
        Return whether it is held for the first time in a row.
        """
        return self.count == _FREE + 1

    @property
    def sentence(self) -> str:
        """
        Return why it waits, for people.
        """
        return (
            f"it was taken {self.count} times in a row and came back each time: {self.reason}; "
            "retouchd tries again by itself, less and less often"
        )


class ReturnBackoffs:
    """
    The back-off of files that came back from work, by folder and name. Thread-safe.
    """

    def __init__(self) -> None:
        self._found: dict[Place, ReturnBackoff] = {}
        self._lock = threading.Lock()

    def note(self, place: Place, reason: str, now: float) -> None:
        """
        Take in that a file came back.
        """
        with self._lock:
            before = self._found.get(place)
            is_streak = before is not None and now <= before.until + _STREAK_SECONDS
            count = before.count + 1 if before is not None and is_streak else 1
            pause = 0.0
            if count > _FREE:
                pause = min(_FIRST_SECONDS * 2.0 ** min(count - _FREE - 1, 20), _LONGEST_SECONDS)
            self._found[place] = ReturnBackoff(count, reason, now + pause)

    def held(self, place: Place, now: float) -> ReturnBackoff | None:
        """
        Return what holds a file, None if it may be taken.
        """
        found = self._found.get(place)
        return found if found is not None and now < found.until else None

    def forget(self, now: float) -> None:
        """
        Forget what did not come back for so long that it would begin anew.
        """
        with self._lock:
            for place, found in list(self._found.items()):
                if now > found.until + _STREAK_SECONDS:
                    del self._found[place]

    def clear(self) -> None:
        """
        Have everything taken again at once.
        """
        with self._lock:
            self._found.clear()


class WaitingSummary:
    """
    Counts the files of the inbox by the kinds of their reasons. `faults`: why folders cannot be read.
    """

    def __init__(
        self, queue: InboxQueue, holding: HeldBundles, faults: Mapping[str, str], clock: Clock
    ) -> None:
        self._queue = queue
        self._holding = holding
        self._faults = faults
        self._at, self._now = clock.now(), clock.monotonic()
        self._counts: dict[str, int] = {}
        self._pictures = 0
        self._samples: dict[str, list[Family | Idle]] = {}

    def waiting(self) -> Waiting:
        """
        Return what waits now.
        """
        self._count()
        kinds = in_order(self._counts)
        told = shares(list(kinds.values()))
        files = [
            self._file(each, kind)
            for kind, most in zip(kinds, told, strict=True)
            for each in islice(self._idle(kind), most)
        ]
        return Waiting(
            pid=os.getpid(),
            at=self._at,
            kinds=kinds,
            pictures=self._pictures,
            files=tuple(files),
        )

    def all(self) -> Iterator[WaitingFile]:
        """
        Return every file, in the order of folders and names.
        """
        for each in self._queue.reasons.idle(self._now):
            yield self._file(each, kind_of(each.reason, (each.name,)))
        for folder, fault in self._faults.items():
            yield self._file(Idle(folder, "", fault), kind_of(fault))

    def _count(self) -> None:
        seen = self._queue.observed_files
        for folder in seen.folders():
            place = seen.folder(folder)
            if place is None:
                continue
            for family in place.families.values():
                kind = self._kind(family)
                self._add(kind, len(family.names), family)
                # Nearly always one: to look at each name would take several times as long.
                self._pictures += is_picture(family.names[0]) and not is_no_work(kind)
            for idle in self._queue.reasons.left_alone(folder, place, self._now):
                self._add(kind_of(idle.reason, (idle.name,)), 1, idle)
        for folder, fault in self._faults.items():
            self._add(kind_of(fault), 1, Idle(folder, "", fault))

    def _add(self, kind: str, files: int, sample: Family | Idle) -> None:
        count = self._counts.get(kind)
        if count is None:
            if len(self._counts) >= MOST_KINDS and kind != OTHERS:
                return self._add(OTHERS, files, sample)
            count, self._samples[kind] = 0, []
        self._counts[kind] = count + files
        if count < MOST_FILES:
            self._samples[kind].append(sample)
        return None

    def _kind(self, family: Family) -> str:
        if family.is_unsettled:
            return UNDECIDED if family.is_pending else CHANGING
        if family.waits_for is not None:
            return family.waits_for
        if (hold := self._hold(family)) is not None:
            return hold.kind
        return READY

    def _hold(self, family: Family) -> HeldBundle | None:
        holds = (self._holding.held((family.folder, name)) for name in family.names)
        return next((hold for hold in holds if hold is not None), None)

    def _idle(self, kind: str) -> Iterator[Idle]:
        """
        Return the files of a kind as far as they are told by name.
        """
        for sample in self._samples[kind]:
            if isinstance(sample, Idle):
                yield sample
                continue
            hold = self._hold(sample)
            if kind != READY and (hold is None or sample.is_unsettled or sample.waits_for):
                yield from self._queue.reasons.idle_of(sample, self._now)
                continue
            for name in sorted(sample.names):
                yield Idle(sample.folder, name, READY if hold is None else hold.reason)

    def _file(self, idle: Idle, kind: str) -> WaitingFile:
        folder, name, reason = map(escaped, idle[:3])
        return WaitingFile(
            folder=folder,
            name=name,
            reason=reason,
            kind=kind,
            changed_at=self._wall(idle.changed_at),
            until=self._wall(idle.until),
            first=escaped(idle.first),
        )

    def _wall(self, at: float | None) -> dt.datetime | None:
        return None if at is None else self._at + dt.timedelta(seconds=at - self._now)
