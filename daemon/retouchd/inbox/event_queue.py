"""
The doorbell: which names in the inbox somebody touched since it was last asked.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Ring:
    """
    One touch of the doorbell: the path below the inbox.
    """

    path: str
    is_folder: bool = False


class Bell:
    """
    The rings since they were last taken. `wake` is called from the watcher's threads.
    """

    def __init__(self, wake: Callable[[], object]) -> None:
        self._wake = wake
        self._lock = threading.Lock()
        self._rings: dict[Ring, None] = {}
        self._is_lost = False

    def ring(self, ring: Ring) -> None:
        """
        Add a ring; the same one twice counts once, as the last: what came between was before it.
        """
        with self._lock:
            is_first = not self._rings
            self._rings.pop(ring, None)
            self._rings[ring] = None
        if is_first:
            self._wake()

    def lose(self) -> None:
        """
        Note that events were lost: only a scan can tell what happened.
        """
        with self._lock:
            self._is_lost = True
        self._wake()

    def take(self) -> tuple[list[Ring], bool]:
        """
        Return the rings in their order, and whether events were lost besides.
        """
        with self._lock:
            rings, self._rings = list(self._rings), {}
            is_lost, self._is_lost = self._is_lost, False
        return rings, is_lost
