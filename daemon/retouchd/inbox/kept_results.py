"""
Results that came for a photo and could not be finished: found for one that comes back, so that nothing is asked
for again.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from retouchd.disk.folders import Folders
from retouchd.inbox.held import HeldCause, HeldError, Twin
from retouchd.job.model import Job
from retouchd.job.naming import shown
from retouchd.money.pricing import pictures_asked
from retouchd.spool import received_files
from retouchd.spool.believed import received_for
from retouchd.spool.fingerprint import Fingerprint, Policy
from retouchd.spool.received_files import ReceivedGoneError

_FORMATS = ("png", "jpg", "webp")
"""What endpoints give, by its extensions."""


def with_kept(
    job: Job,
    own: Sequence[Fingerprint],
    told: Callable[[Fingerprint], Iterable[Mapping[str, Any]]],
    folders: Folders,
    policy: Policy,
) -> Job:
    """
    Return a job whose edits know what came for them; `own` is what each is known by, `told` returns the records
    or lines of jobs that may have got something for that.

    Raises HeldError where something came, and lies nowhere any more: by no policy but "run" it is bought anew.
    Raises OSError where a disk fails.
    """
    edits = []
    for edit, known in zip(job.edits, own, strict=True):
        gone = None
        for line in told(known) if edit.had is None and not edit.received else ():
            received = received_for(line, known)
            try:
                for each in received.get("pictures", ()):
                    received_files.find(folders, job.folder, each)
            except ReceivedGoneError as fault:
                gone = gone or HeldError(
                    str(fault), HeldCause.DONE, Twin(received["job"]), may_pass=True
                )
            else:
                edit = replace(edit, received=received)  # noqa: PLW2901 - it knows now
                break
        if gone and not edit.received and policy is Policy.HOLD:
            raise gone
        edits.append(edit)
    return replace(job, edits=tuple(edits))


def raise_if_unknown(job: Job, holds: Callable[[str, str], bool]) -> None:
    """
    Raise HeldError where a picture as it was received lies beside a photo for which nothing is known to have
    come: whoever brought it along does not want another one to be paid for. `holds` tells whether a folder of
    the inbox holds a name.
    """
    if any(edit.received or edit.had is not None for edit in job.edits):
        return
    for name in _received_names(job):
        if holds(job.folder, name):
            reason = (
                f"{shown(name)} lies beside it, which was paid for, and neither a record nor the history tells "
                "what it came for: put the .job.json from error/ beside it, or take that picture away to have "
                "a new one made, and charged"
            )
            raise HeldError(reason, HeldCause.DONE, may_pass=True)


def _received_names(job: Job) -> Iterator[str]:
    """
    Yield how what came for a job is usually called: names to be looked for one by one, as a folder may hold a
    hundred thousand.
    """
    for edit in job.edits:
        stem = f"{job.stem}-{edit.name}" if edit.name else job.stem
        several = pictures_asked(edit.request) > 1
        for extension in _FORMATS:
            yield f"{stem}{'-1' if several else ''}.received.{extension}"
