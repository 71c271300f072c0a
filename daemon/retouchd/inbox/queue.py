"""
The queues of the inbox: families to be decided about at their time, and families ready to be claimed.

No I/O: what is seen is handed to `observed_files`.
"""

import heapq
import sys
from collections.abc import Callable, Collection
from typing import TypeAlias

from retouchd.inbox.candidates import Candidate, Candidates
from retouchd.inbox.fair_queue import FairQueue
from retouchd.inbox.folder_index import PENDING, Family, Key
from retouchd.inbox.observed_files import ObservedFiles
from retouchd.inbox.precedence import Task
from retouchd.inbox.readiness import BundleState, BundleWaiting, Patience, Ready, Unsettled
from retouchd.inbox.waiting import kind_of
from retouchd.inbox.waiting_reasons import WaitingReasons

Rank: TypeAlias = tuple[float, int, Family]
"""A family in its order: when it settled, the mtime of its first file, then its path."""

_MOST_KINDS = 1000
_MOST_DECISIONS = 1000
"""Families whose bundles are kept until they are claimed: those of a hundred thousand would fill the memory."""


class InboxQueue:
    """
    The families of the inbox and when each is to be decided about.

    `observed_files` is what it decides from, `candidates` are the bundles of a family, `reasons` say why files
    wait.
    """

    def __init__(
        self,
        *,
        patience: Patience,
        default: Callable[[], Task],
        takes_captions: bool = False,
        companions: Collection[str] = (),
    ) -> None:
        self._due: dict[float, list[Family]] = {}
        self._times: list[float] = []
        self._pending: FairQueue[Rank] = FairQueue()
        self._ready: FairQueue[Rank] = FairQueue()
        self._unsettled = 0
        self._kinds: dict[str, str] = {}
        self._decisions: dict[Family, list[Candidate]] = {}
        self.observed_files = ObservedFiles(
            patience=patience, schedule=self._unsettle, companions=companions
        )
        self.candidates = Candidates(
            files=self.observed_files,
            patience=patience,
            default=default,
            takes_captions=takes_captions,
        )
        self.reasons = WaitingReasons(self.observed_files, self.candidates)

    def next_due(self) -> float | None:
        """
        Return when something is to be read or decided about next, None if nothing is.
        """
        times = [
            self.observed_files.next_reading(),
            self._times[0] if self._times else None,
            0.0 if self._pending else None,
        ]
        return min((at for at in times if at is not None), default=None)

    def settle(
        self, now: float, most: int | None = None, *, read: Callable[[str], bool] = lambda _: False
    ) -> None:
        """
        Decide anew about families whose time has come, each once: all, or in so many steps, in the order in
        which they would be claimed.

        Before each decision `read` may read one file that holds for the family's folder, and returns whether
        it did; that is a step as well, and the family waits for its next turn.
        """
        self._collect(now)
        for _ in range(sys.maxsize if most is None else most):
            if (popped := self._pending.pop()) is None:
                return
            folder, rank = popped
            if read(folder):
                self._pending.push(folder, rank)
            else:
                self._decide(rank, now)

    def is_decided(self) -> bool:
        """
        Return whether no family is left of those that were to be decided about.
        """
        return not self._pending

    def ready(self, but_not: Collection[str] = ()) -> int:
        """
        Return how many families are ready, without those of some sub-folders of the inbox.
        """
        return self._ready.count(but_not)

    def ready_since(self) -> float | None:
        """
        Return when the first of those that are ready had settled, None if none is ready.
        """
        first = self._ready.least()
        return first[0] if first else None

    def is_settled(self) -> bool:
        """
        Return whether nothing is ready and nothing will be by waiting alone.
        """
        return not self._ready and not self._unsettled

    def take(self, but_not: Collection[str] = ()) -> Key | None:
        """
        Return the next ready family, of no sub-folder of the inbox named in `but_not`.

        Folders take turns; in each, and among those whose turn it is, the order is: settled first, then older
        by mtime, then by path.
        """
        if (popped := self._ready.pop(but_not)) is None:
            return None
        *_, family = popped[1]
        family.is_ready = False
        self.observed_files.changes += 1
        return family.key

    def decision(self, key: Key, now: float) -> list[Candidate]:
        """
        Return the bundles of a family: as they were when it was found to be ready, unless anything that they
        depend on has changed since.
        """
        family = self.observed_files.family(key)
        found = self._decisions.get(family) if family else None
        if found is None or not self.candidates.are_current(found):
            found = self.candidates.of(key, now)
        return found

    def forget_decision(self, key: Key) -> None:
        """
        Forget the bundles of a family, of which somebody makes jobs now.
        """
        if (family := self.observed_files.family(key)) is not None:
            self._decisions.pop(family, None)

    def look_again(self, key: Key, at: float) -> None:
        """
        Have a family decided about again at that moment.
        """
        if (family := self.observed_files.family(key)) is not None:
            self._unsettle(family, at)

    def try_later(self, key: Key, at: float) -> None:
        """
        Have a family tried again at that moment, if nothing happens to it before; nobody waits for it.
        """
        if (family := self.observed_files.family(key)) is not None:
            self._schedule(family, at)

    def put_off(self, key: Key, state: BundleState) -> None:
        """
        Have a family decided about again when a bundle of it that is not ready may be.
        """
        match state:
            case Unsettled(at=at):
                self.look_again(key, at)
            case BundleWaiting(at=at):
                self._wait(key, state.reason)
                if at is not None:
                    self.try_later(key, at)

    def _wait(self, key: Key, reason: str) -> None:
        """
        Note for what kind of reason a family waits.
        """
        if (family := self.observed_files.family(key)) is not None:
            kind = kind_of(reason, family.names)
            # One text for all: there may be a hundred thousand of them.
            if len(self._kinds) > _MOST_KINDS:
                self._kinds.clear()
            family.waits_for = self._kinds.setdefault(kind, kind)
            self.observed_files.changes += 1

    def _unsettle(self, family: Family, at: float) -> None:
        self.observed_files.changes += 1
        self._unsettled += not family.is_unsettled
        family.is_unsettled = True
        self._schedule(family, at)

    def _schedule(self, family: Family, at: float) -> None:
        self._decisions.pop(family, None)
        if family.due is None or at < family.due:
            family.due = at
            # All that a scan finds new is due at one moment.
            if (due := self._due.get(at)) is None:
                self._due[at] = due = []
                heapq.heappush(self._times, at)
            due.append(family)

    def _collect(self, now: float) -> None:
        """
        Collect the families whose time has come.
        """
        while self._times and self._times[0] <= now:
            at = heapq.heappop(self._times)
            for family in self._due.pop(at):
                if family.due == at:
                    family.due = PENDING
                    rank = (at, self.observed_files.mtime_ns(family), family)
                    self._pending.push(family.folder, rank)

    def _decide(self, rank: Rank, now: float) -> None:
        *_, family = rank
        family.due = None
        self._unsettled -= family.is_unsettled
        family.is_unsettled = False
        family.waits_for = None
        self.observed_files.changes += 1
        candidates = self.candidates.of(family.key, now)
        if not candidates and family.names:
            self._wait(family.key, self.reasons.unpaired(family.folder, family.names[0], now))
        if len(self._decisions) < _MOST_DECISIONS:
            self._decisions[family] = candidates
        for candidate in candidates:
            if not isinstance(candidate.state, Ready):
                self.put_off(family.key, candidate.state)
            elif not family.is_ready:
                family.is_ready = True
                first = candidate.observations[candidate.bundle.files[0].name].signature
                found = (candidate.state.since, first.mtime_ns, family)
                # Nearly always equal, and then the same: there may be a hundred thousand of them.
                self._ready.push(family.folder, rank if found == rank else found)
        if family.is_ready:
            family.waits_for = None
        else:
            self._decisions.pop(family, None)
