"""
The summary of all that waits in the inbox, counted in memory.

Each family bears its kind of reason since it was decided about, so that counting a hundred thousand costs some
hundredths of a second; the reason itself is made for those files alone that are told by name.
"""

import datetime as dt
import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from retouchd.clock import Clock
from retouchd.inbox.folder_index import Family
from retouchd.inbox.held import HeldBundle, HeldBundles
from retouchd.inbox.queue import InboxQueue
from retouchd.inbox.waiting import (
    CHANGING,
    MOST_FILES,
    MOST_KINDS,
    NOT_TAKEN,
    OTHERS,
    READY,
    STAYS,
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
from retouchd.job.filenames import parse
from retouchd.job.filetypes import medium_of
from retouchd.job.naming import escaped
from retouchd.job.pairing import pair


def _kind_of(idle: Idle) -> str:
    """
    Return the kind of a file's reason; all raw files that stay are of one, all films and all sounds.
    """
    medium = medium_of(idle.name)
    is_staying = medium is not None and idle.reason.startswith(NOT_TAKEN)
    return STAYS[medium] if medium and is_staying else kind_of(idle.reason, (idle.name,))


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
            yield self._file(each, _kind_of(each))
        for folder, fault in self._faults.items():
            yield self._file(Idle(folder, "", fault), kind_of(fault))

    def _count(self) -> None:
        seen = self._queue.observed_files
        for folder in seen.folders():
            record = seen.folder(folder)
            if record is None:
                continue
            for family in record.families.values():
                kind = self._kind(family)
                if staying := self._staying(family):
                    for name in staying:
                        reason = self._queue.reasons.unpaired(family.folder, name, self._now)
                        idle = Idle(family.folder, name, reason)
                        self._add(_kind_of(idle), 1, idle)
                    if len(staying) == len(family.names):
                        continue
                self._add(kind, len(family.names) - len(staying), family)
                # Nearly always one: to look at each name would take several times as long.
                self._pictures += is_picture(family.names[0]) and not is_no_work(kind)
            for idle in self._queue.reasons.left_alone(folder, record, self._now):
                self._add(_kind_of(idle), 1, idle)
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

    def _staying(self, family: Family) -> Sequence[str]:
        """
        Return the raw files and films of a family that have no prompt of their own.
        """
        names = family.names
        if not any(map(medium_of, names)):
            return ()
        own = {each.name for bundle in pair(map(parse, names)) for each in bundle.images}
        return [name for name in names if medium_of(name) and name not in own]

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
            hold, staying = self._hold(sample), frozenset(self._staying(sample))
            if kind != READY and (hold is None or sample.is_unsettled or sample.waits_for):
                idle = self._queue.reasons.idle_of(sample, self._now)
                yield from (each for each in idle if each.name not in staying)
                continue
            for name in sorted(set(sample.names) - staying):
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
