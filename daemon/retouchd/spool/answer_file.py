"""
The files that answers are written into: a head line, then the body as received.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from retouchd.disk import durable
from retouchd.disk.durable import DurableFile
from retouchd.spool.phase import ANSWER_PART, FIRST_ANSWER


class FirstAnswer(DurableFile):
    """
    The first answer of a job, whose file has a durable name from the beginning: that it is whole is noted, and
    the name that says so to everybody needs no flush of its own.
    """

    def __init__(self, path: Path, note: Callable[[], None]) -> None:
        super().__init__(path, path.with_name(ANSWER_PART), is_made=True)
        self._note = note

    def commit(self) -> None:
        """
        Seal the file, note that it is whole, and give it its name.
        """
        self.seal()
        self._note()
        durable.move(self._temporary, self._path)


def half_kept(path: Path) -> list[Path]:
    """
    Return where an answer may stand that is not whole.
    """
    first = [path.with_name(ANSWER_PART)] if path.name == FIRST_ANSWER else []
    return [durable.temporary_of(path), *first]


def head_line(head: dict[str, Any], *, spare: int = 0) -> bytes:
    """
    Return the first line of a kept answer, with so many bytes to spare.
    """
    return json.dumps(head).encode() + b" " * spare + b"\n"
