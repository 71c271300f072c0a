"""
Collects what `status` shows: from the daemon's status file, the lock, jobs, history, inbox and disks.

What waits in the inbox is taken from the daemon, which knows, or found by a look through the inbox.
"""

import contextlib
import datetime as dt
import os
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from retouchd.clock import SystemClock
from retouchd.config.settings import Settings
from retouchd.disk.calls import Folder, at
from retouchd.disk.filesystems import DEFAULT_UNIT, Unit
from retouchd.disk.folders import Folders
from retouchd.disk.lock import holder, last_end
from retouchd.disk.probes import FolderProbe, telling_of_the_disk
from retouchd.disk.threads import answered
from retouchd.errors import Blocked, ConfigurationError, FolderUnresponsive
from retouchd.hooks.queue import EventFiles
from retouchd.inbox.waiting import READY, Waiting, WaitingFile, kind_of
from retouchd.job.filenames import Kind, parse
from retouchd.job.naming import escaped
from retouchd.job.text import counted
from retouchd.retry.error_folder import names_below
from retouchd.retry.error_groups import count_groups, count_notes
from retouchd.spool.job_state import JobState
from retouchd.spool.phase import ORIGINALS
from retouchd.spool.spool import Spool
from retouchd.status.attention import Condition, attention
from retouchd.status.document import DaemonState, Overview, today_of
from retouchd.status.report import SIGN_OF_LIFE_SECONDS, StatusReport, stop_of, unit_of
from retouchd.status.status_file import StatusFiles


def holder_of(settings: Settings) -> int | None:
    """
    Return the process that holds the work folder, None if nobody does; ConfigurationError if it is shut.
    """
    work = settings.folders.work
    try:
        return holder(work)
    except OSError as error:
        msg = (
            f"folders.work: {work} may not be looked into by this user: {error.strerror}. "
            "Ask as root, or as the user that retouchd runs as."
        )
        raise ConfigurationError([msg]) from error


_FRESH_SECONDS = 1.3
"""How long a daemon gets to tell of what was dropped a moment ago."""
_BEAT_SECONDS = 0.02

_Held: TypeAlias = Mapping[tuple[str, str], tuple[str, str]]


def waiting_of(
    settings: Settings,
    pid: int | None,
    report: StatusReport | None,
    hung: AbstractSet[Folder],
    *,
    is_whole: bool,
) -> Waiting | None:
    """
    Return what waits, None where that cannot be known now. Where it is to be whole, each file is told by name.

    What the daemon `pid` knows is not asked of the disk; one that has just begun knows nothing yet.
    """
    if Folder.WORK in hung:
        return None
    if pid is not None and not is_whole:
        told = _told(settings, pid, is_hung=Folder.INBOX in hung)
        if told is not None or report is None or report.scanned_at is None:
            return told
    if Folder.INBOX in hung or not _may(os.F_OK, settings.folders.inbox):
        return None
    # Only here: where a daemon knows, nobody waits for what this imports.
    from retouchd.status.inbox_snapshot import InboxSnapshot  # noqa: PLC0415

    with telling_of_the_disk(), at(Folder.INBOX):
        summary = InboxSnapshot(settings, SystemClock()).summary()
        found = summary.waiting()
        if not is_whole:
            return found
        held = dict(_held(report)) if report else {}
        files = tuple(_held_as(each, held) for each in summary.all())
        return replace(found, kinds=dict(Counter(each.kind for each in files)), files=files)


def _told(settings: Settings, pid: int, *, is_hung: bool) -> Waiting | None:
    """
    Return what the daemon knows of the inbox, None where it has not told; of what came just now it is about to.
    """
    folders = settings.folders
    status_files, end = StatusFiles(folders.work), time.monotonic() + _FRESH_SECONDS
    while True:
        found, told_at = status_files.read_waiting() or (None, 0)
        known = found if found and found.pid == pid else None
        if is_hung or time.monotonic() > end:
            return known
        with at(Folder.INBOX):
            changed_at = folders.inbox.stat().st_mtime_ns if folders.inbox.is_dir() else 0
        if known and told_at >= changed_at:
            return known
        time.sleep(_BEAT_SECONDS)


def _held(report: StatusReport) -> Iterator[tuple[tuple[str, str], tuple[str, str]]]:
    """
    Return the reasons of what the daemon holds, and their kinds, by the first file of each bundle.
    """
    for each in (*report.held, *report.unfinished, *report.duplicates):
        yield (each.folder, each.name), (each.reason, kind_of(each.reason))


def _held_as(file: WaitingFile, held: _Held) -> WaitingFile:
    if file.kind != READY or (found := held.get((file.folder, file.first or file.name))) is None:
        return file
    return replace(file, reason=found[0], kind=found[1])


HUNG_SECONDS = 4 * SIGN_OF_LIFE_SECONDS
ANSWER_SECONDS = 2.0
"""How long a folder may take to answer a question, before it is named instead."""

_NOT_RUNNING = "waits until retouchd runs"


class Inventory:
    """
    Gathers how things stand. Nothing is written, nobody is asked over a network, and a folder that does not
    answer is only named.

    What waits is known by the daemon. Where none runs, or each file is to be named (`is_whole`), the inbox is
    looked through for it.
    """

    def __init__(self, *, is_whole: bool = False) -> None:
        self._is_whole = is_whole
        self._probe = FolderProbe()

    def overview(self, settings: Settings, faults: Sequence[str] = ()) -> Overview:
        """
        Return how things stand now; `faults` are those of the configuration.
        """
        places = settings.folders.by_name()
        hung = self._probe.unresponsive(places, ANSWER_SECONDS)
        while True:
            try:
                gather = partial(_gathered, settings, faults, hung, is_whole=self._is_whole)
                return answered(gather, places, ANSWER_SECONDS)
            except FolderUnresponsive as unresponsive:
                hung |= {Folder(unresponsive.folder)}


def _gathered(
    settings: Settings, faults: Sequence[str], hung: AbstractSet[Folder], *, is_whole: bool
) -> Overview:
    """
    Look at all folders but those that hang.
    """
    folders, now = settings.folders, dt.datetime.now(dt.UTC)
    pid, report, written_at, unit = None, None, None, DEFAULT_UNIT
    if Folder.WORK not in hung:
        pid, report, written_at, unit = _daemon(settings)
    waiting = waiting_of(settings, pid, report, hung, is_whole=is_whole)
    stop = stop_of(report) if pid is not None else _NOT_RUNNING
    in_flight = (
        ()
        if Folder.WORK in hung
        else tuple(jobs_in_work(folders, report, is_running=pid is not None))
    )
    in_error = None if Folder.ERROR in hung else files_in_error(folders)
    today = today_of(settings, now, hung, in_error)
    free = dict(_free(folders, hung))
    hooks = None if Folder.WORK in hung else EventFiles(folders.work).backlog()
    is_hung = written_at is not None and (now - written_at).total_seconds() > HUNG_SECONDS
    state = DaemonState.HUNG if Folder.WORK in hung else _state(pid, report, is_hung=is_hung)
    condition = Condition(
        at=now,
        state=state,
        since=_since(state, report, written_at),
        faults=faults,
        unit=unit,
    )
    if state is DaemonState.STOPPED:
        is_told = Folder.INBOX not in hung and _may(os.R_OK | os.X_OK, folders.inbox)
        pictures = waiting.pictures if waiting and is_told else None
        condition = _ended(condition, folders.work, pictures, len(in_flight))
    return Overview(
        at=now,
        state=state,
        attention=tuple(
            attention(condition, report, folders, today, hung=hung, free=free, hooks=hooks)
        ),
        since=condition.since,
        failure=ConfigurationError.exit_code if faults else None,
        pid=pid,
        written_at=written_at,
        report=report,
        in_flight=in_flight,
        waiting=tuple(_file(each, stop) for each in waiting.files) if waiting else (),
        kinds=waiting.kinds if waiting else None,
        stop=stop,
        is_whole=is_whole,
        ready=waiting.kinds.get(READY, 0) if waiting else 0,
        today=today,
        in_error=None if in_error is None else sum(map(count_groups, in_error.values())),
        notes=sum(map(count_notes, (in_error or {}).values())),
        folders=folders,
        free_bytes=free,
        hooks=hooks,
    )


def _daemon(
    settings: Settings,
) -> tuple[int | None, StatusReport | None, dt.datetime | None, Unit]:
    """
    Return the process that holds the work folder, what it said last, and when; and the service that it is, or
    that the last one was.
    """
    pid = holder_of(settings)
    found = StatusFiles(settings.folders.work).read()
    report, written_at = found or (None, None)
    if pid is None or (report and pid and report.pid != pid):
        return pid, None, None, unit_of(report)  # What a daemon before this one put up.
    return pid, report, written_at, unit_of(report)


def _state(pid: int | None, report: StatusReport | None, *, is_hung: bool) -> DaemonState:
    if pid is None:
        return DaemonState.STOPPED
    if is_hung:
        return DaemonState.HUNG
    return DaemonState.PAUSED if report and report.pause else DaemonState.RUNNING


def _since(
    state: DaemonState, report: StatusReport | None, written_at: dt.datetime | None
) -> dt.datetime | None:
    """
    Return when the state of a daemon that runs began: of a silent one its last sign of life.
    """
    if state is DaemonState.HUNG:
        return written_at
    if report is None:
        return None
    return report.pause.since if report.pause else report.started_at


def _ended(condition: Condition, work: Path, pictures: int | None, jobs: int) -> Condition:
    """
    Return how it stands where no daemon runs: how the last one ended, and what is left for the next.
    """
    parts = [
        f"{counted(count, 'picture')} in {where}"
        for count, where in ((pictures, "the inbox"), (jobs, "work"))
        if count
    ]
    verb = "waits" if (pictures or 0) + jobs == 1 else "wait"
    left = f"{' and '.join(parts)} {verb} for it." if parts else "Nothing waits for it."
    if pictures is None:
        left = "What waits for it in the inbox cannot be read now, or not by this user."
    last = last_end(work)
    if last is None:
        return replace(condition, left=left)
    was_clean, ended_at = last
    found = None if was_clean else StatusFiles(work).read()
    if not was_clean:
        ended_at = found[1] if found else ended_at
    is_restarting = bool(found and found[0].unit) and _is_restarting(condition.unit)
    return replace(
        condition, was_clean=was_clean, since=ended_at, left=left, is_restarting=is_restarting
    )


def _is_restarting(unit: Unit) -> bool:
    """
    Return whether systemd waits for a moment (RestartSec=) before it starts a service again.
    """
    command = (*unit.command("show").split(), "--property=SubState", "--value")
    try:
        told = subprocess.run(  # noqa: S603 - the name comes from the file of a daemon that we trust with more
            command, capture_output=True, text=True, check=False, timeout=ANSWER_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return told.stdout.strip() == "auto-restart"


def _may(mode: int, inbox: Path) -> bool:
    with at(Folder.INBOX):
        return os.access(inbox, mode)


def _file(found: WaitingFile, stop: str) -> dict[str, Any]:
    """
    Return what is said of a file; `stop` says why what is ready does not have its turn, empty where it has.
    """
    return {
        "folder": found.folder,
        "name": found.name,
        "reason": stop or READY if found.reason == READY else found.reason,
        "kind": found.kind,
        "changed_at": found.changed_at,
        "until": found.until,
    }


def jobs_in_work(
    folders: Folders, report: StatusReport | None, *, is_running: bool
) -> Iterator[dict[str, Any]]:
    """
    Yield what is known of each job in work.
    """
    spool = Spool(work=folders.work, inbox=folders.inbox)
    for job_id in spool.ids():
        place = spool.folder(job_id)
        try:
            job_state = spool.load(job_id)
        except (Blocked, OSError) as obstacle:
            if place.is_dir():
                yield _job(job_id, None, place, "damaged", str(obstacle))
            continue
        if job_state.job is None and not job_state.below(ORIGINALS):
            continue  # Nothing is claimed yet: what it is for lies in the inbox.
        waits = report.jobs.get(job_id) if report else None
        reason = job_state.told(waits, is_running=is_running)
        yield _job(job_id, job_state, place, job_state.stage.value, reason)


def _job(
    job_id: str, job_state: JobState | None, place: Path, phase: str, reason: str
) -> dict[str, Any]:
    job = job_state.job if job_state else None
    edit = job_state.in_turn if job_state else None
    name = job.members[0].name if job else _claimed(place)
    return {
        "id": job_id,
        "folder": escaped(job.folder) if job else "",
        "name": escaped(name),
        "claimed_at": job.claimed_at if job else None,
        "sent_at": job_state.sent_at if job_state else None,
        "attempt": edit.number if edit else 0,
        "state": phase,
        "reason": escaped(reason),
    }


def _claimed(place: Path) -> str:
    """
    Return the name of the picture that a damaged job holds.
    """
    names: list[str] = []
    with contextlib.suppress(OSError):
        names = sorted(os.listdir(place / ORIGINALS))  # noqa: PTH208 - names, not paths
    return next((name for name in names if parse(name).kind is Kind.IMAGE), "".join(names[:1]))


def files_in_error(folders: Folders) -> dict[str, set[str]] | None:
    """
    Return the names in `error/` by folder, as the history writes them; None where they cannot be read.
    """
    try:
        with at(Folder.ERROR):
            found = names_below(folders.error)
            return {escaped(folder): set(map(escaped, names)) for folder, names in found}
    except OSError:
        return None


def _free(folders: Folders, hung: AbstractSet[Folder]) -> Iterator[tuple[str, int]]:
    for folder, place in folders.by_name().items():
        if folder not in hung:
            with contextlib.suppress(OSError), at(folder):
                yield folder.value, shutil.disk_usage(place).free
