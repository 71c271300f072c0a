"""
From a ready candidate to the job that it makes: nobody writes to its files, and all that it needs can be read.
"""

from retouchd.clock import Clock
from retouchd.disk import nofollow
from retouchd.inbox.build_job import Framer
from retouchd.inbox.completeness import Completeness, Unfinished
from retouchd.inbox.queue import Candidate
from retouchd.inbox.scanner import Inbox
from retouchd.job.model import Job


class JobBuilder:
    """
    Builds jobs for a claim, and for a look from beside the daemon. Blocking.
    """

    def __init__(
        self, *, inbox: Inbox, framer: Framer, completeness: Completeness, clock: Clock
    ) -> None:
        self._root = inbox.root
        self._framer = framer
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
        job = self._framer.frame(candidate, self._clock.now())
        for reference in job.references if not job.problems else ():
            with nofollow.opened(self._root, reference.path):
                pass
        return job
