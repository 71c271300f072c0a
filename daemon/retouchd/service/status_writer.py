"""
How a run stands, put up for other programs: soon after a change, at most once a second, and as a sign of life.
"""

import asyncio
import contextlib
import datetime as dt
import os
from collections.abc import AsyncIterator, Callable, Mapping
from itertools import islice

from retouchd.clock import Clock
from retouchd.disk.threads import in_work
from retouchd.events import emit
from retouchd.events.run import StatusUnwritten
from retouchd.inbox.held import Cause, Hold
from retouchd.inbox.references import Place
from retouchd.job.model import End
from retouchd.job.naming import escaped
from retouchd.logs.event_lines import UnreadLog
from retouchd.process import running
from retouchd.service.assembly import Crew
from retouchd.status.report import (
    MOST_HELD,
    SIGN_OF_LIFE_SECONDS,
    DuplicateFile,
    HeldFile,
    Pause,
    Report,
)
from retouchd.status.status_file import Board
from retouchd.throttle import breaker
from retouchd.throttle.admission import Admission
from retouchd.throttle.preflight import DiskMonitor

_BEAT_SECONDS = 1.0
_RESTING_SECONDS = 2.0
"""Where the last look showed nothing new: with nothing to do, nothing is to wake the machine in vain."""
_FIRST_BEAT_SECONDS = 0.1


def report_of(
    crew: Crew,
    admission: Admission,
    disks: DiskMonitor,
    clock: Clock,
    *,
    started_at: dt.datetime,
    remark: str,
    unread_log: UnreadLog | None,
) -> Report:
    """
    Return how a run stands, at a cost that does not grow with the inbox.
    """
    holding, waiting = crew.intake.holding, crew.workshop.waiting
    jobs = {job_id: wait.reason for job_id, wait in waiting.items()}
    jobs |= {each: held for each in crew.workshop.ids if (held := disks.threads.holds_up(each))}
    obstacles, ends = crew.pipeline.obstacles, crew.workshop.ends
    return Report(
        pid=os.getpid(),
        started_at=started_at,
        scanned_at=crew.intake.scanned_at,
        watch_mode=crew.watching.stance.mode.value,
        watch_reason=escaped(crew.watching.stance.reason),
        watch_remedy=escaped(crew.watching.stance.remedy),
        away=escaped(crew.watching.away),
        pause=_pause(admission.held, clock),
        remark=escaped(remark),
        looking_up=escaped(crew.looking_up),
        unread=escaped(crew.recovery.obstacle),
        unread_log=unread_log,
        unusable={folder.value: escaped(reason) for folder, reason in disks.reasons.items()},
        scan_seconds=round(crew.intake.scan_took, 1),
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
                is_done=hold.cause is Cause.DONE,
                inode=hold.seen.inode,
                mtime_ns=hold.seen.mtime_ns,
            )
            for (folder, name), hold in islice(reversed(holding.duplicates.items()), MOST_HELD)
        ),
        ready=crew.intake.ready(),
        done=ends[End.DONE],
        failed=ends[End.ERROR],
        returned=ends[End.RETURNED],
    )


def _held(holds: Mapping[Place, Hold]) -> tuple[HeldFile, ...]:
    return tuple(
        HeldFile(folder=escaped(folder), name=escaped(name), reason=escaped(hold.reason))
        for (folder, name), hold in islice(holds.items(), MOST_HELD)
    )


@contextlib.asynccontextmanager
async def reporting(look: Callable[[], Report | None], board: Board) -> AsyncIterator[None]:
    """
    Keep the status file up to date meanwhile. `look` returns None while there is no run to tell of.
    """
    async with running(_keep_true(look, board)):
        yield


async def _keep_true(look: Callable[[], Report | None], board: Board) -> None:
    loop = asyncio.get_running_loop()
    last, posted_at, is_told = None, 0.0, False
    while True:
        report = look()
        pause = _RESTING_SECONDS if report == last else _BEAT_SECONDS
        is_due = loop.time() - posted_at >= SIGN_OF_LIFE_SECONDS
        if report is not None and (report != last or is_due):
            try:
                await in_work(board.post, report)
                last, posted_at, is_told = report, loop.time(), False
            except OSError as error:
                if not is_told:
                    emit(StatusUnwritten(reason=str(error)))
                is_told = True
        await asyncio.sleep(pause if last else _FIRST_BEAT_SECONDS)


def _pause(held: breaker.Hold | None, clock: Clock) -> Pause | None:
    if held is None:
        return None
    # Whole seconds: two looks at the same hold are to be equal.
    now, monotonic = clock.now(), clock.monotonic()
    since, probe = (
        (now + dt.timedelta(seconds=at - monotonic + 0.5)).replace(microsecond=0)
        for at in (held.since, held.probe_at)
    )
    return Pause(cause=held.cause.value, reason=escaped(held.reason), since=since, next_probe=probe)
