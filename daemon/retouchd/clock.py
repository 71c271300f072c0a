"""
The time, as a value that is handed in: tests bring their own.
"""

import datetime as dt
import time
from typing import Protocol


class Clock(Protocol):
    """
    Two clocks: the world's, for what is written down, and one that never jumps, for waiting.
    """

    def now(self) -> dt.datetime:
        """
        Return the time of day, aware, in UTC.
        """
        ...

    def monotonic(self) -> float:
        """
        Return seconds from any fixed moment.
        """
        ...


class SystemClock:
    """
    The machine's own clocks.
    """

    def now(self) -> dt.datetime:
        """
        Return the time of day, aware, in UTC.
        """
        return dt.datetime.now(dt.UTC)

    def monotonic(self) -> float:
        """
        Return seconds since the machine started.
        """
        return time.monotonic()
