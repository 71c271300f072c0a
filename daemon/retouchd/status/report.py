"""
The status report of one run, as it stands in `work/status.json`.

It has only what lies nowhere else: the jobs, the history and the inbox are looked at where they are.
"""

import datetime as dt
from dataclasses import field
from typing import Literal

from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as validated

from retouchd.disk.filesystems import DEFAULT_UNIT, Unit
from retouchd.events.messages import UnreadLog
from retouchd.job.text import json_text
from retouchd.throttle.breaker import WHY
from retouchd.throttle.pause import PauseRecord

SIGN_OF_LIFE_SECONDS = 30.0
"""The daemon tells how it stands at least so often."""
MOST_HELD = 1000
"""Held files that are listed, and duplicates, of these the newest; the rest is only counted."""


@validated(frozen=True, slots=True, kw_only=True)
class HeldFile:
    """
    A file that cannot be claimed though it is ready: escaped names, and why.
    """

    folder: str
    name: str
    reason: str


@validated(frozen=True, slots=True, kw_only=True)
class DuplicateFile(HeldFile):
    """
    A file that was asked for already; `is_done` unless that is still in work. Inode and time of change tell
    it from a newer one of its name.
    """

    is_done: bool
    inode: int
    mtime_ns: int


@validated(frozen=True, slots=True, kw_only=True)
class StatusReport:
    """
    One run at one moment. Times are aware UTC.

    `jobs` has for each job that waits why it does; `blocked` those of them that a folder holds up.
    `watch_remedy` says what to do where changes are noticed in a worse way than was asked for, `away` why the
    inbox cannot be used now, `stuck` why the run makes no progress; all are empty where all is well.
    `looking_up` says why nothing is claimed while it is not known what was edited before, `unread` why that
    cannot be found out, `unread_log` what is wrong where nobody reads the log. `unusable` has a sentence for
    each of the six folders that does not answer, or is not in its place. `unfinished` are files that may
    still be written to. `done`, `failed` and `returned` count since the start; `ready` families could be
    claimed at once, the first of them `ready_since`. `in_flight` requests are out, of at most `concurrency`
    for now; `usd_left` and `images_left` are the rest of the day's budget, None where it has no such limit.
    `unit` is the service that the run is, empty where a person started it.
    """

    version: Literal[1] = 1
    pid: int
    started_at: dt.datetime
    scanned_at: dt.datetime | None
    watch_mode: str
    watch_reason: str
    watch_remedy: str
    away: str
    pause: PauseRecord | None
    remark: str = ""
    stuck: str = ""
    looking_up: str = ""
    unread: str = ""
    unread_log: UnreadLog | None = None
    scan_seconds: float = 0.0
    unit: str = ""
    is_user_unit: bool = False
    unusable: dict[str, str] = field(default_factory=dict)
    jobs: dict[str, str]
    blocked: tuple[str, ...]
    held: tuple[HeldFile, ...]
    held_count: int
    duplicates: tuple[DuplicateFile, ...] = ()
    unfinished: tuple[HeldFile, ...] = ()
    ready: int
    ready_since: dt.datetime | None = None
    concurrency: int = 0
    in_flight: int = 0
    usd_left: float | None = None
    images_left: int | None = None
    done: int
    failed: int
    returned: int


_ADAPTER = TypeAdapter(StatusReport)


def dump_report(report: StatusReport) -> bytes:
    """
    Return the report as it is written.
    """
    return (json_text(_ADAPTER.dump_python(report, mode="json"), indent=2) + "\n").encode()


def load_report(raw: bytes) -> StatusReport | None:
    """
    Return a report, None where the bytes are none of this version.
    """
    try:
        return _ADAPTER.validate_json(raw)
    except ValidationError:
        return None


def unit_of(report: StatusReport | None) -> Unit:
    """
    Return the service by which a run, or the last one, is started and told to reload.
    """
    if report is None or not report.unit:
        return DEFAULT_UNIT
    return Unit(name=report.unit, is_user=report.is_user_unit)


def stop_of(report: StatusReport | None) -> str:
    """
    Return why a daemon takes nothing at all now, empty where all has its turn.
    """
    if report is None:
        return ""
    if report.pause:
        return f"paused: {WHY[report.pause.cause]}"
    if report.away:
        return "paused: the inbox cannot be used"
    if report.unusable:
        return f"paused: {', '.join(sorted(report.unusable))} cannot be used"
    return report.looking_up
