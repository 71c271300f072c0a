"""
The status document: all that `status` knows at one moment, with the figures since local midnight, as values
and as JSON.
"""

import contextlib
import datetime as dt
from collections import Counter
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from retouchd.config.settings import Settings
from retouchd.disk.calls import Folder
from retouchd.disk.folders import Folders
from retouchd.errors import NotRunning, RetouchdError
from retouchd.hooks.queue import HookBacklog, QueuedEvent
from retouchd.inbox.waiting import is_picture, staying
from retouchd.job.filetypes import Medium
from retouchd.job.naming import RECORD, escaped
from retouchd.job.text import iso
from retouchd.money.budget import Allowance, BudgetLeft, Spend, day_of, left
from retouchd.spool.fingerprint import picture_path
from retouchd.spool.history import History
from retouchd.spool.spool import Spool
from retouchd.status.alarms import is_for_the_operator
from retouchd.status.report import StatusReport
from retouchd.throttle.ledger import day_on_disk


@dataclass(frozen=True, slots=True, kw_only=True)
class Today:
    """
    Since local midnight: what ended, and what the requests sent since then cost.

    `failed` counts by code. `alarming` has the paths of those failures that are the operator's matter and still
    lie in `error/`, by code; `warnings` for each warning the paths of the pictures it came with.
    """

    done: int = 0
    failed: Mapping[str, int] = field(default_factory=dict)
    alarming: Mapping[str, list[str]] = field(default_factory=dict)
    warnings: Mapping[str, list[str]] = field(default_factory=dict)
    spend: Spend = field(default_factory=Spend)
    allowance: Allowance = field(default_factory=Allowance)

    @property
    def left(self) -> BudgetLeft:
        """
        Return what the budget leaves for the rest of the day.
        """
        return left(self.spend, self.allowance)


def today_of(
    settings: Settings,
    now: dt.datetime,
    hung: AbstractSet[Folder],
    in_error: Mapping[str, AbstractSet[str]] | None,
) -> Today:
    """
    Return how the day has been; `in_error` has the names in `error/` by folder: unknown, all may be there.
    """
    folders, day = settings.folders, day_of(now)
    history, spool = History(folders.work), Spool(work=folders.work, inbox=folders.inbox)
    done, failed, spend = 0, Counter[str](), Spend()
    alarming: dict[str, list[str]] = {}
    warnings: dict[str, list[str]] = {}
    seen: set[tuple[str, str]] = set()
    retried: set[object] = set()
    mended: set[str] = set()
    with contextlib.suppress(OSError):
        spend, lines = day_on_disk(day, history, spool) if Folder.WORK not in hung else (spend, ())
        for line in lines:
            # The newest comes first: what was taken back out of error/ counts by its last end.
            retried.add(line.get("previous"))
            if line.get("id") in retried:
                continue
            path = picture_path(line)
            for warning in line.get("warnings", ()):
                warnings.setdefault(str(warning), []).append(path)
            if line.get("status") == "done":
                done += 1
                mended.add(path)
                continue
            folder, record = str(line.get("folder")), str(line.get("record"))
            if path in mended and in_error is not None and not _lies_in(in_error, folder, record):
                continue  # It was dragged back by hand, without its record.
            code = str(line.get("code"))
            failed[code] += 1
            # A name that is used again is of the last one.
            is_there = in_error is None or record in in_error.get(folder, ())
            is_left = is_there and (folder, record) not in seen
            seen.add((folder, record))
            if is_left and is_for_the_operator(code):
                alarming.setdefault(code, []).append(path)
    return Today(
        done=done,
        failed=failed,
        alarming=alarming,
        warnings=warnings,
        spend=spend,
        allowance=settings.allowance,
    )


def _lies_in(in_error: Mapping[str, AbstractSet[str]], folder: str, record: str) -> bool:
    """
    Return whether the picture of a record lies in `error/` still.
    """
    stem = record.removesuffix(RECORD)
    names = in_error.get(folder, frozenset())
    return any(is_picture(name) and stem in (name, name.rpartition(".")[0]) for name in names)


VERSION = 1


class DaemonState(StrEnum):
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
    where it `is_whole`. `stop` says why what is ready does not have its turn, empty where it has. `notes`
    counts records in `error/` whose pictures were taken away by hand.
    """

    at: dt.datetime
    state: DaemonState
    attention: tuple[str, ...]
    since: dt.datetime | None = None
    failure: int | None = None
    pid: int | None = None
    written_at: dt.datetime | None = None
    report: StatusReport | None = None
    in_flight: tuple[dict[str, Any], ...] = ()
    waiting: tuple[dict[str, Any], ...] = ()
    kinds: dict[str, int] | None = None
    is_whole: bool = False
    stop: str = ""
    ready: int = 0
    today: Today = field(default_factory=Today)
    in_error: int | None = None
    notes: int = 0
    folders: Folders | None = None
    free_bytes: dict[str, int] = field(default_factory=dict)
    hooks: HookBacklog | None = None

    @property
    def exit_code(self) -> int:
        """
        Return 0 for healthy, 1 where a person should look, 3 where no daemon runs; where none could be
        started, or nothing can be told, the code of that.
        """
        if self.state in (DaemonState.STOPPED, DaemonState.UNKNOWN):
            return self.failure or NotRunning.exit_code
        return 1 if self.attention else 0

    def document(self) -> dict[str, Any]:
        """
        Return all of it for programs; docs/records.md says what each field means.
        """
        report = self.report if self.state is not DaemonState.STOPPED else None
        pause = report.pause if report else None
        stays = staying(self.kinds or {})
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
            "staying": {
                "raw_files": stays.get(Medium.RAW, 0),
                "films": stays.get(Medium.FILM, 0),
                "sounds": stays.get(Medium.SOUND, 0),
            },
            "today": _today(self.today) if self.state is not DaemonState.UNKNOWN else None,
            "budget": {
                "usd_per_day": self.today.allowance.usd_per_day or None,
                "images_per_day": self.today.allowance.images_per_day or None,
            },
            "in_error": self.in_error,
            "free_bytes": self.free_bytes,
            "hooks": _hooks(self.hooks) if self.hooks else None,
        }


def unknown(error: RetouchdError) -> Overview:
    """
    Return what can be said where nothing can be looked at: why.
    """
    return Overview(
        at=dt.datetime.now(dt.UTC),
        state=DaemonState.UNKNOWN,
        attention=tuple(escaped(line) for line in str(error).split("\n")),
        failure=error.exit_code,
    )


def local_time(moment: dt.datetime, now: dt.datetime) -> str:
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


def _hooks(backlog: HookBacklog) -> dict[str, Any]:
    return {
        "waiting": backlog.waiting,
        "failing": list(map(_queued, backlog.failing)),
        "given_up": list(map(_queued, backlog.given_up)),
    }


def _queued(event: QueuedEvent) -> dict[str, Any]:
    return {
        "id": event.id,
        "event": event.about.value,
        "way": event.way.value,
        "runs": event.runs,
        "since": _iso(event.failed_at),
        "reason": escaped(event.fault),
    }


def _iso(moment: dt.datetime | None) -> str | None:
    return None if moment is None else iso(moment)
