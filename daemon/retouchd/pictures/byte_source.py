"""
What files hold, for rules that need only some of it.
"""

from typing import Protocol

from retouchd.job.magic import Bytes


class Stored(Protocol):
    """
    The content of a file, any piece of which can be had: in memory, or read when it is asked for.

    A piece is shorter than asked for where the file ends, or ends by now.
    """

    def __len__(self) -> int: ...

    def __getitem__(self, piece: slice, /) -> Bytes: ...
