"""
Results that an earlier job got and could not finish: taken as if they had just been answered, and never bought
again.
"""

import hashlib
from collections.abc import Iterator

from retouchd.clock import Clock
from retouchd.config.settings import Current
from retouchd.disk import file_stat
from retouchd.disk.thread_pools import Folder
from retouchd.disk.threads import Steps
from retouchd.job.model import Attempt, Verdict
from retouchd.job.naming import shown
from retouchd.pictures import inspect
from retouchd.spool import pictures
from retouchd.spool.fingerprint import Policy
from retouchd.spool.job_state import EditState
from retouchd.spool.phase import unsealed
from retouchd.spool.spool import Spool


class KeptResults:
    """
    Takes what lies in `error/` for an edit into its job, once nothing was asked for it.
    """

    def __init__(self, *, spool: Spool, current: Current, clock: Clock) -> None:
        self._spool = spool
        self._current = current
        self._clock = clock

    def is_due(self, edit_state: EditState) -> bool:
        """
        Return whether an edit's results may be there already.
        """
        return bool(edit_state.job.edits[0].received) and not edit_state.number

    def take(self, edit_state: EditState) -> Steps[str | None]:
        """
        Take the results; return None once they are in the job, else why they cannot be, "" where they are to be
        bought anew.

        They appear in `outputs/` before the attempt is noted that they count as: half done, it is done again.
        """
        edit = edit_state.job.edits[0]
        yield Folder.ERROR
        found = []
        for each in edit.received["pictures"]:
            data = self._content(str(each["path"]))
            if hashlib.sha256(data).hexdigest() != each["sha256"]:
                if self._current.settings.duplicates is Policy.RUN:
                    return ""
                return (
                    f"error/{shown(str(each['path']))}, which was paid for, is gone or changed. Put it back, "
                    'or set intake.duplicates = "run" to have the picture edited, and charged, again'
                )
            found.append(data)
        yield Folder.WORK
        self._add(edit_state, found)
        return None

    def _content(self, path: str) -> bytes:
        try:
            return file_stat.read(self._current.settings.folders.error / path)
        except OSError as error:
            if error.errno not in file_stat.NO_FILE:
                raise
            return b""

    def _add(self, edit_state: EditState, found: list[bytes]) -> None:
        folder, edit = self._spool.folder(edit_state.id), edit_state.edit
        place = folder / unsealed(edit)
        pictures.begin(place)
        for number, data in enumerate(found, 1):
            path = pictures.unnamed(place, edit, number)
            pictures.add(path, _blocks(data))
            pictures.give_name(path, inspect.check_output(path))
        pictures.seal_received(folder, edit)
        kept, now = edit_state.job.edits[0].received, self._clock.now()
        canvas = kept.get("canvas")
        attempt = Attempt(
            edit=edit,
            number=1,
            model=edit_state.job.request.model,
            verdict=Verdict.DONE,
            sent_at=now,
            closed_at=now,
            seconds=0.0,
            message=f"Finished from what job {edit_state.job.previous} received; nothing was asked for.",
            cost_usd=0.0,
            size=str(kept.get("size") or ""),
            canvas=tuple(canvas) if canvas else None,
        )
        self._spool.close_attempt(edit_state.id, attempt)


def _blocks(data: bytes) -> Iterator[bytes]:
    yield data
