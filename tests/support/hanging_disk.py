"""
A disk that hangs on demand: calls below a folder do not return before it is let go.

A preloaded library holds them up (`hanging.c`), so it needs a compiler and no rights.
"""

import atexit
import functools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

_SOURCE = Path(__file__).with_name("hanging.c")


@functools.cache
def _library() -> str:
    """
    Build the library, once for all tests: by its path the fork server knows programs that have it.
    """
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler to build a disk that hangs")
    folder = tempfile.mkdtemp(prefix="retouchd-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    library = f"{folder}/hanging.so"
    command = [compiler, "-O2", "-shared", "-fPIC", "-o", library, str(_SOURCE), "-ldl"]
    subprocess.run(command, check=True)
    return library


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
