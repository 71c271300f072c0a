"""
The write side of the index: takes in looks, events and listings, and schedules the families that they concern.

A look at one name touches its family alone, so an event costs the same in a folder of ten files and of a
hundred thousand. No I/O here: looks, and what was read, are handed in.
"""

import heapq
from collections import deque
from collections.abc import Callable, Collection, Iterable

from retouchd.disk import filesystems
from retouchd.disk.signature import (
    PackedObservation,
    PackedSignature,
    Signature,
    device_of,
    is_empty,
    is_renumbered,
    observation_since,
    pack_observation,
    shows,
    unnumbered,
    unpack_observation,
)
from retouchd.inbox.folder_index import Family, FolderRecord, IndexQueries, Key, is_below, upward
from retouchd.inbox.precedence import Content
from retouchd.inbox.readiness import Patience, settled_at, touched
from retouchd.inbox.references import Place
from retouchd.inbox.scanner import LeftAlone, Listing
from retouchd.inbox.watch_mode import trust_in
from retouchd.job.filenames import FOLDER_FILES, Kind, as_mask, parse


class Unread:
    """
    A schedule of files to be read, in seconds of the monotonic clock; those that are due by folder.
    """

    def __init__(self) -> None:
        self._later: list[tuple[float, Place]] = []
        self._due: dict[str, deque[str]] = {}

    def add(self, place: Place, at: float) -> None:
        """
        Have a file read at that moment.
        """
        heapq.heappush(self._later, (at, place))

    def next_due(self) -> float | None:
        """
        Return when the next file is to be read, None if none is.
        """
        if self._due:
            return 0.0
        return self._later[0][0] if self._later else None

    def take(self, now: float, folders: Iterable[str] | None = None) -> Place | None:
        """
        Take out a file whose time has come, of one of these folders or of any; None if there is none.
        """
        while self._later and self._later[0][0] <= now:
            _, (folder, name) = heapq.heappop(self._later)
            self._due.setdefault(folder, deque()).append(name)
        if not self._due:
            return None
        for each in self._due if folders is None else folders:
            if (names := self._due.get(each)) is not None:
                name = names.popleft()
                if not names:
                    del self._due[each]
                return each, name
        return None


_EDITS = (Kind.EDIT, Kind.FOLDER_EDIT)
_FOLLOWED = FOLDER_FILES | {Kind.EDIT}


class ObservedFiles(IndexQueries):
    """
    The index with its updates. `schedule` is told each family that is to be decided anew, and the first
    moment at which that may bring something new. `changes` counts how often anything became another.
    `companions` are the extensions, in small letters, of what goes along with pictures.
    """

    def __init__(
        self,
        *,
        patience: Patience,
        schedule: Callable[[Family, float], None],
        companions: Collection[str] = (),
    ) -> None:
        super().__init__()
        self.companion_extensions = companions
        self._patience = patience
        self._schedule = schedule
        self._unread = Unread()
        self._mute: set[int] = set()
        self._whole: dict[Place, Signature] = {}
        self.changes = 0

    def see(
        self, folder: str, name: str, found: PackedSignature | LeftAlone | None, now: float
    ) -> bool:
        """
        Take in a look at one name; return whether anything is new about it.
        """
        record = self._record(folder)
        if isinstance(found, LeftAlone):
            is_new = record.left.get(name) != found
            self.changes += is_new
            record.left[name] = found
            (record.shut.add if found.is_shut else record.shut.discard)(name)
            return self._drop(record, folder, name, now) or is_new
        if record.left:
            self._leave_no_longer(record, name)
        if found is None:
            return self._drop(record, folder, name, now)
        before = record.observations.get(name)
        if before is not None and shows(before, found):
            return False
        if before is not None and is_renumbered(before, found):
            filesystems.distrust(device_of(found))
            record.observations[name] = observation_since(
                unnumbered(found), unpack_observation(before).quiet_since
            )
            self._schedule_users((folder, name), now)
            return False
        settles = None if is_empty(found) else now + self._patience.settle_seconds
        self._put(folder, name, observation_since(found, now), settles, now)
        return True

    def note_event(self, folder: str, name: str, now: float) -> None:
        """
        Take in an event: whatever it was, the file is not quiet yet.
        """
        if self.knows(folder, name):
            if self._whole.get((folder, name)) == self.observation(folder, name).signature:
                # Such as the event of the very drop, which comes late: it is decided about anew, and at once.
                self.note_whole(folder, name, now)
                return
            observation = touched(self.observation(folder, name), now)
            self._put(
                folder,
                name,
                pack_observation(observation),
                settled_at(observation, self._patience),
                now,
            )

    def note_whole(self, folder: str, name: str, now: float) -> None:
        """
        Take in that a file is complete, as nobody writes to it any more: it has settled.
        """
        if not self.knows(folder, name) or self.observation(folder, name).signature.size == 0:
            return
        self._whole[folder, name] = self.observation(folder, name).signature
        quiet_since = now - self._patience.settle_seconds
        observation = self.observation(folder, name)._replace(quiet_since=quiet_since)
        self._put(folder, name, pack_observation(observation), now, now)

    def take_in(self, listing: Listing, began: float, now: float) -> None:
        """
        Take in a listing of a folder: what was found, what is gone, whether its stamp can be trusted.
        """
        record = self._record(listing.folder)
        self._weigh(record, listing, began)
        record.folders = listing.folders
        record.names_known = listing.stamp
        # Taken out one by one: of a large folder all would be held twice.
        while listing.names:
            self.see(listing.folder, listing.names.pop(), listing.found.pop(), now)
        self.forget(listing.folder, listing.gone, began, now)

    def forget(self, folder: str, names: Iterable[str], before: float, now: float) -> None:
        """
        Forget files that are gone, unless they were first seen after it was known.
        """
        record = self._folders[folder]
        for name in names:
            seen = record.observations.get(name)
            if seen is not None and unpack_observation(seen).quiet_since < before:
                self._drop(record, folder, name, now)
            self._leave_no_longer(record, name)

    def forget_folder(self, folder: str, before: float, now: float) -> None:
        """
        Forget a folder that is gone, with all that was in it.
        """
        record = self._folders[folder]
        self.forget(folder, [*record.observations, *record.left], before, now)
        if not record.observations:
            del self._folders[folder]

    def note(self, folder: str, name: str, content: Content, now: float) -> None:
        """
        Take in what a structured sidecar or an `_edit.*` says, or why a file cannot be read, as last seen.
        """
        self._folders[folder].contents[name] = (self.observation(folder, name).signature, content)
        named = self.references.name((folder, name), content.images or ())
        self._schedule_pictures(named, now)
        self._schedule_users((folder, name), now)

    def note_look(self, folder: str, name: str, *, shows_through: bool, now: float) -> None:
        """
        Take in whether a picture, as it was last seen, has transparent pixels.
        """
        seen = self.observation(folder, name).signature
        self._folders[folder].see_through[name] = (seen, shows_through)
        self._touch_family((folder, parse(name).family), now)

    def note_caption(self, folder: str, name: str, caption: str, now: float) -> None:
        """
        Take in the caption of a picture, as it was last seen.
        """
        seen = self.observation(folder, name).signature
        self._folders[folder].captions[name] = (seen, caption)
        self._folders[folder].contents.pop(name, None)
        self._touch_family((folder, parse(name).family), now)

    def see_reference(self, path: str, found: Signature | str, now: float) -> bool:
        """
        Take in a look at a reference, or half a sentence why it cannot be used; return whether that is news.
        """
        is_new = self.references.see(path, found, now)
        if is_new:
            for namer in self.references.namers(path):
                self._schedule_users(namer, now)
        return is_new

    def note_reference_event(self, path: str, now: float) -> None:
        """
        Take in an event about a reference: whatever it was, the file is not quiet yet.
        """
        self.references.note_event(path, now)
        for namer in self.references.namers(path):
            self._schedule_users(namer, now)

    def schedule_all(self, now: float) -> None:
        """
        Have every family decided about anew: what holds for all of them has changed.
        """
        self._touch_below("", now)

    def next_reading(self) -> float | None:
        """
        Return when the next file is to be read, None if none is.
        """
        return self._unread.next_due()

    def unread(self, now: float, folder: str | None = None) -> Place | None:
        """
        Return a settled file that is to be read and was not since it changed, each once: of a folder or one
        above it, or any.
        """
        folders = None if folder is None else list(upward(folder))
        while (place := self._unread.take(now, folders)) is not None:
            if self.knows(*place) and self._is_settled(place, now) and self._is_unread(place):
                return place
        return None

    def read_again(self, place: Place, at: float) -> None:
        """
        Have a file read again at that moment.
        """
        self._unread.add(place, at)

    def _is_unread(self, place: Place) -> bool:
        named = parse(place[1])
        if named.kind not in _EDITS:
            is_unseen = as_mask(named) is not None and self.shows_through(*place) is None
            return is_unseen or self.caption(*place) is None
        content = self.content(*place)
        return content is None or bool(content.obstacle)

    def _is_settled(self, place: Place, now: float) -> bool:
        at = settled_at(self.observation(*place), self._patience)
        return at is not None and at <= now

    def _record(self, folder: str) -> FolderRecord:
        record = self._folders.get(folder)
        if record is None:
            record = self._folders[folder] = FolderRecord()
        return record

    def _put(
        self, folder: str, name: str, seen: PackedObservation, settles: float | None, now: float
    ) -> None:
        record, named = self._folders[folder], parse(name)
        self.changes += 1
        is_new = name not in record.observations
        record.observations[name] = seen
        # A companion that came back with its picture would else be met only as that is claimed, unsettled.
        if named.kind in _FOLLOWED or settles is None or self._is_companion(name):
            record.followed.add(name)
        elif record.followed:
            record.followed.discard(name)
        if named.kind in _EDITS and settles is not None:
            self.read_again((folder, name), settles)
        if named.kind in FOLDER_FILES:
            if is_new:
                record.folder_files.append(name)
            self._touch_below(folder, now)
        elif named.kind is Kind.OTHER:
            record.others.add(name)
            if self._is_companion(name):
                if is_new:
                    mine = record.companions.get(named.family, ())
                    record.companions[named.family] = (*mine, name)
                self._touch_family((folder, named.family), max(now, settles or now))
        else:
            family = record.joined(folder, named) if is_new else record.families[named.family]
            # Nothing of it is ready before that, and then it may be.
            self._schedule(family, max(now, settles or now))

    def _drop(self, record: FolderRecord, folder: str, name: str, now: float) -> bool:
        self._whole.pop((folder, name), None)
        if record.observations.pop(name, None) is None:
            return False
        named = parse(name)
        self.changes += 1
        record.followed.discard(name)
        record.others.discard(name)
        if self._is_companion(name):
            mine = record.companions.pop(named.family, ())
            if left := tuple(each for each in mine if each != name):
                record.companions[named.family] = left
            self._touch_family((folder, named.family), now)
        record.see_through.pop(name, None)
        record.captions.pop(name, None)
        record.contents.pop(name, None)
        if named.kind in _EDITS:
            self._schedule_pictures(self.references.forget((folder, name)), now)
        if named.kind in FOLDER_FILES:
            record.folder_files.remove(name)
            record.gone_at = now
            self._touch_below(folder, now)
        elif named.kind is not Kind.OTHER:
            family = record.families[named.family]
            family.names = tuple(each for each in family.names if each != name)
            family.gone_at = now
            if not family.names:
                del record.families[named.family]
            self._schedule(family, now)
        return True

    def _is_companion(self, name: str) -> bool:
        return name.rpartition(".")[2].lower() in self.companion_extensions

    def _leave_no_longer(self, record: FolderRecord, name: str) -> None:
        if record.left.pop(name, None):
            record.shut.discard(name)
            self.changes += 1

    def _weigh(self, record: FolderRecord, listing: Listing, began: float) -> None:
        """
        Take in the stamp of a folder. One in which names came or went while its stamp stayed the same lies on
        a device that does not tell: no stamp of it is trusted again.
        """
        if listing.stamp is not None and record.trusts(listing.stamp):
            fresh = (
                n for n in listing.names if n not in record.observations and n not in record.left
            )
            if listing.gone or any(fresh):
                self._mute.add(listing.stamp.device)
                for each in self._folders.values():
                    each.trust = None
        is_mute = listing.stamp is not None and listing.stamp.device in self._mute
        record.trust = None if is_mute else trust_in(record.trust, listing.stamp, began)

    def _schedule_pictures(self, paths: Iterable[str], now: float) -> None:
        """
        Have pictures decided about anew that are named as references, or are so no longer.
        """
        for path in paths:
            folder, _, name = path.rpartition("/")
            self._touch_family((folder, parse(name).family), now)

    def _schedule_users(self, place: Place, now: float) -> None:
        """
        Schedule the families for which a file holds.
        """
        folder, name = place
        named = parse(name)
        if named.kind in FOLDER_FILES:
            self._touch_below(folder, now)
        else:
            self._touch_family((folder, named.family), now)

    def _touch_family(self, key: Key, now: float) -> None:
        if (family := self.family(key)) is not None:
            self._schedule(family, now)

    def _touch_below(self, folder: str, now: float) -> None:
        for other, record in self._folders.items():
            if is_below(other, folder):
                for family in record.families.values():
                    self._schedule(family, now)
