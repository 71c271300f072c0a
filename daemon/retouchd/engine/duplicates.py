"""
What was asked for already: a picture that comes again with the same request is not bought again.

Pictures are read only where sizes say that they may be the same; what jobs are known by comes from the
history, so it outlives restarts.
"""

import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from retouchd.adapters import fingerprints
from retouchd.adapters.history import History
from retouchd.adapters.spool import Spool
from retouchd.engine.holding import Cause, HeldError
from retouchd.engine.references import Place
from retouchd.rules.duplicates import (
    Fingerprint,
    Policy,
    about_to_be_done,
    already_done,
    may_be_same,
)
from retouchd.rules.job import Job, Role

_KEY_BYTES = 16
"""Of a SHA-256, in memory; a match is compared in full with the line of the history."""


@dataclass(slots=True)
class _Ahead:
    job: Job
    look: Callable[[], Fingerprint]
    found: Fingerprint | None = None

    def is_same(self, own: Fingerprint) -> bool:
        """
        Return whether it asks for that; what cannot be read, as it is being moved, may be the same.
        """
        try:
            self.found = self.found or self.look()
        except OSError:
            return True
        return self.found == own


class Duplicates:
    """
    Knows what finished jobs and those in work have asked for. `check` blocks: it reads pictures.
    """

    def __init__(self, *, policy: Policy, history: History, inbox: Path) -> None:
        self._is_on = policy is Policy.HOLD
        self._history = history
        self._inbox = inbox
        self._sizes: set[int] = set()
        self._lines: dict[bytes, int] = {}
        self._read_to = 0
        # Jobs end while a claim is looked into in a thread.
        self._lock = threading.Lock()
        self._ahead: dict[str, _Ahead] = {}
        self._waiting: dict[str, set[Place]] = {}

    def take(
        self, job: Job, look: Callable[[], Fingerprint], found: Fingerprint | None = None
    ) -> None:
        """
        Take in a job that is not over yet; `look` reads what it is known by, unless it was `found` already.
        """
        if self._is_on and not job.problems:
            with self._lock:
                self._ahead[job.id] = _Ahead(job, look, found)

    def known(self, job_id: str) -> Fingerprint | None:
        """
        Return what a job in work is known by, None where nobody had to read it yet.
        """
        with self._lock:
            ahead = self._ahead.get(job_id)
        return ahead.found if ahead else None

    def over(self, job_id: str) -> set[Place]:
        """
        Take in that a job is over; return what has waited for that.
        """
        with self._lock:
            self._ahead.pop(job_id, None)
            return self._waiting.pop(job_id, set())

    def check(self, job: Job) -> Fingerprint | None:
        """
        Look for what a job that could be claimed would ask for; raises HeldError where it was found.

        Return what the job is known by, None where that did not have to be read.

        Raises FileNotFoundError where a file changed meanwhile, OSError where one cannot be read.
        """
        if not self._is_on or job.problems:
            return None
        own = None
        while True:
            if self._may_be_done(job):
                own = own or fingerprints.in_inbox(job, self._inbox)
                self._raise_if_done(own)
            with self._lock:
                ahead = [each for each in self._ahead.values() if may_be_same(each.job, job)]
            if not ahead:
                return own
            own = own or fingerprints.in_inbox(job, self._inbox)
            twin = next((each.job for each in ahead if each.is_same(own)), None)
            if twin is None:
                return own
            if self._waits_for(twin.id, job):
                raise HeldError(about_to_be_done(twin), Cause.IN_WORK)

    def _may_be_done(self, job: Job) -> bool:
        self._catch_up()
        image = job.member(Role.IMAGE)
        return image is not None and image.snapshot.size in self._sizes

    def _raise_if_done(self, own: Fingerprint) -> None:
        start = self._lines.get(_key(own))
        line = None if start is None else self._history.line(start)
        if line is not None and line.get("fingerprint") == asdict(own):
            raise HeldError(already_done(line), Cause.DONE)

    def _waits_for(self, job_id: str, job: Job) -> bool:
        """
        Note who waits for a job's end; return False where it is over by now.
        """
        with self._lock:
            if job_id not in self._ahead:
                return False
            place = (job.folder, job.members[0].inbox_name)
            self._waiting.setdefault(job_id, set()).add(place)
            return True

    def _catch_up(self) -> None:
        """
        Read what the history has more than at the last look.
        """
        end = self._history.end()
        if end == self._read_to:
            return
        if end < self._read_to:  # A person shortened it.
            self._sizes.clear()
            self._lines.clear()
            self._read_to = 0
        for start, end, found in self._history.fingerprints(self._read_to):
            self._read_to = end
            if found is not None:
                self._sizes.add(found.size)
                self._lines[_key(found)] = start


def take_all(duplicates: Duplicates, spool: Spool) -> None:
    """
    Take in the jobs that are in work. Blocking.
    """
    for job in spool.jobs():
        duplicates.take(job, partial(fingerprints.in_work, job, spool.folder(job.id)))


def _key(found: Fingerprint) -> bytes:
    return bytes.fromhex(found.sha256)[:_KEY_BYTES]
