"""
How things stand at one moment: the values, and the document that programs read.
"""

import datetime as dt
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from retouchd.adapters.folders import Folders
from retouchd.errors import NotRunning
from retouchd.rules.report import Report
from retouchd.rules.spending import Allowance, Left, Spend, left

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
    Since local midnight: what ended, and what the requests sent since then cost.

    `failed_left` of the failed ones still lie in `error/`.
    """

    done: int = 0
    failed: int = 0
    failed_left: int = 0
    spend: Spend = field(default_factory=Spend)
    allowance: Allowance = field(default_factory=Allowance)

    @property
    def left(self) -> Left:
        """
        Return what the budget leaves for the rest of the day.
        """
        return left(self.spend, self.allowance)


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
    waiting: tuple[dict[str, Any], ...]
    ready: int
    today: Today
    in_error: int | None
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
            "in_flight": [_written(each) for each in self.in_flight],
            "ready": self.ready,
            "waiting": [_written(each) for each in self.waiting],
            "today": _today(self.today),
            "budget": {
                "usd_per_day": self.today.allowance.usd_per_day or None,
                "images_per_day": self.today.allowance.images_per_day or None,
            },
            "in_error": self.in_error,
            "free_bytes": self.free_bytes,
        }


def _written(each: dict[str, Any]) -> dict[str, Any]:
    return {
        key: iso(value) if isinstance(value, dt.datetime) else value for key, value in each.items()
    }


def _today(today: Today) -> dict[str, Any]:
    spend, rest = today.spend, today.left
    return {
        "done": today.done,
        "failed": today.failed,
        "cost_usd": float(spend.spent_usd),
        "cost_unknown": spend.unpriced,
        "in_doubt_usd": float(spend.in_doubt_usd),
        "reserved_usd": float(spend.reserved_usd),
        "images": spend.images,
        "usd_left": None if rest.usd is None else float(rest.usd),
        "images_left": rest.images,
    }


def iso(moment: dt.datetime | None) -> str | None:
    """
    Return a moment as documents write it.
    """
    if moment is None:
        return None
    return moment.astimezone(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
