"""
The back-off of files that came back from work: what comes back again and again is taken less and less often.
"""

import threading
from dataclasses import dataclass

from retouchd.inbox.references import Place

_FREE = 2
"""Returns in a row without a pause: an outage gives jobs back, too, and is over at some time."""
_FIRST_SECONDS = 2.0
_LONGEST_SECONDS = 300.0
_STREAK_SECONDS = 30.0
"""What comes back later than this after its pause has begun anew."""


@dataclass(frozen=True, slots=True)
class ReturnBackoff:
    """
    The back-off of one file: how often it came back in a row, why at last, and until when it is left, in
    seconds of the monotonic clock.
    """

    count: int
    reason: str
    until: float

    @property
    def is_news(self) -> bool:
        """
        Return whether it is held for the first time in a row.
        """
        return self.count == _FREE + 1

    @property
    def sentence(self) -> str:
        """
        Return why it waits, for people.
        """
        return (
            f"it was taken {self.count} times in a row and came back each time: {self.reason}; "
            "retouchd tries again by itself, less and less often"
        )


class ReturnBackoffs:
    """
    The back-off of files that came back from work, by folder and name. Thread-safe.
    """

    def __init__(self) -> None:
        self._found: dict[Place, ReturnBackoff] = {}
        self._lock = threading.Lock()

    def note(self, place: Place, reason: str, now: float) -> None:
        """
        Take in that a file came back.
        """
        with self._lock:
            before = self._found.get(place)
            is_streak = before is not None and now <= before.until + _STREAK_SECONDS
            count = before.count + 1 if before is not None and is_streak else 1
            pause = 0.0
            if count > _FREE:
                pause = min(_FIRST_SECONDS * 2.0 ** min(count - _FREE - 1, 20), _LONGEST_SECONDS)
            self._found[place] = ReturnBackoff(count, reason, now + pause)

    def held(self, place: Place, now: float) -> ReturnBackoff | None:
        """
        Return what holds a file, None if it may be taken.
        """
        found = self._found.get(place)
        return found if found is not None and now < found.until else None

    def forget(self, now: float) -> None:
        """
        Forget what did not come back for so long that it would begin anew.
        """
        with self._lock:
            for place, found in list(self._found.items()):
                if now > found.until + _STREAK_SECONDS:
                    del self._found[place]

    def clear(self) -> None:
        """
        Have everything taken again at once.
        """
        with self._lock:
            self._found.clear()
