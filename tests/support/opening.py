"""
Which files this process opens, as the interpreter itself tells.
"""

import os
import sys
from functools import cache

_opened: list[str] = []


def watch_openings() -> list[str]:
    """
    Return a list that grows by the name of each file that is opened from now on.
    """
    _hook()
    _opened.clear()
    return _opened


@cache
def _hook() -> None:
    # Once: the interpreter keeps a hook for ever.
    sys.addaudithook(_note)


def _note(event: str, told: tuple[object, ...]) -> None:
    if event == "open" and isinstance(told[0], str | bytes | os.PathLike):
        _opened.append(os.path.basename(os.fsdecode(told[0])))
