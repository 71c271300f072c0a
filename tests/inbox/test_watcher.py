import errno
import itertools
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from builders import NOT_UTF8, until
from inotify_faults import overflow, refuse_watches
from retouchd.inbox import watcher as inbox_watcher
from retouchd.inbox.watcher import EventQueue, FileEvent, Watcher


class Doorbell:
    """
    A watched inbox with all the rings since it was last asked.
    """

    def __init__(self, inbox: Path) -> None:
        self.inbox = inbox
        self.is_lost = False
        self._numbers = itertools.count()
        self._event_queue = EventQueue(lambda: None)
        self._rings: list[FileEvent] = []
        self.watcher = Watcher(inbox=inbox, event_queue=self._event_queue, recursive=True)

    def rings(self) -> list[FileEvent]:
        rings, is_lost = self._event_queue.take()
        self._rings += rings
        self.is_lost = self.is_lost or is_lost
        return self._rings

    def has_rung(self, path: str, *, is_folder: bool = False) -> bool:
        ring = FileEvent(path=path, is_folder=is_folder)
        return until(lambda: ring in self.rings())

    def has_lost(self) -> bool:
        return until(lambda: self.rings() is not None and self.is_lost)

    def after(self, act: Callable[[], object]) -> set[FileEvent]:
        """
        Return what an action rings: all rings before those of a file that is written after it.
        """
        self.rings()
        self._rings.clear()
        act()
        # A name of its own each time: the last one may ring again for being closed.
        last = f"last {next(self._numbers)}"
        (self.inbox / last).write_bytes(b"")
        assert self.has_rung(last)
        return {ring for ring in self._rings if not ring.path.startswith("last ")}


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    found = tmp_path / "inbox"
    (found / "shoes").mkdir(parents=True)
    (found / "shoes" / "old.png").write_bytes(b"old")
    return found


@pytest.fixture
def doorbell(inbox: Path) -> Iterator[Doorbell]:
    found = Doorbell(inbox)
    found.watcher.start()
    yield found
    found.watcher.stop()


@pytest.mark.parametrize("name", ["cat.png", "shoes/cat.png", f"shoes/{NOT_UTF8}\n.png"])
def test_a_new_file_rings(doorbell: Doorbell, name: str) -> None:
    """
    By its path below the inbox, whatever its name is.
    """
    assert {FileEvent(path=name)} == doorbell.after(
        lambda: (doorbell.inbox / name).write_bytes(b"new")
    )


def test_a_change_rings(doorbell: Doorbell) -> None:
    """
    Written in place, touched or removed: the look decides what it was.
    """
    old = doorbell.inbox / "shoes" / "old.png"

    for act in (lambda: old.write_bytes(b"newer"), lambda: os.utime(old), old.unlink):
        assert {FileEvent(path="shoes/old.png")} == doorbell.after(act)


def test_a_rename_inside_rings_both_names(doorbell: Doorbell, inbox: Path) -> None:
    """
    The old name rings too: it is gone.
    """
    new = inbox / "cat.png"

    rings = doorbell.after(lambda: (inbox / "shoes" / "old.png").rename(new))

    assert {FileEvent(path="shoes/old.png"), FileEvent(path="cat.png")} == rings


def test_a_rename_from_outside_rings(doorbell: Doorbell, inbox: Path, tmp_path: Path) -> None:
    """
    With no other event to wait for; so does a hard link.
    """
    upload = tmp_path / "upload"
    upload.write_bytes(b"new")
    (inbox / "link.png").hardlink_to(upload)
    upload.rename(inbox / "cat.png")

    assert doorbell.has_rung("link.png")
    assert doorbell.has_rung("cat.png")


def test_our_own_looks_do_not_ring(doorbell: Doorbell, inbox: Path) -> None:
    """
    Opening, reading and closing without a write are no news.
    """
    old = inbox / "shoes" / "old.png"

    assert set() == doorbell.after(old.read_bytes)
    assert set() == doorbell.after(lambda: list(old.parent.iterdir()))


def test_a_folder_does_not_ring_for_its_files(doorbell: Doorbell, inbox: Path) -> None:
    """
    Else every file would cost a look at all of its neighbours.
    """
    rings = doorbell.after(lambda: (inbox / "shoes" / "cat.png").write_bytes(b"new"))

    assert not any(ring.is_folder for ring in rings)


def test_a_folder_rings_when_it_comes_moves_or_goes(
    doorbell: Doorbell, inbox: Path, tmp_path: Path
) -> None:
    """
    What is in it may have come without an event of its own.
    """
    (tmp_path / "hats").mkdir()
    (tmp_path / "hats" / "cat.png").write_bytes(b"new")
    (tmp_path / "hats").rename(inbox / "hats")
    assert doorbell.has_rung("hats", is_folder=True)

    (inbox / "hats").rename(inbox / "caps")
    assert doorbell.has_rung("caps", is_folder=True)

    (inbox / "caps" / "cat.png").unlink()
    (inbox / "caps").rmdir()
    assert doorbell.has_rung("caps", is_folder=True)


def test_files_of_a_new_folder_ring(doorbell: Doorbell, inbox: Path) -> None:
    """
    The watch goes on below it, without a restart.
    """
    (inbox / "hats").mkdir()
    assert doorbell.has_rung("hats", is_folder=True)

    def is_heard() -> bool:
        (inbox / "hats" / "cat.png").write_bytes(b"new")
        return FileEvent(path="hats/cat.png") in doorbell.rings()

    assert until(is_heard)


def test_an_overflow_is_told_as_lost(doorbell: Doorbell) -> None:
    """
    The kernel dropped events: only a scan can tell which. From then on names ring again.
    """
    assert not doorbell.is_lost

    overflow(doorbell.watcher, doorbell.inbox)

    assert doorbell.has_lost()
    (doorbell.inbox / "shoes" / "cat.png").write_bytes(b"new")
    assert doorbell.has_rung("shoes/cat.png")


def test_nothing_is_left_of_a_watcher_that_stopped(inbox: Path) -> None:
    """
    No thread, no open file.
    """
    threads, files = threading.active_count(), len(os.listdir("/proc/self/fd"))
    doorbell = Doorbell(inbox)

    doorbell.watcher.start()
    doorbell.watcher.stop()

    assert files == len(os.listdir("/proc/self/fd"))
    (inbox / "cat.png").write_bytes(b"new")
    assert doorbell.rings() == []
    assert until(lambda: threading.active_count() <= threads)


def test_an_inbox_that_is_not_there_cannot_be_watched(tmp_path: Path) -> None:
    """
    The caller is told at once, and nothing is left running.
    """
    threads, files = threading.active_count(), len(os.listdir("/proc/self/fd"))
    watcher = Doorbell(tmp_path / "gone").watcher

    with pytest.raises(FileNotFoundError):
        watcher.start()

    assert until(lambda: threading.active_count() <= threads)
    assert files == len(os.listdir("/proc/self/fd"))


def test_a_watcher_at_work_has_no_fault(doorbell: Doorbell) -> None:
    """
    Nor one that was not started.
    """
    assert doorbell.watcher.fault == ""
    assert doorbell.watcher.refusal is None
    assert Doorbell(doorbell.inbox).watcher.fault == ""


@pytest.mark.parametrize("which", ["handler", "emitter", "reader"])
def test_a_thread_that_ended_is_a_fault(
    doorbell: Doorbell, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    """
    Whichever of them it was, with the error it ended with, and without a traceback on the terminal.
    """

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("out of nowhere")

    owner, name = {
        "handler": (inbox_watcher._Handler, "on_any_event"),
        "emitter": (inbox_watcher._Emitter, "build_and_queue_event"),
        "reader": (inbox_watcher._Reader, "handle_event"),
    }[which]
    monkeypatch.setattr(owner, name, fail)

    (doorbell.inbox / "cat.png").write_bytes(b"new")

    assert until(lambda: "out of nowhere" in doorbell.watcher.fault)


def test_an_inbox_that_was_removed_is_a_fault(doorbell: Doorbell, inbox: Path) -> None:
    """
    Also where another one has its place by then.
    """
    shutil.rmtree(inbox)
    inbox.mkdir()

    assert until(lambda: doorbell.watcher.fault == "the watcher ended")


def test_a_watch_that_is_refused_later_is_remembered(
    doorbell: Doorbell, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The kernel has none left for a new sub-folder; the others are watched on.
    """
    refuse_watches(monkeypatch, errno.ENOSPC)

    (inbox / "hats").mkdir()

    assert until(lambda: doorbell.watcher.refusal is not None)
    assert doorbell.watcher.refusal is not None
    assert doorbell.watcher.refusal.errno == errno.ENOSPC
    assert doorbell.watcher.fault == ""
    (inbox / "shoes" / "cat.png").write_bytes(b"new")
    assert doorbell.has_rung("shoes/cat.png")


def test_a_folder_that_vanishes_meanwhile_is_no_refusal(
    doorbell: Doorbell, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Only what the kernel has not enough of is told.
    """
    refuse_watches(monkeypatch, errno.ENOENT)

    (inbox / "hats").mkdir()

    assert doorbell.has_rung("hats", is_folder=True)
    assert doorbell.watcher.refusal is None


def test_a_rename_out_of_the_inbox_holds_nothing_up(
    doorbell: Doorbell, inbox: Path, tmp_path: Path
) -> None:
    """
    A claim of ours is one: what follows it rings in far less than the half second that watchdog waits.
    """
    waits = []
    for number in range(5):
        (inbox / "claimed.png").write_bytes(b"new")
        assert doorbell.has_rung("claimed.png")
        (inbox / "claimed.png").rename(tmp_path / f"{number}.png")
        (inbox / f"next{number}.png").write_bytes(b"new")
        began = time.monotonic()
        assert doorbell.has_rung(f"next{number}.png")
        waits.append(time.monotonic() - began)

    assert min(waits) < 0.25


def test_the_bell_wakes_once_for_many_rings() -> None:
    """
    Until the rings are taken, more of them wake nobody; the same one twice counts once, as the last.
    """
    wakes: list[int] = []
    event_queue = EventQueue(lambda: wakes.append(1))
    one, two = FileEvent(path="a"), FileEvent(path="b")

    for ring in (one, two, one):
        event_queue.put(ring)

    assert len(wakes) == 1
    assert ([two, one], False) == event_queue.take()
    assert event_queue.take() == ([], False)
    event_queue.put(one)
    event_queue.lose()
    assert len(wakes) == 3
    assert ([one], True) == event_queue.take()
