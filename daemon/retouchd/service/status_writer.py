"""
The background task that writes `work/status.json`: soon after a change, at most once a second, and as a
heartbeat.
"""

import asyncio
import contextlib
import datetime as dt
import os
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Protocol

from retouchd.clock import Clock
from retouchd.disk.filesystems import Unit
from retouchd.disk.threads import in_work
from retouchd.events import emit
from retouchd.events.messages import UnreadLog
from retouchd.events.run import StatusUnwritten
from retouchd.inbox.held import HeldBundle, HeldCause
from retouchd.inbox.references import Place
from retouchd.job.naming import escaped
from retouchd.job.outcome import End
from retouchd.service.assembly import Assembly
from retouchd.status.report import (
    MOST_HELD,
    SIGN_OF_LIFE_SECONDS,
    DuplicateFile,
    HeldFile,
    StatusReport,
)
from retouchd.status.status_file import StatusFiles
from retouchd.tasks import Changes, running
from retouchd.throttle.disk_monitor import DiskMonitor
from retouchd.throttle.gate import Gate
from retouchd.throttle.pause import PauseRecord, record_of

_BEAT_SECONDS = 1.0
_RESTING_SECONDS = 5.0
"""How long what nobody told of stays unseen: with nothing to do, nothing is to wake the machine in vain."""
_FIRST_BEAT_SECONDS = 0.1


def status_report(
    assembly: Assembly,
    gate: Gate,
    disks: DiskMonitor,
    clock: Clock,
    *,
    started_at: dt.datetime,
    remark: str,
    stuck: str,
    ready_since: dt.datetime | None,
    unread_log: UnreadLog | None,
    unit: Unit | None,
) -> StatusReport:
    """
    Return how a run stands, at a cost that does not grow with the inbox.
    """
    holding, waiting = assembly.intake.holding, assembly.runner.waiting
    jobs = {job_id: wait.reason for job_id, wait in waiting.items()}
    jobs |= {each: held for each in assembly.runner.ids if (held := assembly.held_up(each))}
    obstacles, ends = assembly.pipeline.obstacles, assembly.runner.ends
    rest = assembly.budget_left
    return StatusReport(
        pid=os.getpid(),
        started_at=started_at,
        scanned_at=assembly.intake.scanned_at,
        watch_mode=assembly.watching.chosen.mode.value,
        watch_reason=escaped(assembly.watching.chosen.reason),
        watch_remedy=escaped(assembly.watching.chosen.remedy),
        away=escaped(assembly.watching.away),
        pause=_escaped(record_of(gate.pause, clock)) if gate.pause else None,
        remark=escaped(remark),
        stuck=stuck,
        looking_up=escaped(assembly.looking_up),
        unread=escaped(assembly.recovery.obstacle),
        unread_log=unread_log,
        unusable={folder.value: escaped(reason) for folder, reason in disks.reasons.items()},
        unit=unit.name if unit else "",
        is_user_unit=unit.is_user if unit else False,
        scan_seconds=round(assembly.intake.scan_took, 1),
        jobs={job_id: escaped(reason) for job_id, reason in jobs.items()},
        blocked=tuple(each for each in jobs if obstacles.get(each) == jobs[each]),
        held=_held(holding.faults),
        held_count=len(holding.faults),
        unfinished=_held(holding.unfinished),
        duplicates=tuple(
            DuplicateFile(
                folder=escaped(folder),
                name=escaped(name),
                reason=escaped(hold.reason),
                is_done=hold.cause is HeldCause.DONE,
                inode=hold.seen.inode,
                mtime_ns=hold.seen.mtime_ns,
            )
            for (folder, name), hold in islice(reversed(holding.duplicates.items()), MOST_HELD)
        ),
        ready=assembly.intake.ready(),
        ready_since=ready_since,
        concurrency=gate.concurrency,
        in_flight=gate.in_flight,
        usd_left=None if rest.usd is None else float(rest.usd),
        images_left=rest.images,
        done=ends[End.DONE],
        failed=ends[End.ERROR],
        returned=ends[End.RETURNED],
    )


def _held(holds: Mapping[Place, HeldBundle]) -> tuple[HeldFile, ...]:
    return tuple(
        HeldFile(folder=escaped(folder), name=escaped(name), reason=escaped(hold.reason))
        for (folder, name), hold in islice(holds.items(), MOST_HELD)
    )


class Reported(Protocol):
    """
    A run that is told of, and what tells that it has changed.
    """

    moved: Changes

    def report(self) -> StatusReport | None:
        """
        Return how it stands, None while there is nothing to tell of.
        """


@contextlib.asynccontextmanager
async def reporting(status: Reported, status_files: StatusFiles) -> AsyncIterator[None]:
    """
    Keep the status file up to date meanwhile.
    """
    async with running(_keep_true(status, status_files)):
        yield


async def _keep_true(status: Reported, status_files: StatusFiles) -> None:
    loop = asyncio.get_running_loop()
    last, posted_at, is_told = None, 0.0, False
    while True:
        changes, report = status.moved.count, status.report()
        is_resting = report == last
        is_due = loop.time() - posted_at >= SIGN_OF_LIFE_SECONDS
        if report is not None and (report != last or is_due):
            try:
                await in_work(status_files.post, report)
                last, posted_at, is_told = report, loop.time(), False
            except OSError as error:
                if not is_told:
                    emit(StatusUnwritten(reason=str(error)))
                is_told = True
        if last and is_resting:
            await status.moved.wait(changes, _RESTING_SECONDS)
        await asyncio.sleep(_BEAT_SECONDS if last and not is_resting else _FIRST_BEAT_SECONDS)


def _escaped(record: PauseRecord) -> PauseRecord:
    return replace(record, reason=escaped(record.reason))
