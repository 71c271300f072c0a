"""
How far a run is, in the last line of the terminal that shows its log.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from retouchd.clock import SystemClock
from retouchd.job.outcome import End
from retouchd.job.text import counted, rough_length
from retouchd.logs import logger
from retouchd.service.daemon import Daemon
from retouchd.status.progress import Batch
from retouchd.tasks import running

_BEAT_SECONDS = 1.0


@contextlib.asynccontextmanager
async def progress_below(daemon: Daemon) -> AsyncIterator[None]:
    """
    Keep the last line of the terminal true meanwhile, where there is one and photos are worked on.
    """
    if not logger.can_show_below():
        yield  # Nothing is to wake the machine for nobody.
        return
    try:
        async with running(_keep(daemon)):
            yield
    finally:
        logger.show_below("")


async def _keep(daemon: Daemon) -> None:
    batch, clock = Batch(), SystemClock()
    while True:
        logger.show_below(_line(daemon, batch, clock.monotonic()))
        await asyncio.sleep(_BEAT_SECONDS)


def _line(daemon: Daemon, batch: Batch, now: float) -> str:
    ends, trouble = daemon.status.ends, daemon.status.trouble
    progress = batch.see(
        now,
        over=ends[End.DONE] + ends[End.ERROR],
        left=daemon.status.jobs + daemon.status.ready,
        is_empty=daemon.status.is_idle,
        is_held=bool(trouble),
    )
    if daemon.is_stopping:
        return ""
    if progress is None:
        last = batch.finished
        return f"{last:,} of {counted(last, 'photo')}" if last else ""
    line = f"{progress.over:,} of {counted(progress.total, 'photo')}"
    if trouble:
        return f"{line}, nothing is sent now"
    seconds = progress.seconds_left
    return line if seconds is None else f"{line}, about {rough_length(seconds)} to go"
