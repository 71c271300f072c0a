"""
Whether a path still leads to the folder that it led to, also where numbers of folders are made up.
"""

import os
import weakref
from collections.abc import Callable
from pathlib import Path

_LOOKS = 3
"""Between two looks a number may change; not every time."""


class Anchor:
    """
    A folder, held open as it was found: what has its path is compared with it at one and the same moment.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = -1
        self._close: Callable[[], object] = lambda: None
        self.drop()

    def drop(self) -> None:
        """
        Hold the folder that has the path now; none, if there is none.
        """
        self._close()
        try:
            self._fd = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            self._fd = -1
            return
        self._close = weakref.finalize(self, os.close, self._fd)

    @property
    def is_gone(self) -> bool:
        """
        Return whether nothing has the path.
        """
        try:
            self._path.stat()
        except OSError:
            return True
        return False

    @property
    def holds(self) -> bool:
        """
        Return whether the path leads to the folder that is held.
        """
        return self._fd >= 0 and leads_to(self._path, self._fd)


def leads_to(path: Path, fd: int) -> bool:
    """
    Return whether a path leads to what is open as this descriptor; False where that cannot be told.
    """
    try:
        return any(os.path.samestat(path.stat(), os.fstat(fd)) for _ in range(_LOOKS))
    except OSError:
        return False
