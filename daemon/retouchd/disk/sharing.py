"""
Who is at work in a folder that several programs write into: each holds a shared lock on it meanwhile, which the
kernel drops with the process. What another machine holds is not told.
"""

import contextlib
import fcntl
from collections.abc import Iterator

from retouchd.disk.nofollow import OpenFolder


@contextlib.contextmanager
def shared(folder: OpenFolder) -> Iterator[None]:
    """
    Hold a folder beside others that do; on a filesystem without such locks nobody holds it.
    """
    with contextlib.suppress(OSError):
        fcntl.flock(folder.fd, fcntl.LOCK_SH)
    with _released(folder):
        yield


@contextlib.contextmanager
def alone(folder: OpenFolder) -> Iterator[bool]:
    """
    Yield whether nobody holds a folder, and keep it so; False where that cannot be told.
    """
    is_alone = False
    with contextlib.suppress(OSError):
        fcntl.flock(folder.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        is_alone = True
    with _released(folder):
        yield is_alone


@contextlib.contextmanager
def _released(folder: OpenFolder) -> Iterator[None]:
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            fcntl.flock(folder.fd, fcntl.LOCK_UN)
