"""
What a run sees to before it takes anything: what an earlier one left half done, and a disk that is not there.
"""

from retouchd.adapters import first_start, returning
from retouchd.adapters.disk_threads import in_work
from retouchd.adapters.folders import Folders
from retouchd.adapters.thread_pools import Folder, at
from retouchd.engine.crew import Crew
from retouchd.engine.pipeline import RISKY
from retouchd.logs import logger

log = logger()


async def retrace(crew: Crew) -> None:
    """
    After an unclean end, take alone, one at a time, the step that may have caused it.

    Those noted least often come first: the culprit must not take the innocent with it again and again.
    """
    suspects = await in_work(crew.spool.suspects, RISKY)
    for job_id in suspects:
        try:
            await crew.pipeline.retrace(job_id)
        except Exception:
            # Noted as one more crash already; the others must not suffer for it.
            log.exception("job.crashed", job=job_id)


def finish_returns(folders: Folders) -> None:
    """
    Finish what a `retry` that was killed left between `error/` and the inbox.
    """
    try:
        with at(Folder.ERROR):
            returned = list(returning.finish(folders))
        for path in returned:
            log.info("file.returned", path=path)
    except OSError as error:
        log.warning("file.unreturned", reason=str(error))


def note_folders(folders: Folders) -> None:
    """
    Have the work folder remember these folders: one of them that is missing later on is not made anew.
    """
    try:
        first_start.remember(folders)
    except OSError as error:
        log.warning("folder.unnoted", reason=str(error))
