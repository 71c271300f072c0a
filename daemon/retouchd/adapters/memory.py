"""
How much memory the process keeps: the C library's own choice grows with its threads, for months.
"""

import contextlib
import ctypes

_M_ARENA_MAX = -8
_ARENAS = 2


def few_arenas() -> None:
    """
    Have all threads share two heaps; to be called before there are threads. See mallopt(3).

    By default each thread gets one of its own, and what one of them let go serves no other. Does nothing
    where the C library is another.
    """
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _ARENAS)
