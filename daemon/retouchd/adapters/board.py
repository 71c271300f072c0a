"""
The notice board of a run: `work/status.json`, for other programs of the same machine.

It is written over without a sync: after a power cut there is no run that it could tell of.
"""

import datetime as dt
from pathlib import Path

from retouchd.adapters import files
from retouchd.rules.report import Report, dump_report, load_report


class Board:
    """
    The notice of the run that holds a work folder, or of the last one that did.
    """

    def __init__(self, work: Path) -> None:
        self._path = work / "status.json"

    def post(self, report: Report) -> None:
        """
        Put up how the run stands; its time is that of the file.
        """
        files.post(self._path, dump_report(report))

    def read(self) -> tuple[Report, dt.datetime] | None:
        """
        Return what was last put up, and when; None where there is nothing that can be read.
        """
        try:
            with self._path.open("rb") as file:
                found = load_report(file.read())
                written = self._path.stat().st_mtime
        except OSError:
            return None
        return (found, dt.datetime.fromtimestamp(written, dt.UTC)) if found else None
