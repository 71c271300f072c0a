"""
Detects duplicates: a picture that comes again with the same request is not bought again, and a result that
comes back is not edited by itself.

Pictures are read only where sizes say that they may be the same; what finished jobs are known by comes from the
history and from `done/`, so it outlives restarts.
"""

import contextlib
import threading
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

from retouchd.disk.folders import Folders
from retouchd.errors import Blocked
from retouchd.inbox.earlier_results import records_beside, told_beside, told_by, with_earlier
from retouchd.inbox.held import HeldCause, HeldError, NotYetError, Twin
from retouchd.inbox.kept_results import raise_if_unknown, with_kept
from retouchd.inbox.references import Place
from retouchd.job.model import Job, Role
from retouchd.spool import finished_index
from retouchd.spool.fingerprint import (
    Digest,
    Fingerprint,
    Policy,
    about_to_be_done,
    already_done,
    outlines,
    own_result,
    own_result_in_work,
)
from retouchd.spool.finished_index import FinishedIndex, ReplacedError
from retouchd.spool.history_recovery import Recovery
from retouchd.spool.plan import Plan, result_places
from retouchd.spool.spool import Spool

Look: TypeAlias = Callable[[], Sequence[Fingerprint]]
"""Reads what each edit of a job is known by."""


@dataclass(slots=True)
class _Ahead:
    job: Job
    look: Look
    found: Sequence[Fingerprint] = ()
    results: dict[Digest, str] = field(default_factory=dict)
    """What it publishes, each with its path below the outbox."""

    def is_same(self, asked: Collection[Fingerprint]) -> bool:
        """
        Return whether it asks for any of that; what cannot be read, as it is being moved, may be the same.
        """
        try:
            self.found = self.found or self.look()
        except OSError:
            return True
        return not set(asked).isdisjoint(self.found)


@dataclass(frozen=True, slots=True)
class Checked:
    """
    A job that may be claimed, in which those edits are marked that were done before; `known` is what each is
    known by, empty where that did not have to be read.
    """

    job: Job
    known: Sequence[Fingerprint] = ()


class Duplicates:
    """
    Knows what finished jobs and those in work have asked for, and their results. `check` blocks: it reads
    pictures.
    """

    def __init__(self, *, policy: Policy, recovery: Recovery, folders: Folders) -> None:
        self._policy = policy
        self._is_on = policy is Policy.HOLD
        self._recovery = recovery
        self._folders = folders
        self._inbox = folders.inbox
        self._journals: FinishedIndex | None = None
        # Jobs end while a claim is looked into in a thread.
        self._lock = threading.Lock()
        self._ahead: dict[str, _Ahead] = {}
        # What would be slow to look through for each of ten thousand jobs.
        self._alike: dict[Hashable, dict[str, _Ahead]] = {}
        self._publishing: dict[str, _Ahead] = {}
        self._left: set[str] = set()
        self._wanted: set[Place] = set()
        self._waiting: dict[str, set[Place]] = {}

    def want_again(self, place: Place) -> None:
        """
        Let the bundle with this first file be edited, and charged, though the same was done before.
        """
        with self._lock:
            self._wanted.add(place)

    def take(self, job: Job, look: Look, found: Sequence[Fingerprint] = ()) -> None:
        """
        Take in a job that is not over yet; `look` reads what it is known by, unless it was `found` already.
        """
        if self._is_on and not job.problems:
            with self._lock:
                self._ahead[job.id] = ahead = _Ahead(job, look, found)
                for each in outlines(job):
                    self._alike.setdefault(each, {})[job.id] = ahead

    def leave(self, job_id: str) -> None:
        """
        Take in that an earlier process left a job in work whose end was not fixed yet.
        """
        self._left.add(job_id)

    def is_left(self, job_id: str) -> bool:
        """
        Return whether nobody has looked since whether such a job was done: an older work folder may have been
        put back, or another daemon have been quicker.
        """
        return job_id in self._left

    def check_left(self, job: Job) -> None:
        """
        Look whether a job that was left has been done since; all its files are in work. Raises as `check` does.
        """
        with self._lock:
            ahead = self._ahead.get(job.id)
        if ahead is not None:
            finished = self._finished()
            ahead.found = ahead.found or ahead.look()
            for edit, known in zip(job.edits, ahead.found, strict=True):
                if edit.had is None:
                    _raise_if_done(finished, known)
        self._left.discard(job.id)

    def publish(self, job: Job, plan: Plan) -> None:
        """
        Take in what a job is about to publish: from then on it may come back at any time.
        """
        with self._lock:
            if ahead := self._ahead.get(job.id):
                ahead.results = {
                    item.content: place
                    for item, place in zip(plan.outputs, result_places(job, plan), strict=True)
                    if item.content
                }
                self._publishing[job.id] = ahead

    def known(self, job_id: str) -> Sequence[Fingerprint]:
        """
        Return what each edit of a job in work is known by, nothing where nobody had to read it yet.
        """
        with self._lock:
            ahead = self._ahead.get(job_id)
        return ahead.found if ahead else ()

    def over(self, job_id: str) -> set[Place]:
        """
        Take in that a job is over; return what has waited for that.
        """
        with self._lock:
            self._publishing.pop(job_id, None)
            if ahead := self._ahead.pop(job_id, None):
                for key in outlines(ahead.job):
                    alike = self._alike[key]
                    del alike[job_id]
                    if not alike:
                        del self._alike[key]
            return self._waiting.pop(job_id, set())

    def check(self, job: Job, holds: Callable[[str, str], bool]) -> Checked:
        """
        Look for what a job that could be claimed would ask for, and for its image among all results; raises
        HeldError where all of it was found. Of several edits those are not asked for that were done before, nor
        those for which something came that only could not be finished. `holds` tells whether a folder of the
        inbox holds a name.

        Raises NotYetError while it is not known what was done before, FileNotFoundError where a file changed
        meanwhile, OSError where one cannot be read.
        """
        if job.problems or self._is_wanted(job):
            return Checked(job)
        own: Sequence[Fingerprint] = ()
        records = records_beside(job, self._inbox)
        if records:
            own = finished_index.in_inbox(job, self._inbox)
            job = with_earlier(job, own, told_beside(records).get)
        while True:
            finished = self._finished() if self._is_on else self._told_by_journals()
            if records or self._may_be_known(finished, job):
                own = own or finished_index.in_inbox(job, self._inbox)
                job = self._without_what_came(job, own, finished, records)
            if not self._is_on:
                return Checked(job, own)
            raise_if_unknown(job, holds)
            with self._lock:
                ahead = [e for key in outlines(job) for e in self._alike.get(key, {}).values()]
            if not ahead:
                return Checked(job, own)
            own = own or finished_index.in_inbox(job, self._inbox)
            asked = [known for edit, known in zip(job.edits, own, strict=True) if edit.had is None]
            twin = next((each.job for each in ahead if each.is_same(asked)), None)
            if twin is None:
                return Checked(job, own)
            if self._waits_for(twin.id, job):
                raise HeldError(about_to_be_done(twin), HeldCause.IN_WORK, Twin(twin.id))

    def _without_what_came(
        self,
        job: Job,
        own: Sequence[Fingerprint],
        finished: FinishedIndex,
        records: Sequence[Mapping[str, Any]],
    ) -> Job:
        """
        Return a job that does not ask for what was done before, nor for what came and could not be finished.
        """
        if self._is_on:
            job = with_earlier(job, own, partial(told_by, finished))
            if job.said_by("prompt") is None:
                self._raise_if_result(finished, own[0])
        told = partial(_received, finished, records)
        return with_kept(job, own, told, self._folders, self._policy)

    def _is_wanted(self, job: Job) -> bool:
        with self._lock:
            return (job.folder, job.members[0].inbox_name) in self._wanted

    def _finished(self) -> FinishedIndex:
        """
        Return all finished jobs, those that ended just now among them.
        """
        finished = self._recovery.finished
        try:
            if finished is not None:
                finished.catch_up()
                return finished
        except ReplacedError:
            self._recovery.replaced()
        except OSError:
            self._recovery.again()  # Which also says what cannot be read.
        raise NotYetError(self._recovery.reason, is_stuck=bool(self._recovery.obstacle))

    def _told_by_journals(self) -> FinishedIndex:
        """
        Return all jobs of which the journals tell: nobody waits for more where duplicates are wanted.
        """
        with contextlib.suppress(ReplacedError):
            if self._journals is not None:
                self._journals.catch_up()
                return self._journals
        self._journals = self._recovery.journals()
        self._journals.catch_up()
        return self._journals

    def _may_be_known(self, finished: FinishedIndex, job: Job) -> bool:
        image = job.member(Role.IMAGE)
        if image is None:
            return False
        size = image.snapshot.size
        with self._lock:
            in_work = {each.size for ahead in self._publishing.values() for each in ahead.results}
        return size in in_work or finished.may_be_done(size) or finished.may_be_result(size)

    def _raise_if_result(self, finished: FinishedIndex, own: Fingerprint) -> None:
        image = own.original
        assert image is not None, "what was read in the inbox tells of its image"
        with self._lock:
            in_work = next(
                (path for each in self._publishing.values() if (path := each.results.get(image))),
                None,
            )
        found = finished.result(image)
        if (in_work is None and found is None) or finished.is_original(image):
            return
        reason = own_result(*found) if found else own_result_in_work(str(in_work))
        raise HeldError(reason, HeldCause.DONE)

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


def _received(
    finished: FinishedIndex, records: Sequence[Mapping[str, Any]], own: Fingerprint
) -> list[Mapping[str, Any]]:
    """
    Return what tells of jobs that may have got something for an edit: the records beside the picture first.
    """
    return [*records, *finished.received(own)]


def take_all(duplicates: Duplicates, spool: Spool) -> None:
    """
    Take in the jobs that are in work. Blocking.
    """
    for job in spool.jobs():
        duplicates.take(job, partial(finished_index.in_work, job, spool.folder(job.id)))
        with contextlib.suppress(Blocked, OSError):
            if plan := spool.load(job.id).plan:
                duplicates.publish(job, plan)
            else:
                duplicates.leave(job.id)


def _raise_if_done(finished: FinishedIndex, own: Fingerprint) -> None:
    if (line := finished.done(own)) is not None:
        results = tuple(map(str, line.get("outputs") or ()))
        raise HeldError(already_done(line), HeldCause.DONE, Twin(str(line.get("id")), results))
