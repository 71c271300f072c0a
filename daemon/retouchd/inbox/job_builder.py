"""
The last check before a claim (no open writer, no image without its end marker, all readable), then the job.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from retouchd.clock import Clock
from retouchd.disk import nofollow
from retouchd.disk.filesystems import writer_of
from retouchd.disk.signature import Observation
from retouchd.inbox.candidates import Candidate
from retouchd.inbox.job_freezer import JobFreezer
from retouchd.inbox.readiness import Patience, Ready
from retouchd.inbox.scanner import InboxScanner
from retouchd.job.model import Job
from retouchd.job.naming import path_below, shown
from retouchd.pictures import inspect
from retouchd.pictures.decoding import ImageFault

OPEN_SECONDS = 600.0
"""
How long a whole file may lie unchanged and open for writing before it is taken all the same. A copy that stands
still for so long is most likely none: viewers, editors and sync clients keep files open that are finished.
"""
_LEAST_SECONDS = 1.0
_LACKS_ITS_END = "its end is missing: it may still be on its way"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    """
    Why a bundle may still be written to, and when to look again; `is_passing` if that soon ends by itself.
    """

    reason: str
    at: float
    is_passing: bool


class Completeness:
    """
    Checks that the files of a ready bundle are complete. Blocking.
    """

    def __init__(self, *, inbox: InboxScanner, patience: Patience, max_megapixels: float) -> None:
        self._inbox = inbox
        self._patience = patience
        self._max_megapixels = max_megapixels

    def unfinished(self, candidate: Candidate, now: float) -> Unfinished | None:
        """
        Return why a ready bundle is not finished, None if it is; raises OSError for a file that cannot be read.

        The kernel is asked first: it knows at once of nearly all files that nobody writes to them.
        """
        assert isinstance(candidate.state, Ready), "only a ready bundle is looked into"
        files = [(*each, self._inbox.is_written(each[0])) for each in _files(candidate)]
        is_faulty = bool(candidate.state.problems)
        until = self._patience.incomplete_seconds + max(
            (candidate.observations[image.name].quiet_since for image in candidate.bundle.images),
            default=now,
        )
        is_early = now < until and not is_faulty
        doubtful = [
            (path, observation, known) for path, observation, known in files if known is not False
        ]
        is_sound = not is_faulty and (not (is_early or doubtful) or self._has_ends(candidate))
        for path, observation, known in doubtful:
            # To ask the processes takes long, and for what looks finished it is not worth it.
            writer = (
                writer_of(self._inbox.root / path, is_sure=bool(known))
                if known or not is_sound
                else ""
            )
            if writer and not (is_sound and self._is_kept_open(candidate, observation, now)):
                return self._open(candidate, path, writer, observation, now, is_sound=is_sound)
        if is_early and not is_sound:
            return Unfinished(reason=_LACKS_ITS_END, at=until, is_passing=True)
        return None

    def _has_ends(self, candidate: Candidate) -> bool:
        folder = self._inbox.root / candidate.folder
        return all(inspect.whole(folder / image.name) for image in candidate.bundle.images)

    def _is_kept_open(self, candidate: Candidate, observation: Observation, now: float) -> bool:
        """
        Return whether a file is whole for all that anybody can see, and was so for long.
        """
        if now < observation.quiet_since + OPEN_SECONDS:
            return False
        folder = self._inbox.root / candidate.folder
        try:
            for image in candidate.bundle.images:
                name = shown(image.name)
                inspect.look(folder / image.name, name=name, max_megapixels=self._max_megapixels)
        except ImageFault:
            return False  # As long as it is open, nobody can say that it is damaged.
        return True

    def _open(
        self,
        candidate: Candidate,
        path: str,
        writer: str,
        observation: Observation,
        now: float,
        *,
        is_sound: bool,
    ) -> Unfinished:
        first = path_below(candidate.folder, candidate.bundle.files[0].name)
        reason = f"{'' if path == first else f'{shown(path)} is '}still open in {writer}"
        patience = self._patience
        if now < observation.quiet_since + patience.incomplete_seconds:
            at = now + max(_LEAST_SECONDS, patience.settle_seconds)
            return Unfinished(reason=reason, at=at, is_passing=True)
        advice = (
            f": taken once that closes it, or {OPEN_SECONDS / 60:.0f} min after its last change"
            if is_sound
            else ", though it no longer changes: if that program hangs, end it and copy the file again"
        )
        at = now + max(_LEAST_SECONDS, patience.incomplete_seconds)
        return Unfinished(reason=f"{reason}{advice}", at=at, is_passing=False)


def _files(candidate: Candidate) -> Iterator[tuple[str, Observation]]:
    """
    Yield what is read for a bundle, by its path below the inbox: its own files, folder files, references.
    """
    for named in candidate.bundle.files:
        yield path_below(candidate.folder, named.name), candidate.observations[named.name]
    if isinstance(candidate.state, Ready) and candidate.state.problems:
        return
    for source in candidate.surroundings.sources:
        yield source.path, source.observation
    for path, observation in candidate.surroundings.references.items():
        if isinstance(observation, Observation):
            yield path, observation


class JobBuilder:
    """
    Builds jobs for a claim, and for a look from beside the daemon. Blocking.
    """

    def __init__(
        self,
        *,
        inbox: InboxScanner,
        job_freezer: JobFreezer,
        completeness: Completeness,
        clock: Clock,
    ) -> None:
        self._root = inbox.root
        self._job_freezer = job_freezer
        self._completeness = completeness
        self._clock = clock

    def build(self, candidate: Candidate, now: float) -> Job | Unfinished:
        """
        Return the job of a ready candidate, or why it may still be written to; `now` on the monotonic clock.

        Raises HeldError where a folder file or the configuration is at fault, OSError for a file that cannot
        be read.
        """
        if unfinished := self._completeness.unfinished(candidate, now):
            return unfinished
        job = self._job_freezer.freeze(candidate, self._clock.now())
        for reference in job.references if not job.problems else ():
            with nofollow.opened(self._root, reference.path):
                pass
        return job
