"""
Why each file of the inbox waits, or is not taken.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from retouchd.errors import JobCode
from retouchd.inbox.candidates import Candidate, Candidates
from retouchd.inbox.folder_index import PENDING, Family, FolderRecord
from retouchd.inbox.missing import NearMisses, with_near_miss
from retouchd.inbox.observed_files import ObservedFiles
from retouchd.inbox.readiness import BundleWaiting, Ready, Unsettled
from retouchd.inbox.waiting import COMPANION, NOT_TAKEN, READY, STAYS
from retouchd.job.filenames import Kind, parse
from retouchd.job.filetypes import Medium, medium_of
from retouchd.job.naming import RESPONSE, shown

_MISSING = frozenset({JobCode.PROMPT_MISSING, JobCode.IMAGE_MISSING})
_NEAR_SECONDS = 1.0
_MOST_NEAR = 5000
"""Names among which one that nearly fits is looked for: of more nobody can say which was meant."""
_UNKNOWN = f"{NOT_TAKEN}by its name it is no picture, prompt or mask"
_OTHER_KIND = f"{NOT_TAKEN}pictures of this kind cannot be edited; save it as JPEG or PNG"
_LONE_COMPANION = (
    f"{NOT_TAKEN}it goes along with the only picture of its name, and there is no such one"
)
_REMEDIES = {
    Medium.RAW: "to have it edited, export it from your photo program as JPEG or TIFF",
    Medium.FILM: "films are not edited",
    Medium.SOUND: "sounds are not edited",
}
_OWN = f"{NOT_TAKEN}a note of retouchd's on a picture that is not here; it can be deleted"


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


class WaitingReasons:
    """
    Finds from the index why each file waits. No I/O.
    """

    def __init__(self, files: ObservedFiles, candidates: Candidates) -> None:
        self._files = files
        self._candidates = candidates
        self._near: tuple[str, float, NearMisses] = ("", PENDING, NearMisses(()))

    def idle(self, now: float) -> Iterator[Idle]:
        """
        Return every file that waits or is not taken, in the order of folders and names.
        """
        for folder in sorted(self._files.folders()):
            record = self._files.folder(folder)
            if record is None:
                continue
            found = {each.name: each for each in self.left_alone(folder, record, now)}
            for family in record.families.values():
                found |= {each.name: each for each in self.idle_of(family, now)}
            yield from (found[name] for name in sorted(found))

    def idle_of(self, family: Family, now: float) -> Iterator[Idle]:
        """
        Return the files of a family, in the order of their names.
        """
        folder, names = family.folder, family.names
        found = {
            each.name: self._idle(candidate, each.name, now)
            for candidate in self._candidates.of(family.key, now)
            for each in candidate.bundle.files
        }
        for name in names:
            if name not in found:
                found[name] = Idle(folder, name, self.unpaired(folder, name, now))
        yield from (found[name] for name in sorted(found))

    def left_alone(self, folder: str, record: FolderRecord, now: float) -> Iterator[Idle]:
        """
        Return the files of a folder that are in no family and that somebody may wonder about.
        """
        for name in record.others:
            yield Idle(folder, name, self.unpaired(folder, name, now))
        for name, left in record.left.items():
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
            record = self._files.folder(folder)
            found = NearMisses(_near_names(record) if record else ())
            self._near = folder, now, found
        return found

    def _companion(self, folder: str, name: str) -> str:
        """
        Return what a file waits for that other programs keep beside a picture.
        """
        owners = self._candidates.owners(folder, name)
        if not owners:
            return _LONE_COMPANION
        if len(owners) > 1:
            names = sorted(shown(each.name) for each in owners)
            whole = f"{names[0]}.{name.rpartition('.')[2]}"
            several = f"it may be that of several pictures, {' and '.join(names)}"
            return f"{NOT_TAKEN}{several}: to have it go along call it such as {whole}"
        (owner,) = owners
        if medium := medium_of(owner.name):
            return f"{NOT_TAKEN}it belongs to a {medium}, {shown(owner.name)}, and stays with it"
        return f"{COMPANION}, {shown(owner.name)}"

    def unpaired(self, folder: str, name: str, now: float) -> str:
        """
        Return why a file that belongs to no bundle is not taken.
        """
        if foreign := self._candidates.foreign(folder, parse(name)):
            return f"{NOT_TAKEN}{foreign}"
        if parse(name).kind in (Kind.RECORD, Kind.REASON) or name.endswith(RESPONSE):
            return _OWN
        if name in self._files.companions((folder, parse(name).family)):
            return self._companion(folder, name)
        beside = self._near_misses(folder, now).beside(name)
        if not beside and (medium := medium_of(name)):
            return f"{STAYS[medium]}; {_REMEDIES[medium]}"
        is_picture = parse(name).kind is Kind.FOREIGN_PICTURE
        return f"{NOT_TAKEN}{beside}" if beside else _OTHER_KIND if is_picture else _UNKNOWN


def _near_names(record: FolderRecord) -> list[str]:
    """
    Return the names of a folder of which one may have been meant for another: in a large one those that are
    ready are only among them where they share a stem with one that is not taken.
    """
    beside = [*record.others, *record.left]
    if len(record.observations) <= _MOST_NEAR:
        return [
            *record.left,
            *(name for name in record.observations if name not in record.folder_files),
        ]
    families = [family for family in record.families.values() if family.waits_for is not None]
    stems = {name.rpartition(".")[0] for name in beside}
    families += [found for stem in stems if (found := record.families.get(stem))]
    names = [*beside, *(name for family in families for name in family.names)]
    return names if len(names) <= _MOST_NEAR else []


def _idle(candidate: Candidate, name: str) -> Idle:
    state = candidate.state
    match state:
        case Ready():
            return Idle(candidate.folder, name, READY)
        case Unsettled():
            changes = [observation.quiet_since for observation in candidate.observations.values()]
            changed_at = max(*changes, candidate.surroundings.gone_at or 0.0)
            return Idle(candidate.folder, name, state.reason, changed_at=changed_at)
        case BundleWaiting():
            return Idle(candidate.folder, name, state.reason, until=state.at)
