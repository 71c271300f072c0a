"""
The doorbell: tells that something happened to a name in the inbox. What happened, the look decides.

The only module that knows watchdog. Created, modified, moved and closed-after-writing ring; opened and
closed-without-writing do not, since our own looks would ring them. Lost events ring as `lost`.
"""

import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from watchdog.events import (
    EVENT_TYPE_ATTRIB,
    EVENT_TYPE_CLOSED,
    EVENT_TYPE_CREATED,
    EVENT_TYPE_DELETED,
    EVENT_TYPE_MODIFIED,
    EVENT_TYPE_MOVED,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer

_RINGING_FOLDERS = {EVENT_TYPE_CREATED, EVENT_TYPE_DELETED, EVENT_TYPE_MOVED}
"""A folder is modified whenever a file in it is: that must not cost a look at all of its files."""

_RINGING_FILES = _RINGING_FOLDERS | {EVENT_TYPE_ATTRIB, EVENT_TYPE_CLOSED, EVENT_TYPE_MODIFIED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ring:
    """
    One touch of the doorbell: the path below the inbox, and where it was renamed from, if it was.
    """

    path: str
    source: str | None = None
    is_folder: bool = False


class Bell:
    """
    The rings since they were last taken. `wake` is called from the watcher's threads.
    """

    def __init__(self, wake: Callable[[], object]) -> None:
        self._wake = wake
        self._lock = threading.Lock()
        self._rings: dict[Ring, None] = {}
        self._is_lost = False

    def ring(self, ring: Ring) -> None:
        """
        Add a ring; the same one twice counts once, as the last: what came between was before it.
        """
        with self._lock:
            is_first = not self._rings
            self._rings.pop(ring, None)
            self._rings[ring] = None
        if is_first:
            self._wake()

    def lose(self) -> None:
        """
        Note that events were lost: only a scan can tell what happened.
        """
        with self._lock:
            self._is_lost = True
        self._wake()

    def take(self) -> tuple[list[Ring], bool]:
        """
        Return the rings in their order, and whether events were lost besides.
        """
        with self._lock:
            rings, self._rings = list(self._rings), {}
            is_lost, self._is_lost = self._is_lost, False
        return rings, is_lost


class Watcher:
    """
    The observer on the inbox. Starting and stopping block, stopping for up to half a second.
    """

    def __init__(self, *, inbox: Path, bell: Bell, recursive: bool) -> None:
        self._observer = Observer()
        self._inbox = inbox
        self._recursive = recursive
        self._handler = _Handler(inbox, bell)
        self._listener = _Listener(bell)

    def start(self) -> None:
        """
        Ring from now on. Raises OSError where the kernel refuses to watch the inbox.
        """
        self._observer.schedule(self._handler, os.fspath(self._inbox), recursive=self._recursive)
        self._observer.start()
        heard = logging.getLogger("watchdog")
        heard.propagate = False
        heard.addHandler(self._listener)

    def stop(self) -> None:
        """
        Ring no more.
        """
        self._observer.stop()
        self._observer.join()
        logging.getLogger("watchdog").removeHandler(self._listener)


class _Handler(FileSystemEventHandler):
    def __init__(self, inbox: Path, bell: Bell) -> None:
        self._inbox = os.fspath(inbox)
        self._bell = bell

    def on_any_event(self, event: FileSystemEvent) -> None:
        if event.event_type not in (_RINGING_FOLDERS if event.is_directory else _RINGING_FILES):
            return
        source = self._below(event.src_path)
        self._ring(source, None, is_folder=event.is_directory)
        if event.event_type == EVENT_TYPE_MOVED:
            self._ring(self._below(event.dest_path), source, is_folder=event.is_directory)

    def _ring(self, path: str | None, source: str | None, *, is_folder: bool) -> None:
        if path:
            self._bell.ring(Ring(path=path, source=source, is_folder=is_folder))

    def _below(self, path: bytes | str) -> str | None:
        text = os.fsdecode(path)
        prefix = self._inbox + os.sep
        return text.removeprefix(prefix) if text.startswith(prefix) else None


class _Listener(logging.Handler):
    """
    Listens to watchdog's own log, the only place where it says that events or watches were lost.
    """

    def __init__(self, bell: Bell) -> None:
        super().__init__(logging.WARNING)
        self._bell = bell

    def emit(self, _: logging.LogRecord) -> None:
        self._bell.lose()
