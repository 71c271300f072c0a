"""
What the page knows of a job, wherever it stands, and its pictures as files. Everything here blocks.
"""

import contextlib
import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from retouchd.config.settings import Settings
from retouchd.disk import nofollow
from retouchd.disk.thread_pools import Folder, at
from retouchd.errors import Blocked
from retouchd.job.model import Role
from retouchd.job.naming import escaped, path_below
from retouchd.job.text import iso
from retouchd.spool.believed import is_below
from retouchd.spool.fingerprint import picture_path, record_path
from retouchd.spool.finished_job import beside, raw_name
from retouchd.spool.history import record_in
from retouchd.spool.history_cache import HistoryCache
from retouchd.spool.phase import ORIGINALS
from retouchd.spool.record import JOB_ID
from retouchd.spool.spool import Spool


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureFile:
    """
    A picture of a job: which of the six folders it lies in, the path there, and what to call it.
    """

    folder: Folder
    root: Path
    path: str
    label: str = ""

    @property
    def name(self) -> str:
        """
        Return the file's name, escaped.
        """
        return escaped(self.path.rpartition("/")[2])


@dataclass(frozen=True, slots=True, kw_only=True)
class JobView:
    """
    A job as the page shows it: `state` is `work`, `done` or `error`, `path` is its picture's below the inbox.

    `record` is that of `spool.record`, empty where it is not there; `line` that of the history.
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
    def is_plain(self) -> bool:
        """
        Return whether it had one edit.
        """
        edits = self.record.get("edits")
        return not isinstance(edits, list) or len(edits) < 2

    def picture(self, which: str) -> PictureFile | None:
        """
        Return the picture called `before`, or by the number of a result, None where there is none.
        """
        if which == "before":
            return self.before
        number = int(which) if which.isdecimal() and len(which) < 5 else 0
        return self.after[number - 1] if 1 <= number <= len(self.after) else None


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
        Return a job, None where nobody knows that id.
        """
        if not JOB_ID.fullmatch(job_id):
            return None
        if line := self._cache.find(job_id):
            return self.ended(line, is_whole=True)
        found = self._working(job_id)
        if found is None and (line := self._cache.find(job_id)):  # It ended meanwhile.
            found = self.ended(line, is_whole=True)
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
            PictureFile(folder=folder, root=root, path=original)
            if original and is_below(original)
            else None
        )
        request = record.get("request") or {}
        return JobView(
            id=str(line.get("id")),
            state="done" if is_done else "error",
            path=picture_path(line),
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
        with at(picture.folder), nofollow.opened(picture.root, picture.path) as file:
            yield file

    def _results(self, line: Mapping[str, Any]) -> Iterator[PictureFile]:
        labels = {
            str(path): str(edit.get("name") or "")
            for edit in line.get("edits") or ()
            for path in edit.get("outputs") or ()
        }
        for each in line.get("outputs") or ():
            path = raw_name(str(each))
            if is_below(path):
                yield PictureFile(
                    folder=Folder.OUTBOX,
                    root=self._folders.outbox,
                    path=path,
                    label=labels.get(str(each), ""),
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
            path=escaped(path_below(job.folder, (image or job.members[0]).name)),
            before=PictureFile(folder=Folder.WORK, root=originals, path=image.name)
            if image
            else None,
            line={"claimed_at": iso(job.claimed_at)},
            sent_at=job_state.sent_at,
            model=request.model,
            prompt=request.prompt or "",
            reason=job_state.stage.value,
        )
