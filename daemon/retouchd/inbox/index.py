"""
The in-memory index of the inbox: files as last observed and what may be claimed of them.

All methods block: they look at names, at everything below a folder, and read what prompts, sidecars and folder
files say. What is left alone is told once.
"""

import contextlib
import itertools
import sys
from collections import Counter
from collections.abc import Collection, Iterable

from retouchd.clock import Clock
from retouchd.disk import nofollow
from retouchd.disk.signature import Signature
from retouchd.events import emit
from retouchd.events.inbox import FileLeft, IntakeCrashed
from retouchd.inbox.candidates import Candidate
from retouchd.inbox.folder_index import Key, is_below_any
from retouchd.inbox.precedence import Content
from retouchd.inbox.queue import InboxQueue
from retouchd.inbox.references import Place
from retouchd.inbox.scanner import InboxScanner, LeftAlone
from retouchd.inbox.sidecar_reader import SidecarReader
from retouchd.inbox.watch_mode import Depth
from retouchd.inbox.watcher import InboxEvent
from retouchd.job.companions import companions_of
from retouchd.job.filenames import Kind, as_mask, parse, partners
from retouchd.job.naming import path_below, shown

_READ_AGAIN_SECONDS = 60.0
_CRASHED_SECONDS = (5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0)
"""When a file is read again over which we failed: a person, or more memory, has to mend that."""
_FEW_NAMES = 256
"""To list a folder of so many takes no longer than to ask it for a family's partners."""


class InboxIndex:
    """
    The index, updated by events and scans: `files` as they were last seen, `queue` has their families.

    `faults` says of folders why they could not be read when they were last looked at. `is_watched` while events
    tell of every change: then a folder that shows the stamp it had when all its names were known has no others.
    """

    def __init__(
        self, *, inbox: InboxScanner, reader: SidecarReader, queue: InboxQueue, clock: Clock
    ) -> None:
        self._inbox = inbox
        self._reader = reader
        self._clock = clock
        self._told: set[tuple[str, str, str]] = set()
        self._crashed: Counter[Place] = Counter()
        self.queue = queue
        self.files = queue.observed_files
        self.faults: dict[str, str] = {}
        self.is_watched = False

    @property
    def looks(self) -> int:
        """
        Return how many names have been looked at.
        """
        return self._inbox.looks

    def observe(self, events: list[InboxEvent]) -> None:
        """
        Look at each name that an event tells of. A look finds what is there now, so of folders the topmost
        will do.
        """
        self.scan(_topmost(each.path for each in events if each.is_folder))
        for event in events:
            folder, _, name = event.path.rpartition("/")
            if event.is_gone and not self._knows(folder, name):
                continue  # Such as what was claimed: our own renames are events, too.
            self._observe_reference(event, self._clock.monotonic())
            if not event.is_folder and self._inbox.takes_folder(folder):
                self.look(folder, name, is_event=True)
                if event.is_whole:
                    self.files.note_whole(folder, name, self._clock.monotonic())

    def look(self, folder: str, name: str, *, is_event: bool = False) -> None:
        """
        Look at one name; after an event a file is not quiet, whatever is seen of it.
        """
        found = self._inbox.look(folder, name)
        now = self._clock.monotonic()
        is_new = self.files.see(folder, name, found, now)
        if is_event and not is_new:
            self.files.note_event(folder, name, now)
        if isinstance(found, LeftAlone):
            self._tell(folder, name, found)

    def look_once_more(self, key: Key) -> list[Candidate]:
        """
        Look at all that holds for a family right before its claim; return its bundles as they stand now.

        They are decided about anew only where something is not as it was.
        """
        folder = key[0]
        for name in (*self.files.names(key), *self.files.companions(key)):
            self.look(folder, name)
        self._look_for_newcomers(key)
        for source in list(self.files.sources(folder)):
            self.look(source.folder, source.name)
        for place in self.files.shut(key):
            self.look(*place)
        now = self._clock.monotonic()
        candidates = self.queue.decision(key, now)
        if named := {path for each in candidates for path in each.surroundings.references}:
            self.look_at_references(named, now)
            candidates = self.queue.decision(key, now)
        self.queue.forget_decision(key)
        return candidates

    def holds(self, folder: str, name: str) -> bool:
        """
        Return whether anything lies there: by a look, unless all names in its folder are known and it is none.
        """
        record = self.files.folder(folder)
        is_known = record is not None and record.names_known is not None
        if not is_known or self.files.has_seen(folder, name):
            self.look(folder, name)
        return self.files.has_seen(folder, name)

    def note_claimed(self, key: Key) -> None:
        """
        Take in that files of a family were claimed, by looking at them.

        Nobody else has changed its folder if that was what it was known for: who did so meanwhile rings.
        """
        folder, names = key[0], self.files.names(key)
        for name in (*names, *self.files.companions(key)):
            self.look(folder, name)
        record = self.files.folder(folder)
        if record is not None and record.names_known is not None:
            record.names_known = self._inbox.stamp(folder)

    def _look_for_newcomers(self, key: Key) -> None:
        """
        Look at what may have come beside a family: in a small folder at all that is new, in a large one at the
        names that partners usually have.
        """
        folder = key[0]
        record = self.files.folder(folder)
        if record is None:
            return
        if record.names_known is not None and self.is_watched:
            if self._inbox.stamp(folder) == record.names_known:
                return
            record.names_known = None
        known = len(record.observations) + len(record.left)
        if known <= _FEW_NAMES:
            with contextlib.suppress(OSError):
                names, record.names_known = self._inbox.names(folder)
                for name in names:
                    if not self.files.has_seen(folder, name) and name not in record.folders:
                        self.look(folder, name)
                return
        extensions = self.files.companion_extensions
        usual = ((*partners(n), *companions_of(n, extensions)) for n in self.files.names(key))
        for name in dict.fromkeys(itertools.chain.from_iterable(usual)):
            self.look(folder, name)

    def _knows(self, folder: str, name: str) -> bool:
        return self.files.has_seen(folder, name) or self.files.references.knows(
            path_below(folder, name)
        )

    def scan(self, folders: Collection[str], depth: Depth = Depth.FILES) -> None:
        """
        Look at folders, none below another, and at all below them; all that is found new counts as seen at
        one moment.

        Where not each file is looked at, those are whose own state decides about something before anybody
        claims them: a claim looks at all of its family once more.
        """
        if not folders:
            return
        began = self._clock.monotonic()
        known = self.files.folder
        listings = [
            each for top in folders for each in self._inbox.walk(top, depth=depth, known=known)
        ]
        # The last moment: on a slow disk a file may have been written long after the first.
        now = self._clock.monotonic()
        seen, unread, faults = set(), set(), dict[str, str]()
        for listing in listings:
            seen.add(listing.folder)
            if listing.fault is not None:
                unread.add(listing.folder)
                faults[listing.folder] = listing.fault
                self._tell(listing.folder, "", LeftAlone(listing.fault, is_told=True))
                continue
            for name, found in zip(listing.names, listing.found, strict=True):
                if isinstance(found, LeftAlone):
                    self._tell(listing.folder, name, found)
            self.files.take_in(listing, began, now)
        tops = frozenset(folders)
        for gone in self.files.folders():
            if gone not in seen and is_below_any(gone, tops) and not is_below_any(gone, unread):
                self.files.forget_folder(gone, began, now)
        faults |= {each: why for each, why in self.faults.items() if not is_below_any(each, tops)}
        if faults != self.faults:
            self.faults = faults
            self.files.changes += 1
        self._look_at_references_below(tops, now)

    def settle(self, now: float, most: int | None = None) -> None:
        """
        Read what has settled, then decide about every family whose time has come, or about so many.

        A file may name pictures of its folder and of those below as its references, so all of a folder and of
        those above it are read before anything in it is decided about; folders take turns at that, too. What
        cannot be read is told, and tried again.
        """

        def read(folder: str | None) -> bool:
            place = self.files.unread(now, folder)
            if place is not None:
                self._read(place, now)
            return place is not None

        self.queue.settle(now, most, read=read)
        for _ in range(sys.maxsize if most is None else most):
            # What is left then holds for nothing that is to be decided about.
            if not self.queue.is_decided() or not read(None):
                break

    def _read(self, place: Place, now: float) -> None:
        """
        Read a file and take in what it says. What cannot be read is told, and read again at its time.
        """
        try:
            obstacle, seconds = self._take_in(*place, now), _READ_AGAIN_SECONDS
            del self._crashed[place]
        except FileNotFoundError:
            self.files.see(*place, None, now)
            return
        except Exception as error:  # noqa: BLE001 - what it holds for waits; all others must not
            if not self._crashed[place]:
                emit(IntakeCrashed(exception=error))
            seconds = _CRASHED_SECONDS[min(self._crashed[place], len(_CRASHED_SECONDS) - 1)]
            self._crashed[place] += 1
            fault = shown(f"{type(error).__name__}: {error}")
            obstacle = (
                f"cannot be read: retouchd failed over it ({fault}) and tries again by itself"
            )
            self.files.note(*place, Content(obstacle=obstacle), now)
        if obstacle:
            self.files.read_again(place, now + seconds)
            self._tell(*place, LeftAlone(obstacle, is_told=True))

    def _take_in(self, folder: str, name: str, now: float) -> str:
        """
        Take in what a file says; return why it cannot be read, empty if it can.
        """
        if parse(name).kind is Kind.IMAGE:
            if as_mask(parse(name)) is not None:
                found = self._reader.shows_through(folder, name)
                self.files.note_look(folder, name, shows_through=found, now=now)
            self.files.note_caption(folder, name, self._reader.caption(folder, name), now)
            return ""
        content = self._reader.content(folder, name)
        self.files.note(folder, name, content, now)
        self.look_at_references(content.images or (), now)
        return content.obstacle

    def look_at_references(self, paths: Iterable[str], now: float) -> None:
        """
        Look at references that somebody names.
        """
        for path in paths:
            self._look_at_reference(path, now)

    def _observe_reference(self, event: InboxEvent, now: float) -> None:
        """
        Take in an event: if it is about a reference, that is looked at, and not quiet yet unless it is whole.
        """
        references, path = self.files.references, event.path
        if event.is_whole and not event.is_folder:
            references.note_whole(path, self._found(path))
        if references.knows(path) and not self._look_at_reference(path, now):
            self.files.note_reference_event(path, now)

    def _look_at_reference(self, path: str, now: float) -> bool:
        return self.files.see_reference(path, self._found(path), now)

    def _found(self, path: str) -> Signature | str:
        return nofollow.file_or_fault(self._inbox.root, path)

    def _look_at_references_below(self, tops: Collection[str], now: float) -> None:
        """
        Look at the pictures below folders that somebody names, and at those that are spared since jobs have
        used them: a new one in their place is a job of its own.
        """
        paths = self.files.references.paths()
        self.look_at_references((p for p in paths if is_below_any(p, tops)), now)
        for place in self.files.spared():
            if is_below_any(place[0], tops):
                self.look(*place)

    def _tell(self, folder: str, name: str, left: LeftAlone) -> None:
        """
        Tell once of something that a person should hear of.
        """
        told = (folder, name, left.reason)
        if left.is_told and told not in self._told:
            self._told.add(told)
            emit(FileLeft(folder=folder, name=name, reason=left.reason))


def _topmost(folders: Iterable[str]) -> list[str]:
    """
    Return the folders that lie below no other one of them.
    """
    known = frozenset(folders)
    return [each for each in sorted(known) if not is_below_any(each.rpartition("/")[0], known)]
