"""
The inotify watcher of the inbox, and the event queue that it fills: names only, a look decides what happened.

The only module that knows watchdog, and the version of it that was tried: it leaves out a sub-folder that
it cannot watch, and ends a thread that failed, without a word. Both are remembered here for whoever asks.
Opened, read and closed without a write are no events, since our own looks would cause them.
"""

import errno
import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from watchdog.events import (
    EVENT_TYPE_DELETED,
    EVENT_TYPE_MOVED,
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileAttribEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers.api import BaseObserver
from watchdog.observers.inotify import InotifyEmitter
from watchdog.observers.inotify_c import (
    CallbackId,
    InotifyEvent,
    InotifyFD,
    Mask,
    WatchCallback,
    WatchDescriptor,
)
from watchdog.observers.inotify_move_event_grouper import InotifyMoveEventGrouper
from watchdog.utils import BaseThread

from retouchd.inbox.safe_drop import is_drop


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxEvent:
    """
    A name in the inbox that something happened to: its path below the inbox.

    `is_gone` says that it was removed or renamed, `is_whole` that a drop of our own has just given a file its
    name: nobody writes to it any more. Events of one name are the same whatever they say of that.
    """

    path: str
    is_folder: bool = False
    is_gone: bool = field(default=False, compare=False)
    is_whole: bool = field(default=False, compare=False)


class EventQueue:
    """
    The events since they were last taken, each once. `wake` is called from the watcher's threads.
    """

    def __init__(self, wake: Callable[[], object]) -> None:
        self._wake = wake
        self._lock = threading.Lock()
        self._events: dict[InboxEvent, bool] = {}
        self._is_lost = False

    def put(self, event: InboxEvent) -> None:
        """
        Add an event; the same one twice counts once, as the last: what came between was before it.
        """
        with self._lock:
            is_first = not self._events
            if (is_whole := self._events.pop(event, None)) is not None:
                event = replace(event, is_whole=event.is_whole or is_whole)
            self._events[event] = event.is_whole
        if is_first:
            self._wake()

    def lose(self) -> None:
        """
        Note that events were lost: only a scan can tell what happened.
        """
        with self._lock:
            self._is_lost = True
        self._wake()

    def take(self) -> tuple[list[InboxEvent], bool]:
        """
        Return the events in their order, and whether others were lost besides.
        """
        with self._lock:
            events, self._events = list(self._events), {}
            is_lost, self._is_lost = self._is_lost, False
        return events, is_lost


_EVENT_FILTER: list[type[FileSystemEvent]] = [
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileAttribEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
]
"""A folder is modified whenever a file in it is: that must not cost a look at all of its files."""
_GOING = frozenset({EVENT_TYPE_DELETED, EVENT_TYPE_MOVED})

EXHAUSTED = frozenset({errno.ENOSPC, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSYS})
"""The errors with which a kernel says that it has no watch left, or none at all."""

# A rename out of the inbox, such as each claim of ours, is held back so long in case its other half is to
# come, and all that follows waits behind it. The kernel writes both halves at once: half a second is far
# too long. What comes too late is only taken for two events, and both names are told either way.
InotifyMoveEventGrouper.delay = 0.005

# What it has to say is asked for below; its lines must not stand between ours.
logging.getLogger("watchdog").propagate = False
logging.getLogger("watchdog").addHandler(logging.NullHandler())


class Watcher:
    """
    Watches the inbox with inotify; each report becomes an event in the queue. Starting and stopping block.

    `is_left_out` says of a folder, by its path below the inbox, that nothing in it is of any matter: a NAS
    makes one such folder for each picture, and watches are few.
    """

    def __init__(
        self,
        *,
        inbox: Path,
        event_queue: EventQueue,
        recursive: bool,
        is_left_out: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._inbox = inbox
        self._recursive = recursive
        self._event_queue = event_queue
        self._is_left_out = is_left_out
        self._observer: Observer | None = None

    def start(self) -> None:
        """
        Put events from now on.

        Raises OSError where the kernel refuses to watch the inbox, RecursionError where folders lie in one
        another too deeply for watchdog.
        """
        below = partial(_below, os.fspath(self._inbox) + os.sep)
        self._observer = Observer(
            self._event_queue,
            lambda path: (name := below(path)) is not None and self._is_left_out(name),
        )
        try:
            self._observer.schedule(
                _Handler(below, self._event_queue),
                os.fspath(self._inbox),
                recursive=self._recursive,
                event_filter=_EVENT_FILTER,
            )
            self._observer.start()
        except (OSError, RecursionError):
            self.stop()
            raise

    def stop(self) -> None:
        """
        Put no more events.
        """
        observer, self._observer = self._observer, None
        if observer is not None:
            observer.stop()
            if observer.is_alive():
                observer.join()

    @property
    def fault(self) -> str:
        """
        Return why it reports nothing more though it was started, empty while it does.
        """
        if self._observer is None:
            return ""
        threads = [self._observer, self._observer.reader, *self._observer.emitters]
        for thread in threads:
            if isinstance(thread, _Thread) and thread.failure is not None:
                return f"the watcher failed: {thread.failure!r}"
        is_whole = len(threads) == 3 and all(thread.is_alive() for thread in threads)
        return "" if is_whole else "the watcher ended"

    @property
    def refusal(self) -> OSError | None:
        """
        Return the error with which the kernel refused to watch a folder in the inbox, None if it took all.
        """
        return self._observer.reader.refusal if self._observer else None


class _Thread(BaseThread):
    """
    A thread of watchdog's that keeps the error it ended with.
    """

    failure: Exception | None = None

    def run(self) -> None:
        try:
            super().run()
        except Exception as error:  # noqa: BLE001 - logged by whoever asks for the fault
            self.failure = error


class _Reader(_Thread, InotifyFD):
    """
    Reads the kernel's queue; tells when it overflowed, remembers which watch was refused, leaves folders out.
    """

    def __init__(self, event_queue: EventQueue, is_left_out: Callable[[bytes], bool]) -> None:
        super().__init__()
        self._event_queue = event_queue
        self._is_left_out = is_left_out
        self.refusal: OSError | None = None

    def add_callback(
        self, path: bytes, mask: Mask, callback: WatchCallback, id_: CallbackId
    ) -> WatchDescriptor:
        if self._is_left_out(path):
            raise FileNotFoundError(errno.ENOENT, "left out", path)  # As one that is gone by now.
        try:
            return super().add_callback(path, mask, callback, id_)
        except OSError as error:
            if error.errno in EXHAUSTED:
                self.refusal = error
            raise

    def handle_event(self, event: InotifyEvent) -> None:
        super().handle_event(event)
        if event.is_queue_overflow:
            # By now all folders are watched anew: a scan from here on misses nothing.
            self._event_queue.lose()


class _Emitter(_Thread, InotifyEmitter):
    """
    Makes events of what was read.
    """


class Observer(_Thread, BaseObserver):
    """
    Calls the handler, and owns the other two threads.
    """

    def __init__(self, event_queue: EventQueue, is_left_out: Callable[[bytes], bool]) -> None:
        self.reader = _Reader(event_queue, is_left_out)
        self.reader.start()
        super().__init__(_Emitter, inotify_fd=self.reader)

    def on_thread_stop(self) -> None:
        """
        End the reader too.
        """
        super().on_thread_stop()
        self.reader.stop()
        self.reader.join()


class _Handler(FileSystemEventHandler):
    def __init__(self, below: Callable[[bytes | str], str | None], event_queue: EventQueue) -> None:
        self._below = below
        self._event_queue = event_queue

    def on_any_event(self, event: FileSystemEvent) -> None:
        is_folder, is_gone = event.is_directory, event.event_type in _GOING
        self._put(event.src_path, is_folder=is_folder, is_gone=is_gone)
        if event.event_type == EVENT_TYPE_MOVED:
            is_whole = not is_folder and is_drop(os.fsdecode(event.src_path).rpartition("/")[2])
            self._put(event.dest_path, is_folder=is_folder, is_whole=is_whole)

    def _put(
        self, name: bytes | str, *, is_folder: bool, is_gone: bool = False, is_whole: bool = False
    ) -> None:
        if path := self._below(name):
            self._event_queue.put(
                InboxEvent(path=path, is_folder=is_folder, is_gone=is_gone, is_whole=is_whole)
            )


def _below(prefix: str, path: bytes | str) -> str | None:
    text = os.fsdecode(path)
    return text.removeprefix(prefix) if text.startswith(prefix) else None
