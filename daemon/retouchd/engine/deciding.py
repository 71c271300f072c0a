"""
Deciding about families whose time has come: what their files say is read first.

One file may name the picture of another family as its reference, so all are read before any is decided.
"""

from collections.abc import Iterable
from itertools import islice

from retouchd.adapters import below
from retouchd.adapters.inbox import Inbox, Left
from retouchd.engine.backlog import Backlog
from retouchd.engine.reading import Reader

_AGAIN_SECONDS = 60.0


class Decider:
    """
    Keeps a backlog decided. Blocking: it reads sidecars and folder files, and looks at references.
    """

    def __init__(self, *, inbox: Inbox, reader: Reader, backlog: Backlog) -> None:
        self._inbox = inbox
        self._reader = reader
        self._backlog = backlog
        self._sightings = backlog.sightings

    def settle(self, now: float, most: int | None = None) -> list[tuple[str, str, Left]]:
        """
        Read what has settled, then decide about every family whose time has come, or about so many.

        Return the files that cannot be read, and why; they are tried again.
        """
        shut = []
        for folder, name in islice(self._sightings.unread(now), most):
            try:
                content = self._reader.content(folder, name)
            except FileNotFoundError:
                self._sightings.see(folder, name, None, now)
                continue
            self._sightings.note(folder, name, content, now)
            self.look_at_references(content.images or (), now)
            if content.obstacle:
                self._sightings.read_again((folder, name), now + _AGAIN_SECONDS)
                shut.append((folder, name, Left(content.obstacle, is_told=True)))
        if not self._sightings.is_to_be_read(now):
            self._backlog.settle(now, most)
        return shut

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
