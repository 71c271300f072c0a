"""
Writes the log, and a footer below it, from a thread of its own: whoever logs never waits for whoever reads.

A line at the bottom of a terminal that is rewritten in place, below lines that scroll by.
"""

import atexit
import contextlib
import datetime as dt
import os
import queue
import select
import threading
from collections.abc import Callable

from retouchd.events.messages import UnreadLog
from retouchd.logs.event_lines import Entry, Gap, LogQueue

_ERASE = b"\r\x1b[K"


class Footer:
    """
    What is to stand in the last line of a terminal, and what stands there. Drawn by the thread that writes the
    lines above it.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._drawn = b""
        self.wanted = ""

    @property
    def erased(self) -> bytes:
        """
        Return what is to be written before the next line.
        """
        return _ERASE if self._drawn else b""

    def forget(self) -> None:
        """
        Note that it was erased.
        """
        self._drawn = b""

    def redrawn(self) -> bytes:
        """
        Return what is to be written for it to be shown as it is wanted, and note that it is; nothing where it
        is shown so already, or where the terminal is another program's just now.
        """
        wanted = self._cut()
        if wanted == self._drawn or not self._is_in_front():
            return b""
        before, self._drawn = self._drawn, wanted
        return (_ERASE if before else b"") + wanted

    def _cut(self) -> bytes:
        """
        Return as much of it as one line holds: in ASCII, of which each character takes one column.
        """
        try:
            columns = os.get_terminal_size(self._descriptor).columns
        except OSError:
            return b""
        text = self.wanted.encode("ascii", "replace")
        # The last column stays free: some terminals begin a new line after it. Without a size it is 0.
        return text[: columns - 1] if columns else text

    def _is_in_front(self) -> bool:
        """
        Return whether this process may write over the last line: a shell may have the terminal meanwhile.
        """
        try:
            return os.tcgetpgrp(self._descriptor) == os.getpgrp()
        except OSError:
            return True  # It is nobody's terminal of control.


FLUSH_SECONDS = 2.0
"""How long the end of a process waits for a log that nobody reads."""
STUCK_SECONDS = 30.0
"""Nobody reads the log where a line could not be written for so long."""
RETRY_SECONDS = 5.0
"""How long after a line that could not be written it is tried to tell of it, if nothing else is to be said."""

_FOOTER = Entry(b"", None)
"""Stands for the line at the bottom, which is drawn once no other line waits."""


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class LogWriter:
    """
    Writes lines to a descriptor, each by one call and in the order in which they were put.

    `line_of` returns the line that tells of a gap, given the reason. The descriptor is left as it is: whether
    it blocks is shared with every other program on the same terminal or pipe.
    """

    def __init__(
        self,
        descriptor: int,
        *,
        waiting: LogQueue,
        line_of: Callable[[Gap, str], bytes],
        now: Callable[[], dt.datetime] = _now,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self._descriptor = descriptor
        self._waiting = waiting
        self._line_of = line_of
        self._now = now
        self._retry_seconds = retry_seconds
        # A finalizer may log at any allocation, of the thread that holds the lock or waits to be woken.
        self._lock = threading.RLock()
        self._event_queue: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._written = threading.Condition(self._lock)
        self._thread: threading.Thread | None = None
        self._is_idle = True
        self._dropped: Gap | None = None
        self._untold: Gap | None = None
        self._fault = ""
        self._begun_at: dt.datetime | None = None
        self._torn = b""
        self._footer = Footer(descriptor)
        self._is_footer_due = False
        self._room = select.poll()
        self._room.register(descriptor, select.POLLOUT)

    @property
    def unread(self) -> UnreadLog | None:
        """
        Return what is wrong with the log's reader, None while there is one.
        """
        with self._lock:
            dropped, begun_at = self._dropped, self._begun_at
            if dropped:
                return UnreadLog(lines=dropped.lines, since=dropped.since, fault=self._fault)
            if begun_at and (self._now() - begun_at).total_seconds() > STUCK_SECONDS:
                return UnreadLog(lines=0, since=begun_at)
        return None

    def put(self, line: bytes) -> None:
        """
        Let a line be written, or counted where too many wait.
        """
        with self._lock:
            now = self._now()
            if not self._waiting.put(line, now):
                self._count(Gap(1, now))
            self._ring()

    def show_below(self, text: str) -> None:
        """
        Have a text stand below the lines from now on, "" for none. Only for a terminal.
        """
        with self._lock:
            if text != self._footer.wanted:
                self._footer.wanted, self._is_footer_due = text, True
                self._ring()

    def _ring(self) -> None:
        """
        Have the thread look at what is to be written; the lock is held.
        """
        # There is none before the first line, and none in a process that was forked.
        if self._thread is None or not self._thread.is_alive():
            self._start()
        if self._is_idle:
            self._is_idle = False
            self._event_queue.put(None)

    def flush(self, seconds: float = FLUSH_SECONDS) -> bool:
        """
        Wait until everything is written, but no longer than that; return whether it is.
        """
        with self._written:
            return self._written.wait_for(lambda: self._is_idle, seconds)

    def _start(self) -> None:
        # A daemon thread: the end of the process waits as long as `flush` does, not for a reader.
        thread = threading.Thread(target=self._run, name="log", daemon=True)
        # Where no thread can be had now, the next line asks again.
        with contextlib.suppress(RuntimeError):
            thread.start()
            self._thread = thread
            atexit.register(self.flush)
        self._is_idle = True

    def _run(self) -> None:
        while True:
            try:
                self._event_queue.get(timeout=self._retry_seconds if self._untold else None)
            except queue.Empty:
                self._write(Entry(b"", None))  # A disk may have room again.
            while entry := self._next():
                self._write(entry)

    def _next(self) -> Entry | None:
        with self._lock:
            # In this order: a finalizer that logs in between wakes it once too often, not once too seldom.
            self._is_idle = True
            entry = self._waiting.take()
            if entry is None and self._is_footer_due:
                entry, self._is_footer_due = _FOOTER, False
            if entry:
                self._is_idle = False
            else:
                self._written.notify_all()
            return entry

    def _write(self, entry: Entry) -> None:
        """
        Write an entry behind the line that tells of what is missing before it.
        """
        if entry is _FOOTER:
            self._draw()
            return
        if entry.gap:
            self._untold = self._untold + entry.gap if self._untold else entry.gap
        if self._untold and self._send_line(self._line_of(self._untold, self._fault)):
            self._forget(self._untold)
            self._untold = None
        if entry.line and (self._untold or not self._send_line(entry.line)):
            missing = Gap(1, self._now())
            self._untold = self._untold + missing if self._untold else missing
            with self._lock:
                self._count(missing)

    def _send_line(self, line: bytes) -> bool:
        """
        Write a line in place of the one at the bottom, which is drawn anew below it.
        """
        if not self._send(self._footer.erased + line):
            return False
        self._footer.forget()
        with self._lock:
            self._is_footer_due = bool(self._footer.wanted)
        return True

    def _draw(self) -> None:
        """
        Draw the line at the bottom, if nothing is missing above it.
        """
        if not self._torn and not self._untold and (text := self._footer.redrawn()):
            self._send(text)

    def _send(self, line: bytes) -> bool:
        """
        Write a line, and first what is left of one before it; return whether it was at least begun.

        What is left of a line when the disk is full is kept, so that nothing is ever written into its middle.
        """
        rest = memoryview(self._torn + line)
        self._begun_at = self._now()
        try:
            while rest:
                rest = rest[self._some_of(rest) :]
        except OSError as error:
            self._fault = error.strerror or str(error)
        else:
            self._fault = ""
        self._begun_at = None
        is_begun = len(rest) < len(line)
        self._torn = bytes(rest if is_begun else rest[: len(rest) - len(line)])
        return is_begun

    def _some_of(self, rest: memoryview) -> int:
        try:
            return os.write(self._descriptor, rest)
        except BlockingIOError:
            self._room.poll()
            return 0

    def _count(self, gap: Gap) -> None:
        self._dropped = self._dropped + gap if self._dropped else gap

    def _forget(self, told: Gap) -> None:
        with self._lock:
            dropped = self._dropped
            left = dropped.lines - told.lines if dropped else 0
            self._dropped = Gap(left, dropped.since) if dropped and left else None
