"""
What waits in the inbox: the queue in which folders take turns, the summary by reason, and what of it is news.

A queue in which folders take turns, so that a crowd in one of them holds nobody else up.

At each folder, the files in it and each of its sub-folders get one turn in every round, whatever lies behind
them: a deep tree has no more turns than one flat folder beside it. Within a round, and within a folder, the
least item comes first. What comes to a folder with nothing waiting joins the next round, so that neither the
crowd nor those that come and go keep anybody waiting for more than two turns of each other.

The summary of what waits in the inbox: how many files for which reason, and the first of them by name.

The reasons of a hundred thousand files take long to tell one by one, and nobody reads them: the kinds of
reason are counted, and the files that want something of somebody come first.

Which kinds of what waits in the inbox are news to whoever reads the log.
"""

import datetime as dt
import heapq
import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Generic, Literal, TypeAlias, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from retouchd.job.filenames import IMAGE_EXTENSIONS
from retouchd.job.naming import shown
from retouchd.job.text import json_text
from retouchd.spool.fingerprint import gist

T = TypeVar("T", bound=tuple[Any, ...])

_Entry: TypeAlias = "tuple[int, T, int, _Place[T]]"
"""A place in line: its round, its least item when it lined up, a number that tells equals apart."""

_FILES = ""
_SPARE = 16


class FairQueue(Generic[T]):
    """
    Items of folders, by the folders' paths with `/` between parts and `""` for the top; items have an order.

    Adding costs what a heap does, taking out that for each folder on the way.
    """

    def __init__(self) -> None:
        self._top: _Branch[T] = _Branch(None, _FILES)
        self._leaves: dict[str, _Leaf[T]] = {}

    def __len__(self) -> int:
        return self._top.count

    def count(self, but_not: Collection[str] = ()) -> int:
        """
        Return how many items there are but those of some folders at the top.
        """
        places = map(self._top.places.get, but_not)
        return self._top.count - sum(place.count for place in places if place is not None)

    def push(self, folder: str, item: T) -> None:
        """
        Add an item of a folder.
        """
        leaf = self._leaves.get(folder)
        if leaf is None:
            leaf = self._leaves[folder] = self._leaf(folder)
        heapq.heappush(leaf.items, item)
        place: _Place[T] = leaf
        place.count += 1
        while (parent := place.parent) is not None:
            parent.count += 1
            if place.entry is None:
                parent.line_up(place, parent.round + 1, item)
            elif item < place.entry[1]:
                parent.line_up(place, place.entry[0], item)
            place = parent

    def pop(self, but_not: Collection[str] = ()) -> tuple[str, T] | None:
        """
        Take out the item whose turn it is; return it with its folder, None if there is none.

        Folders at the top whose names are in `but_not` keep their turns; `""` are the files at the top itself.
        """
        passed = self._top.passed_over(but_not)
        found = self._pop() if self._top.line else None
        self._top.take_back(passed)
        return found

    def _pop(self) -> tuple[str, T]:
        place: _Place[T] = self._top
        while isinstance(place, _Branch):
            place = place.first()
        assert isinstance(place, _Leaf), "what is no branch is a leaf"
        folder, item = place.folder, heapq.heappop(place.items)
        if not place.items:
            del self._leaves[folder]
        place.count -= 1
        while (parent := place.parent) is not None:
            parent.count -= 1
            parent.served(place)
            place = parent
        return folder, item

    def _leaf(self, folder: str) -> "_Leaf[T]":
        branch = self._top
        for part in folder.split("/") if folder else ():
            below = branch.places.get(part)
            if not isinstance(below, _Branch):
                below = branch.places[part] = _Branch(branch, part)
            branch = below
        leaf = branch.places[_FILES] = _Leaf(branch, folder)
        return leaf


class _Place(Generic[T]):
    """
    One that takes turns: the files of a folder, or a folder with all in it. `count` items lie behind it.
    """

    __slots__ = ("count", "entry", "name", "parent")

    def __init__(self, parent: "_Branch[T] | None", name: str) -> None:
        self.parent = parent
        self.name = name
        self.count = 0
        self.entry: _Entry[T] | None = None

    def least(self) -> T:
        """
        Return the item that it hands out next.
        """
        raise NotImplementedError


class _Leaf(_Place[T]):
    __slots__ = ("folder", "items")

    def __init__(self, parent: "_Branch[T]", folder: str) -> None:
        super().__init__(parent, _FILES)
        self.folder = folder
        self.items: list[T] = []

    def least(self) -> T:
        return self.items[0]


class _Branch(_Place[T]):
    """
    A folder; `round` is the one that is being served.
    """

    __slots__ = ("line", "numbers", "places", "round")

    def __init__(self, parent: "_Branch[T] | None", name: str) -> None:
        super().__init__(parent, name)
        self.places: dict[str, _Place[T]] = {}
        self.line: list[_Entry[T]] = []
        self.numbers = itertools.count()
        self.round = 0

    def least(self) -> T:
        self.first()
        return self.line[0][1]

    def first(self) -> _Place[T]:
        """
        Return whose turn it is; somebody has to be in line.
        """
        while self.line[0][3].entry is not self.line[0]:
            heapq.heappop(self.line)
        return self.line[0][3]

    def passed_over(self, names: Collection[str]) -> "list[_Entry[T]]":
        """
        Take those of these names out of the front of the line, and whoever is in it no longer.
        """
        passed = []
        while self.line:
            entry = self.line[0]
            if entry[3].entry is entry:
                if entry[3].name not in names:
                    break
                passed.append(entry)
            heapq.heappop(self.line)
        return passed

    def take_back(self, passed: "list[_Entry[T]]") -> None:
        """
        Give back their places in line to those that were passed over.
        """
        for entry in passed:
            heapq.heappush(self.line, entry)

    def line_up(self, place: _Place[T], round_: int, item: T) -> None:
        """
        Give a place its turn in a round; the one it had counts no longer.
        """
        place.entry = (round_, item, next(self.numbers), place)
        if len(self.line) > 2 * len(self.places) + _SPARE:
            self.line = [each.entry for each in self.places.values() if each.entry is not None]
            heapq.heapify(self.line)
        else:
            heapq.heappush(self.line, place.entry)

    def served(self, place: _Place[T]) -> None:
        """
        Take in that the first in line had its turn.
        """
        self.round = self.line[0][0]
        if place.count:
            place.entry = (self.round + 1, place.least(), next(self.numbers), place)
            heapq.heapreplace(self.line, place.entry)
        else:
            heapq.heappop(self.line)
            del self.places[place.name]


READY = "ready"
"""The reason of what waits for nothing but room."""
CHANGING = "still changing"
UNDECIDED = "about to be looked at"
DUPLICATES = ("the same comes first", "edited before", "result of an earlier edit")
"""The kinds of what was asked for before."""
OTHERS = "other reasons"

MOST_FILES = 1000
"""Files that are told by name; the rest is only counted."""
MOST_KINDS = 100
"""Kinds of reasons that are told apart."""
_EACH = 100
"""Files of each kind that are told before more of any other kind are."""
NOT_TAKEN = "not taken: "
"""How every reason begins of a file that is no work of ours."""
REFERENCE = "a reference picture"
"""How it begins for a picture that is sent along with others, and not edited itself."""
_NO_WORK = (NOT_TAKEN, REFERENCE)
_MASK = ".mask.png"
_LAST = (CHANGING, UNDECIDED, OTHERS, *_NO_WORK, *DUPLICATES, READY)


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingFile:
    """
    A file that waits or is not taken: escaped names, the reason, and its kind.

    `first` is the first file of its bundle where that is known, by which a daemon holds it.
    `changed_at` is when one that still changes last did, `until` when one that waits for something goes to
    `error/`.
    """

    folder: str
    name: str
    reason: str
    kind: str
    changed_at: dt.datetime | None = None
    until: dt.datetime | None = None
    first: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """
    What waits in the inbox at one moment: the first files, in the order of their kinds, and how many there
    are of each kind.
    """

    version: Literal[1] = 1
    pid: int
    at: dt.datetime
    kinds: dict[str, int]
    pictures: int
    files: tuple[WaitingFile, ...]

    @property
    def count(self) -> int:
        """
        Return how many files there are.
        """
        return sum(self.kinds.values())


_ADAPTER = TypeAdapter(Waiting)


def dump_waiting(waiting: Waiting) -> bytes:
    """
    Return it as it is written.
    """
    return (json_text(_ADAPTER.dump_python(waiting, mode="json")) + "\n").encode()


def load_waiting(raw: bytes) -> Waiting | None:
    """
    Return what was written, None where the bytes are nothing of this version.
    """
    try:
        return _ADAPTER.validate_json(raw)
    except ValidationError:
        return None


def kind_of(reason: str, names: Collection[str] = ()) -> str:
    """
    Return a reason without what is different for each file: the names that it begins with, and details.
    """
    if told := gist(reason):
        return told[0]
    if reason.startswith(NOT_TAKEN):
        return NOT_TAKEN + kind_of(reason.removeprefix(NOT_TAKEN), names)
    for name in names:
        if reason.startswith(f"{shown(name)} "):
            reason = reason.removeprefix(f"{shown(name)} ")
            break
    return min((reason.partition(sign)[0] for sign in (", ", ": ", "; ")), key=len)


def rank(kind: str) -> int:
    """
    Return where a kind comes in the order in which people want to hear of it: first what wants something of
    somebody, then what changes, what is not taken, what came again, and last what is merely ready.
    """
    places = (place for place, start in enumerate(_LAST, 1) if kind.startswith(start))
    return next(places, 0)


def in_order(counts: Mapping[str, int]) -> dict[str, int]:
    """
    Return counts by kind in the order in which people want to hear of them, the larger of equals first.
    """
    kinds = sorted(counts, key=lambda kind: (rank(kind), -counts[kind], kind))
    return {kind: counts[kind] for kind in kinds}


def is_picture(name: str) -> bool:
    """
    Return whether a name is one of a picture to be edited, and not of its mask.
    """
    return name.rpartition(".")[2].lower() in IMAGE_EXTENSIONS and not name.lower().endswith(_MASK)


def is_no_work(kind: str) -> bool:
    """
    Return whether files of that kind are no work of ours.
    """
    return kind.startswith(_NO_WORK)


def shares(counts: Sequence[int], most: int = MOST_FILES) -> list[int]:
    """
    Return how many files of each kind are told by name, of these at most `most`: some of each, then more of
    the first.
    """
    told = [0] * len(counts)
    for limit in (1, _EACH, most):
        for number, count in enumerate(counts):
            more = min(count, limit) - told[number]
            told[number] += max(0, min(more, most - sum(told)))
    return told


_MANY_MORE = 10
"""So many times as many files as were told of are told of again."""


class WaitingNews:
    """
    Remembers of how many files of each kind was told. `is_told`: whether a kind is logged file by file already.
    """

    def __init__(self, is_told: Callable[[str], bool]) -> None:
        self._is_told = is_told
        self._counts: dict[str, int] = {}

    def of(self, waiting: Waiting) -> Iterator[tuple[int, Sequence[WaitingFile]]]:
        """
        Yield of each kind that wants something of somebody and is news how many files there are, and the first
        of them.
        """
        self._counts = {kind: told for kind, told in self._counts.items() if kind in waiting.kinds}
        for kind, count in waiting.kinds.items():
            if rank(kind) or self._is_told(kind) or count < _MANY_MORE * self._counts.get(kind, 0):
                continue
            # A folder that cannot be read has no name, and a line of its own.
            if files := [each for each in waiting.files if each.kind == kind and each.name]:
                self._counts[kind] = count
                yield count, sorted(files, key=lambda each: (each.folder, each.name))
