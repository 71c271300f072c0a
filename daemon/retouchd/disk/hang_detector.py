"""
Tells calls that hang from those that are slow, or wait for a processor.
"""

import time
from collections.abc import Collection

from retouchd.disk.calls import CHECK_SECONDS, Call, Folder

_LATE_SECONDS = 3.0
"""A check that comes so late was itself held up: it says nothing about the disks."""


class HangDetector:
    """
    Tells which calls are blocked: no step, and next to no CPU, for some time. To wait for a processor on a busy
    machine is not to be blocked.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._known: dict[Call, tuple[int, float, float]] = {}
        self._checked_at = time.monotonic()
        self.blocked: set[Folder] = set()
        """The folders other than work in which a call is blocked for a moment already."""
        self.hung: set[Folder] = set()
        """The folders in which a call is blocked for all the seconds."""

    def check(self, calls: Collection[Call]) -> None:
        """
        Look at all calls that are running now.
        """
        now = time.monotonic()
        if now - self._checked_at > _LATE_SECONDS:
            self._known.clear()
        self._checked_at = now
        known, self._known = self._known, {}
        blocked, hung = set(), set()
        for call in calls:
            try:
                steps, busy = call.steps, call.busy
            except OSError:
                continue  # It is over, and its thread with it.
            before = known.get(call)
            is_same = before is not None and before[0] == steps
            self._known[call] = before if before is not None and is_same else (steps, busy, now)
            _, busy_before, since = self._known[call]
            waited = now - since - (busy - busy_before)
            if waited > CHECK_SECONDS / 2:
                blocked.add(call.folder)
            if waited > self._seconds:
                hung.add(call.folder)
        self.blocked = blocked - {Folder.WORK}
        # Every call may touch the work folder besides its own: where that hangs, the others are not to blame.
        self.hung = {Folder.WORK} if Folder.WORK in hung else hung
