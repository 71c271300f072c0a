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
from retouchd.inbox import watcher
from retouchd.inbox.ignore import ignore_table
from retouchd.inbox.watcher import EventQueue, InboxEvent, Watcher


class WatchedInbox:
    """
    A watched inbox with all the events since it was last asked.
    """

    def __init__(self, inbox: Path, *ignore: str) -> None:
        self.inbox = inbox
        self.is_lost = False
        self._numbers = itertools.count()
        self._event_queue = EventQueue(lambda: None)
        self._events: list[InboxEvent] = []
        self.watcher = Watcher(
            inbox=inbox,
            event_queue=self._event_queue,
            recursive=True,
            is_left_out=ignore_table(ignore).is_of_no_matter,
        )

    def events(self) -> list[InboxEvent]:
        events, is_lost = self._event_queue.take()
        self._events += events
        self.is_lost = self.is_lost or is_lost
        return self._events

    def has_event(self, path: str, *, is_folder: bool = False) -> bool:
        event = InboxEvent(path=path, is_folder=is_folder)
        return until(lambda: event in self.events())

    def has_lost(self) -> bool:
        return until(lambda: self.events() is not None and self.is_lost)

    def after(self, act: Callable[[], object]) -> set[InboxEvent]:
        """
        Return what an action events: all events before those of a file that is written after it.
        """
        self.events()
        self._events.clear()
        act()
        # A name of its own each time: the last one may event again for being closed.
        last = f"last {next(self._numbers)}"
        (self.inbox / last).write_bytes(b"")
        assert self.has_event(last)
        return {event for event in self._events if not event.path.startswith("last ")}


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    found = tmp_path / "inbox"
    (found / "shoes").mkdir(parents=True)
    (found / "shoes" / "old.png").write_bytes(b"old")
    return found


@pytest.fixture
def watched(inbox: Path) -> Iterator[WatchedInbox]:
    found = WatchedInbox(inbox)
    found.watcher.start()
    yield found
    found.watcher.stop()


@pytest.mark.parametrize("name", ["cat.png", "shoes/cat.png", f"shoes/{NOT_UTF8}\n.png"])
def test_a_new_file_rings(watched: WatchedInbox, name: str) -> None:
    """
    By its path below the inbox, whatever its name is.
    """
    assert {InboxEvent(path=name)} == watched.after(
        lambda: (watched.inbox / name).write_bytes(b"new")
    )


def test_a_change_rings(watched: WatchedInbox) -> None:
    """
    Written in place, touched or removed: the look decides what it was.
    """
    old = watched.inbox / "shoes" / "old.png"

    for act in (lambda: old.write_bytes(b"newer"), lambda: os.utime(old), old.unlink):
        assert {InboxEvent(path="shoes/old.png")} == watched.after(act)


def test_a_rename_inside_rings_both_names(watched: WatchedInbox, inbox: Path) -> None:
    """
    The old name events too: it is gone.
    """
    new = inbox / "cat.png"

    events = watched.after(lambda: (inbox / "shoes" / "old.png").rename(new))

    assert {InboxEvent(path="shoes/old.png"), InboxEvent(path="cat.png")} == events


def test_an_event_tells_whether_its_name_is_gone(watched: WatchedInbox, inbox: Path) -> None:
    """
    Removed or renamed; what comes under that name afterwards is there.
    """
    old = inbox / "shoes" / "old.png"
    old.rename(inbox / "cat.png")
    (inbox / "dog.png").write_bytes(b"new")
    (inbox / "dog.png").unlink()
    (inbox / "last").write_bytes(b"")
    assert watched.has_event("last")

    found = {event.path: event.is_gone for event in watched.events()}
    assert found == {"shoes/old.png": True, "cat.png": False, "dog.png": True, "last": False}

    watched.after(lambda: old.write_bytes(b"again"))
    assert {event.path: event.is_gone for event in watched.events()}["shoes/old.png"] is False


def test_a_rename_from_outside_rings(watched: WatchedInbox, inbox: Path, tmp_path: Path) -> None:
    """
    With no other event to wait for; so does a hard link.
    """
    upload = tmp_path / "upload"
    upload.write_bytes(b"new")
    (inbox / "link.png").hardlink_to(upload)
    upload.rename(inbox / "cat.png")

    assert watched.has_event("link.png")
    assert watched.has_event("cat.png")


def test_our_own_looks_do_not_ring(watched: WatchedInbox, inbox: Path) -> None:
    """
    Opening, reading and closing without a write are no news.
    """
    old = inbox / "shoes" / "old.png"

    assert set() == watched.after(old.read_bytes)
    assert set() == watched.after(lambda: list(old.parent.iterdir()))


def test_a_folder_does_not_ring_for_its_files(watched: WatchedInbox, inbox: Path) -> None:
    """
    Else every file would cost a look at all of its neighbours.
    """
    events = watched.after(lambda: (inbox / "shoes" / "cat.png").write_bytes(b"new"))

    assert not any(event.is_folder for event in events)


def test_a_folder_rings_when_it_comes_moves_or_goes(
    watched: WatchedInbox, inbox: Path, tmp_path: Path
) -> None:
    """
    What is in it may have come without an event of its own.
    """
    (tmp_path / "hats").mkdir()
    (tmp_path / "hats" / "cat.png").write_bytes(b"new")
    (tmp_path / "hats").rename(inbox / "hats")
    assert watched.has_event("hats", is_folder=True)

    (inbox / "hats").rename(inbox / "caps")
    assert watched.has_event("caps", is_folder=True)

    (inbox / "caps" / "cat.png").unlink()
    (inbox / "caps").rmdir()
    assert watched.has_event("caps", is_folder=True)


def test_files_of_a_new_folder_ring(watched: WatchedInbox, inbox: Path) -> None:
    """
    The watch goes on below it, without a restart.
    """
    (inbox / "hats").mkdir()
    assert watched.has_event("hats", is_folder=True)

    def is_heard() -> bool:
        (inbox / "hats" / "cat.png").write_bytes(b"new")
        return InboxEvent(path="hats/cat.png") in watched.events()

    assert until(is_heard)


def test_an_overflow_is_told_as_lost(watched: WatchedInbox) -> None:
    """
    The kernel dropped events: only a scan can tell which. From then on names event again.
    """
    assert not watched.is_lost

    overflow(watched.watcher, watched.inbox)

    assert watched.has_lost()
    (watched.inbox / "shoes" / "cat.png").write_bytes(b"new")
    assert watched.has_event("shoes/cat.png")


def test_nothing_is_left_of_a_watcher_that_stopped(inbox: Path) -> None:
    """
    No thread, no open file.
    """
    threads, files = threading.active_count(), len(os.listdir("/proc/self/fd"))
    watched = WatchedInbox(inbox)

    watched.watcher.start()
    watched.watcher.stop()

    assert files == len(os.listdir("/proc/self/fd"))
    (inbox / "cat.png").write_bytes(b"new")
    assert watched.events() == []
    assert until(lambda: threading.active_count() <= threads)


def test_an_inbox_that_is_not_there_cannot_be_watched(tmp_path: Path) -> None:
    """
    The caller is told at once, and nothing is left running.
    """
    threads, files = threading.active_count(), len(os.listdir("/proc/self/fd"))
    watcher = WatchedInbox(tmp_path / "gone").watcher

    with pytest.raises(FileNotFoundError):
        watcher.start()

    assert until(lambda: threading.active_count() <= threads)
    assert files == len(os.listdir("/proc/self/fd"))


def test_a_watcher_at_work_has_no_fault(watched: WatchedInbox) -> None:
    """
    Nor one that was not started.
    """
    assert watched.watcher.fault == ""
    assert watched.watcher.refusal is None
    assert WatchedInbox(watched.inbox).watcher.fault == ""


@pytest.mark.parametrize("which", ["handler", "emitter", "reader"])
def test_a_thread_that_ended_is_a_fault(
    watched: WatchedInbox, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    """
    Whichever of them it was, with the error it ended with, and without a traceback on the terminal.
    """

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("out of nowhere")

    owner, name = {
        "handler": (watcher._Handler, "on_any_event"),
        "emitter": (watcher._Emitter, "build_and_queue_event"),
        "reader": (watcher._Reader, "handle_event"),
    }[which]
    monkeypatch.setattr(owner, name, fail)

    (watched.inbox / "cat.png").write_bytes(b"new")

    assert until(lambda: "out of nowhere" in watched.watcher.fault)


def test_an_inbox_that_was_removed_is_a_fault(watched: WatchedInbox, inbox: Path) -> None:
    """
    Also where another one has its place by then.
    """
    shutil.rmtree(inbox)
    inbox.mkdir()

    assert until(lambda: watched.watcher.fault == "the watcher ended")


def test_a_watch_that_is_refused_later_is_remembered(
    watched: WatchedInbox, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The kernel has none left for a new sub-folder; the others are watched on.
    """
    refuse_watches(monkeypatch, errno.ENOSPC)

    (inbox / "hats").mkdir()

    assert until(lambda: watched.watcher.refusal is not None)
    assert watched.watcher.refusal is not None
    assert watched.watcher.refusal.errno == errno.ENOSPC
    assert watched.watcher.fault == ""
    (inbox / "shoes" / "cat.png").write_bytes(b"new")
    assert watched.has_event("shoes/cat.png")


def test_a_folder_that_vanishes_meanwhile_is_no_refusal(
    watched: WatchedInbox, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Only what the kernel has not enough of is told.
    """
    refuse_watches(monkeypatch, errno.ENOENT)

    (inbox / "hats").mkdir()

    assert watched.has_event("hats", is_folder=True)
    assert watched.watcher.refusal is None


def test_a_rename_out_of_the_inbox_holds_nothing_up(
    watched: WatchedInbox, inbox: Path, tmp_path: Path
) -> None:
    """
    A claim of ours is one: what follows it events in far less than the half second that watchdog waits.
    """
    waits = []
    for number in range(5):
        (inbox / "claimed.png").write_bytes(b"new")
        assert watched.has_event("claimed.png")
        (inbox / "claimed.png").rename(tmp_path / f"{number}.png")
        (inbox / f"next{number}.png").write_bytes(b"new")
        began = time.monotonic()
        assert watched.has_event(f"next{number}.png")
        waits.append(time.monotonic() - began)

    assert min(waits) < 0.25


def test_the_bell_wakes_once_for_many_rings() -> None:
    """
    Until the events are taken, more of them wake nobody; the same one twice counts once, as the last.
    """
    wakes: list[int] = []
    event_queue = EventQueue(lambda: wakes.append(1))
    one, two = InboxEvent(path="a"), InboxEvent(path="b")

    for event in (one, two, one):
        event_queue.put(event)

    assert len(wakes) == 1
    assert ([two, one], False) == event_queue.take()
    assert event_queue.take() == ([], False)
    event_queue.put(one)
    event_queue.lose()
    assert len(wakes) == 3
    assert ([one], True) == event_queue.take()


def watches() -> int:
    """
    Return how many watches of the kernel's this process holds.
    """
    infos = (path.read_text() for path in Path("/proc/self/fdinfo").iterdir() if path.exists())
    return sum(info.count("inotify wd:") for info in infos)


def test_folders_of_no_matter_are_not_watched(inbox: Path) -> None:
    """
    A NAS makes one for each picture; they cost no watch, there already or made later, nor what lies in them.
    """
    for number in range(20):
        (inbox / f"shoes/@eaDir/{number}.png").mkdir(parents=True)
    (inbox / "_refs/summer").mkdir(parents=True)
    before = watches()

    watched = WatchedInbox(inbox, "drafts/")
    watched.watcher.start()
    try:
        # The inbox itself, shoes, _refs and what is below that: references are sent along.
        assert watches() - before == 4
        for late in ("hats/@eaDir/new.png", "hats/drafts/old", "_refs/@eaDir/b.png"):
            (inbox / late).mkdir(parents=True)
        (inbox / "hats/red").mkdir()
        assert watched.has_event("hats/red", is_folder=True)
        assert until(lambda: watches() - before == 6)
        (inbox / "hats/red/cat.png").write_bytes(b"new")
        assert watched.has_event("hats/red/cat.png")
        assert watches() - before == 6
        assert not watched.watcher.fault
        assert watched.watcher.refusal is None
    finally:
        watched.watcher.stop()


def test_a_folder_that_gets_a_name_of_matter_is_watched(inbox: Path) -> None:
    """
    A hidden one, filled and then renamed.
    """
    (inbox / ".new").mkdir()
    watched = WatchedInbox(inbox)
    watched.watcher.start()
    try:
        (inbox / ".new").rename(inbox / "new")
        assert watched.has_event("new", is_folder=True)
        (inbox / "new/cat.png").write_bytes(b"new")
        assert watched.has_event("new/cat.png")
    finally:
        watched.watcher.stop()
