"""
What waits in the folder for reviews, each result with its job. Everything here blocks.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from retouchd.config.settings import Settings
from retouchd.job.naming import escaped
from retouchd.spool.history_cache import HistoryCache
from retouchd.spool.review import waiting
from retouchd.web.page.jobs import Jobs, JobView, PictureFile

_MOST = 20
"""Results on one page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """
    A result that waits: its job, its number there, and the prompt of its edit.
    """

    job: JobView
    number: int
    picture: PictureFile
    prompt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """
    The first of the results that wait, oldest first, how many there are, and how many files no job knows.
    """

    results: Sequence[Waiting]
    count: int
    strangers: int


class Reviews:
    """
    Finds the jobs of what waits by the index of the history.
    """

    def __init__(self, settings: Callable[[], Settings], jobs: Jobs, cache: HistoryCache) -> None:
        self._settings = settings
        self._jobs = jobs
        self._cache = cache

    def queue(self) -> Queue:
        """
        Return what waits. Raises OSError where the folder is not there, or cannot be read.
        """
        found = waiting(self._settings().folders)
        known = [
            (line, number)
            for line in reversed(self._cache.reviewed(found))
            for number, picture in enumerate(self._jobs.ended(line).after, 1)
            if is_waiting(picture, found)
        ]
        results = []
        for line, number in known[:_MOST]:
            job = self._jobs.ended(line, is_whole=True)
            picture = job.after[number - 1]
            results.append(
                Waiting(job=job, number=number, picture=picture, prompt=job.prompt_of(picture.edit))
            )
        return Queue(results=results, count=len(known), strangers=len(found) - len(known))


def is_waiting(picture: PictureFile, found: dict[str, int]) -> bool:
    """
    Return whether a result is among what waits, and not another one of its name.
    """
    size = found.get(escaped(picture.path)) if len(picture.places) > 1 else None
    return size is not None and picture.size in (None, size)
