"""
The process: the memory it keeps, the files it may open, and how long it outlives the one that started it.

The C library's own choice of how much memory is kept grows with its threads, for months.
"""

import contextlib
import ctypes
import os
import resource
import signal

from retouchd.errors import ConfigurationError

_libc = ctypes.CDLL(None)

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
_ARENAS = 2
_LARGE = 2 << 20
_PR_SET_PDEATHSIG = 1


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


def trim_memory() -> None:
    """
    Give back to the kernel what is kept for later. See malloc_trim(3).

    Tables that grow leave behind the smaller ones they were. Does nothing where the C library is another.
    """
    with contextlib.suppress(AttributeError, OSError):
        _libc.malloc_trim(0)


def end_with_parent(parent: int) -> None:
    """
    Have this process killed once the one with that id, which started it, has ended, even if it is stopped. See
    prctl(2).
    """
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # It ended before.
        os._exit(1)


_FILES, _FILES_OF_A_JOB = 64, 8
"""Amply: folders held open, logs, watches, threads' own; and a picture, mask, references, socket, answer."""


def allow_open_files(concurrency: int, connections: int = 0) -> None:
    """
    Let as many files be open as this process may ever have, with so many `connections` of others.

    Raises ConfigurationError where that is too few: in the midst of a job it would look like any other fault of
    a disk.
    """
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES + _FILES_OF_A_JOB * concurrency + connections
    if most != resource.RLIM_INFINITY and most < wanted:
        msg = (
            f"No more than {most} files may be open at once, and {wanted} may be needed: raise `ulimit -n`, "
            "or LimitNOFILE= of the unit, or lower endpoint.concurrency."
        )
        raise ConfigurationError([msg])
    if now != resource.RLIM_INFINITY and now < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
