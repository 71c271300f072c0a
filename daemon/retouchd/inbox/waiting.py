"""
The summary of what waits in the inbox: how many files for which kind of reason, and the first of them by name.

The reasons of a hundred thousand files take long to tell one by one, and nobody reads them: the kinds of
reason are counted, and the files that want something of somebody come first.
"""

import datetime as dt
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Literal

from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from retouchd.job.filenames import IMAGE_EXTENSIONS
from retouchd.job.filetypes import Medium
from retouchd.job.naming import shown
from retouchd.job.text import json_text
from retouchd.spool.fingerprint import gist

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
COMPANION = "goes along with its picture"
"""How it begins for a file that another program keeps beside a picture, and that goes where that goes."""
STAYS = {medium: f"{NOT_TAKEN}a {medium}" for medium in Medium}
"""The kinds of reasons of what lies beside pictures and stays where it is."""
_NO_WORK = (NOT_TAKEN, REFERENCE, COMPANION)
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


def staying(kinds: Mapping[str, int]) -> dict[Medium, int]:
    """
    Return how many raw files, films and sound recordings stay in the inbox.
    """
    return {medium: kinds[kind] for medium, kind in STAYS.items() if kinds.get(kind)}


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
