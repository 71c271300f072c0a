"""
Deciding about families whose time has come: what their files say is read first.

A file may name pictures of its folder and of those below as its references, so all of a folder and of those
above it are read before anything in it is decided about; folders take turns at that, too.
"""

import sys
from collections.abc import Iterable

from retouchd.adapters import below
from retouchd.adapters.inbox import Inbox, Left
from retouchd.engine.backlog import Backlog
from retouchd.engine.reading import Reader
from retouchd.rules.names import Kind, parse

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
        shut: list[tuple[str, str, Left]] = []

        def read(folder: str | None) -> bool:
            place = self._sightings.unread(now, folder)
            if place is not None and (left := self._read(*place, now)):
                shut.append((*place, left))
            return place is not None

        self._backlog.settle(now, most, read=read)
        for _ in range(sys.maxsize if most is None else most):
            # What is left then holds for nothing that is to be decided about.
            if not self._backlog.is_decided() or not read(None):
                break
        return shut

    def _read(self, folder: str, name: str, now: float) -> Left | None:
        """
        Read a file and take in what it says; return why it cannot be read, None if it can.
        """
        try:
            if parse(name).kind is Kind.IMAGE:
                found = self._reader.shows_through(folder, name)
                self._sightings.note_look(folder, name, shows_through=found, now=now)
                return None
            content = self._reader.content(folder, name)
        except FileNotFoundError:
            self._sightings.see(folder, name, None, now)
            return None
        self._sightings.note(folder, name, content, now)
        self.look_at_references(content.images or (), now)
        if not content.obstacle:
            return None
        self._sightings.read_again((folder, name), now + _AGAIN_SECONDS)
        return Left(content.obstacle, is_told=True)

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
