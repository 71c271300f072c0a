"""
A disk that hangs on demand: calls below a folder do not return before it is let go.

A preloaded library holds them up (`hanging.c`), so it needs a compiler and no rights.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

_SOURCE = Path(__file__).with_name("hanging.c")


class HangingDisk:
    """
    Programs that run in this `environment` hang at whatever is `hang`ing.
    """

    def __init__(self, tmp: Path) -> None:
        self._flag = tmp / "hanging"
        compiler = shutil.which("gcc") or shutil.which("cc")
        if compiler is None:
            pytest.skip("there is no C compiler to build a disk that hangs")
        library = tmp / "hanging.so"
        command = [compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(_SOURCE), "-ldl"]
        subprocess.run(command, check=True)
        self.environment = {
            "LD_PRELOAD": os.fspath(library),
            "HANGING": os.fspath(self._flag),
        }

    def hang(self, folder: Path) -> None:
        """
        Let no call on a folder, or on what lies below it, return from now on.
        """
        temporary = self._flag.with_suffix(".new")
        temporary.write_text(os.fspath(folder))
        temporary.rename(self._flag)

    def let_go(self) -> None:
        """
        Let all of them return.
        """
        self._flag.unlink(missing_ok=True)
