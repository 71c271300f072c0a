"""
How much memory the process keeps: the C library's own choice grows with its threads, for months.
"""

import contextlib
import ctypes

_libc = ctypes.CDLL(None)

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
_ARENAS = 2
_LARGE = 2 << 20


def few_arenas() -> None:
    """
    Have all threads share two heaps; to be called before there are threads. See mallopt(3).

    By default each thread gets one of its own, and what one of them let go serves no other. What is large
    lies in none of them, so that it goes back to the kernel at once; by default "large" grows with what was
    let go. Does nothing where the C library is another.
    """
    with contextlib.suppress(AttributeError, OSError):
        _libc.mallopt(_M_ARENA_MAX, _ARENAS)
        _libc.mallopt(_M_MMAP_THRESHOLD, _LARGE)
        _libc.mallopt(_M_TRIM_THRESHOLD, 2 * _LARGE)


def give_back() -> None:
    """
    Give back to the kernel what is kept for later. See malloc_trim(3).

    Tables that grow leave behind the smaller ones they were. Does nothing where the C library is another.
    """
    with contextlib.suppress(AttributeError, OSError):
        _libc.malloc_trim(0)
