"""
What the kernel may do to a watcher, without touching the limits of the machine that tests run on.
"""

import ctypes
from collections.abc import Callable
from pathlib import Path

import pytest
from watchdog.observers import inotify_c

from retouchd.inbox.watcher import Watcher


def overflow(watcher: Watcher, inbox: Path, then: Callable[[], object] = lambda: None) -> None:
    """
    Stop the reading of events until the kernel's queue is more than full, with files that are nobody's.

    `then` is called once it is, so that nothing is told of what it does.
    """
    most = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text("ascii"))
    observer = watcher._observer
    assert observer is not None
    with observer.reader._lock:
        for number in range(most // 2 + 500):
            (inbox / f"_{number}").write_bytes(b"")
        then()


def refuse_watches(monkeypatch: pytest.MonkeyPatch, error: int) -> None:
    """
    Have the kernel refuse every watch from now on.
    """

    def refused(*_: object) -> int:
        ctypes.set_errno(error)
        return -1

    monkeypatch.setattr(inotify_c, "inotify_add_watch", refused)


def refuse_instances(monkeypatch: pytest.MonkeyPatch, error: int) -> None:
    """
    Have the kernel refuse to watch anything at all.
    """

    def refused() -> int:
        ctypes.set_errno(error)
        return -1

    monkeypatch.setattr(inotify_c, "inotify_init", refused)
