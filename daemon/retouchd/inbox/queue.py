"""
What is to be done with what lies in the inbox: which families are looked at again when, and which are
ready in which order.

No I/O here: looks are handed to the sightings, bundles are asked for.
"""

import heapq
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias

from retouchd.disk.signature import Observation
from retouchd.errors import JobCode
from retouchd.inbox.folder_index import PENDING, Family, Folder, Key
from retouchd.inbox.missing import NearMisses, with_near_miss
from retouchd.inbox.observed_files import ObservedFiles
from retouchd.inbox.pairing import Bundle, pair
from retouchd.inbox.readiness import (
    BundleState,
    BundleWaiting,
    Patience,
    Ready,
    Surroundings,
    Unsettled,
    readiness,
    references_of,
)
from retouchd.inbox.waiting import NOT_TAKEN, READY, FairQueue, kind_of
from retouchd.job.filenames import SIDECARS, Kind, Named, parse
from retouchd.job.naming import RESPONSE, path_below, shown

Rank: TypeAlias = tuple[float, int, Family]
"""A family in its order: when it settled, the mtime of its first file, then its path."""

_MISSING = frozenset({JobCode.PROMPT_MISSING, JobCode.IMAGE_MISSING})
_NEAR_SECONDS = 1.0
_MOST_NEAR = 5000
"""Names among which one that nearly fits is looked for: of more nobody can say which was meant."""
_UNKNOWN = f"{NOT_TAKEN}by its name it is no picture, prompt or mask"
_OTHER_KIND = f"{NOT_TAKEN}pictures of this kind cannot be edited; save it as JPEG or PNG"
_OWN = f"{NOT_TAKEN}a note of retouchd's on a picture that is not here; it can be deleted"
_MOST_KINDS = 1000
_SPARED = "sent along with an earlier picture; give it a prompt of its own to have it edited too"


class Idle(NamedTuple):
    """
    A file that waits or is not taken, and why.

    In seconds of the monotonic clock: of one that still changes when it last did, of one that waits for
    something until when it does. `first` is the first file of its bundle, by which that is held.
    """

    folder: str
    name: str
    reason: str
    changed_at: float | None = None
    until: float | None = None
    first: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """
    A bundle as it stands: its files with their sights, what holds for it, and whether it may be claimed.
    """

    folder: str
    bundle: Bundle
    observations: dict[str, Observation]
    surroundings: Surroundings
    state: BundleState


class InboxQueue:
    """
    The families of the inbox and when each is to be decided about; `observed_files` is what it decides from.
    """

    def __init__(self, *, patience: Patience, has_default_prompt: Callable[[], bool]) -> None:
        self._patience = patience
        self._has_default = has_default_prompt
        self._due: dict[float, list[Family]] = {}
        self._times: list[float] = []
        self._pending: FairQueue[Rank] = FairQueue()
        self._ready: FairQueue[Rank] = FairQueue()
        self._unsettled = 0
        self._near: tuple[str, float, NearMisses] = ("", PENDING, NearMisses(()))
        self._kinds: dict[str, str] = {}
        self.observed_files = ObservedFiles(patience=patience, touch=self._touch)

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

    def candidates(self, key: Key, now: float) -> list[Candidate]:
        """
        Return the bundles of a family with their states.
        """
        unseen: list[str] = []
        names = map(parse, self.observed_files.names(key))
        ours = [each for each in names if not self._foreign(key[0], each)]

        def shows_through(name: str) -> bool | None:
            found = self.observed_files.shows_through(key[0], name)
            if found is None:
                unseen.append(name)
                self.observed_files.read_again((key[0], name), now)
            return found

        return [
            self._candidate(key[0], bundle, unseen, now) for bundle in pair(ours, shows_through)
        ]

    def look_again(self, key: Key, at: float) -> None:
        """
        Have a family decided about again at that moment.
        """
        if (family := self.observed_files.family(key)) is not None:
            self._touch(family, at)

    def try_later(self, key: Key, at: float) -> None:
        """
        Have a family tried again at that moment, if nothing happens to it before; nobody waits for it.
        """
        if (family := self.observed_files.family(key)) is not None:
            self._schedule(family, at)

    def idle(self, now: float) -> Iterator[Idle]:
        """
        Return every file that waits or is not taken, in the order of folders and names.
        """
        for folder in sorted(self.observed_files.folders()):
            place = self.observed_files.folder(folder)
            if place is None:
                continue
            found = {each.name: each for each in self.left_alone(folder, place, now)}
            for family in place.families.values():
                found |= {each.name: each for each in self.idle_of(family, now)}
            yield from (found[name] for name in sorted(found))

    def idle_of(self, family: Family, now: float) -> Iterator[Idle]:
        """
        Return the files of a family, in the order of their names.
        """
        folder, names = family.folder, family.names
        found = {name: Idle(folder, name, self._unpaired(folder, name, now)) for name in names}
        for candidate in self.candidates(family.key, now):
            for each in candidate.bundle.files:
                found[each.name] = self._idle(candidate, each.name, now)
        yield from (found[name] for name in sorted(found))

    def left_alone(self, folder: str, place: Folder, now: float) -> Iterator[Idle]:
        """
        Return the files of a folder that are in no family and that somebody may wonder about.
        """
        for name in place.others:
            yield Idle(folder, name, self._unpaired(folder, name, now))
        for name, left in place.left.items():
            beside = "" if left.is_shown else self._near_misses(folder, now).beside(name)
            if left.is_shown or beside:
                yield Idle(folder, name, f"{NOT_TAKEN}{beside or left.reason}")

    def _idle(self, candidate: Candidate, name: str, now: float) -> Idle:
        found = _idle(candidate, name)
        files = candidate.bundle.files
        is_missing = isinstance(candidate.state, BundleWaiting) and candidate.state.is_missing
        near = self._near_misses(candidate.folder, now).of(files[0]) if is_missing else ""
        return found._replace(
            reason=f"{found.reason}; but {near}" if near else found.reason, first=files[0].name
        )

    def explained(self, candidate: Candidate, now: float) -> Candidate:
        """
        Return a candidate that goes to `error/` with what nearly fits where something is missing.
        """
        state = candidate.state
        if not isinstance(state, Ready) or not any(
            each.code in _MISSING for each in state.problems
        ):
            return candidate
        misses = self._near_misses(candidate.folder, now)
        first = candidate.bundle.files[0]
        near = misses.of(first) or (misses.for_folder() if first.kind is Kind.IMAGE else "")
        problems = tuple(
            with_near_miss(each, near) if each.code in _MISSING else each for each in state.problems
        )
        return replace(candidate, state=replace(state, problems=problems))

    def _near_misses(self, folder: str, now: float) -> NearMisses:
        """
        Return the names of a folder, sorted for a while: many of one folder are asked about at once.
        """
        known, at, found = self._near
        if known != folder or not at <= now < at + _NEAR_SECONDS:
            place = self.observed_files.folder(folder)
            found = NearMisses(_near_names(place) if place else ())
            self._near = folder, now, found
        return found

    def _unpaired(self, folder: str, name: str, now: float) -> str:
        if foreign := self._foreign(folder, parse(name)):
            return f"{NOT_TAKEN}{foreign}"
        if parse(name).kind in (Kind.RECORD, Kind.REASON) or name.endswith(RESPONSE):
            return _OWN
        beside = self._near_misses(folder, now).beside(name)
        is_picture = parse(name).kind is Kind.FOREIGN_PICTURE
        return f"{NOT_TAKEN}{beside}" if beside else _OTHER_KIND if is_picture else _UNKNOWN

    def _foreign(self, folder: str, named: Named) -> str:
        """
        Return what another program's JSON file is called, empty for all else.
        """
        content = (
            self.observed_files.content(folder, named.name) if named.kind is Kind.EDIT else None
        )
        return content.foreign if content else ""

    def _candidate(
        self, folder: str, bundle: Bundle, unseen: Sequence[str], now: float
    ) -> Candidate:
        observations = {
            named.name: self.observed_files.sight(folder, named.name) for named in bundle.files
        }
        surroundings = self._surroundings(folder, bundle, observations, unseen)
        return Candidate(
            folder=folder,
            bundle=bundle,
            observations=observations,
            surroundings=surroundings,
            state=readiness(bundle, observations, surroundings, self._patience, now),
        )

    def _surroundings(
        self,
        folder: str,
        bundle: Bundle,
        observations: dict[str, Observation],
        unseen: Sequence[str],
    ) -> Surroundings:
        said = [self.observed_files.content(folder, edit.name) for edit in bundle.edits]
        own = said[0] if len(said) == 1 else None
        sources = tuple(self.observed_files.sources(folder))
        paths, _ = references_of(own, sources)
        return Surroundings(
            own=own,
            sources=sources,
            references=self.observed_files.references.observations(paths),
            namer=self._namer(folder, bundle, observations),
            has_default=self._has_default(),
            is_unseen=any(image.name in unseen for image in bundle.images)
            or (len(said) > 1 and None in said),
            gone_at=self.observed_files.gone_at((folder, bundle.files[0].family)),
        )

    def _namer(
        self, folder: str, bundle: Bundle, observations: dict[str, Observation]
    ) -> str | None:
        """
        Return how an image of the bundle comes to be a reference, None where it is none.
        """
        references = self.observed_files.references
        has_own = any(named.kind in SIDECARS for named in bundle.files)
        for image in bundle.images:
            path = path_below(folder, image.name)
            for _, name in references.namers(path):
                return f"named in {shown(name)}"
            if not has_own and references.is_spared(path, observations[image.name].signature):
                return _SPARED
        return None

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

    def _touch(self, family: Family, at: float) -> None:
        self.observed_files.changes += 1
        self._unsettled += not family.is_unsettled
        family.is_unsettled = True
        self._schedule(family, at)

    def _schedule(self, family: Family, at: float) -> None:
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
        candidates = self.candidates(family.key, now)
        if not candidates and family.names:
            self._wait(family.key, self._unpaired(family.folder, family.names[0], now))
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


def _near_names(place: Folder) -> list[str]:
    """
    Return the names of a folder of which one may have been meant for another: in a large one those that are
    ready are only among them where they share a stem with one that is not taken.
    """
    beside = [*place.others, *place.left]
    if len(place.observations) <= _MOST_NEAR:
        return [
            *place.left,
            *(name for name in place.observations if name not in place.folder_files),
        ]
    families = [family for family in place.families.values() if family.waits_for is not None]
    stems = {name.rpartition(".")[0] for name in beside}
    families += [found for stem in stems if (found := place.families.get(stem))]
    names = [*beside, *(name for family in families for name in family.names)]
    return names if len(names) <= _MOST_NEAR else []


def _idle(candidate: Candidate, name: str) -> Idle:
    state = candidate.state
    match state:
        case Ready():
            return Idle(candidate.folder, name, READY)
        case Unsettled():
            changes = [sight.quiet_since for sight in candidate.observations.values()]
            changed_at = max(*changes, candidate.surroundings.gone_at or 0.0)
            return Idle(candidate.folder, name, state.reason, changed_at=changed_at)
        case BundleWaiting():
            return Idle(candidate.folder, name, state.reason, until=state.at)
