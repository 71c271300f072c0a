"""
Looks at the inbox: at the names that rang, or at everything below a folder.

All methods block. What is found goes into the sightings; what is left alone is told once.
"""

from collections.abc import Collection, Iterable

from retouchd.adapters.bell import Ring
from retouchd.adapters.inbox import Inbox, Left
from retouchd.engine.clock import Clock
from retouchd.engine.deciding import Decider
from retouchd.engine.places import is_below_any
from retouchd.engine.sightings import Sightings
from retouchd.logs import logger
from retouchd.rules.watching import Depth

log = logger()


class Looker:
    """
    The one who looks. `faults` says of folders why they could not be read when they were last looked at.
    """

    def __init__(
        self, *, inbox: Inbox, sightings: Sightings, decider: Decider, clock: Clock
    ) -> None:
        self._inbox = inbox
        self._sightings = sightings
        self._decider = decider
        self._clock = clock
        self._told: set[tuple[str, str, str]] = set()
        self.faults: dict[str, str] = {}

    @property
    def looks(self) -> int:
        """
        Return how many names have been looked at.
        """
        return self._inbox.looks

    def answer(self, rings: list[Ring]) -> None:
        """
        Look at each name that rang. A look finds what is there now, so of folders the topmost will do.
        """
        self.scan(_topmost(ring.path for ring in rings if ring.is_folder))
        for ring in rings:
            folder, _, name = ring.path.rpartition("/")
            self._decider.hear(ring.path, self._clock.monotonic())
            if not ring.is_folder and self._inbox.takes_folder(folder):
                self.look(folder, name, is_event=True)

    def look(self, folder: str, name: str, *, is_event: bool = False) -> None:
        """
        Look at one name; after an event a file is not quiet, whatever is seen of it.
        """
        found = self._inbox.look(folder, name)
        now = self._clock.monotonic()
        is_new = self._sightings.see(folder, name, found, now)
        if is_event and not is_new:
            self._sightings.disturb(folder, name, now)
        if isinstance(found, Left):
            self.tell(folder, name, found)

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
        known = self._sightings.folder
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
                self.tell(listing.folder, "", Left(listing.fault, is_told=True))
                continue
            for name, found in zip(listing.names, listing.found, strict=True):
                if isinstance(found, Left):
                    self.tell(listing.folder, name, found)
            self._sightings.take_in(listing, began, now)
        tops = frozenset(folders)
        for gone in self._sightings.folders():
            if gone not in seen and is_below_any(gone, tops) and not is_below_any(gone, unread):
                self._sightings.forget_folder(gone, began, now)
        faults |= {each: why for each, why in self.faults.items() if not is_below_any(each, tops)}
        if faults != self.faults:
            self.faults = faults
            self._sightings.changes += 1
        self._look_at_references(tops, now)

    def _look_at_references(self, tops: Collection[str], now: float) -> None:
        """
        Look at the pictures below folders that somebody names, and at those that are spared since jobs have
        used them: a new one in their place is a job of its own.
        """
        paths = self._sightings.references.paths()
        self._decider.look_at_references((p for p in paths if is_below_any(p, tops)), now)
        for place in self._sightings.spared():
            if is_below_any(place[0], tops):
                self.look(*place)

    def tell(self, folder: str, name: str, left: Left) -> None:
        """
        Tell once of something that a person should hear of.
        """
        told = (folder, name, left.reason)
        if left.is_told and told not in self._told:
            self._told.add(told)
            log.warning("file.left", folder=folder, name=name, reason=left.reason)


def _topmost(folders: Iterable[str]) -> list[str]:
    """
    Return the folders that lie below no other one of them.
    """
    rung = frozenset(folders)
    return [each for each in sorted(rung) if not is_below_any(each.rpartition("/")[0], rung)]
