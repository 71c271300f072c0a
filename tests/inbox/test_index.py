"""
Looks at the inbox of several depths, on real files, with a clock of their own.
"""

import os
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Self

import pytest

from retouchd.disk import nofollow
from retouchd.disk.signature import FolderStamp
from retouchd.inbox import index
from retouchd.inbox.ignore import ignore_table
from retouchd.inbox.index import InboxIndex
from retouchd.inbox.precedence import Task
from retouchd.inbox.queue import InboxQueue
from retouchd.inbox.readiness import Patience
from retouchd.inbox.scanner import InboxScanner
from retouchd.inbox.sidecar_reader import SidecarReader
from retouchd.inbox.watch_mode import Depth
from retouchd.inbox.watcher import InboxEvent


class HandClock:
    """
    A clock that is set by hand.
    """

    def __init__(self) -> None:
        self.at = 100.0

    def now(self) -> datetime:
        raise NotImplementedError

    def monotonic(self) -> float:
        return self.at


@dataclass
class ScannedInbox:
    """
    One who looks at an inbox, a second later each time.
    """

    root: Path
    clock: HandClock = field(default_factory=HandClock)

    def __post_init__(self) -> None:
        self.queue = InboxQueue(patience=Patience(), default=Task, companions=("xmp",))
        inbox = InboxScanner(root=self.root, ignored=ignore_table(), recursive=True)
        reader = SidecarReader(inbox=inbox, text_encoding=None)
        self.index = InboxIndex(inbox=inbox, reader=reader, queue=self.queue, clock=self.clock)

    def look(self, depth: Depth, times: int = 1) -> None:
        for _ in range(times):
            self.clock.at += 1
            self.index.scan([""], depth)

    def put(self, path: str, content: bytes = b"content") -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_bytes(content)

    def known(self) -> set[str]:
        return {"/".join(filter(None, each[:2])) for each in self.queue.reasons.idle(self.clock.at)}

    def changed_at(self, path: str) -> float:
        folder, _, name = path.rpartition("/")
        return self.queue.observed_files.observation(folder, name).quiet_since

    def listings(self, monkeypatch: pytest.MonkeyPatch) -> list[int]:
        """
        Return a list that grows with each folder that is listed from now on.
        """
        listed: list[int] = []
        scandir = os.scandir

        def counted(fd: int) -> object:
            listed.append(fd)
            return scandir(fd)

        monkeypatch.setattr(os, "scandir", counted)
        return listed


@pytest.fixture
def scanned(tmp_path: Path) -> ScannedInbox:
    return ScannedInbox(tmp_path)


def test_polling_lists_only_folders_that_may_have_changed(
    scanned: ScannedInbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Once a folder has shown the same for some seconds; then whatever comes into one shows.
    """
    scanned.put("cat.png")
    scanned.put("shoes/red/dog.png")
    scanned.look(Depth.CHANGES, times=5)
    listed = scanned.listings(monkeypatch)

    scanned.look(Depth.CHANGES, times=3)
    assert listed == []

    scanned.put("shoes/red/bird.png")
    scanned.look(Depth.CHANGES)
    assert len(listed) == 1
    assert scanned.known() == {"cat.png", "shoes/red/dog.png", "shoes/red/bird.png"}


def test_polling_sees_what_goes_and_new_folders(scanned: ScannedInbox) -> None:
    """
    Files, folders with all that is in them, and files below folders that were not there.
    """
    for path in ("cat.png", "dog.png", "shoes/red/bird.png", "hats/eel.png"):
        scanned.put(path)
    scanned.look(Depth.CHANGES, times=5)

    (scanned.root / "cat.png").unlink()
    (scanned.root / "shoes").rename(scanned.root / "boots")
    (scanned.root / "hats/eel.png").unlink()
    (scanned.root / "hats").rmdir()
    scanned.look(Depth.CHANGES)

    assert scanned.known() == {"dog.png", "boots/red/bird.png"}


@pytest.mark.parametrize("depth", [Depth.CHANGES, Depth.NAMES])
@pytest.mark.parametrize("name", ["empty.png", "cat.toml", "_edit.toml", "_prompt.txt"])
def test_what_decides_by_itself_is_looked_at_each_time(
    scanned: ScannedInbox, depth: Depth, name: str
) -> None:
    """
    Something that has not arrived, sidecars with parameters, folder files: rewritten in place, they count.
    """
    scanned.put(name, b"" if name == "empty.png" else b"model = 'a'")
    scanned.look(depth, times=5)

    (scanned.root / name).write_bytes(b"model = 'other'")
    scanned.look(depth)

    assert scanned.changed_at(name) == scanned.clock.at


def test_listing_names_sees_another_file_of_the_same_name(scanned: ScannedInbox) -> None:
    """
    Renamed into place, or no file any more.
    """
    for name in ("cat.png", "dog.png", "bird.png"):
        scanned.put(name)
    scanned.look(Depth.FILES)

    scanned.put("new", b"another")
    (scanned.root / "new").rename(scanned.root / "cat.png")
    (scanned.root / "dog.png").unlink()
    (scanned.root / "dog.png").symlink_to("nowhere")
    scanned.look(Depth.NAMES)

    assert scanned.changed_at("cat.png") == scanned.clock.at
    assert not scanned.queue.observed_files.knows("", "dog.png")
    assert scanned.changed_at("bird.png") < scanned.clock.at


def test_listing_names_does_not_ask_for_each_file(scanned: ScannedInbox) -> None:
    """
    A file rewritten in place is seen by the look before its claim, and where each file is looked at.
    """
    scanned.put("cat.png")
    scanned.look(Depth.FILES)
    before = scanned.changed_at("cat.png")

    scanned.put("cat.png", b"another")
    scanned.look(Depth.NAMES)
    assert scanned.changed_at("cat.png") == before

    scanned.look(Depth.FILES)
    assert scanned.changed_at("cat.png") == scanned.clock.at


def test_folders_that_do_not_tell_are_found_out(
    scanned: ScannedInbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Where a folder shows the same after a file came, it is listed at each poll from then on.
    """
    monkeypatch.setattr(nofollow, "stamp_of", lambda fd: FolderStamp(1, 1, os.fstat(fd).st_ino, 1))
    scanned.put("cat.png")
    scanned.look(Depth.CHANGES, times=5)

    scanned.put("dog.png")
    scanned.look(Depth.CHANGES)
    assert scanned.known() == {"cat.png"}

    scanned.look(Depth.NAMES)
    scanned.put("bird.png")
    scanned.look(Depth.CHANGES, times=5)
    scanned.put("eel.png")
    scanned.look(Depth.CHANGES)

    assert scanned.known() == {"cat.png", "dog.png", "bird.png", "eel.png"}


def test_a_folder_that_changes_while_it_is_listed_is_listed_again(
    scanned: ScannedInbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    What came meanwhile may be missing in the listing.
    """
    scanned.put("cat.png")
    scanned.look(Depth.CHANGES, times=5)
    scandir = os.scandir

    def meanwhile(fd: int) -> object:
        entries = list(scandir(fd))
        scanned.put("late.png")
        monkeypatch.undo()
        return _Entries(entries)

    scanned.put("dog.png")
    monkeypatch.setattr(os, "scandir", meanwhile)
    scanned.look(Depth.CHANGES, times=2)

    assert scanned.known() == {"cat.png", "dog.png", "late.png"}


class _Entries(list[os.DirEntry[str]]):
    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


@pytest.mark.parametrize("is_deep", [True, False], ids=["deep", "beside one another"])
def test_many_new_folders_are_each_listed_once(
    scanned: ScannedInbox, monkeypatch: pytest.MonkeyPatch, *, is_deep: bool
) -> None:
    """
    A new tree is an event for each folder in it; what is listed with the one above it is not listed again.
    """
    folders = ["/".join(map(str, range(n + 1))) if is_deep else str(n) for n in range(30)]
    for folder in folders:
        scanned.put(f"{folder}/cat.png")
    listed = scanned.listings(monkeypatch)

    scanned.index.observe([InboxEvent(path=folder, is_folder=True) for folder in folders])

    assert len(listed) == 30
    assert scanned.known() == {f"{folder}/cat.png" for folder in folders}


def test_a_folder_that_left_is_forgotten_and_its_neighbours_are_not(scanned: ScannedInbox) -> None:
    """
    Names that only begin alike are others.
    """
    for folder in ("a", "a/b", "ab", "c/a"):
        scanned.put(f"{folder}/cat.png")
    scanned.look(Depth.FILES)
    (scanned.root / "a").rename(scanned.root.parent / "away")
    scanned.clock.at += 1

    scanned.index.observe([InboxEvent(path="a", is_folder=True)])

    assert scanned.known() == {"ab/cat.png", "c/a/cat.png"}


@pytest.mark.parametrize("few", [0, 1000])
@pytest.mark.parametrize("is_watched", [True, False])
def test_a_partner_nobody_told_of_is_found_before_the_claim(
    scanned: ScannedInbox, monkeypatch: pytest.MonkeyPatch, few: int, *, is_watched: bool
) -> None:
    """
    In a small folder and in a large one, with events and without: it came since the last scan, and so did what
    goes along.
    """
    monkeypatch.setattr(index, "_FEW_NAMES", few)
    scanned.index.is_watched = is_watched
    scanned.put("shoes/cat.png")
    scanned.put("shoes/cat.txt")
    scanned.look(Depth.FILES)
    scanned.put("shoes/cat.mask.png")
    scanned.put("shoes/cat.xmp")

    (candidate,) = scanned.index.look_once_more(("shoes", "cat"))

    assert [each.name for each in candidate.bundle.masks] == ["cat.mask.png"]
    assert [*candidate.surroundings.companions] == ["cat.xmp"]


@pytest.mark.parametrize("few", [0, 1000])
def test_a_watched_folder_that_shows_the_same_is_not_searched(
    scanned: ScannedInbox, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    """
    Two files and the folder itself are looked at; and again after files were claimed out of it.
    """
    monkeypatch.setattr(index, "_FEW_NAMES", few)
    scanned.index.is_watched = True
    for name in ("cat.png", "cat.txt", "dog.png", "dog.txt"):
        scanned.put(f"shoes/{name}")
    scanned.look(Depth.FILES)
    looks = scanned.index.looks

    scanned.index.look_once_more(("shoes", "cat"))
    assert scanned.index.looks - looks == 3

    for name in ("cat.png", "cat.txt"):
        (scanned.root / "shoes" / name).unlink()
    scanned.index.note_claimed(("shoes", "cat"))
    looks = scanned.index.looks
    scanned.index.look_once_more(("shoes", "dog"))
    assert scanned.index.looks - looks == 3


def test_a_name_that_is_known_to_be_gone_is_not_looked_at(scanned: ScannedInbox) -> None:
    """
    Such as each that we claimed; one that was still known is.
    """
    scanned.put("cat.png")
    scanned.look(Depth.FILES)
    looks = scanned.index.looks

    scanned.index.observe([InboxEvent(path="dog.png", is_gone=True)])
    assert scanned.index.looks == looks

    (scanned.root / "cat.png").unlink()
    scanned.index.observe([InboxEvent(path="cat.png", is_gone=True)])
    assert scanned.index.looks == looks + 1
    assert scanned.known() == set()


def test_a_reference_that_goes_is_looked_at(scanned: ScannedInbox) -> None:
    """
    It may lie in a folder of which nothing else is known.
    """
    scanned.put("_refs/b.png")
    scanned.put("cat.png")
    scanned.put("cat.toml", b'prompt = "blue"\nimages = ["_refs/b.png"]')
    scanned.look(Depth.FILES)
    scanned.clock.at += 5
    scanned.index.settle(scanned.clock.at)
    (scanned.root / "_refs/b.png").unlink()

    scanned.index.observe([InboxEvent(path="_refs/b.png", is_gone=True)])

    references = scanned.queue.observed_files.references
    assert references.observations(["_refs/b.png"]) == {"_refs/b.png": "is not there"}
