"""
What lies in the inbox and since when: the memory between looks, kept per folder and per family.

A look at one name touches its family alone, so an event costs the same in a folder of ten files and of a
hundred thousand. No I/O here: looks are handed in, bundles are asked for.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from retouchd.adapters.inbox import Left
from retouchd.rules.names import Kind, Named, parse
from retouchd.rules.pairing import Bundle, pair
from retouchd.rules.readiness import Ready, State, Surroundings, Unsettled, readiness
from retouchd.rules.settling import Patience, Sight, Signature, disturb, look, prove

Key: TypeAlias = tuple[str, str]
"""A family in its folder: the folder's path below the inbox, and the family's stem."""

_UNKNOWN = "left alone: no image, prompt or mask by its name"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """
    A bundle as it stands: its files with their sights, and whether it may be claimed.
    """

    folder: str
    bundle: Bundle
    sights: dict[str, Sight]
    state: State


def is_below(folder: str, above: str) -> bool:
    """
    Return whether a folder is another one or lies below it.
    """
    return not above or folder == above or folder.startswith(f"{above}/")


@dataclass(slots=True)
class _Folder:
    sights: dict[str, Sight] = field(default_factory=dict)
    families: dict[str, list[str]] = field(default_factory=dict)
    left: dict[str, Left] = field(default_factory=dict)
    prompt: str | None = None


class Backlog:
    """
    The families of the inbox: which are to be looked at again when, and which are ready in which order.
    """

    def __init__(self, *, patience: Patience, has_default_prompt: bool) -> None:
        self._patience = patience
        self._has_default = has_default_prompt
        self._folders: dict[str, _Folder] = {}
        self._due: list[tuple[float, Key]] = []
        self._due_at: dict[Key, float] = {}
        self._ready: list[tuple[float, int, str, Key]] = []
        self._ready_keys: set[Key] = set()
        self._unsettled: set[Key] = set()

    def see(self, folder: str, name: str, found: Signature | Left | None, now: float) -> bool:
        """
        Take in a look at one name; return whether anything is new about it.
        """
        place = self._folders.setdefault(folder, _Folder())
        if isinstance(found, Left):
            is_new = place.left.get(name) != found
            place.left[name] = found
            return self._drop(place, folder, name, now) or is_new
        place.left.pop(name, None)
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

    def folders(self) -> list[str]:
        """
        Return the folders anything was seen in.
        """
        return list(self._folders)

    def next_due(self) -> float | None:
        """
        Return when the next family is to be looked at again, None if none is.
        """
        return self._due[0][0] if self._due else None

    def settle(self, now: float) -> None:
        """
        Decide anew about every family whose time has come.
        """
        while self._due and self._due[0][0] <= now:
            at, key = heapq.heappop(self._due)
            if self._due_at.get(key) == at:
                del self._due_at[key]
                self._decide(key, now)

    def ready(self) -> int:
        """
        Return how many families are ready.
        """
        return len(self._ready)

    def is_settled(self) -> bool:
        """
        Return whether nothing is ready and nothing will be by waiting alone.
        """
        return not self._ready and not self._unsettled

    def take(self) -> Key | None:
        """
        Return the next ready family in order: settled first, then older by mtime, then by path.
        """
        if not self._ready:
            return None
        *_, key = heapq.heappop(self._ready)
        self._ready_keys.discard(key)
        return key

    def names(self, key: Key) -> list[str]:
        """
        Return the names of a family.
        """
        place = self._folders.get(key[0])
        return list(place.families.get(key[1], ())) if place else []

    def folder_prompts(self, folder: str) -> Iterator[tuple[str, str]]:
        """
        Return the `_prompt.txt` of a folder and of those above it, the nearest first: folder and name.
        """
        while True:
            place = self._folders.get(folder)
            if place is not None and place.prompt is not None:
                yield folder, place.prompt
            if not folder:
                return
            folder = folder.rpartition("/")[0]

    def candidates(self, key: Key, now: float) -> list[Candidate]:
        """
        Return the bundles of a family with their states.
        """
        folder, family = key
        place = self._folders.get(folder)
        if place is None or family not in place.families:
            return []
        surroundings = self._surroundings(folder)
        found = []
        for bundle in pair(map(parse, place.families[family])):
            sights = {named.name: place.sights[named.name] for named in bundle.files}
            state = readiness(bundle, sights, surroundings, self._patience, now)
            found.append(Candidate(folder=folder, bundle=bundle, sights=sights, state=state))
        return found

    def look_again(self, key: Key, at: float) -> None:
        """
        Have a family decided about again at that moment.
        """
        self._unsettled.add(key)
        self._schedule(key, at)

    def try_later(self, key: Key, at: float) -> None:
        """
        Have a family tried again at that moment, if nothing happens to it before; nobody waits for it.
        """
        self._schedule(key, at)

    def waiting(self, now: float) -> Iterator[tuple[str, str, str]]:
        """
        Return every file that waits or is left alone, with its folder and the reason.
        """
        for folder, place in sorted(self._folders.items()):
            reasons = {name: _UNKNOWN for name in place.sights if name != place.prompt}
            for family in place.families:
                for candidate in self.candidates((folder, family), now):
                    state = candidate.state
                    reason = "ready" if isinstance(state, Ready) else state.reason
                    reasons |= dict.fromkeys((each.name for each in candidate.bundle.files), reason)
            reasons |= {
                name: f"left alone: {left.reason}"
                for name, left in place.left.items()
                if left.is_told
            }
            yield from ((folder, name, reason) for name, reason in sorted(reasons.items()))

    def _surroundings(self, folder: str) -> Surroundings:
        nearest = next(self.folder_prompts(folder), None)
        sight = self._folders[nearest[0]].sights[nearest[1]] if nearest else None
        return Surroundings(folder_prompt=sight, has_default=self._has_default)

    def _put(self, place: _Folder, folder: str, named: Named, sight: Sight, now: float) -> None:
        is_new = named.name not in place.sights
        place.sights[named.name] = sight
        if named.kind is Kind.FOLDER_PROMPT:
            place.prompt = named.name
            self._touch_below(folder, now)
        elif named.kind is not Kind.OTHER:
            if is_new:
                place.families.setdefault(named.family, []).append(named.name)
            self._touch((folder, named.family), now)

    def _drop(self, place: _Folder, folder: str, name: str, now: float) -> bool:
        if place.sights.pop(name, None) is None:
            return False
        named = parse(name)
        if named.kind is Kind.FOLDER_PROMPT:
            others = (n for n in place.sights if parse(n).kind is Kind.FOLDER_PROMPT)
            place.prompt = next(others, None)
            self._touch_below(folder, now)
        elif named.kind is not Kind.OTHER:
            names = place.families[named.family]
            names.remove(name)
            if not names:
                del place.families[named.family]
            self._touch((folder, named.family), now)
        return True

    def _touch_below(self, folder: str, now: float) -> None:
        for other, place in self._folders.items():
            if is_below(other, folder):
                for family in place.families:
                    self._touch((other, family), now)

    def _touch(self, key: Key, now: float) -> None:
        self._unsettled.add(key)
        self._schedule(key, now)

    def _schedule(self, key: Key, at: float) -> None:
        known = self._due_at.get(key)
        if known is None or at < known:
            self._due_at[key] = at
            heapq.heappush(self._due, (at, key))

    def _decide(self, key: Key, now: float) -> None:
        self._unsettled.discard(key)
        for candidate in self.candidates(key, now):
            match candidate.state:
                case Ready(since=since):
                    self._queue(key, candidate, since)
                case Unsettled(at=at):
                    self.look_again(key, at)
                case waiting:
                    if waiting.at is not None:
                        self._schedule(key, waiting.at)

    def _queue(self, key: Key, candidate: Candidate, since: float) -> None:
        if key not in self._ready_keys:
            self._ready_keys.add(key)
            first = candidate.sights[candidate.bundle.files[0].name].signature
            path = "/".join((key[0], candidate.bundle.files[0].name))
            heapq.heappush(self._ready, (since, first.mtime_ns, path, key))
