"""
Who is at work in a folder that several programs write into: each holds a shared lock on it meanwhile, which the
kernel drops with the process. What another machine holds is not told.
"""

import contextlib
import fcntl
import time
from collections.abc import Iterator

from retouchd.disk.nofollow import OpenFolder

_LOOKED_SECONDS = 2.0
"""More than `alone` takes; what another program keeps locked for longer is no reason not to go on."""
_BEAT_SECONDS = 0.02


@contextlib.contextmanager
def shared(folder: OpenFolder) -> Iterator[None]:
    """
    Hold a folder beside others that do; where somebody keeps it locked, or on a filesystem without such locks,
    nobody holds it.
    """
    until = time.monotonic() + _LOOKED_SECONDS
    with contextlib.suppress(OSError):
        while not _is_taken(folder, fcntl.LOCK_SH) and time.monotonic() < until:
            time.sleep(_BEAT_SECONDS)
    with _released(folder):
        yield


@contextlib.contextmanager
def alone(folder: OpenFolder) -> Iterator[bool]:
    """
    Yield whether nobody holds a folder, and keep it so; False where that cannot be told.
    """
    is_alone = False
    with contextlib.suppress(OSError):
        is_alone = _is_taken(folder, fcntl.LOCK_EX)
    with _released(folder):
        yield is_alone


def _is_taken(folder: OpenFolder, lock: int) -> bool:
    try:
        fcntl.flock(folder.fd, lock | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def _released(folder: OpenFolder) -> Iterator[None]:
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            fcntl.flock(folder.fd, fcntl.LOCK_UN)
