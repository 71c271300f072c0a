"""
How things stand, gathered: the daemon's notice, the lock, the jobs, the history, the inbox, the disks.
"""

import contextlib
import datetime as dt
import shutil
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Any

from retouchd.adapters.archive import names_below
from retouchd.adapters.board import Board
from retouchd.adapters.disk_threads import answered
from retouchd.adapters.folders import Folders
from retouchd.adapters.history import History
from retouchd.adapters.obstacles import telling_of_the_disk
from retouchd.adapters.responsiveness import FolderProbe
from retouchd.adapters.spool import Spool
from retouchd.adapters.standing import Standing
from retouchd.adapters.thread_pools import Folder, at
from retouchd.cli.attention import attention
from retouchd.cli.following import holder_of
from retouchd.cli.overview import Overview, State, Today
from retouchd.engine.backlog import READY, Idle
from retouchd.engine.clock import SystemClock
from retouchd.engine.reporting import SIGN_OF_LIFE_SECONDS
from retouchd.engine.settings import Settings
from retouchd.engine.spending import day_on_disk
from retouchd.engine.survey import Survey
from retouchd.errors import Blocked, FolderUnresponsive
from retouchd.rules.naming import escaped
from retouchd.rules.phase import Phase
from retouchd.rules.report import Report
from retouchd.rules.returning import count_groups
from retouchd.rules.spending import Spend, day_of

HUNG_SECONDS = 4 * SIGN_OF_LIFE_SECONDS
ANSWER_SECONDS = 2.0
"""How long a folder may take to answer a question, before it is named instead."""

_SURVEYED = frozenset({Folder.INBOX, Folder.WORK})

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


class Inventory:
    """
    Gathers how things stand. Nothing is written, nobody is asked over a network, and a folder that does not
    answer is only named.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._probe = FolderProbe()

    def overview(self) -> Overview:
        """
        Return how things stand now.
        """
        places = self._settings.folders.by_name()
        hung = self._probe.unresponsive(places, ANSWER_SECONDS)
        while True:
            try:
                return answered(partial(_gathered, self._settings, hung), places, ANSWER_SECONDS)
            except FolderUnresponsive as unresponsive:
                hung |= {Folder(unresponsive.folder)}


def _gathered(settings: Settings, hung: AbstractSet[Folder]) -> Overview:
    """
    Look at all folders but those that hang.
    """
    folders, now = settings.folders, dt.datetime.now(dt.UTC)
    pid, report, written_at = None, None, None
    if Folder.WORK not in hung:
        pid, report, written_at = _daemon(settings)
    idle, waiting = _idle(settings, report, now) if not hung & _SURVEYED else ([], [])
    in_error = None if Folder.ERROR in hung else _in_error(folders)
    today = _today(settings, now, hung, in_error or {})
    free = dict(_free(folders, hung))
    is_hung = written_at is not None and (now - written_at).total_seconds() > HUNG_SECONDS
    silent_since = written_at if is_hung else None
    return Overview(
        at=now,
        state=State.HUNG if Folder.WORK in hung else _state(pid, report, is_hung=is_hung),
        attention=tuple(
            attention(report, folders, today, hung=hung, free=free, silent_since=silent_since)
        ),
        pid=pid,
        written_at=written_at,
        report=report,
        in_flight=() if Folder.WORK in hung else tuple(_jobs(folders, report)),
        waiting=tuple(waiting),
        ready=sum(each.reason == READY for each in idle),
        today=today,
        in_error=None if in_error is None else sum(map(count_groups, in_error.values())),
        folders=folders,
        free_bytes=free,
    )


def _daemon(settings: Settings) -> tuple[int | None, Report | None, dt.datetime | None]:
    """
    Return the process that holds the work folder, what it said last, and when.
    """
    pid = holder_of(settings)
    found = Board(settings.folders.work).read()
    report, written_at = found or (None, None)
    if pid is None or (report and pid and report.pid != pid):
        return pid, None, None  # What a daemon before this one put up.
    return pid, report, written_at


def _idle(
    settings: Settings, report: Report | None, now: dt.datetime
) -> tuple[list[Idle], list[dict[str, Any]]]:
    """
    Return what waits in the inbox or is left alone there, and what is said of each.
    """
    with telling_of_the_disk(), at(Folder.INBOX):
        survey = Survey(settings, SystemClock())
    told = [*report.held, *report.duplicates] if report else []
    held = {(each.folder, each.name): each.reason for each in told}
    idle = [*survey.idle(), *(Idle(folder, "", fault) for folder, fault in survey.faults)]
    start = now - dt.timedelta(seconds=survey.now)
    return idle, [_file(each, held, report, start) for each in idle]


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


def _today(
    settings: Settings,
    now: dt.datetime,
    hung: AbstractSet[Folder],
    in_error: Mapping[str, AbstractSet[str]],
) -> Today:
    """
    Count from the end of the history back to local midnight.
    """
    folders, day = settings.folders, day_of(now)
    history, spool = History(folders.work), Spool(work=folders.work, inbox=folders.inbox)
    done = failed = 0
    left: set[tuple[str, str]] = set()
    spend = Spend()
    with contextlib.suppress(OSError):
        spend, lines = day_on_disk(day, history, spool) if Folder.WORK not in hung else (spend, ())
        for line in lines:
            is_done = line.get("status") == "done"
            done, failed = done + is_done, failed + (not is_done)
            folder, record = str(line.get("folder")), str(line.get("record"))
            if not is_done and record in in_error.get(folder, ()):
                left.add((folder, record))
    return Today(
        done=done, failed=failed, failed_left=len(left), spend=spend, allowance=settings.allowance
    )


def _in_error(folders: Folders) -> dict[str, set[str]]:
    """
    Return the names in `error/` by folder, as the history writes them; nothing where they cannot be read.
    """
    try:
        with at(Folder.ERROR):
            found = names_below(folders.error)
            return {escaped(folder): set(map(escaped, names)) for folder, names in found}
    except OSError:
        return {}


def _free(folders: Folders, hung: AbstractSet[Folder]) -> Iterator[tuple[str, int]]:
    for folder, place in folders.by_name().items():
        if folder not in hung:
            with contextlib.suppress(OSError), at(folder):
                yield folder.value, shutil.disk_usage(place).free
