"""
How things stand, gathered: the daemon's notice, the lock, the jobs, the history, the inbox, the disks.
"""

import contextlib
import datetime as dt
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from retouchd.adapters.archive import groups_below, record_at
from retouchd.adapters.board import Board
from retouchd.adapters.folders import Folders
from retouchd.adapters.history import History
from retouchd.adapters.obstacles import telling_of_the_disk
from retouchd.adapters.spool import Spool
from retouchd.adapters.standing import Standing
from retouchd.cli.attention import attention
from retouchd.cli.following import holder_of
from retouchd.cli.overview import Overview, State, Today
from retouchd.engine.backlog import READY, Idle
from retouchd.engine.clock import SystemClock
from retouchd.engine.reporting import SIGN_OF_LIFE_SECONDS
from retouchd.engine.settings import Settings
from retouchd.engine.spending import day_on_disk
from retouchd.engine.survey import Survey
from retouchd.errors import Blocked
from retouchd.rules.naming import escaped
from retouchd.rules.phase import Phase
from retouchd.rules.report import Report
from retouchd.rules.spending import Spend, day_of

HUNG_SECONDS = 4 * SIGN_OF_LIFE_SECONDS

_PAUSED = {
    "account": "the account",
    "configuration": "the configuration",
    "outage": "the endpoint does not answer",
    "budget": "the day's budget is used up",
    "disk": "there is no room on a disk",
}
_DOING = {
    Phase.EMPTY: "being claimed",
    Phase.CLAIMING: "being claimed",
    Phase.CLAIMED: "waits for its turn to be sent",
    Phase.ASKING: "sent, no answer yet",
    Phase.KEPT: "its answer is being read",
    Phase.CLOSED: "waits for its next try",
    Phase.EDITED: "edited, about to be published",
    Phase.PUBLISHING: "being published",
    Phase.ARCHIVING: "being filed",
    Phase.OVER: "finished",
}


def overview(settings: Settings) -> Overview:
    """
    Gather how things stand. Nothing is written, nobody is asked over a network.
    """
    folders, now = settings.folders, dt.datetime.now(dt.UTC)
    pid = holder_of(settings)
    found = Board(folders.work).read()
    report, written_at = found or (None, None)
    if pid is None or (report and pid and report.pid != pid):
        report, written_at = None, None  # What a daemon before this one put up.
    with telling_of_the_disk():
        survey = Survey(settings, SystemClock())
    told = [*report.held, *report.duplicates] if report else []
    held = {(each.folder, each.name): each.reason for each in told}
    idle = [*survey.idle(), *(Idle(folder, "", fault) for folder, fault in survey.faults)]
    waiting = [_file(each, held, report, now - dt.timedelta(seconds=survey.now)) for each in idle]
    today = _today(settings, now)
    free = dict(_free(folders))
    is_hung = written_at is not None and (now - written_at).total_seconds() > HUNG_SECONDS
    return Overview(
        at=now,
        state=_state(pid, report, is_hung=is_hung),
        attention=tuple(attention(report, folders, today, free, written_at if is_hung else None)),
        pid=pid,
        written_at=written_at,
        report=report,
        in_flight=tuple(_jobs(folders, report)),
        waiting=tuple(waiting),
        ready=sum(each.reason == READY for each in idle),
        today=today,
        in_error=_in_error(folders),
        folders=folders,
        free_bytes=free,
    )


def _state(pid: int | None, report: Report | None, *, is_hung: bool) -> State:
    if pid is None:
        return State.STOPPED
    if is_hung:
        return State.HUNG
    return State.PAUSED if report and report.pause else State.RUNNING


def _file(
    found: Idle, held: dict[tuple[str, str], str], report: Report | None, start: dt.datetime
) -> dict[str, Any]:
    """
    Return what is said of a file; `start` is when the monotonic clock showed nothing.
    """
    folder, name, reason = map(escaped, found[:3])
    if reason == READY:
        looking_up = report.looking_up if report else ""
        pause = f"paused: {_PAUSED[report.pause.cause]}" if report and report.pause else looking_up
        reason = held.get((folder, name), pause or READY)
    changed_at, until = (
        None if at is None else start + dt.timedelta(seconds=at)
        for at in (found.changed_at, found.until)
    )
    return {
        "folder": folder,
        "name": name,
        "reason": reason,
        "changed_at": changed_at,
        "until": until,
    }


def _jobs(folders: Folders, report: Report | None) -> Iterator[dict[str, Any]]:
    spool = Spool(work=folders.work, inbox=folders.inbox)
    for job_id in spool.ids():
        try:
            standing = spool.load(job_id)
        except (Blocked, OSError) as obstacle:
            if (folders.work / "jobs" / job_id).is_dir():
                yield _job(job_id, None, "damaged", str(obstacle))
            continue
        reason = report.jobs.get(job_id) if report else None
        yield _job(job_id, standing, standing.phase.value, reason or _DOING[standing.phase])


def _job(job_id: str, standing: Standing | None, phase: str, reason: str) -> dict[str, Any]:
    job = standing.job if standing else None
    return {
        "id": job_id,
        "folder": escaped(job.folder) if job else "",
        "name": escaped(job.members[0].name) if job else "",
        "claimed_at": job.claimed_at if job else None,
        "sent_at": standing.opened.sent_at if standing and standing.opened else None,
        "attempt": standing.number if standing else 0,
        "state": phase,
        "reason": escaped(reason),
    }


def _today(settings: Settings, now: dt.datetime) -> Today:
    """
    Count from the end of the history back to local midnight.
    """
    folders, day = settings.folders, day_of(now)
    history, spool = History(folders.work), Spool(work=folders.work, inbox=folders.inbox)
    done = failed = still = 0
    spend = Spend()
    with contextlib.suppress(OSError):
        spend, lines = day_on_disk(day, history, spool)
        for line in lines:
            is_done = line.get("status") == "done"
            done, failed = done + is_done, failed + (not is_done)
            still += not is_done and _is_left(folders.error, line)
    return Today(
        done=done, failed=failed, failed_left=still, spend=spend, allowance=settings.allowance
    )


def _is_left(error: Path, line: dict[str, Any]) -> bool:
    record = record_at(error / str(line.get("folder")) / str(line.get("record")))
    return record is not None and record["id"] == line.get("id")


def _in_error(folders: Folders) -> int:
    try:
        return sum(1 for _ in groups_below(folders.error))
    except OSError:
        return 0


def _free(folders: Folders) -> Iterator[tuple[str, int]]:
    for key, place in folders.items():
        with contextlib.suppress(OSError):
            yield key.partition(".")[2], shutil.disk_usage(place).free
