"""
What a person sees of `once` on a terminal: a bar, the counts, and the pictures on their way.
"""

import asyncio
import contextlib

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from retouchd.disk.folders import Folders
from retouchd.errors import Blocked
from retouchd.job.naming import shown
from retouchd.job.step_result import End
from retouchd.service.daemon import Daemon, Ending
from retouchd.spool.spool import Spool

_BEAT_SECONDS = 0.1
_MOST_NAMED = 3


async def drain(daemon: Daemon, folders: Folders, *, is_watched: bool) -> Ending:
    """
    Run a daemon until its inbox is drained, with a progress bar if somebody watches.
    """
    if not is_watched:
        return await daemon.run(until_drained=True)
    spool, names = Spool(work=folders.work, inbox=folders.inbox), dict[str, str]()
    with Progress(
        SpinnerColumn(),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}", markup=False),
        console=Console(stderr=True),
        transient=True,
    ) as progress:
        task = progress.add_task("looking at the inbox", total=None)
        async with asyncio.TaskGroup() as tasks:
            work = tasks.create_task(daemon.run(until_drained=True))
            while not work.done():
                over = sum(daemon.ends.values())
                total = over + daemon.jobs + daemon.ready
                names = await asyncio.to_thread(_names, spool, names)
                text = f"{_counts(daemon)}  {', '.join(list(names.values())[:_MOST_NAMED])}"
                progress.update(task, description=text, completed=over, total=total or None)
                await asyncio.wait([work], timeout=_BEAT_SECONDS)
    return work.result()


def _counts(daemon: Daemon) -> str:
    done, failed = daemon.ends[End.DONE], daemon.ends[End.ERROR]
    return f"{done} done, {failed} failed, {daemon.jobs} in work, {daemon.ready} waiting"


def _names(spool: Spool, known: dict[str, str]) -> dict[str, str]:
    """
    Return the pictures of the jobs in work; those known already are not read again.
    """
    found = {}
    for job_id in spool.ids():
        if job_id in known:
            found[job_id] = known[job_id]
            continue
        with contextlib.suppress(Blocked, OSError):
            if job := spool.load(job_id).job:
                found[job_id] = shown(job.members[0].name)
    return found
