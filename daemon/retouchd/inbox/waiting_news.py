"""
Which kinds of what waits in the inbox are news to whoever reads the log.
"""

from collections.abc import Callable, Iterator, Sequence

from retouchd.inbox.waiting import Waiting, WaitingFile, rank

_MANY_MORE = 10
"""So many times as many files as were told of are told of again."""


class WaitingNews:
    """
    Remembers of how many files of each kind was told. `is_told`: whether a kind is logged file by file already.
    """

    def __init__(self, is_told: Callable[[str], bool]) -> None:
        self._is_told = is_told
        self._counts: dict[str, int] = {}

    def of(self, waiting: Waiting) -> Iterator[tuple[int, Sequence[WaitingFile]]]:
        """
        Yield of each kind that wants something of somebody and is news how many files there are, and the first
        of them.
        """
        self._counts = {kind: told for kind, told in self._counts.items() if kind in waiting.kinds}
        for kind, count in waiting.kinds.items():
            if rank(kind) or self._is_told(kind) or count < _MANY_MORE * self._counts.get(kind, 0):
                continue
            # A folder that cannot be read has no name, and a line of its own.
            if files := [each for each in waiting.files if each.kind == kind and each.name]:
                self._counts[kind] = count
                yield count, sorted(files, key=lambda each: (each.folder, each.name))
