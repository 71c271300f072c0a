"""
Deciding about families whose time has come: what their files say is read first.

One file may name the picture of another family as its reference, so all are read before any is decided.
"""

from collections.abc import Iterable

from retouchd.adapters import below
from retouchd.adapters.inbox import Inbox, Left
from retouchd.engine.backlog import Backlog
from retouchd.engine.reading import Reader
from retouchd.engine.sightings import Key


class Decider:
    """
    Keeps a backlog decided. Blocking: it reads sidecars and folder files, and looks at references.
    """

    def __init__(self, *, inbox: Inbox, reader: Reader, backlog: Backlog) -> None:
        self._inbox = inbox
        self._reader = reader
        self._backlog = backlog
        self._sightings = backlog.sightings

    def settle(self, now: float) -> list[tuple[str, str, Left]]:
        """
        Decide about every family whose time has come; return the files that cannot be read, and why.
        """
        keys = self._backlog.due(now)
        unread = [each for key in keys for each in self.read(key, now)]
        self._backlog.decide(keys, now)
        return unread

    def read(self, key: Key, now: float) -> list[tuple[str, str, Left]]:
        """
        Read what says something about a family and has settled; return the files that cannot be read.
        """
        unread = []
        for folder, name in self._sightings.unread(key, now):
            try:
                content = self._reader.content(folder, name)
            except FileNotFoundError:
                continue  # The next look will miss it too.
            except OSError as error:
                left = Left(f"it cannot be read: {error.strerror}", is_told=True)
                self._sightings.see(folder, name, left, now)
                unread.append((folder, name, left))
                continue
            self._sightings.note(folder, name, content, now)
            self.look_at_references(content.images or (), now)
        return unread

    def look_at_references(self, paths: Iterable[str], now: float) -> None:
        """
        Look at references that somebody names.
        """
        for path in paths:
            self._look(path, now)

    def hear(self, path: str, now: float) -> None:
        """
        Take in an event: if it is about a reference, that is looked at, and not quiet yet.
        """
        if self._sightings.references.knows(path) and not self._look(path, now):
            self._sightings.references.disturb(path, now)

    def _look(self, path: str, now: float) -> bool:
        return self._sightings.see_reference(path, below.look(self._inbox.root, path), now)
