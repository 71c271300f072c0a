"""
Claims ready families: looks once more, builds the job, renames the files out of the inbox. All of it blocks.

Several may be claimed at once: each step of a claim waits for the disk, which takes no longer for many.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from retouchd.clock import Clock
from retouchd.disk.calls import Folder
from retouchd.disk.threads import Steps
from retouchd.errors import Blocked
from retouchd.events import emit
from retouchd.events.inbox import FileHeld, FileOpen, FileReturning
from retouchd.inbox.candidates import Candidate
from retouchd.inbox.duplicates import Checked, Duplicates
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
from retouchd.spool.fingerprint import Fingerprint, outlines
from retouchd.spool.finished_index import in_work
from retouchd.spool.phase import Phase
from retouchd.spool.spool import Spool

_SOON_SECONDS = 1.0


Outcome: TypeAlias = bool | Exception
"""Whether a job was claimed, or why it could not be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick:
    """
    A bundle that is to be claimed: of which family, as which job, what each edit is known by if that was read.

    One that `is_early` cannot be claimed together with those before it.
    """

    key: Key
    candidate: Candidate
    job: Job
    found: Sequence[Fingerprint]
    is_early: bool = False


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

    def pick(self, key: Key, before: Sequence[Pick]) -> list[Pick] | None:
        """
        Look once more at all files of a family, then return the bundles of it that are ready, as jobs to be
        claimed. None where those picked `before` must be claimed first: they may ask for the same.
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
        if before and len(ready) > 1:
            return None
        picks: list[Pick] = []
        for candidate in ready:
            pick = self._pick_one(key, candidate, before)
            if pick is None:
                continue
            if pick.is_early:
                return None
            picks.append(pick)
        return picks

    def take(self, pick: Pick) -> Steps[Outcome]:
        """
        Open and claim a job; return whether it was, or why it could not be. Any number at once: nothing but the
        disk is touched.
        """
        try:
            return (yield from self._take(pick.key, pick.job))
        except Exception as error:  # noqa: BLE001 - whoever settles it knows what it means
            return error

    def settle(self, picks: Sequence[Pick], outcomes: Sequence[Outcome]) -> list[Job]:
        """
        Take in what became of picks; return the jobs that were claimed. Raises what nobody foresaw, once all
        others are settled.
        """
        pairs = list(zip(picks, outcomes, strict=True))
        jobs = [pick.job for pick, outcome in pairs if self._is_claimed(pick, outcome)]
        for key in dict.fromkeys(pick.key for pick, outcome in pairs if outcome is True):
            self._index.note_claimed(key)
        for _, outcome in pairs:
            if isinstance(outcome, Exception) and not isinstance(outcome, OSError):
                raise outcome
        return jobs

    def _pick_one(self, key: Key, candidate: Candidate, before: Sequence[Pick]) -> Pick | None:
        try:
            now = self._clock.monotonic()
            candidate = self._queue.reasons.explained(candidate, now)
            job = self._builder.build(candidate, now)
            if isinstance(job, Unfinished):
                self._wait(key, candidate, job)
                return None
            alike = [each for each in before if not outlines(each.job).isdisjoint(outlines(job))]
            is_early = bool(before) and bool(job.references)
            checked = Checked(job) if is_early else self._duplicates.check(job, self._index.holds)
            is_early = is_early or any(_may_be_same(each, checked.known) for each in alike)
            return Pick(
                key=key,
                candidate=candidate,
                job=checked.job,
                found=checked.known,
                is_early=is_early,
            )
        except HeldError as held:
            self._hold(candidate, held)
            if held.may_pass:
                self._queue.try_later(key, self._clock.monotonic() + self._retry_seconds)
        except (NotYetError, FileNotFoundError) as early:
            if isinstance(early, NotYetError):  # Else somebody took it away meanwhile.
                self._queue.try_later(key, self._clock.monotonic() + _SOON_SECONDS)
        except OSError as error:
            self._hold_unmovable(key, candidate, error)
        return None

    def _is_claimed(self, pick: Pick, outcome: Outcome) -> bool:
        key, job, candidate = pick.key, pick.job, pick.candidate
        first = candidate.folder, candidate.bundle.files[0].name
        now = self._clock.monotonic()
        if isinstance(outcome, FileNotFoundError):
            return False  # Somebody took it away meanwhile.
        if isinstance(outcome, OSError):
            self._hold_unmovable(key, candidate, outcome)
            return False
        if isinstance(outcome, Exception):
            # It is ready no longer, and nothing new would be seen of it: only this brings it back.
            self._queue.try_later(key, now + self._retry_seconds)
            return False
        if not outcome:
            # Gone, which the next look shows, or changed at this very moment; if always so, it is held.
            self.returns.note(first, "it was changed at that very moment", now)
            self._queue.look_again(key, now + self._patience.settle_seconds)
            return False
        self._index.files.references.spare(job.references)
        self._duplicates.take(job, partial(in_work, job, self._spool.folder(job.id)), pick.found)
        self.holding.release(first)
        if not job.problems:
            # Now, since what one job uses as a reference may be the next one to be claimed.
            with contextlib.suppress(Blocked):
                self._reference_copier.gather(job)
        return True

    def _hold_unmovable(self, key: Key, candidate: Candidate, error: OSError) -> None:
        reason = f"it cannot be moved out of the inbox: {error.strerror or error}"
        self._hold(candidate, HeldError(reason))
        self._queue.try_later(key, self._clock.monotonic() + self._retry_seconds)

    def _shut_out(self, key: Key, ready: list[Candidate], path: str) -> None:
        """
        Hold what is ready while a file that may belong to it cannot be looked at.
        """
        held = HeldError(f"{shown(path)} cannot be looked at, and may belong to it")
        for candidate in ready:
            self._hold(candidate, held)
        self._queue.try_later(key, self._clock.monotonic() + self._retry_seconds)

    def _take(self, key: Key, job: Job) -> Steps[bool]:
        """
        Open and claim a job; return False if somebody else was faster.

        A claim that fails half-way is taken back: what may not be renamed now holds the whole bundle.
        """
        try:
            self._spool.open(job)
            yield Folder.INBOX
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


def _may_be_same(pick: Pick, known: Sequence[Fingerprint]) -> bool:
    """
    Return whether a bundle picked before may ask for any of that; it may where either was not read.
    """
    return not pick.found or not known or not set(pick.found).isdisjoint(known)


def _hold_of(candidate: Candidate, cause: HeldCause, reason: str) -> HeldBundle:
    names = tuple(each.name for each in candidate.bundle.files)
    seen = candidate.observations[names[0]].signature
    return HeldBundle(
        cause=cause, reason=reason, kind=kind_of(reason, names), names=names, seen=seen
    )
