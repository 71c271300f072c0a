"""
What `status` knows at one moment: the values, and the JSON document that programs read.
"""

import datetime as dt
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from retouchd.disk.folders import Folders
from retouchd.errors import NotRunning, RetouchdError
from retouchd.job.json_text import iso
from retouchd.job.naming import escaped
from retouchd.status.report import Report
from retouchd.status.today import Today

VERSION = 1


class State(StrEnum):
    """
    What can be said of the daemon as a whole.
    """

    RUNNING = "running"
    PAUSED = "paused"
    HUNG = "hung"
    STOPPED = "stopped"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """
    How things stand at one moment; names and texts are escaped, times aware UTC.

    `since` is when the present state began, as far as that can be told; `failure` is the exit code of what
    keeps a daemon from starting, or this look from being one. `kinds` counts the files in the inbox by the
    kind of their reasons, None where it is not known what waits; `waiting` are those told by name, all of them
    where it `is_whole`. `stop` says why what is ready does not have its turn, empty where it has.
    """

    at: dt.datetime
    state: State
    attention: tuple[str, ...]
    since: dt.datetime | None = None
    failure: int | None = None
    pid: int | None = None
    written_at: dt.datetime | None = None
    report: Report | None = None
    in_flight: tuple[dict[str, Any], ...] = ()
    waiting: tuple[dict[str, Any], ...] = ()
    kinds: dict[str, int] | None = None
    is_whole: bool = False
    stop: str = ""
    ready: int = 0
    today: Today = field(default_factory=Today)
    in_error: int | None = None
    folders: Folders | None = None
    free_bytes: dict[str, int] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """
        Return 0 for healthy, 1 where a person should look, 3 where no daemon runs; where none could be
        started, or nothing can be told, the code of that.
        """
        if self.state in (State.STOPPED, State.UNKNOWN):
            return self.failure or NotRunning.exit_code
        return 1 if self.attention else 0

    def document(self) -> dict[str, Any]:
        """
        Return all of it for programs; docs/records.md says what each field means.
        """
        report = self.report if self.state is not State.STOPPED else None
        pause = report.pause if report else None
        return {
            "version": VERSION,
            "at": _iso(self.at),
            "state": self.state.value,
            "since": _iso(self.since),
            "attention": list(self.attention),
            "pid": self.pid,
            "started_at": _iso(report.started_at) if report else None,
            "reported_at": _iso(self.written_at) if report else None,
            "scanned_at": _iso(report.scanned_at) if report else None,
            "watch": {"mode": report.watch_mode, "reason": report.watch_reason} if report else None,
            "paused": {
                "cause": pause.cause,
                "reason": pause.reason,
                "since": _iso(pause.since),
                "next_probe": _iso(pause.next_probe),
            }
            if pause
            else None,
            "in_flight": [_written(each) for each in self.in_flight],
            "ready": self.ready,
            "waiting_count": None if self.kinds is None else sum(self.kinds.values()),
            "waiting_kinds": self.kinds,
            "waiting": [_written(each) for each in self.waiting],
            "today": _today(self.today) if self.state is not State.UNKNOWN else None,
            "budget": {
                "usd_per_day": self.today.allowance.usd_per_day or None,
                "images_per_day": self.today.allowance.images_per_day or None,
            },
            "in_error": self.in_error,
            "free_bytes": self.free_bytes,
        }


def unknown(error: RetouchdError) -> Overview:
    """
    Return what can be said where nothing can be looked at: why.
    """
    return Overview(
        at=dt.datetime.now(dt.UTC),
        state=State.UNKNOWN,
        attention=tuple(escaped(line) for line in str(error).split("\n")),
        failure=error.exit_code,
    )


def clock(moment: dt.datetime, now: dt.datetime) -> str:
    """
    Return a moment by the local clock, with its date where that is not today.
    """
    local = moment.astimezone()
    return (
        f"{local:%H:%M}" if local.date() == now.astimezone().date() else f"{local:%Y-%m-%d %H:%M}"
    )


def _written(each: dict[str, Any]) -> dict[str, Any]:
    return {
        key: iso(value) if isinstance(value, dt.datetime) else value for key, value in each.items()
    }


def _today(today: Today) -> dict[str, Any]:
    spend, rest = today.spend, today.left
    return {
        "done": today.done,
        "failed": sum(today.failed.values()),
        "failed_codes": dict(today.failed),
        "warned": sum(map(len, today.warnings.values())),
        "cost_usd": float(spend.spent_usd),
        "cost_unknown": spend.unpriced,
        "in_doubt_usd": float(spend.in_doubt_usd),
        "reserved_usd": float(spend.reserved_usd),
        "images": spend.images,
        "usd_left": None if rest.usd is None else float(rest.usd),
        "images_left": rest.images,
    }


def _iso(moment: dt.datetime | None) -> str | None:
    return None if moment is None else iso(moment)
