"""
How far a batch of pictures is, pure.

A batch begins with the first picture after the inbox was empty and ends when it is empty again; more may be
dropped into it meanwhile. Times are of a monotonic clock, handed in.
"""

from collections import deque
from dataclasses import dataclass

_WINDOW_SECONDS = 600.0
"""The rate is that of the last minutes: an endpoint is quick by night and slow by day."""
_FEWEST = 2
"""Pictures that have to be over before their rate says anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """
    So many pictures of the batch are over, of so many; `seconds_left` is None while that cannot be told.
    """

    over: int
    total: int
    seconds_left: float | None


class Batch:
    """
    Follows the batch that is being worked on; `finished` is how many pictures the last whole one had.
    """

    def __init__(self) -> None:
        self._begun = 0
        self._is_on = False
        self._moments: deque[tuple[float, int]] = deque()
        self.finished = 0

    def see(
        self, now: float, *, over: int, left: int, is_empty: bool, is_held: bool = False
    ) -> Progress | None:
        """
        Take in how many pictures are over since the start of the run and how many are left; return how far the
        batch is, None where there is none.

        Nothing `is_empty` of which something may still become work; while the run `is_held` nothing goes on.
        """
        if is_empty and not left:
            if over > self._begun:
                self.finished = over - self._begun
            self._begun, self._is_on = over, False
            self._moments.clear()
            return None
        self._is_on = self._is_on or left > 0
        if not self._is_on:
            return None
        done = over - self._begun
        self._note(now, done, is_held=is_held)
        return Progress(over=done, total=done + left, seconds_left=self._seconds_left(now, left))

    def _note(self, now: float, done: int, *, is_held: bool) -> None:
        if is_held:
            # A pause says nothing of how long a picture takes: what comes behind it is measured anew.
            self._moments.clear()
            return
        if not self._moments or self._moments[-1][1] != done:
            self._moments.append((now, done))
        while len(self._moments) > _FEWEST and now - self._moments[0][0] > _WINDOW_SECONDS:
            self._moments.popleft()

    def _seconds_left(self, now: float, left: int) -> float | None:
        if not self._moments or not left:
            return None
        since, before = self._moments[0]
        made = self._moments[-1][1] - before
        if made < _FEWEST or now <= since:
            return None
        return left * (now - since) / made
