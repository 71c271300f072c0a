"""
The work folder and its sole owner: the files of a job's directory are its state.

    jobs/<id>/            one directory a job; see `spool.phase` for what its files mean
    trash/                forgotten jobs on their way out
    journal.jsonl         what a power cut may take away of their documents
    history.jsonl, lock   see their own modules

Every method is one durable step that may be repeated after a crash at any point of it. All of them
block and belong in a thread. OSErrors go to the caller, who knows what they mean for the job.
"""

import contextlib
import errno
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from retouchd.disk import durable, file_stat, moves, nofollow
from retouchd.disk.calls import Folder, at
from retouchd.disk.durable import DurableFile
from retouchd.disk.lock import WorkLock
from retouchd.disk.probes import PROBE
from retouchd.errors import Blocked
from retouchd.job.model import Attempt, AttemptKey, Job, Opened
from retouchd.spool import answer_file, documents, job_directory
from retouchd.spool.job_state import CRASHES, JobState, attempt_name
from retouchd.spool.journal import Journal
from retouchd.spool.phase import (
    ANSWER_PART,
    FIRST_ANSWER,
    JOB,
    ORIGINALS,
    OUTPUTS,
    PLAN,
    REFERENCES,
    UPLOAD,
    Phase,
)
from retouchd.spool.plan import Plan
from retouchd.spool.read_job import read_job_state
from retouchd.spool.record import JOB_ID

_ASKED = {Phase.CLAIMED, Phase.ASKING, Phase.KEPT, Phase.CLOSED}
"""Where edits may stand apart."""


class Spool:
    """
    The jobs in a work folder.

    With its `lock`, a folder that was moved away meanwhile is worked in where it is by now: nothing new is
    begun in it, and `on_misplaced` is called by whichever thread finds it so.
    """

    def __init__(
        self,
        *,
        work: Path,
        inbox: Path,
        lock: WorkLock | None = None,
        on_misplaced: Callable[[], object] = lambda: None,
    ) -> None:
        self._place = self._work = work
        self._inbox = inbox
        self._lock = lock
        self._on_misplaced = on_misplaced
        # Several edits of a job may make progress at once.
        self._noting = threading.Lock()
        self._journal = Journal()

    @property
    def _jobs(self) -> Path:
        return self._work / "jobs"

    @property
    def _trash(self) -> Path:
        return self._work / "trash"

    def _follow(self) -> None:
        """
        Work where the folder that is held is by now: somebody may have moved it under us.
        """
        if self._lock is None:
            return
        if self._lock.is_in_place:
            self._work = self._place
        else:
            self._work = self._lock.path
            self._on_misplaced()

    def prepare(self) -> None:
        """
        Make the folders, clear away what was forgotten, and end renames that a power cut left half.

        Some filesystems then show a claimed file under its old name too (btrfs was measured to). It is
        the same file, so the name in the inbox goes before anybody takes it for a new one.
        """
        durable.make_folder(self._jobs)
        durable.make_folder(self._trash)
        for pattern in (f"{PROBE}*", "*.tmp"):
            for left in self._work.glob(pattern):
                durable.remove(left)
        self._journal.redo(self._work)
        for name in file_stat.folders(self._trash):
            with contextlib.suppress(OSError):
                moves.sweep(self._trash / name, ORIGINALS)
        for job in self.jobs():
            with (
                contextlib.suppress(OSError),
                at(Folder.INBOX),
                nofollow.opened_folder(self._inbox, job.folder) as inbox,
            ):
                job_directory.end(job, inbox, self.folder(job.id) / ORIGINALS)

    def settle(self) -> None:
        """
        Keep nothing in the journal of jobs that are over, at the end of a run.
        """
        self._journal.compact(self._work)

    def ids(self) -> list[str]:
        """
        Return the ids of all jobs, oldest first; what others put beside them is none of ours.
        """
        return sorted(name for name in file_stat.folders(self._jobs) if JOB_ID.fullmatch(name))

    def jobs(self) -> Iterator[Job]:
        """
        Return all jobs that can be read, oldest first.
        """
        for job_id in self.ids():
            with contextlib.suppress(Blocked, OSError):
                if job := self.load(job_id).job:
                    yield job

    def suspects(self, phases: Collection[Phase]) -> list[str]:
        """
        Return the jobs of which an edit stands in one of these phases, those with the fewest crashes first.
        """
        found = []
        for job_id in self.ids():
            with contextlib.suppress(Blocked, OSError):
                job_state = self.load(job_id)
                stands_in = {job_state.phase}
                if stands_in <= _ASKED:
                    stands_in |= {edit.phase for edit in job_state.edits}
                if not stands_in.isdisjoint(phases):
                    found.append((len(job_state.crashes), job_id))
        return [job_id for _, job_id in sorted(found)]

    def folder(self, job_id: str) -> Path:
        """
        Return the directory of a job, for those that read its files.
        """
        return self._work.joinpath("jobs", job_id)

    def load(self, job_id: str) -> JobState:
        """
        Return what the job's directory says now; raises Blocked for a damaged document.
        """
        self._follow()
        return read_job_state(job_id, self.folder(job_id))

    def open(self, job: Job) -> None:
        """
        Make the directory of a new job: all that must be known of it is durable before the claim.
        """
        self.require_place()
        folder = self.folder(job.id)
        durable.make_folder(self._jobs, root=self._work)
        with durable.synced(folder, self._jobs):
            for each in (folder, folder / ORIGINALS, folder / OUTPUTS):
                durable.begin_folder(each)
            self._note(job.id, JOB, documents.dump(job))
            durable.make_empty(folder / ANSWER_PART)

    def claim(self, job: Job) -> bool:
        """
        Rename the members out of the inbox; return whether all of them are here.
        """
        with nofollow.opened_folder(self._inbox, job.folder) as inbox:
            return job_directory.claim(job, inbox, self.folder(job.id) / ORIGINALS)

    def give_back(self, job: Job) -> list[str]:
        """
        Rename the members back into the inbox, under one free stem where a name is taken by now.

        Return the names they have there. An inbox that is away is not made anew: under its name there may
        be nothing but an empty mount point. Raises Blocked where a link or a file stands in a folder's place.
        """
        try:
            with moves.made_folder(self._inbox, job.folder) as inbox:
                return job_directory.undo_claim(
                    job, inbox, self.folder(job.id) / ORIGINALS, self._rewrite
                )
        except NotADirectoryError as error:
            raise Blocked(file_stat.in_the_way(Path(error.filename))) from error

    def reference(self, job_id: str, number: int) -> Path:
        """
        Return where the copy of a reference stands once it is whole.
        """
        return self.folder(job_id) / REFERENCES / str(number)

    def add_reference(self, job_id: str, number: int, blocks: Iterable[bytes]) -> None:
        """
        Copy a reference into the job; it appears whole.
        """
        path = self.reference(job_id, number)
        durable.make_folder(path.parent)
        with DurableFile(path) as file:
            for block in blocks:
                file.write(block)
            file.commit()

    def upload(self, job_id: str, name: str) -> Path:
        """
        Return where a fitted picture stands, or will.
        """
        return self.folder(job_id) / UPLOAD / name

    def keep_upload(self, job_id: str, name: str, data: bytes) -> None:
        """
        Write a fitted picture, over an older one.
        """
        path = self.upload(job_id, name)
        durable.make_folder(path.parent)
        durable.write(path, data)

    def open_attempt(self, job_id: str, key: AttemptKey, opened: Opened) -> None:
        """
        Note that a request is about to be sent: from here on it may have been paid for, but for an OSError.
        """
        self.require_place()
        self._note(job_id, attempt_name(key, "open"), documents.dump(opened))

    def keep(
        self, job_id: str, key: AttemptKey, head: dict[str, Any], *, spare: int = 0
    ) -> DurableFile:
        """
        Return the file for an answer, its head line written; committed, it is never asked for again.

        Within `spare` bytes more the head line may be written anew (`amend`, see `answer_file`).
        """
        self._follow()
        path = self.answer(job_id, key)
        if path.name == FIRST_ANSWER and file_stat.is_empty(path.with_name(ANSWER_PART)):
            note = partial(self._journal.note, self._work, job_id, path.name)
            file: DurableFile = answer_file.FirstAnswer(path, note)
        else:
            file = DurableFile(path)
        file.write(answer_file.head_line(head, spare=spare))
        return file

    def half_kept(self, job_id: str, key: AttemptKey) -> bytes:
        """
        Return the body of an answer as far as it was written, for one who starts over.
        """
        path = self.answer(job_id, key)
        there = filter(file_stat.is_taken, answer_file.half_kept(path))
        raw = next(there, path).read_bytes()  # It may have its name, which was not durable.
        return raw.partition(b"\n")[2]

    def answer(self, job_id: str, key: AttemptKey) -> Path:
        """
        Return where the answer to an attempt of this process is kept.
        """
        return self.folder(job_id) / attempt_name(key, "response")

    def drop_half_kept(self, job_id: str, key: AttemptKey) -> None:
        """
        Drop what there is of an answer that broke off: it may be large, and nobody reads it.
        """
        for each in answer_file.half_kept(self.answer(job_id, key)):
            durable.remove(each)

    def cut_answer(self, job_id: str, name: str, size: int) -> None:
        """
        Leave no more than so many bytes of an answer in which nothing was found; `name` is its file's.
        """
        durable.cut(self.folder(job_id) / name, size)

    def close_attempt(self, job_id: str, attempt: Attempt, *, is_derived: bool = False) -> None:
        """
        Close an attempt with its verdict. One that `is_derived`, from nothing but the kept answer, is durable
        with the plan: until then it is derived again where a power cut took it away.
        """
        folder, body = self.folder(job_id), documents.dump(attempt)
        name = attempt_name(attempt.key, "json")
        if is_derived:
            durable.post(folder / name, body)
        elif file_stat.is_taken(folder / attempt_name(attempt.key, "open")):
            self._note(job_id, name, body)
        else:
            durable.write(folder / name, body)  # Nothing else would tell of it where it was torn.

    def fix(self, job_id: str, plan: Plan) -> None:
        """
        Fix where everything goes, before the first rename.
        """
        path, body = self.folder(job_id) / PLAN, documents.dump(plan)
        if file_stat.is_taken(path):
            durable.write(path, body)
        else:
            self._note(job_id, PLAN, body)

    def add_crash(self, job_id: str, step: str) -> None:
        """
        Note that this step is about to be tried by a job that may have brought the daemon down.
        """
        with self._noting:
            durable.append(self.folder(job_id) / CRASHES, step.encode())

    def clear_crashes(self, job_id: str, step: str | None = None) -> None:
        """
        Forget the crashes of a job that made progress, or only those in one step.
        """
        path = self.folder(job_id) / CRASHES
        with self._noting:
            noted = self.load(job_id).crashes if step is not None else ()
            if kept := [each for each in noted if each != step]:
                durable.write(path, "".join(f"{each}\n" for each in kept).encode())
            else:
                durable.remove(path)

    def discard(self, job_id: str) -> None:
        """
        Let go of a job that holds nothing of anybody's; raises OSError if `originals/` is not empty.
        """
        folder = self.folder(job_id)
        durable.remove_empty(folder / ORIGINALS)
        durable.make_folder(self._trash, root=self._work)
        durable.put_away(folder, self._trash / job_id)
        with contextlib.suppress(OSError):  # The next start clears away what is left in the trash.
            moves.sweep(self._trash / job_id, ORIGINALS)

    def is_gone(self, job_id: str) -> bool:
        """
        Return whether a job is no longer here, False where that cannot be told.
        """
        try:
            if self._lock is not None:
                return not self._lock.has(f"jobs/{job_id}")
            return not file_stat.is_taken(self.folder(job_id))
        except OSError:
            return False

    def is_ending(self, job_id: str) -> bool:
        """
        Return whether a job's end is fixed: only then it may have a record.
        """
        return file_stat.is_taken(self.folder(job_id) / PLAN)

    def require_place(self) -> None:
        """
        Raise OSError where another folder has the name of the one that is held: nothing is begun in it.
        """
        self._follow()
        if self._work != self._place:
            raise OSError(errno.ESTALE, "It is not the work folder any more", str(self._place))

    def _note(self, job_id: str, name: str, body: bytes) -> None:
        """
        Put a document of a job in place, durable by the journal.
        """
        path = self.folder(job_id) / name
        durable.put(path, body)
        try:
            self._journal.note(self._work, job_id, name, body)
        except BaseException:
            with contextlib.suppress(OSError):
                durable.unlink(path)
            raise

    def _rewrite(self, job: Job) -> None:
        durable.write(self.folder(job.id) / JOB, documents.dump(job))
