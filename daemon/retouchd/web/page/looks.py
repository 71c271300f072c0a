"""
Looks at folders that may hang: each has seconds to answer, and few calls are left hanging in one that does not.
"""

import contextlib
import threading
from collections import Counter
from collections.abc import Callable
from typing import Generic, TypeVar

from retouchd.config.settings import Settings
from retouchd.disk.calls import Folder
from retouchd.disk.threads import answered, unresponsive
from retouchd.errors import FolderUnresponsive
from retouchd.status.collect import ANSWER_SECONDS
from retouchd.tasks import in_own_thread

T = TypeVar("T")

_MOST_HANGING = 4
"""Calls that may hang in a folder at once. Whoever needs it then is told so without being let in."""


class Looks:
    """
    Calls functions that block, apart from one another. May be used from any thread.
    """

    def __init__(self, settings: Callable[[], Settings]) -> None:
        self._places = settings().folders.by_name()
        self._lock = threading.Lock()
        self._hanging: Counter[Folder] = Counter()

    def call(self, function: Callable[[], T], *needed: Folder) -> T:
        """
        Return what a function does, which marks folders by `at` and needs these besides `work`. Blocks.

        Raises FolderUnresponsive within seconds where a folder does not answer.
        """
        with self._lock:
            for folder in (Folder.WORK, *needed):
                if self._hanging[folder] >= _MOST_HANGING:
                    raise FolderUnresponsive(unresponsive(folder, self._places[folder]), folder)
        call = _Call(self, function)
        try:
            return answered(call, self._places, ANSWER_SECONDS)
        except FolderUnresponsive as error:
            with contextlib.suppress(ValueError):
                call.hang(Folder(error.folder))
            raise

    async def look(self, function: Callable[[], T], *needed: Folder) -> T:
        """
        Return what `call` does, without blocking.
        """
        return await in_own_thread(lambda: self.call(function, *needed))

    def note(self, folder: Folder, change: int) -> None:
        """
        Take in that a call hangs in a folder, or does not any more.
        """
        with self._lock:
            self._hanging[folder] += change


class _Call(Generic[T]):
    def __init__(self, looks: Looks, function: Callable[[], T]) -> None:
        self._looks = looks
        self._function = function
        self._lock = threading.Lock()
        self._is_over = False
        self._hung: Folder | None = None

    def __call__(self) -> T:
        try:
            return self._function()
        finally:
            with self._lock:
                self._is_over = True
                if self._hung is not None:
                    self._looks.note(self._hung, -1)

    def hang(self, folder: Folder) -> None:
        with self._lock:
            if not self._is_over:
                self._hung = folder
                self._looks.note(folder, 1)
