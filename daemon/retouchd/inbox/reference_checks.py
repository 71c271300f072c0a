"""
Whether the pictures that folder files name as references can be sent: known before any image is claimed.

What is wrong with a folder's reference must hold its images, not move them, so it is looked into early;
once for each state of the file, since all images of the folder share it.
"""

from collections.abc import Callable
from pathlib import Path

from retouchd.errors import Problem
from retouchd.job.model import Snapshot

_KEPT = 256


class Vetting:
    """
    Remembers the problems of references, by path, snapshot and model; `examine` finds them. Blocking.
    """

    def __init__(self, *, inbox: Path, examine: Callable[[Path, str, str], list[Problem]]) -> None:
        self._inbox = inbox
        self._examine = examine
        self._known: dict[tuple[str, Snapshot, str], list[Problem]] = {}

    def problems(self, path: str, snapshot: Snapshot, model: str) -> list[Problem]:
        """
        Return what is wrong with a reference, by its path below the inbox; raises OSError.
        """
        key = (path, snapshot, model)
        if key not in self._known:
            while len(self._known) >= _KEPT:
                self._known.pop(next(iter(self._known)))
            self._known[key] = self._examine(self._inbox / path, path, model)
        return self._known[key]
