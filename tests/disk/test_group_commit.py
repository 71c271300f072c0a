"""
Group commit: what several threads need durable at the same moment is made so once, and never too early.
"""

import errno
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from builders import until
from retouchd.disk import durable
from retouchd.disk.group_commit import GroupCommit
from retouchd.spool.history import History

WAIT_SECONDS = 20


@dataclass
class Disk:
    """
    A disk that syncs as slowly as it is told to: what stands in `written` when a sync begins is durable when it
    ends.
    """

    written: list[int] = field(default_factory=list)
    durable: set[int] = field(default_factory=set)
    begun: list[threading.Event] = field(default_factory=list)
    may_end: list[threading.Event] = field(default_factory=list)
    faults: dict[int, OSError] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def sync(self, _: list[int]) -> None:
        with self.lock:
            number = len(self.begun)
            there = set(self.written)
            begun, may_end = threading.Event(), threading.Event()
            self.begun.append(begun)
            self.may_end.append(may_end)
        begun.set()
        assert may_end.wait(WAIT_SECONDS)
        if number in self.faults:
            raise self.faults[number]
        self.durable |= there


class Writers:
    """
    Threads that each write a number, have it synced, and say what they were told.
    """

    def __init__(self, commits: GroupCommit[int], disk: Disk) -> None:
        self.commits, self.disk = commits, disk
        self.told: dict[int, bool | OSError] = {}

    def write(self, *numbers: int) -> None:
        for number in numbers:
            threading.Thread(target=self._write, args=(number,), daemon=True).start()

    def _write(self, number: int) -> None:
        self.disk.written.append(number)
        try:
            self.commits.join("folder", number, self.disk.sync)
        except OSError as error:
            self.told[number] = error
        else:
            self.told[number] = number in self.disk.durable

    def waiting(self) -> int:
        return sum(len(each.brought) for each in self.commits._coming.values())

    def end_all(self) -> bool:
        for each in list(self.disk.may_end):
            each.set()
        return len(self.told) == 4


def three_at_once_after_one(faults: dict[int, OSError]) -> Writers:
    """
    One begins a sync; while that goes on three more write; then all syncs end, the nth with its fault.
    """
    disk = Disk(faults=faults)
    writers = Writers(GroupCommit(), disk)
    writers.write(1)
    assert until(lambda: len(disk.begun) == 1)
    writers.write(2, 3, 4)
    assert until(lambda: writers.waiting() >= 3 or len(writers.told) == 3)
    assert until(writers.end_all)
    return writers


def test_who_comes_while_a_sync_goes_on_is_served_by_the_next_one() -> None:
    """
    Four threads, two syncs: the first says nothing of what was written since it began.
    """
    writers = three_at_once_after_one({})

    assert writers.told == {1: True, 2: True, 3: True, 4: True}
    assert len(writers.disk.begun) == 2


def test_a_sync_that_fails_fails_for_all_that_it_was_for() -> None:
    """
    Nobody of them is told that it is durable, and each gets a fault of its own.
    """
    fault = OSError(errno.EIO, os.strerror(errno.EIO), "folder")

    writers = three_at_once_after_one({1: fault})

    assert writers.told.pop(1) is True
    errors = list(writers.told.values())
    assert [each.errno for each in errors if isinstance(each, OSError)] == [errno.EIO] * 3
    assert len(set(map(id, errors))) == 3


def test_a_sync_that_fails_fails_for_nobody_else() -> None:
    """
    Those who came later are served by another one.
    """
    writers = three_at_once_after_one({0: OSError(errno.EIO, "made up")})

    assert isinstance(writers.told.pop(1), OSError)
    assert writers.told == {2: True, 3: True, 4: True}


def serve_by_what_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Break the commit: who comes while one goes on is taken for one of its round.
    """

    def late(self: Any, key: Any, mine: Any, turn: Any, commit: Callable[[Any], object]) -> None:
        with turn:
            commit(mine.brought)
            with self._lock:
                del self._coming[key]
            mine.is_over.set()

    monkeypatch.setattr(GroupCommit, "_commit", late)


def tell_before_it_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Break the commit: those who wait for somebody else's are told at once.
    """
    join = GroupCommit.join

    def hasty(self: Any, key: Any, brought: Any, commit: Callable[[Any], object]) -> None:
        if key not in self._turns:
            join(self, key, brought, commit)

    monkeypatch.setattr(GroupCommit, "join", hasty)


def keep_a_fault_to_oneself(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Break the commit: only the thread whose sync failed hears of it.
    """
    join = GroupCommit.join

    def silent(self: Any, key: Any, brought: Any, commit: Callable[[Any], object]) -> None:
        with self._lock:
            is_first = key not in self._coming
        try:
            join(self, key, brought, commit)
        except OSError:
            if is_first:
                raise

    monkeypatch.setattr(GroupCommit, "join", silent)


@pytest.mark.parametrize(
    "mutant", [serve_by_what_goes_on, tell_before_it_is_done, keep_a_fault_to_oneself]
)
def test_a_broken_commit_is_found_out(monkeypatch: pytest.MonkeyPatch, mutant: Any) -> None:
    """
    Each mutant tells somebody that something is durable which is not.
    """
    mutant(monkeypatch)

    writers = three_at_once_after_one({1: OSError(errno.EIO, os.strerror(errno.EIO), "folder")})

    assert False in writers.told.values()


def test_lines_of_many_threads_are_all_in_the_history(tmp_path: Path) -> None:
    """
    Each whole, each once, whoever wrote it.
    """
    history = History(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: history.add({"id": str(number)}), range(200)))

    assert {line["id"] for line in history.lines()} == set(map(str, range(200)))
    assert len((tmp_path / "history.jsonl").read_text().splitlines()) == 200


def test_a_file_that_cannot_be_put_in_place_leaves_no_name(tmp_path: Path) -> None:
    """
    Where the disk is full nobody finds half a document under its name.
    """
    (tmp_path / "a").mkdir()
    with pytest.raises(OSError, match="Is a directory"):
        durable.put(tmp_path / "a", b"{}\n")
    durable.put(tmp_path / "b", b"{}\n")
    durable.put(tmp_path / "b", b"{1}\n")

    assert (tmp_path / "b").read_bytes() == b"{1}\n"
