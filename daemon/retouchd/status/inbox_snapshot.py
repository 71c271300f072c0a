"""
A read-only look at the inbox from outside the daemon: the same scanner and rules, no state, nothing changed.

What a file's watcher would remember is taken from its ctime: the last moment at which anybody wrote to it
or renamed it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from retouchd.clock import Clock
from retouchd.config.settings import Current, Settings
from retouchd.disk.signature import ctime_of
from retouchd.inbox.candidates import Candidate
from retouchd.inbox.duplicates import Duplicates, take_all
from retouchd.inbox.held import HeldBundles, HeldError, NotYetError
from retouchd.inbox.ignore import ignore_table
from retouchd.inbox.index import InboxIndex
from retouchd.inbox.job_builder import Completeness, JobBuilder, Unfinished
from retouchd.inbox.job_freezer import JobFreezer
from retouchd.inbox.queue import InboxQueue
from retouchd.inbox.readiness import Ready
from retouchd.inbox.references import ReferenceChecks, ReferenceCopier, used_references
from retouchd.inbox.scanner import InboxScanner, LeftAlone
from retouchd.inbox.sidecar_reader import SidecarReader
from retouchd.inbox.waiting_reasons import Idle
from retouchd.inbox.waiting_summary import WaitingSummary
from retouchd.job.model import Job
from retouchd.pipeline.prepare import Preparer
from retouchd.spool.fingerprint import Policy
from retouchd.spool.finished_index import in_inbox
from retouchd.spool.history import RECOVERED, History
from retouchd.spool.history_recovery import Recovery
from retouchd.spool.spool import Spool

_PASSES = 2
"""What is read in the first may name pictures that were decided about as jobs of their own."""


def inbox_of(settings: Settings) -> InboxScanner:
    """
    Return the scanner of the inbox.
    """
    return InboxScanner(
        root=settings.folders.inbox,
        ignored=ignore_table(settings.ignore),
        recursive=settings.recursive,
    )


def index_of(current: Current, inbox: InboxScanner, clock: Clock) -> InboxIndex:
    """
    Return an empty index of the inbox.
    """
    queue = InboxQueue(
        patience=current.settings.patience,
        default=current.edit_task,
        takes_captions=current.settings.reads_captions,
        companions=current.settings.companions,
    )
    reader = reader_of(current.settings, inbox)
    return InboxIndex(inbox=inbox, reader=reader, queue=queue, clock=clock)


def reader_of(settings: Settings, inbox: InboxScanner) -> SidecarReader:
    """
    Return what reads sidecars and folder files.
    """
    return SidecarReader(
        inbox=inbox,
        text_encoding=settings.text_encoding,
        is_chinese=settings.is_chinese,
        max_megapixels=settings.max_megapixels,
        reads_captions=settings.reads_captions,
    )


def builder_of(
    current: Current, inbox: InboxScanner, preparer: Preparer, clock: Clock
) -> JobBuilder:
    """
    Return what makes jobs of what is ready.
    """
    settings = current.settings
    job_freezer = JobFreezer(
        inbox=inbox,
        reader=reader_of(settings, inbox),
        reference_checks=ReferenceChecks(inbox=inbox.root, examine=preparer.reference_problems),
        current=current,
    )
    completeness = Completeness(
        inbox=inbox, patience=settings.patience, max_megapixels=settings.max_megapixels
    )
    return JobBuilder(inbox=inbox, job_freezer=job_freezer, completeness=completeness, clock=clock)


@dataclass(frozen=True, slots=True)
class Held:
    """
    Why a bundle that is whole would stay in the inbox.
    """

    reason: str


class InboxSnapshot:
    """
    The inbox as it lies there at one moment. Blocking.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        current = Current(settings)
        self._inbox = inbox_of(settings)
        spool = Spool(work=settings.folders.work, inbox=settings.folders.inbox)
        reference_copier = ReferenceCopier(spool=spool, inbox=self._inbox)
        preparer = Preparer(spool=spool, reference_copier=reference_copier, current=current)
        self._builder = builder_of(current, self._inbox, preparer, clock)
        history = History(settings.folders.work)
        self._settings, self._history, self._spool = settings, history, spool
        self._index = index_of(current, self._inbox, clock)
        self._queue = self._index.queue
        self._clock = clock
        self.now = clock.monotonic()
        self._walk()
        self._index.files.references.spare(used_references(history, spool))
        for _ in range(_PASSES):
            self._index.settle(self.now)

    @property
    def faults(self) -> Mapping[str, str]:
        """
        Return why folders could not be read.
        """
        return self._index.faults

    def idle(self) -> list[Idle]:
        """
        Return every file that waits or is not taken; times are of the monotonic clock, see `now`.
        """
        return list(self._queue.reasons.idle(self.now))

    def summary(self) -> WaitingSummary:
        """
        Return what there is to tell of it.
        """
        return WaitingSummary(self._queue, HeldBundles(), self._index.faults, self._clock)

    def claimable(self) -> Iterator[tuple[Candidate, Job | Held]]:
        """
        Return what could be claimed, in the order in which it would be: the job it makes, or why it is held.
        """
        # Nothing is written where the daemon works, so what is recovered goes elsewhere.
        with TemporaryDirectory(prefix="retouchd-") as scratch:
            duplicates = self._duplicates(Path(scratch))
            while (key := self._queue.take()) is not None:
                for candidate in self._queue.decision(key, self.now):
                    if isinstance(candidate.state, Ready):
                        yield candidate, self._frame(candidate, duplicates)

    def _duplicates(self, scratch: Path) -> Duplicates:
        settings = self._settings
        recovery = Recovery(
            folders=settings.folders,
            history=self._history,
            spool=self._spool,
            scratch=History(scratch, RECOVERED),
        )
        duplicates = Duplicates(
            policy=settings.duplicates, recovery=recovery, folders=settings.folders
        )
        if settings.duplicates is Policy.HOLD:
            recovery.learn()
            take_all(duplicates, self._spool)
        return duplicates

    def _frame(self, candidate: Candidate, duplicates: Duplicates) -> Job | Held:
        try:
            job = self._builder.build(candidate, self.now)
            if isinstance(job, Unfinished):
                return Held(job.reason)
            job = duplicates.check(job, self._index.holds).job
        except HeldError as held:
            return Held(str(held))
        except NotYetError:
            return Held("what was edited before is being looked up: ask again in a moment")
        except OSError as error:
            return Held(f"it cannot be read: {error.strerror}")
        duplicates.take(job, partial(in_inbox, job, self._inbox.root))
        return job

    def _walk(self) -> None:
        ahead = self._clock.now().timestamp() - self.now
        for listing in self._inbox.walk():
            if listing.fault is not None:
                self._index.faults[listing.folder] = listing.fault
            for name, found in zip(listing.names, listing.found, strict=True):
                at = self.now
                if not isinstance(found, LeftAlone):
                    at = min(at, ctime_of(found) / 1e9 - ahead)
                self._index.files.see(listing.folder, name, found, at)
