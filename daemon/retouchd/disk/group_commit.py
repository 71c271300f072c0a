"""
Group commit: threads that need the same thing durable at the same moment have it made so once for all of them.

A commit that has begun says nothing of what comes after: who comes meanwhile waits for the next one, together
with all others who do. Where it fails, it fails for all of them.
"""

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class _Round(Generic[T]):
    def __init__(self) -> None:
        self.brought: list[T] = []
        self.is_over = threading.Event()
        self.error: BaseException | None = None


class GroupCommit(Generic[T]):
    """
    Commits what several threads bring, one round after the other for each key.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._coming: dict[Hashable, _Round[T]] = {}
        self._turns: dict[Hashable, threading.Lock] = {}

    def join(self, key: Hashable, brought: T, commit: Callable[[list[T]], object]) -> None:
        """
        Have something committed, together with what others bring for the same key; it is on return.

        `commit` is called with all of it, by the first one who came. Raises what it raises.
        """
        with self._lock:
            mine = self._coming.get(key)
            is_first = mine is None
            if mine is None:
                mine = self._coming[key] = _Round()
            mine.brought.append(brought)
            turn = self._turns.setdefault(key, threading.Lock())
        if is_first:
            self._commit(key, mine, turn, commit)
        else:
            mine.is_over.wait()
        if mine.error is not None:
            raise mine.error if is_first else _again(mine.error)

    def _commit(
        self,
        key: Hashable,
        mine: _Round[T],
        turn: threading.Lock,
        commit: Callable[[list[T]], object],
    ) -> None:
        with turn:  # The round before is over then, and whoever came until now is in this one.
            with self._lock:
                del self._coming[key]
            try:
                commit(mine.brought)
            except BaseException as error:  # noqa: BLE001 - whoever waits for it gets it
                mine.error = error
            finally:
                mine.is_over.set()
        with self._lock:
            if key not in self._coming and not turn.locked():
                self._turns.pop(key, None)


def _again(error: BaseException) -> BaseException:
    """
    Return the same fault for another thread, which writes a traceback of its own into it.
    """
    if isinstance(error, OSError):
        return OSError(error.errno, error.strerror, error.filename)
    return error
