"""
What a run sees to before it takes anything: what an earlier one left half done, and a disk that is not there.
"""

from retouchd.disk import first_start
from retouchd.disk.folders import Folders
from retouchd.disk.thread_pools import Folder, at
from retouchd.disk.threads import in_work
from retouchd.events import emit
from retouchd.events.inbox import FileReturned, FileUnreturned
from retouchd.events.jobs import JobCrashed
from retouchd.events.run import FolderUnnoted
from retouchd.pipeline.pipeline import RISKY
from retouchd.retry import put_back
from retouchd.service.assembly import Crew


async def retrace(crew: Crew) -> None:
    """
    After an unclean end, take alone, one at a time, the step that may have caused it.

    Those noted least often come first: the culprit must not take the innocent with it again and again.
    """
    suspects = await in_work(crew.spool.suspects, RISKY)
    for job_id in suspects:
        try:
            await crew.pipeline.retrace(job_id)
        except Exception as error:  # noqa: BLE001 - noted as a crash already; the others must not suffer for it
            emit(JobCrashed(job=job_id, exception=error))


def finish_returns(folders: Folders) -> None:
    """
    Finish what a `retry` that was killed left between `error/` and the inbox.
    """
    try:
        with at(Folder.ERROR):
            returned = list(put_back.finish(folders))
        for path in returned:
            emit(FileReturned(path=path))
    except OSError as error:
        emit(FileUnreturned(reason=str(error)))


def note_folders(folders: Folders) -> None:
    """
    Have the work folder remember these folders: one of them that is missing later on is not made anew.
    """
    try:
        first_start.remember(folders)
    except OSError as error:
        emit(FolderUnnoted(reason=str(error)))
