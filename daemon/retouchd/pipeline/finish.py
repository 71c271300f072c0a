"""
Finishes a job: results are written anew where the settings of their edit ask for it, as `finished/`.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeAlias

from retouchd.job.model import Job
from retouchd.pictures import inspect
from retouchd.spool import pictures
from retouchd.spool.job_state import JobState
from retouchd.spool.phase import FINISHED, pictures_in
from retouchd.spool.spool import Spool

Rewrite: TypeAlias = Callable[[Job, Path], Iterable[bytes] | None]
"""
Takes a job with the edit of a picture alone, and the picture as received; returns the bytes of the picture as
it is asked for, None where it is to be published as it was received.
"""


class Finisher:
    """
    Writes results anew. What comes of it follows from answer, original and frozen settings alone, so it may be
    repeated after a crash at any point of it. Blocking.
    """

    def __init__(self, *, spool: Spool, rewrite: Rewrite | None) -> None:
        self._spool = spool
        self._rewrite = rewrite

    def is_asked(self, job: Job) -> bool:
        """
        Return whether any edit asks for results other than as received.
        """
        return self._rewrite is not None and any(edit.output for edit in job.edits)

    def finish(self, job_state: JobState) -> JobState:
        """
        Let all results that are asked for appear in `finished/`; return where the job stands then. Where
        nothing is to be written anew, nothing is touched.
        """
        if self._rewrite is None or pictures_in(job_state.files, FINISHED):
            return job_state
        folder = self._spool.folder(job_state.id)
        place = folder / pictures.UNFINISHED
        is_begun = False
        for edit_state in job_state.edits:
            job = edit_state.job
            for name in edit_state.outputs if job.edits[0].output else ():
                blocks = self._rewrite(job, folder / name)
                if blocks is None:
                    continue
                if not is_begun:
                    pictures.begin(place)
                    is_begun = True
                path = place / Path(name).stem
                pictures.add(path, blocks)
                pictures.give_name(path, inspect.check_output(path))
        if not is_begun:
            return job_state
        pictures.seal_finished(folder)
        return self._spool.load(job_state.id)
