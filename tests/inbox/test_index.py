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
from retouchd.inbox.ignore import ignore_table
from retouchd.inbox.index import InboxIndex
from retouchd.inbox.queue import InboxQueue
from retouchd.inbox.readiness import Patience
from retouchd.inbox.scanner import Inbox
from retouchd.inbox.sidecar_reader import SidecarReader
from retouchd.inbox.watch_mode import Depth
from retouchd.inbox.watcher import FileEvent


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
class Eyes:
    """
    One who looks at an inbox, a second later each time.
    """

    root: Path
    clock: HandClock = field(default_factory=HandClock)

    def __post_init__(self) -> None:
        self.backlog = InboxQueue(patience=Patience(), has_default_prompt=lambda: False)
        inbox = Inbox(root=self.root, ignored=ignore_table(), recursive=True)
        reader = SidecarReader(inbox=inbox, text_encoding=None)
        self.index = InboxIndex(inbox=inbox, reader=reader, queue=self.backlog, clock=self.clock)

    def look(self, depth: Depth, times: int = 1) -> None:
        for _ in range(times):
            self.clock.at += 1
            self.index.scan([""], depth)

    def put(self, path: str, content: bytes = b"content") -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_bytes(content)

    def known(self) -> set[str]:
        return {
            "/".join(filter(None, each[:2])) for each in self.backlog.reasons.idle(self.clock.at)
        }

    def changed_at(self, path: str) -> float:
        folder, _, name = path.rpartition("/")
        return self.backlog.observed_files.sight(folder, name).quiet_since

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
def eyes(tmp_path: Path) -> Eyes:
    return Eyes(tmp_path)


def test_polling_lists_only_folders_that_may_have_changed(
    eyes: Eyes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Once a folder has shown the same for some seconds; then whatever comes into one shows.
    """
    eyes.put("cat.png")
    eyes.put("shoes/red/dog.png")
    eyes.look(Depth.CHANGES, times=5)
    listed = eyes.listings(monkeypatch)

    eyes.look(Depth.CHANGES, times=3)
    assert listed == []

    eyes.put("shoes/red/bird.png")
    eyes.look(Depth.CHANGES)
    assert len(listed) == 1
    assert eyes.known() == {"cat.png", "shoes/red/dog.png", "shoes/red/bird.png"}


def test_polling_sees_what_goes_and_new_folders(eyes: Eyes) -> None:
    """
    Files, folders with all that is in them, and files below folders that were not there.
    """
    for path in ("cat.png", "dog.png", "shoes/red/bird.png", "hats/eel.png"):
        eyes.put(path)
    eyes.look(Depth.CHANGES, times=5)

    (eyes.root / "cat.png").unlink()
    (eyes.root / "shoes").rename(eyes.root / "boots")
    (eyes.root / "hats/eel.png").unlink()
    (eyes.root / "hats").rmdir()
    eyes.look(Depth.CHANGES)

    assert eyes.known() == {"dog.png", "boots/red/bird.png"}


@pytest.mark.parametrize("depth", [Depth.CHANGES, Depth.NAMES])
@pytest.mark.parametrize("name", ["empty.png", "cat.toml", "_edit.toml", "_prompt.txt"])
def test_what_decides_by_itself_is_looked_at_each_time(eyes: Eyes, depth: Depth, name: str) -> None:
    """
    Something that has not arrived, sidecars with parameters, folder files: rewritten in place, they count.
    """
    eyes.put(name, b"" if name == "empty.png" else b"model = 'a'")
    eyes.look(depth, times=5)

    (eyes.root / name).write_bytes(b"model = 'other'")
    eyes.look(depth)

    assert eyes.changed_at(name) == eyes.clock.at


def test_listing_names_sees_another_file_of_the_same_name(eyes: Eyes) -> None:
    """
    Renamed into place, or no file any more.
    """
    for name in ("cat.png", "dog.png", "bird.png"):
        eyes.put(name)
    eyes.look(Depth.FILES)

    eyes.put("new", b"another")
    (eyes.root / "new").rename(eyes.root / "cat.png")
    (eyes.root / "dog.png").unlink()
    (eyes.root / "dog.png").symlink_to("nowhere")
    eyes.look(Depth.NAMES)

    assert eyes.changed_at("cat.png") == eyes.clock.at
    assert not eyes.backlog.observed_files.knows("", "dog.png")
    assert eyes.changed_at("bird.png") < eyes.clock.at


def test_listing_names_does_not_ask_for_each_file(eyes: Eyes) -> None:
    """
    A file rewritten in place is seen by the look before its claim, and where each file is looked at.
    """
    eyes.put("cat.png")
    eyes.look(Depth.FILES)
    before = eyes.changed_at("cat.png")

    eyes.put("cat.png", b"another")
    eyes.look(Depth.NAMES)
    assert eyes.changed_at("cat.png") == before

    eyes.look(Depth.FILES)
    assert eyes.changed_at("cat.png") == eyes.clock.at


def test_folders_that_do_not_tell_are_found_out(
    eyes: Eyes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Where a folder shows the same after a file came, it is listed at each poll from then on.
    """
    monkeypatch.setattr(nofollow, "stamp_of", lambda fd: FolderStamp(1, 1, os.fstat(fd).st_ino, 1))
    eyes.put("cat.png")
    eyes.look(Depth.CHANGES, times=5)

    eyes.put("dog.png")
    eyes.look(Depth.CHANGES)
    assert eyes.known() == {"cat.png"}

    eyes.look(Depth.NAMES)
    eyes.put("bird.png")
    eyes.look(Depth.CHANGES, times=5)
    eyes.put("eel.png")
    eyes.look(Depth.CHANGES)

    assert eyes.known() == {"cat.png", "dog.png", "bird.png", "eel.png"}


def test_a_folder_that_changes_while_it_is_listed_is_listed_again(
    eyes: Eyes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    What came meanwhile may be missing in the listing.
    """
    eyes.put("cat.png")
    eyes.look(Depth.CHANGES, times=5)
    scandir = os.scandir

    def meanwhile(fd: int) -> object:
        entries = list(scandir(fd))
        eyes.put("late.png")
        monkeypatch.undo()
        return _Entries(entries)

    eyes.put("dog.png")
    monkeypatch.setattr(os, "scandir", meanwhile)
    eyes.look(Depth.CHANGES, times=2)

    assert eyes.known() == {"cat.png", "dog.png", "late.png"}


class _Entries(list[os.DirEntry[str]]):
    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


@pytest.mark.parametrize("is_deep", [True, False], ids=["deep", "beside one another"])
def test_many_new_folders_are_each_listed_once(
    eyes: Eyes, monkeypatch: pytest.MonkeyPatch, *, is_deep: bool
) -> None:
    """
    A tree that comes in rings for each folder in it; what is listed with the one above it is not listed again.
    """
    folders = ["/".join(map(str, range(n + 1))) if is_deep else str(n) for n in range(30)]
    for folder in folders:
        eyes.put(f"{folder}/cat.png")
    listed = eyes.listings(monkeypatch)

    eyes.index.observe([FileEvent(path=folder, is_folder=True) for folder in folders])

    assert len(listed) == 30
    assert eyes.known() == {f"{folder}/cat.png" for folder in folders}


def test_a_folder_that_left_is_forgotten_and_its_neighbours_are_not(eyes: Eyes) -> None:
    """
    Names that only begin alike are others.
    """
    for folder in ("a", "a/b", "ab", "c/a"):
        eyes.put(f"{folder}/cat.png")
    eyes.look(Depth.FILES)
    (eyes.root / "a").rename(eyes.root.parent / "away")
    eyes.clock.at += 1

    eyes.index.observe([FileEvent(path="a", is_folder=True)])

    assert eyes.known() == {"ab/cat.png", "c/a/cat.png"}
