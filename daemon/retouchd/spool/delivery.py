"""
Delivers a finished job: pictures into the outbox or the folder for reviews, then the record and the originals
to done or error.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

from retouchd.disk import durable, file_stat, moves, nofollow
from retouchd.disk.calls import Folder
from retouchd.disk.folders import Folders
from retouchd.disk.moves import Way, carry
from retouchd.disk.nofollow import OpenFolder, Where
from retouchd.disk.threads import Steps
from retouchd.errors import Problem
from retouchd.job.model import Job, Role, Verdict
from retouchd.spool import finished_index
from retouchd.spool.ends import fruitless, originals, told_problems, with_unfinished
from retouchd.spool.fingerprint import Digest, Fingerprint
from retouchd.spool.history import reserved_in
from retouchd.spool.job_state import JobState, job_of
from retouchd.spool.phase import ORIGINALS, OUTPUTS, edit_of, number_of, pictures_in
from retouchd.spool.plan import (
    Archived,
    EditEnd,
    IsTaken,
    Item,
    Plan,
    plan_archive,
    plan_outputs,
    rename_pending,
    result_places,
    stands_apart,
)
from retouchd.spool.record import document, own_record, reason, record
from retouchd.spool.spool import Spool
from retouchd.spool.target_folder import blocked, made, taken_in


class Delivery:
    """
    The way out of the spool, in steps that say when they touch outbox, review, done and error. Every method
    may be repeated, and returns where the job stands then; each raises Blocked while a folder is full, away,
    read-only or has a file in the way.

    `known` returns what each edit of a job is known by where that was read already; `on_results` is told,
    before any of them is published, which pictures a job will publish.
    """

    def __init__(
        self,
        *,
        spool: Spool,
        folders: Folders,
        known: Callable[[str], Sequence[Fingerprint]],
        on_results: Callable[[Job, Plan], None] = lambda *_: None,
    ) -> None:
        self._spool = spool
        self._folders = folders
        self._known = known
        self._on_results = on_results

    def plan(
        self,
        job_state: JobState,
        ends: Sequence[Sequence[Problem]],
        now: datetime,
    ) -> Steps[JobState]:
        """
        Fix the end of a job: done with its results, or error with the problems of some of its edits. `ends` are
        those of each edit, none of one that is done; with none of any, all are done.

        What came is published, whatever became of other edits.
        """
        job = job_of(job_state)
        ends = with_unfinished(job_state, ends)
        problems = told_problems(job, ends)
        yield Folder.ERROR if problems else Folder.DONE
        archive = self._archive(is_done=not problems)
        results = job_state.results
        received = [each for each in pictures_in(job_state.files, OUTPUTS) if each not in results]
        sources = [*received, *fruitless(job_state), *originals(job_state)]
        with blocked(archive / job.folder):
            archived = _archived(job, sources, archive)
        outputs: tuple[Item, ...] = ()
        if results:
            yield _first_of(job)
            with blocked(self._folders.outbox / job.folder):
                outputs = plan_outputs(job, results, self._is_taken(job))
        is_any_done = not ends or not all(ends)
        failed = job_state.finished.failed
        known = self._known_by(job, is_needed=bool(failed)) if is_any_done or failed else ()
        plan = Plan(
            finished_at=now,
            **archived._asdict(),
            outputs=self._with_contents(job_state, outputs),
            received=self._received(job_state, archived.originals),
            problems=problems,
            edits=tuple(_edit_ends(job_state, ends, known)),
            warnings=job_state.finished.warnings,
            attempts=tuple(each for each in job_state.attempts if each.verdict is Verdict.DONE),
        )
        self._spool.fix(job.id, plan)
        return job_state.planned(plan)

    def publish(self, job_state: JobState) -> Steps[JobState]:
        """
        Rename each picture into the outbox or the folder for reviews; names taken since the plan lead to a new
        plan.
        """
        job, plan = job_of(job_state), _plan(job_state)
        yield _first_of(job)
        self._on_results(job, plan)
        for place, items in _by_place(plan.outputs):
            yield place
            with made(self._folders.results()[place], job) as folder:
                try:
                    job_state = self._deliver(job_state, items, folder)
                except FileExistsError:
                    self._plan_outputs_again(job_state)
                    return self._spool.load(job.id)
        return job_state

    def archive(self, job_state: JobState) -> Steps[JobState]:
        """
        Write the record, which reserves the stem, then the reason, then move the originals; all of it becomes
        durable at once.
        """
        job, plan = job_of(job_state), _plan(job_state)
        yield Folder.DONE if plan.is_done else Folder.ERROR
        root = self._archive(is_done=plan.is_done)
        with made(root, job) as folder:
            if not self._reserve(job_state, folder, root):
                return self._spool.load(job.id)
            if plan.problems:
                files = [item.target for item in plan.originals]
                text = reason(job, plan.problems, files, result_places(job, plan))
                self._write(job, folder, plan.reason_name, text)
            job_state = self._deliver(job_state, plan.originals, folder)
        leftovers = [f"{ORIGINALS}/{m.name}" for m in job.members if m.role is Role.LEFTOVER]
        for name in leftovers:
            durable.remove(self._spool.folder(job.id) / name)
        return job_state.without(leftovers)

    def tidy(self, job_state: JobState) -> Steps[None]:
        """
        Remove the notes on names kept free that a crash may have left of a job that is over: see `moves`.
        """
        if not moves.may_leave_notes():
            return
        job, plan = job_of(job_state), _plan(job_state)
        for place, items in _by_place(plan.outputs):
            yield place
            self._release(job, self._folders.results()[place], items, ())
        yield Folder.DONE if plan.is_done else Folder.ERROR
        records = [plan.record_name, plan.reason_name]
        self._release(job, self._archive(is_done=plan.is_done), plan.originals, records)
        yield Folder.WORK

    def _release(self, job: Job, root: Path, items: Iterable[Item], names: Iterable[str]) -> None:
        own = self._spool.folder(job.id)
        with contextlib.suppress(OSError), nofollow.opened_folder(root, job.folder) as folder:
            for way in (_way(own, job, item, folder) for item in items):
                moves.release(way.source, way.target)
                moves.release(way.temporary, way.target)
            for name in names:
                moves.release(folder / _note(job), folder / name)

    def _reserve(self, job_state: JobState, folder: OpenFolder, root: Path) -> bool:
        """
        Create the record; return False after planning another stem where somebody was faster.

        A record under the image's whole name is taken back where another such record reserves the same: each
        of two looks after it wrote its own, so that not both stay.
        """
        job, plan = job_of(job_state), _plan(job_state)
        body = document(record(job, job_state.attempts, plan, str(self._folders.outbox)))
        name = plan.record_name
        if self._write(job, folder, name, body) or own_record(_bytes_of(folder / name)) == job.id:
            if plan.label is None or not self._is_untouched(job_state):
                return True
            if stands_apart(plan, reserved_in(root, job.folder, plan.stem, but=name)):
                return True
            durable.remove(folder / name)
        sources = [item.source for item in plan.originals]
        self._spool.fix(job.id, replace(plan, **_archived(job, sources, root)._asdict()))
        return False

    def _is_untouched(self, job_state: JobState) -> bool:
        """
        Say whether no original is on its way yet: then the names can still be others.
        """
        return all(item.source in job_state.files for item in _plan(job_state).originals)

    def _write(self, job: Job, folder: OpenFolder, name: str, body: bytes) -> bool:
        try:
            moves.create(folder / name, body, folder / _note(job))
        except FileExistsError:
            return False
        return True

    def _plan_outputs_again(self, job_state: JobState) -> None:
        job, plan = job_of(job_state), _plan(job_state)
        pending = [item for item in plan.outputs if self._is_pending(job, item)]
        sources = [item.source for item in plan.outputs]
        renamed = plan_outputs(job, sources, self._is_taken(job))
        self._spool.fix(job.id, rename_pending(plan, pending, renamed))

    def _is_pending(self, job: Job, item: Item) -> bool:
        folder = self._spool.folder(job.id)
        return file_stat.is_taken(folder / item.source) or file_stat.is_taken(
            folder / _staged(item)
        )

    def _deliver(self, job_state: JobState, items: Sequence[Item], folder: OpenFolder) -> JobState:
        """
        Take the next steps of each file's way from wherever it stands; all that has come to the folder is
        durable on return. What has left the job's own may be there again after a power cut: it is the same
        file, and the same step ends it.
        """
        job = job_of(job_state)
        own = self._spool.folder(job.id)
        pending = [item for item in items if job_state.files.intersection(_names(item))]
        with durable.synced(folder):
            for item in pending:
                way = _way(own, job, item, folder)
                if way.staged.name in job_state.files:
                    _unstage_if_lost(way)
                carry(way)
        return job_state.without(name for item in pending for name in _names(item))

    def _with_contents(self, job_state: JobState, outputs: Sequence[Item]) -> tuple[Item, ...]:
        """
        Return outputs with what each is known by, once published it may go anywhere; and how it was finished.
        """
        folder, reports = self._spool.folder(job_state.id), job_state.finished.reports
        return tuple(
            replace(
                item,
                content=_content(folder, item.source),
                report=reports.get(number_of(item.source)),
            )
            for item in outputs
        )

    def _received(self, job_state: JobState, items: Sequence[Item]) -> tuple[Item, ...]:
        """
        Return the pictures of edits that could not be finished, with what each is known by.
        """
        folder = self._spool.folder(job_state.id)
        failed = job_state.finished.failed
        return tuple(
            replace(item, content=_content(folder, item.source))
            for item in items
            if item.source.startswith(f"{OUTPUTS}/") and edit_of(item.source) in failed
        )

    def _known_by(self, job: Job, *, is_needed: bool) -> Sequence[Fingerprint]:
        """
        Return what each edit of a job is known by, nothing where that cannot be read; raises OSError where it
        `is_needed`: what came and could not be finished is found again by nothing else.
        """
        if known := self._known(job.id):
            return known
        with contextlib.nullcontext() if is_needed else contextlib.suppress(OSError):
            return finished_index.in_work(job, self._spool.folder(job.id))
        return ()

    def _is_taken(self, job: Job) -> IsTaken:
        """
        Return what says whether a name is taken for a result: one under review is to keep its own later on.
        """
        folders = self._folders
        in_outbox, in_review = taken_in(folders.outbox, job), taken_in(folders.review, job)
        return lambda name: in_outbox(name) or (job.is_reviewed and in_review(name))

    def _archive(self, *, is_done: bool) -> Path:
        return self._folders.done if is_done else self._folders.error


def _edit_ends(
    job_state: JobState, ends: Sequence[Sequence[Problem]], known: Sequence[Fingerprint]
) -> Iterator[EditEnd]:
    for number, _ in enumerate(job_of(job_state).edits, 1):
        problems = tuple(ends[number - 1]) if ends else ()
        has_come = not problems or number in job_state.finished.failed
        yield EditEnd(
            problems=problems,
            fingerprint=known[number - 1] if known and has_come else None,
        )


def _note(job: Job) -> str:
    return f".retouchd-{job.id}-note"


def _archived(job: Job, sources: Sequence[str], root: Path) -> Archived:
    reserved = partial(reserved_in, root, job.folder, job.stem)
    return plan_archive(job, sources, taken_in(root, job), reserved)


def _way(own: Path, job: Job, item: Item, folder: OpenFolder) -> Way:
    return Way(
        source=own / item.source,
        staged=own / _staged(item),
        temporary=folder / f".retouchd-{job.id}-{item.key}",
        target=folder / item.target,
    )


def _content(folder: Path, name: str) -> Digest | None:
    """
    Return what a picture is known by, None where the disk fails: it was paid for and is published all the same.
    """
    with contextlib.suppress(OSError):
        return finished_index.digest_of(folder, name)
    return None


def _unstage_if_lost(way: Way) -> None:
    """
    Begin anew where somebody cleared the copy away before it got its name, or its disk lost some of it, as a
    server's may in a power cut though it had promised to keep it: the staged file is the last one.

    It does not stay staged, as a half-made copy of a staged file would pass for a whole one.
    """
    copy = way.temporary if file_stat.is_taken(way.temporary) else way.target
    if file_stat.is_copy(way.staged, copy):
        return
    durable.remove(way.temporary)
    if file_stat.is_same(way.source, way.staged):
        durable.remove(way.source)  # A power cut may leave both names of a rename.
    durable.rename(way.staged, way.source)


def _staged(item: Item) -> str:
    return f"{item.key}.staged"


def _names(item: Item) -> tuple[str, str]:
    return item.source, _staged(item)


def _by_place(items: Sequence[Item]) -> list[tuple[Folder, list[Item]]]:
    """
    Return the results that go to each folder, of those to which any go.
    """
    found: dict[Folder, list[Item]] = {}
    for item in items:
        found.setdefault(Folder.REVIEW if item.is_reviewed else Folder.OUTBOX, []).append(item)
    return list(found.items())


def _first_of(job: Job) -> Folder:
    return Folder.REVIEW if job.edits[0].is_reviewed else Folder.OUTBOX


def _bytes_of(where: Where) -> bytes:
    """
    Return what a file holds, nothing where the name is no file's.
    """
    try:
        with file_stat.reading(where) as fd:
            return b"".join(file_stat.blocks(fd))
    except OSError as error:
        if error.errno not in file_stat.NO_FILE:
            raise
        return b""


def _plan(job_state: JobState) -> Plan:
    assert job_state.plan is not None, f"{job_state.id} has no plan.json"
    return job_state.plan
