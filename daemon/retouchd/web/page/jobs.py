"""
What the page knows of a job, wherever it stands, and its pictures as files. Everything here blocks.
"""

import contextlib
import datetime as dt
import errno
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from retouchd.config.settings import Settings
from retouchd.disk import nofollow
from retouchd.disk.calls import Folder, at
from retouchd.errors import Blocked
from retouchd.job.model import Role
from retouchd.job.naming import path_below, shown
from retouchd.job.text import iso
from retouchd.spool.believed import is_below
from retouchd.spool.fingerprint import picture_path, record_path
from retouchd.spool.finished_job import beside, raw_name
from retouchd.spool.history import record_in, size_of
from retouchd.spool.history_cache import HistoryCache
from retouchd.spool.phase import ORIGINALS
from retouchd.spool.record import JOB_ID
from retouchd.spool.spool import Spool

_NUMBER = re.compile("[1-9][0-9]{0,3}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureFile:
    """
    A picture of a job: in which folders it may lie, the nearest first, the path there, and what to call it.

    `size` in bytes is what it must have there, None where any is right: under the path of a result that was
    approved or rejected another one may lie by now.
    """

    places: tuple[tuple[Folder, Path], ...]
    path: str
    label: str = ""
    edit: int = 1
    size: int | None = None

    @property
    def folder(self) -> Folder:
        """
        Return the folder in which it was put first.
        """
        return self.places[0][0]

    @property
    def name(self) -> str:
        """
        Return the file's name, escaped.
        """
        return shown(self.path.rpartition("/")[2])


@dataclass(frozen=True, slots=True, kw_only=True)
class JobView:
    """
    A job as the page shows it: `state` is `work`, `done` or `error`, `path` is its picture's below the inbox.

    `record` is that of `spool.record`, empty where it is not there; `line` that of the history. `edits_done` of
    one in work are how many of its edits have their pictures, and how many there are.
    """

    id: str
    state: str
    path: str
    before: PictureFile | None = None
    after: tuple[PictureFile, ...] = ()
    record: Mapping[str, Any] = field(default_factory=dict)
    line: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    sent_at: dt.datetime | None = None
    model: str = ""
    prompt: str = ""
    edits_done: tuple[int, int] = (0, 1)

    @property
    def name(self) -> str:
        """
        Return the picture's name.
        """
        return self.path.rpartition("/")[2]

    @property
    def finished_at(self) -> str:
        """
        Return when it ended, empty while it has not.
        """
        return str(self.line.get("finished_at") or "")

    @property
    def error(self) -> Mapping[str, Any]:
        """
        Return why it lies in `error/`: code, message, hint.
        """
        found = self.record.get("error")
        return found if isinstance(found, Mapping) else {}

    @property
    def edits(self) -> tuple[Mapping[str, Any], ...]:
        """
        Return what its record says of each edit, of one by an earlier version the job itself; none without a
        record.
        """
        edits = self.record.get("edits")
        if isinstance(edits, list) and edits and all(isinstance(e, Mapping) for e in edits):
            return tuple(edits)
        return (self.record,) if self.record else ()

    def prompt_of(self, edit: int) -> str:
        """
        Return the prompt of an edit by its number, empty where the record does not tell it.
        """
        told = self.edits[edit - 1].get("request") if edit <= len(self.edits) else None
        return str(told.get("prompt") or "") if isinstance(told, Mapping) else ""

    def picture(self, which: str) -> PictureFile | None:
        """
        Return the picture called `before`, or by the number of a result, None where there is none.
        """
        if which == "before":
            return self.before
        number = int(which) if is_picture_name(which) else len(self.after) + 1
        return self.after[number - 1] if number <= len(self.after) else None


def is_picture_name(which: str) -> bool:
    """
    Return whether a word may name a picture of a job: each has only one name.
    """
    return which == "before" or _NUMBER.fullmatch(which) is not None


class Jobs:
    """
    Finds jobs in work by the spool, and those that ended by the history.
    """

    def __init__(self, settings: Callable[[], Settings], cache: HistoryCache) -> None:
        self._folders = settings().folders
        self._cache = cache
        self._spool = Spool(work=self._folders.work, inbox=self._folders.inbox)

    def find(self, job_id: str) -> JobView | None:
        """
        Return a job without its record, None where nobody knows that id.
        """
        if not JOB_ID.fullmatch(job_id):
            return None
        if line := self._cache.find(job_id):
            return self.ended(line)
        found = self._working(job_id)
        if found is None and (line := self._cache.find(job_id)):  # It ended meanwhile.
            found = self.ended(line)
        return found

    def in_work(self) -> list[JobView]:
        """
        Return the jobs in work, oldest first.
        """
        found = [self._working(job_id) for job_id in self._spool.ids()]
        return [each for each in found if each is not None]

    def ended(self, line: Mapping[str, Any], *, is_whole: bool = False) -> JobView:
        """
        Return a job by its line in the history; `is_whole`, its record is read too.
        """
        is_done = line.get("status") == "done"
        folder, root = (
            (Folder.DONE, self._folders.done) if is_done else (Folder.ERROR, self._folders.error)
        )
        record: Mapping[str, Any] = {}
        path = raw_name(record_path(line))
        if is_whole:
            record = self.record_of(line)
        original = beside(path, line.get("name"), line.get("image"))
        before = (
            PictureFile(places=((folder, root),), path=original)
            if original and is_below(original)
            else None
        )
        request = record.get("request") or {}
        return JobView(
            id=str(line.get("id")),
            state="done" if is_done else "error",
            path=shown(picture_path(line)),
            before=before,
            after=tuple(self._results(line)),
            record=record,
            line=line,
            model=str(request.get("model") or ""),
            prompt=str(request.get("prompt") or ""),
        )

    def record_of(self, line: Mapping[str, Any]) -> Mapping[str, Any]:
        """
        Return the record of a job that ended, empty where it is not beside its originals any more.
        """
        is_done = line.get("status") == "done"
        path = raw_name(record_path(line))
        root = self._folders.done if is_done else self._folders.error
        if not is_below(path):
            return {}
        with contextlib.suppress(OSError), at(Folder.DONE if is_done else Folder.ERROR):
            found = record_in(root, path)
            if found is not None and found.get("id") == line.get("id"):
                return found
        return {}

    @contextlib.contextmanager
    def opened(self, picture: PictureFile) -> Iterator[BinaryIO]:
        """
        Open a picture; raises OSError where it is not there any more, or behind a link.
        """
        for folder, root in picture.places:
            with contextlib.suppress(FileNotFoundError), at(folder):
                file = _opened(root, picture)
                break
        else:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), picture.path)
        with at(folder), file:
            yield file

    def is_waiting(self, picture: PictureFile) -> bool:
        """
        Return whether a result waits in the folder for reviews. Raises OSError.
        """
        return len(picture.places) > 1 and _lies_in(picture, *picture.places[0])

    def is_published(self, picture: PictureFile) -> bool:
        """
        Return whether a result was put into the outbox at once, or lies there by now. Raises OSError.
        """
        return len(picture.places) < 2 or _lies_in(picture, *picture.places[1])

    def _results(self, line: Mapping[str, Any]) -> Iterator[PictureFile]:
        labels = {
            str(path): (number, str(edit.get("name") or ""))
            for number, edit in enumerate(line.get("edits") or (), 1)
            for path in edit.get("outputs") or ()
        }
        reviewed = {str(each) for each in line.get("review") or ()}
        sizes = {str(each.get("path")): each.get("bytes") for each in line.get("results") or ()}
        outbox = (Folder.OUTBOX, self._folders.outbox)
        review = (Folder.REVIEW, self._folders.review)
        for each in map(str, line.get("outputs") or ()):
            path = raw_name(each)
            if is_below(path):
                edit, label = labels.get(each, (1, ""))
                yield PictureFile(
                    places=(review, outbox) if each in reviewed else (outbox,),
                    path=path,
                    label=label,
                    edit=edit,
                    size=sizes.get(each) if each in reviewed else None,
                )

    def _working(self, job_id: str) -> JobView | None:
        try:
            job_state = self._spool.load(job_id)
        except (Blocked, OSError):
            return None
        job = job_state.job
        if job is None:
            return None
        image = job.member(Role.IMAGE)
        edit = job_state.in_turn
        request = edit.job.request if edit is not None else job.request
        originals = self._spool.folder(job_id) / ORIGINALS
        return JobView(
            id=job_id,
            state="work",
            path=shown(path_below(job.folder, (image or job.members[0]).name)),
            before=PictureFile(places=((Folder.WORK, originals),), path=image.name)
            if image
            else None,
            line={"claimed_at": iso(job.claimed_at)},
            sent_at=job_state.sent_at,
            model=request.model,
            prompt=request.prompt or "",
            reason=job_state.stage.value,
            edits_done=job_state.edits_done,
        )


def _lies_in(picture: PictureFile, folder: Folder, root: Path) -> bool:
    with at(folder):
        size = size_of(root, picture.path)
    return size is not None and picture.size in (None, size)


def _opened(root: Path, picture: PictureFile) -> BinaryIO:
    """
    Return a file that the caller closes.
    """
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(nofollow.opened(root, picture.path))
        if picture.size is not None and os.fstat(file.fileno()).st_size != picture.size:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), picture.path)
        return os.fdopen(os.dup(file.fileno()), "rb")
