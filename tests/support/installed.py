"""
The package in a place of its own, as one that is installed there, to be replaced under a daemon that runs from
it; and what a daemon has loaded.
"""

import os
import re
import shutil
import sys
from pathlib import Path

from documents import ROOT
from process import Running, Station

_LOADED = re.compile(r"import '([^']+)' #")


def installed(station: Station, place: Path) -> Path:
    """
    Copy the package and have the station's commands run from that copy, whose folder is returned.
    """
    package = place / "installed" / "retouchd"
    shutil.copytree(ROOT / "daemon/retouchd", package, ignore=shutil.ignore_patterns("__pycache__"))
    station.environment["PYTHONPATH"] = os.fspath(package.parent)
    return package


def run_verbosely(station: Station) -> Running:
    """
    Start a daemon that says what it loads. Among that the log's lines stand: it is to be read as text.
    """
    return station.run(
        *(sys.executable, "-v", "-m", "retouchd", "run", "--config", os.fspath(station.config))
    )


def loaded(running: Running) -> list[str]:
    """
    Return the modules that it has loaded so far, in that order, without those of Python itself.
    """
    names = _LOADED.findall(running.err)
    return [each for each in names if each.partition(".")[0] not in sys.stdlib_module_names]
