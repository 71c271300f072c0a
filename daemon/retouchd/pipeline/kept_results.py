"""
Results that an earlier job got and could not finish: taken as if they had just been answered, and never bought
again.
"""

from collections.abc import Iterator

from retouchd.clock import Clock
from retouchd.config.settings import Current
from retouchd.disk.calls import Folder
from retouchd.disk.threads import Steps
from retouchd.job.model import Attempt, Verdict
from retouchd.pictures import inspect
from retouchd.spool import pictures, received_files
from retouchd.spool.fingerprint import Policy
from retouchd.spool.job_state import EditState
from retouchd.spool.phase import unsealed
from retouchd.spool.received_files import ReceivedGoneError
from retouchd.spool.spool import Spool


class KeptResults:
    """
    Takes what came for an edit before into its job, as if it had just been answered, while nothing was asked
    for.
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
        bought anew. Raises OSError where a disk fails.

        They appear in `outputs/` before the attempt is noted that they count as: half done, it is done again.
        """
        job, settings = edit_state.job, self._current.settings
        yield Folder.ERROR
        found = []
        try:
            for each in job.edits[0].received["pictures"]:
                where = received_files.find(settings.folders, job.folder, each)
                found.append(received_files.read(*where))
        except ReceivedGoneError as gone:
            return "" if settings.duplicates is Policy.RUN else str(gone)
        yield Folder.WORK
        self._add(edit_state, found)
        return None

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
            message=f"Finished from what job {kept['job']} received; nothing was asked for.",
            cost_usd=0.0,
            size=str(kept.get("size") or ""),
            canvas=tuple(canvas) if canvas else None,
        )
        self._spool.close_attempt(edit_state.id, attempt)


def _blocks(data: bytes) -> Iterator[bytes]:
    yield data
