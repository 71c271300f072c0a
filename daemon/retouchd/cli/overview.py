"""
How things stand at one moment: the values, and the document that programs read.
"""

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from retouchd.adapters.folders import Folders
from retouchd.errors import NotRunning
from retouchd.rules.report import Report

VERSION = 1


class State(StrEnum):
    """
    What can be said of the daemon as a whole.
    """

    RUNNING = "running"
    PAUSED = "paused"
    HUNG = "hung"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Today:
    """
    What ended since local midnight. `cost_usd` adds up what is known; `cost_unknown` jobs had no known cost.

    `failed_left` of the failed ones still lie in `error/`.
    """

    done: int = 0
    failed: int = 0
    failed_left: int = 0
    cost_usd: float = 0.0
    cost_unknown: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """
    How things stand at one moment; names and texts are escaped, times aware UTC.
    """

    at: dt.datetime
    state: State
    attention: tuple[str, ...]
    pid: int | None
    written_at: dt.datetime | None
    report: Report | None
    in_flight: tuple[dict[str, Any], ...]
    waiting: tuple[dict[str, str], ...]
    ready: int
    today: Today
    in_error: int
    folders: Folders
    free_bytes: dict[str, int]

    @property
    def exit_code(self) -> int:
        """
        Return 0 for healthy, 1 where a person should look, 3 where no daemon runs.
        """
        if self.state is State.STOPPED:
            return NotRunning.exit_code
        return 1 if self.attention else 0

    def document(self) -> dict[str, Any]:
        """
        Return all of it for programs; the README says what each field means.
        """
        report = self.report if self.state is not State.STOPPED else None
        pause = report.pause if report else None
        return {
            "version": VERSION,
            "at": iso(self.at),
            "state": self.state.value,
            "attention": list(self.attention),
            "pid": self.pid,
            "started_at": iso(report.started_at) if report else None,
            "reported_at": iso(self.written_at) if report else None,
            "scanned_at": iso(report.scanned_at) if report else None,
            "watch": {"mode": report.watch_mode, "reason": report.watch_reason} if report else None,
            "paused": {
                "cause": pause.cause,
                "reason": pause.reason,
                "since": iso(pause.since),
                "next_probe": iso(pause.next_probe),
            }
            if pause
            else None,
            "in_flight": list(self.in_flight),
            "ready": self.ready,
            "waiting": list(self.waiting),
            "today": {
                "done": self.today.done,
                "failed": self.today.failed,
                "cost_usd": self.today.cost_usd,
                "cost_unknown": self.today.cost_unknown,
            },
            "in_error": self.in_error,
            "free_bytes": self.free_bytes,
        }


def iso(moment: dt.datetime | None) -> str | None:
    """
    Return a moment as documents write it.
    """
    if moment is None:
        return None
    return moment.astimezone(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
