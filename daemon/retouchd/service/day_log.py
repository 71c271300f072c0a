"""
What ended since local midnight, for people: read from the end of the history as it grows.
"""

import contextlib
import datetime as dt
import os
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from retouchd.clock import Clock
from retouchd.money.budget import day_of, midnight
from retouchd.spool.fingerprint import picture_path, record_path
from retouchd.spool.finished_job import beside
from retouchd.spool.history import History
from retouchd.status.text import Day

_REMEMBERED = 200
"""A crash may write a line of the history twice: among so many a second one is known."""
_LOOKED_FOR = 100


class DayLog:
    """
    What ended since local midnight, read from the end of the history as it grows.
    """

    def __init__(self, history: History, clock: Clock) -> None:
        self._history = history
        self._clock = clock
        self._day: dt.date | None = None
        self._end = 0
        self._ids: deque[object] = deque(maxlen=_REMEMBERED)
        self._done = 0
        self._failed: dict[object, str] = {}
        self._gone: set[str] = set()
        self._mended: set[str] = set()

    def look(self) -> None:
        """
        Take in what is new. Blocking.
        """
        day = day_of(self._clock.now())
        lines: Iterator[Mapping[str, Any]]
        with contextlib.suppress(OSError):
            end = self._history.end()
            if day != self._day or end < self._end:
                self._day, self._done, self._failed = day, 0, {}
                self._mended.clear()
                lines = reversed(list(self._history.since(midnight(day))))
            elif end > self._end:
                lines = self._history.after(self._end)
            else:
                return
            for line in lines:
                self._take(line)
            self._end = end

    def day(self) -> Day:
        """
        Return what ended since local midnight.
        """
        failed = [path for path in reversed(self._failed.values()) if path not in self._gone]
        # Edited since, it counts as that alone.
        taken_out = self._gone.intersection(self._failed.values()) - self._mended
        return Day(done=self._done, failed=tuple(failed), taken_out=len(taken_out))

    def look_into(self, error: Path) -> None:
        """
        See which of those that failed lie in `error/` no longer. Blocking.
        """
        newest = list(reversed(self._failed.values()))[:_LOOKED_FOR]
        # A name that had to be escaped cannot be looked for.
        self._gone = {
            path for path in newest if "\\" not in path and not os.path.lexists(error / path)
        }

    def _take(self, line: Mapping[str, Any]) -> None:
        if line.get("id") in self._ids:
            return
        self._ids.append(line.get("id"))
        # What was taken back out of error/ and has ended since is told by its last end.
        self._failed.pop(line.get("previous"), None)
        if line.get("status") == "done":
            self._done += 1
            self._mended.add(picture_path(line))
        else:
            lies_as = beside(record_path(line), line.get("name"), line.get("image"))
            self._failed[line.get("id")] = lies_as or picture_path(line)
