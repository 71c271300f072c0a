"""
Reads and writes the status files of a run in the work folder: `status.json` and `waiting.json`.

They are written over without a sync: after a power cut there is no run that they could tell of.
"""

import contextlib
import datetime as dt
import os
from pathlib import Path

from retouchd.disk import durable
from retouchd.inbox.waiting import Waiting, dump_waiting, load_waiting
from retouchd.status.report import StatusReport, dump_report, load_report


class StatusFiles:
    """
    The status files of the run that holds a work folder, or of the last one that did.
    """

    def __init__(self, work: Path) -> None:
        self._path = work / "status.json"
        self._waiting = work / "waiting.json"

    def post(self, report: StatusReport) -> None:
        """
        Put up how the run stands; its time is that of the file.
        """
        durable.post(self._path, dump_report(report))

    def read(self) -> tuple[StatusReport, dt.datetime] | None:
        """
        Return what was last put up, and when; None where there is nothing that can be read.
        """
        raw, written_ns = _content(self._path)
        found = load_report(raw)
        return (found, dt.datetime.fromtimestamp(written_ns / 1e9, dt.UTC)) if found else None

    def post_waiting(self, waiting: Waiting) -> None:
        """
        Put up what waits; the file's time is when that was last found to be so.
        """
        durable.post(self._waiting, dump_waiting(waiting))

    def confirm_waiting(self) -> None:
        """
        Note that what waits was looked at, and is still what was put up.
        """
        with contextlib.suppress(FileNotFoundError):
            os.utime(self._waiting)

    def read_waiting(self) -> tuple[Waiting, int] | None:
        """
        Return what was found to wait, and when, in nanoseconds; None where there is nothing that can be read.
        """
        raw, written_ns = _content(self._waiting)
        found = load_waiting(raw)
        return (found, written_ns) if found else None


def _content(path: Path) -> tuple[bytes, int]:
    """
    Return what a notice holds, b"" where it cannot be read, and when that was written, in nanoseconds.
    """
    try:
        with path.open("rb") as file:
            return file.read(), os.fstat(file.fileno()).st_mtime_ns
    except OSError:
        return b"", 0
