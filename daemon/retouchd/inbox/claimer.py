"""
Claims ready families: looks once more, builds the job, renames the files out of the inbox. All of it blocks.
"""

import contextlib
from functools import partial

from retouchd.clock import Clock
from retouchd.errors import Blocked
from retouchd.events import emit
from retouchd.events.inbox import FileHeld, FileOpen, FileReturning
from retouchd.inbox.candidates import Candidate
from retouchd.inbox.duplicates import Duplicates
from retouchd.inbox.folder_index import Key
from retouchd.inbox.held import (
    HeldBundle,
    HeldBundles,
    HeldCause,
    HeldError,
    NotYetError,
    Twin,
)
from retouchd.inbox.index import InboxIndex
from retouchd.inbox.job_builder import JobBuilder, Unfinished
from retouchd.inbox.readiness import Patience, Ready
from retouchd.inbox.references import ReferenceCopier
from retouchd.inbox.return_backoff import ReturnBackoffs
from retouchd.inbox.waiting import kind_of
from retouchd.job.filenames import parse
from retouchd.job.model import Job
from retouchd.job.naming import path_below, shown
from retouchd.spool.finished_index import in_work
from retouchd.spool.phase import Phase
from retouchd.spool.spool import Spool

_SOON_SECONDS = 1.0


class Claimer:
    """
    Claims the ready bundles of a family; what cannot be claimed is held where it lies: see `holding`.
    """

    def __init__(
        self,
        *,
        index: InboxIndex,
        builder: JobBuilder,
        duplicates: Duplicates,
        reference_copier: ReferenceCopier,
        spool: Spool,
        patience: Patience,
        retry_seconds: float,
        clock: Clock,
    ) -> None:
        self._index = index
        self._queue = index.queue
        self._builder = builder
        self._duplicates = duplicates
        self._reference_copier = reference_copier
        self._spool = spool
        self._patience = patience
        self._retry_seconds = retry_seconds
        self._clock = clock
        self.holding = HeldBundles()
        self.returns = ReturnBackoffs()

    def forget(self) -> None:
        """
        Forget what was held and is no longer there.
        """
        self.holding.forget(self._index.files.knows)
        self.returns.forget(self._clock.monotonic())

    def reconsider(self) -> None:
        """
        Have everything decided about anew, and all that is held tried again.
        """
        self._index.files.schedule_all(self._clock.monotonic())
        self.returns.clear()
        for folder, name in self.holding.places():
            self._queue.try_later((folder, parse(name).family), self._clock.monotonic())

    def claim(self, key: Key) -> list[Job]:
        """
        Look once more at all files of a family, then claim the bundles of it that are ready.
        """
        ready = []
        for candidate in self._index.look_once_more(key):
            if isinstance(candidate.state, Ready):
                ready.append(candidate)
            else:
                self._queue.put_off(key, candidate.state)
        if ready and (shut := self._index.files.shut(key)):
            self._shut_out(key, ready, path_below(*shut[0]))
            return []
        ready = [candidate for candidate in ready if self._may_be_taken(key, candidate)]
        jobs = [job for candidate in ready if (job := self._claim_one(key, candidate))]
        if jobs:
            self._index.note_claimed(key)
        return jobs

    def _claim_one(self, key: Key, candidate: Candidate) -> Job | None:
        first = candidate.folder, candidate.bundle.files[0].name
        try:
            now = self._clock.monotonic()
            candidate = self._queue.reasons.explained(candidate, now)
            job = self._builder.build(candidate, now)
            if isinstance(job, Unfinished):
                self._wait(key, candidate, job)
                return None
            checked = self._duplicates.check(job)
            job = checked.job
            if not self._take(key, job):
                # Gone, which the next look shows, or changed at this very moment; if always so, it is held.
                now = self._clock.monotonic()
                self.returns.note(first, "it was changed at that very moment", now)
                self._queue.look_again(key, now + self._patience.settle_seconds)
                return None
        except HeldError as held:
            self._hold(candidate, held)
            return None
        except (NotYetError, FileNotFoundError) as early:
            if isinstance(early, NotYetError):  # Else somebody took it away meanwhile.
                self._queue.try_later(key, self._clock.monotonic() + _SOON_SECONDS)
            return None
        except OSError as error:
            self._hold(
                candidate,
                HeldError(f"it cannot be moved out of the inbox: {error.strerror or error}"),
            )
            self._queue.try_later(key, self._clock.monotonic() + self._retry_seconds)
            return None
        self._index.files.references.spare(job.references)
        self._duplicates.take(job, partial(in_work, job, self._spool.folder(job.id)), checked.known)
        self.holding.release(first)
        if not job.problems:
            # Now, since what one job uses as a reference may be the next one to be claimed.
            with contextlib.suppress(Blocked):
                self._reference_copier.gather(job)
        return job

    def _shut_out(self, key: Key, ready: list[Candidate], path: str) -> None:
        """
        Hold what is ready while a file that may belong to it cannot be looked at.
        """
        held = HeldError(f"{shown(path)} cannot be looked at, and may belong to it")
        for candidate in ready:
            self._hold(candidate, held)
        self._queue.try_later(key, self._clock.monotonic() + self._retry_seconds)

    def _take(self, key: Key, job: Job) -> bool:
        """
        Open and claim a job; return False if somebody else was faster.

        A claim that fails half-way is taken back: what may not be renamed now holds the whole bundle.
        """
        try:
            self._spool.open(job)
            if self._spool.claim(job):
                return True
        except OSError:
            if self._took_back(job):
                raise
            # The pipeline goes on with what could not be given back either; it may turn out to be nothing.
            self._queue.try_later(key, self._clock.monotonic() + self._retry_seconds)
            return True
        try:
            is_empty = self._spool.load(job.id).phase is Phase.EMPTY
            if is_empty:
                self._spool.discard(job.id)
        except (Blocked, OSError):
            return True  # The pipeline finds out.
        return not is_empty

    def _took_back(self, job: Job) -> bool:
        try:
            self._spool.give_back(job)
            self._spool.discard(job.id)
        except (Blocked, OSError):
            return False
        return True

    def _wait(self, key: Key, candidate: Candidate, unfinished: Unfinished) -> None:
        """
        Hold what may still be written to, and look again later; an event about it comes first.
        """
        first = candidate.folder, candidate.bundle.files[0].name
        is_news = self.holding.hold(
            first, _hold_of(candidate, HeldCause.UNFINISHED, unfinished.reason)
        )
        if unfinished.is_passing:
            self._queue.look_again(key, unfinished.at)
            return
        self._queue.try_later(key, unfinished.at)
        if is_news:
            emit(FileOpen(folder=first[0], name=first[1], reason=unfinished.reason))

    def _may_be_taken(self, key: Key, candidate: Candidate) -> bool:
        """
        Hold what came back again and again, until its pause is over.
        """
        first = candidate.folder, candidate.bundle.files[0].name
        if (back := self.returns.held(first, self._clock.monotonic())) is None:
            return True
        if back.is_news and first not in self.holding.faults:
            emit(FileReturning(folder=first[0], name=first[1], reason=back.sentence))
        self.holding.hold(first, _hold_of(candidate, HeldCause.FAULT, back.sentence))
        self._queue.try_later(key, back.until)
        return False

    def _hold(self, candidate: Candidate, held: HeldError) -> None:
        first = candidate.folder, candidate.bundle.files[0].name
        if self.holding.hold(first, _hold_of(candidate, held.cause, str(held))):
            twin = held.twin or Twin("")
            emit(
                FileHeld(
                    folder=first[0],
                    name=first[1],
                    reason=str(held),
                    same_as=twin.job,
                    results=twin.results,
                )
            )


def _hold_of(candidate: Candidate, cause: HeldCause, reason: str) -> HeldBundle:
    names = tuple(each.name for each in candidate.bundle.files)
    seen = candidate.observations[names[0]].signature
    return HeldBundle(
        cause=cause, reason=reason, kind=kind_of(reason, names), names=names, seen=seen
    )
