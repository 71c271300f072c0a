"""
A disk that hangs on demand: calls below a folder do not return before it is let go.

A preloaded library holds them up (`hanging.c`), so it needs a compiler and no rights.
"""

import os
from pathlib import Path

import pytest

from preloaded import library


def _library() -> str:
    """
    Return the library; by its path, the same for all tests, the fork server knows programs that have it.
    """
    found = library("hanging")
    if found is None:
        pytest.skip("there is no C compiler to build a disk that hangs")
    return found


class HangingDisk:
    """
    Programs that run in this `environment` hang at whatever is `hang`ing.
    """

    def __init__(self, tmp: Path) -> None:
        self._flag = tmp / "hanging"
        self.environment = {
            "LD_PRELOAD": _library(),
            "HANGING": os.fspath(self._flag),
        }

    def hang(self, folder: Path) -> None:
        """
        Let no call on a folder, or on what lies below it, return from now on.
        """
        temporary = self._flag.with_suffix(".new")
        temporary.write_text(os.fspath(folder))
        temporary.rename(self._flag)

    @property
    def is_met(self) -> bool:
        """
        Whether any call has not returned.
        """
        return self._flag.with_suffix(".met").exists()

    def let_go(self) -> None:
        """
        Let all of them return.
        """
        self._flag.unlink(missing_ok=True)
