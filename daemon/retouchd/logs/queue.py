"""
A bounded queue of log lines, which counts exactly what it drops.
"""

import datetime as dt
from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Gap:
    """
    Lines that are missing in the log: how many, and when the first of them was dropped.
    """

    lines: int
    since: dt.datetime

    def __add__(self, later: "Gap") -> "Gap":
        return Gap(self.lines + later.lines, min(self.since, later.since))


@dataclass(frozen=True, slots=True)
class Entry:
    """
    What is to be written next: a line, empty where there is only a gap, and the gap before it.
    """

    line: bytes
    gap: Gap | None


class LogQueue:
    """
    Log lines, first in, first out. What comes while it is full is dropped; it takes lines again once half of it
    is written, so that a slow reader meets few gaps and not one at every other line.

    An empty queue takes a line of any length.
    """

    def __init__(self, *, most_lines: int, most_bytes: int) -> None:
        self._most_lines, self._most_bytes = most_lines, most_bytes
        self._entries: deque[Entry] = deque()
        self._bytes = 0
        self._gap: Gap | None = None

    def put(self, line: bytes, now: dt.datetime) -> bool:
        """
        Add a line; return whether there was room.
        """
        share = 1 if self._gap is None else 2
        is_taken = not self._entries or (
            (len(self._entries) + 1) * share <= self._most_lines
            and (self._bytes + len(line)) * share <= self._most_bytes
        )
        if is_taken:
            self._entries.append(Entry(line, self._gap))
            self._bytes += len(line)
            self._gap = None
        else:
            self._gap = Gap(1, now) if self._gap is None else self._gap + Gap(1, now)
        return is_taken

    def take(self) -> Entry | None:
        """
        Return what is to be written next, None where nothing waits.
        """
        if self._entries:
            entry = self._entries.popleft()
            self._bytes -= len(entry.line)
            return entry
        gap, self._gap = self._gap, None
        return Entry(b"", gap) if gap else None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadLog:
    """
    Log lines that could not be written: how many were dropped, none yet if 0, and since when. `fault` is what
    the system says of it, empty where nobody reads.
    """

    lines: int
    since: dt.datetime
    fault: str = ""

    def __str__(self) -> str:
        since = f"{self.since.astimezone():%H:%M}"
        why = f"the log cannot be written ({self.fault})" if self.fault else "nobody reads the log"
        remedy = "look at where retouchd's standard error goes"
        if not self.lines:
            return f"Since {since} {why}, and soon its lines will be dropped: {remedy}."
        lines = "1 log line was" if self.lines == 1 else f"{self.lines:,} log lines were"
        return f"{lines} dropped since {since}: {why}; {remedy}."
