"""
The files with parameters that are still to be read, and when.
"""

import heapq
from collections import deque
from collections.abc import Iterable

from retouchd.inbox.references import Place


class Unread:
    """
    Files to be read at their time, in seconds of the monotonic clock; those whose time has come by folder.
    """

    def __init__(self) -> None:
        self._later: list[tuple[float, Place]] = []
        self._due: dict[str, deque[str]] = {}

    def add(self, place: Place, at: float) -> None:
        """
        Have a file read at that moment.
        """
        heapq.heappush(self._later, (at, place))

    def next_due(self) -> float | None:
        """
        Return when the next file is to be read, None if none is.
        """
        if self._due:
            return 0.0
        return self._later[0][0] if self._later else None

    def take(self, now: float, folders: Iterable[str] | None = None) -> Place | None:
        """
        Take out a file whose time has come, of one of these folders or of any; None if there is none.
        """
        while self._later and self._later[0][0] <= now:
            _, (folder, name) = heapq.heappop(self._later)
            self._due.setdefault(folder, deque()).append(name)
        if not self._due:
            return None
        for each in self._due if folders is None else folders:
            if (names := self._due.get(each)) is not None:
                name = names.popleft()
                if not names:
                    del self._due[each]
                return each, name
        return None
