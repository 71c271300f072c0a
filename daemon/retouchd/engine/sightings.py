"""
What lies in the inbox and since when: the memory between looks, kept per folder and per family.

A look at one name touches its family alone, so an event costs the same in a folder of ten files and of a
hundred thousand. No I/O here: looks, and what was read, are handed in.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from retouchd.adapters.inbox import Left
from retouchd.engine.references import Place, References
from retouchd.rules.inheritance import Content, Source
from retouchd.rules.names import FOLDER_FILES, Kind, Named, parse
from retouchd.rules.settling import Patience, Sight, Signature, disturb, look, prove, settled_at

Key: TypeAlias = tuple[str, str]
"""A family in its folder: the folder's path below the inbox, and the family's stem."""

_EDITS = (Kind.EDIT, Kind.FOLDER_EDIT)


def is_below(folder: str, above: str) -> bool:
    """
    Return whether a folder is another one or lies below it.
    """
    return not above or folder == above or folder.startswith(f"{above}/")


def _upward(folder: str) -> Iterator[str]:
    """
    Return a folder and those above it, up to the inbox itself.
    """
    yield folder
    while folder:
        folder = folder.rpartition("/")[0]
        yield folder


@dataclass(slots=True)
class _Folder:
    sights: dict[str, Sight] = field(default_factory=dict)
    families: dict[str, list[str]] = field(default_factory=dict)
    left: dict[str, Left] = field(default_factory=dict)
    shut: set[str] = field(default_factory=set)
    folder_files: list[str] = field(default_factory=list)
    contents: dict[str, tuple[Signature, Content]] = field(default_factory=dict)


class Sightings:
    """
    The files of the inbox as they were last seen. `touch` is told each family that is to be decided anew.
    """

    def __init__(self, *, patience: Patience, touch: Callable[[Key, float], None]) -> None:
        self._patience = patience
        self._touch = touch
        self._folders: dict[str, _Folder] = {}
        self._unread: list[tuple[float, Place]] = []
        self.references = References()

    def see(self, folder: str, name: str, found: Signature | Left | None, now: float) -> bool:
        """
        Take in a look at one name; return whether anything is new about it.
        """
        place = self._folders.setdefault(folder, _Folder())
        if isinstance(found, Left):
            is_new = place.left.get(name) != found
            place.left[name] = found
            (place.shut.add if found.is_shut else place.shut.discard)(name)
            return self._drop(place, folder, name, now) or is_new
        place.left.pop(name, None)
        place.shut.discard(name)
        if found is None:
            return self._drop(place, folder, name, now)
        before = place.sights.get(name)
        sight = look(before, found, now)
        if sight is before:
            return False
        self._put(place, folder, parse(name), sight, now)
        return True

    def disturb(self, folder: str, name: str, now: float) -> None:
        """
        Take in an event: whatever it was, the file is not quiet yet.
        """
        place = self._folders.get(folder)
        if place is not None and (sight := place.sights.get(name)):
            self._put(place, folder, parse(name), disturb(sight, now), now)

    def prove(self, folder: str, name: str, now: float) -> None:
        """
        Take in a rename from a known temporary name.
        """
        place = self._folders.get(folder)
        if place is not None and (sight := place.sights.get(name)):
            self._put(place, folder, parse(name), prove(sight), now)

    def keep_only(self, folder: str, names: set[str], before: float, now: float) -> None:
        """
        Forget what a listing no longer shows, unless it was first seen after that listing was made.
        """
        place = self._folders.get(folder)
        if place is None:
            return
        for name in [
            n for n, s in place.sights.items() if n not in names and s.quiet_since < before
        ]:
            self._drop(place, folder, name, now)
        for name in [n for n in place.left if n not in names]:
            del place.left[name]
            place.shut.discard(name)

    def note(self, folder: str, name: str, content: Content, now: float) -> None:
        """
        Take in what a structured sidecar or an `_edit.*` says, as it was last seen.
        """
        place = self._folders[folder]
        place.contents[name] = (place.sights[name].signature, content)
        named = self.references.name((folder, name), content.images or ())
        self._touch_pictures(named, now)
        self._touch_users((folder, name), now)

    def see_reference(self, path: str, found: Signature | str, now: float) -> bool:
        """
        Take in a look at a reference, or half a sentence why it cannot be used; return whether that is news.
        """
        is_new = self.references.see(path, found, now)
        if is_new:
            for namer in self.references.namers(path):
                self._touch_users(namer, now)
        return is_new

    def touch_all(self, now: float) -> None:
        """
        Have every family decided about anew: what holds for all of them has changed.
        """
        self._touch_below("", now)

    def folders(self) -> list[str]:
        """
        Return the folders anything was seen in.
        """
        return list(self._folders)

    def families(self, folder: str) -> list[str]:
        """
        Return the families of a folder.
        """
        place = self._folders.get(folder)
        return list(place.families) if place else []

    def names(self, key: Key) -> list[str]:
        """
        Return the names of a family.
        """
        place = self._folders.get(key[0])
        return list(place.families.get(key[1], ())) if place else []

    def knows(self, folder: str, name: str) -> bool:
        """
        Return whether a file was there when it was last looked at.
        """
        return folder in self._folders and name in self._folders[folder].sights

    def sight(self, folder: str, name: str) -> Sight:
        """
        Return the sight of a file that was seen.
        """
        return self._folders[folder].sights[name]

    def content(self, folder: str, name: str) -> Content | None:
        """
        Return what a file says, None if it was not read since it last changed.
        """
        place = self._folders[folder]
        signature, content = place.contents.get(name, (None, None))
        return content if signature == place.sights[name].signature else None

    def sources(self, folder: str) -> Iterator[Source]:
        """
        Return the folder files of a folder and of those above it, the nearest first.
        """
        for above in _upward(folder):
            place = self._folders.get(above)
            for name in sorted(place.folder_files) if place else ():
                yield Source(
                    folder=above,
                    name=name,
                    kind=parse(name).kind,
                    sight=self.sight(above, name),
                    content=self.content(above, name),
                )

    def next_reading(self) -> float | None:
        """
        Return when the next file is to be read, None if none is.
        """
        return self._unread[0][0] if self._unread else None

    def unread(self, now: float) -> Iterator[Place]:
        """
        Return the settled files with parameters that were not read since they changed, each once.
        """
        while self._unread and self._unread[0][0] <= now:
            _, place = heapq.heappop(self._unread)
            if self.knows(*place) and self._is_settled(place, now):
                content = self.content(*place)
                if content is None or content.obstacle:
                    yield place

    def read_again(self, place: Place, at: float) -> None:
        """
        Have a file read again at that moment.
        """
        heapq.heappush(self._unread, (at, place))

    def left(self, folder: str) -> dict[str, Left]:
        """
        Return what is left alone in a folder, by name.
        """
        return self._folders[folder].left

    def shut(self, key: Key) -> list[Place]:
        """
        Return the files that would hold for a family, by their names, but cannot be looked at.
        """
        found = []
        for folder in _upward(key[0]):
            place = self._folders.get(folder)
            for name in sorted(place.shut) if place else ():
                named = parse(name)
                is_own = folder == key[0] and named.family == key[1]
                if is_own or named.kind in FOLDER_FILES:
                    found.append((folder, name))
        return found

    def unpaired(self, folder: str) -> list[str]:
        """
        Return the names that are neither folder files nor left alone.
        """
        place = self._folders[folder]
        return [name for name in place.sights if name not in place.folder_files]

    def _is_settled(self, place: Place, now: float) -> bool:
        at = settled_at(self.sight(*place), self._patience)
        return at is not None and at <= now

    def _put(self, place: _Folder, folder: str, named: Named, sight: Sight, now: float) -> None:
        is_new = named.name not in place.sights
        place.sights[named.name] = sight
        if named.kind in _EDITS and (at := settled_at(sight, self._patience)) is not None:
            self.read_again((folder, named.name), at)
        if named.kind in FOLDER_FILES:
            if is_new:
                place.folder_files.append(named.name)
            self._touch_below(folder, now)
        elif named.kind is not Kind.OTHER:
            if is_new:
                place.families.setdefault(named.family, []).append(named.name)
            self._touch((folder, named.family), now)

    def _drop(self, place: _Folder, folder: str, name: str, now: float) -> bool:
        if place.sights.pop(name, None) is None:
            return False
        named = parse(name)
        if named.kind in _EDITS:
            place.contents.pop(name, None)
            self._touch_pictures(self.references.forget((folder, name)), now)
        if named.kind in FOLDER_FILES:
            place.folder_files.remove(name)
            self._touch_below(folder, now)
        elif named.kind is not Kind.OTHER:
            names = place.families[named.family]
            names.remove(name)
            if not names:
                del place.families[named.family]
            self._touch((folder, named.family), now)
        return True

    def _touch_pictures(self, paths: Iterable[str], now: float) -> None:
        """
        Have pictures decided about anew that are named as references, or are so no longer.
        """
        for path in paths:
            folder, _, name = path.rpartition("/")
            if self.knows(folder, name):
                self._touch((folder, parse(name).family), now)

    def _touch_users(self, place: Place, now: float) -> None:
        """
        Touch the families for which a file holds.
        """
        folder, name = place
        named = parse(name)
        if named.kind is Kind.FOLDER_EDIT:
            self._touch_below(folder, now)
        else:
            self._touch((folder, named.family), now)

    def _touch_below(self, folder: str, now: float) -> None:
        for other, place in self._folders.items():
            if is_below(other, folder):
                for family in place.families:
                    self._touch((other, family), now)
