"""
What the overview shows at one moment, looked at no more often than it may cost. Everything here blocks.
"""

import contextlib
import datetime as dt
import os
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from retouchd.config.settings import Settings
from retouchd.disk.calls import Folder, at
from retouchd.errors import FolderUnresponsive, RetouchdError
from retouchd.inbox.waiting import READY, STAYS, WaitingFile, staying
from retouchd.job.filetypes import Medium
from retouchd.spool import review
from retouchd.spool.fingerprint import record_path
from retouchd.spool.finished_job import raw_name
from retouchd.spool.history import size_of
from retouchd.spool.history_cache import HistoryCache
from retouchd.status.collect import Inventory
from retouchd.status.document import unknown
from retouchd.status.inbox_snapshot import inbox_of
from retouchd.status.status_file import StatusFiles
from retouchd.throttle.person_pause import PersonPauseFile
from retouchd.web.page.jobs import Jobs, JobView
from retouchd.web.page.looks import Looks

TILES = 24
_LOOKED_AT = 4
"""Of so many times as many jobs as the wall has some may have no result that was approved."""
_MOST_ERRORS, _MOST_WAITING = 12, 20
"""So many errors, and files that wait for reasons of one kind."""
_COUNTED = (READY, *STAYS.values())
"""The kinds of files that are told by their number alone."""
_FRESH_SECONDS = 1.0
_SHARE = 10
"""A look may not begin again before so many times what the last one took is over: a tenth of a core at most."""
_FOLDERS_SECONDS, _MOST_FOLDERS = 15.0, 200
_MOST_KNOWN = 20
"""Answers of a model from which the wait for the next one is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkTile:
    """
    A job in work: for how many seconds its request is under way, and how many its model's last answers took.

    `reason` says why it waits, empty while it does not.
    """

    job: JobView
    elapsed: float | None = None
    usual: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """
    Everything on the overview; `status` is the document of `retouchd status --json`.

    `paused_at` is when a person paused it, None unless one did.
    """

    status: Mapping[str, Any] = field(default_factory=dict)
    paused_at: dt.datetime | None
    work: Sequence[WorkTile] = ()
    waiting: Sequence[WaitingFile] = ()
    kinds: Mapping[str, int] = field(default_factory=dict)
    ready: int = 0
    stays: Mapping[Medium, int] = field(default_factory=dict)
    ended: Sequence[JobView] = ()
    errors: Sequence[JobView] = ()
    reviewed: int = 0
    folders: Sequence[str] = ()

    @property
    def groups(self) -> list[tuple[str, int, list[WaitingFile]]]:
        """
        Return what waits by the kind of its reason: the kind, how many files there are, and some of them.
        """
        found: dict[str, list[WaitingFile]] = {}
        for each in self.waiting:
            found.setdefault(each.kind, []).append(each)
        return [
            (kind, max(self.kinds.get(kind, 0), len(files)), files) for kind, files in found.items()
        ]


class Waits:
    """
    How long each model's last answers took, by the records of the jobs that ended last.
    """

    def __init__(self, jobs: Jobs, cache: HistoryCache, looks: Looks) -> None:
        self._jobs = jobs
        self._cache = cache
        self._looks = looks
        self._known: dict[str, list[tuple[str, float]]] = {}

    def usual(self) -> dict[str, float]:
        """
        Return the median of the last seconds by model, of what is known already where `done/` does not answer.
        """
        with contextlib.suppress(FolderUnresponsive):
            self._known = self._looks.call(self._read, Folder.DONE)
        known = self._known
        found: dict[str, list[float]] = {}
        for model, seconds in (each for told in known.values() for each in told):
            found.setdefault(model, []).append(seconds)
        return {model: statistics.median(seconds) for model, seconds in found.items()}

    def _read(self) -> dict[str, list[tuple[str, float]]]:
        known, lines = self._known, self._cache.page(limit=_MOST_KNOWN, status="done").lines
        return {
            job_id: known[job_id] if job_id in known else list(self._told(line))
            for line in lines
            if (job_id := str(line.get("id")))
        }

    def _told(self, line: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
        for attempt in self._jobs.record_of(line).get("attempts") or ():
            with contextlib.suppress(KeyError, TypeError, ValueError):
                if attempt["verdict"] == "done":
                    yield str(attempt["model"]), float(attempt["seconds"])


class Scenes:
    """
    Looks at a run for the overview. What is quick is looked at anew, the day's figures less often.
    """

    def __init__(
        self, settings: Callable[[], Settings], jobs: Jobs, cache: HistoryCache, looks: Looks
    ) -> None:
        self._settings = settings
        self._jobs = jobs
        self._cache = cache
        self._looks = looks
        self._waits = Waits(jobs, cache, looks)
        work = settings().folders.work
        self._status_files = StatusFiles(work)
        self._pause_file = PersonPauseFile(work)
        self._lock = threading.Lock()
        self._status: Mapping[str, Any] = {}
        self._next_status = 0.0
        self._folders: Sequence[str] = ()
        self._next_folders = 0.0

    def look(self) -> Scene:
        """
        Return the scene of now. Raises FolderUnresponsive where the work folder does not answer.
        """
        usual = self._waits.usual()
        scene = self._looks.call(lambda: self._of_work(usual))
        return replace(
            scene,
            status=self._told(),
            errors=self._in_error(),
            reviewed=self._in_review(),
            folders=self._folders_of_inbox(),
        )

    def _of_work(self, usual: Mapping[str, float]) -> Scene:
        found = self._status_files.read_waiting()
        waiting = found[0] if found else None
        report = self._status_files.read()
        reasons = report[0].jobs if report else {}
        return Scene(
            paused_at=self._pause_file.since(),
            work=list(self._working(reasons, usual)),
            waiting=list(_first_of_each(waiting.files)) if waiting else (),
            kinds=waiting.kinds if waiting else {},
            ready=waiting.kinds.get(READY, 0) if waiting else 0,
            stays=staying(waiting.kinds if waiting else {}),
            ended=self.finished(TILES),
        )

    def finished(self, count: int) -> list[JobView]:
        """
        Return the jobs that were done last, newest first.
        """
        lines = self._cache.page(limit=count, status="done").lines
        return [self._jobs.ended(line) for line in lines]

    def wall(self, count: int) -> list[JobView]:
        """
        Return the jobs for the wall, newest first, with those of their results that anybody may see: what is to
        be reviewed is not shown to customers before it was approved. Raises FolderUnresponsive.
        """
        found = self._looks.call(lambda: self.finished(_LOOKED_AT * count))
        if any(len(picture.places) > 1 for job in found for picture in job.after):
            found = self._looks.call(lambda: list(map(self._published, found)), Folder.OUTBOX)
        return [job for job in found if job.after][:count]

    def _published(self, job: JobView) -> JobView:
        return replace(job, after=tuple(filter(self._jobs.is_published, job.after)))

    def _working(
        self, reasons: Mapping[str, str], usual: Mapping[str, float]
    ) -> Iterator[WorkTile]:
        now = dt.datetime.now(dt.UTC)
        for job in self._jobs.in_work():
            elapsed = (now - job.sent_at).total_seconds() if job.sent_at else None
            yield WorkTile(
                job=job,
                elapsed=max(0.0, elapsed) if elapsed is not None else None,
                usual=usual.get(job.model),
                reason=reasons.get(job.id, ""),
            )

    def _in_error(self) -> list[JobView]:
        """
        Return the jobs whose files lie in `error/`, newest first: what was dragged out of it is not among them.
        """
        root = self._settings().folders.error

        def there() -> list[JobView]:
            lines = self._cache.page(limit=2 * _MOST_ERRORS, status="error").lines
            with at(Folder.ERROR):
                return [
                    self._jobs.ended(line, is_whole=True)
                    for line in lines
                    if size_of(root, raw_name(record_path(line))) is not None
                ]

        try:
            found = self._looks.call(there, Folder.ERROR)
        except (FolderUnresponsive, OSError):
            return []  # The day's figures say which folder it is.
        return found[:_MOST_ERRORS]

    def _in_review(self) -> int:
        """
        Return how many files wait for somebody to look at them.
        """
        with contextlib.suppress(FolderUnresponsive, OSError):
            folders = self._settings().folders
            return len(self._looks.call(lambda: review.waiting(folders), Folder.REVIEW))
        return 0

    def _folders_of_inbox(self) -> Sequence[str]:
        """
        Return the sub-folders of the inbox that a picture may be dropped into, looked at now and then.
        """
        if time.monotonic() >= self._next_folders:
            self._next_folders = time.monotonic() + _FOLDERS_SECONDS
            inbox = inbox_of(self._settings())

            def look() -> list[str]:
                with at(Folder.INBOX):
                    found = islice(_folders_below(self._settings().folders.inbox), _MOST_FOLDERS)
                    return sorted(each for each in found if inbox.takes_folder(each))

            with contextlib.suppress(FolderUnresponsive, OSError):
                self._folders = self._looks.call(look, Folder.INBOX)
        return self._folders

    def _told(self) -> Mapping[str, Any]:
        """
        Return what `status` says; the whole day is read for it, which takes its time on a busy one.
        """
        with self._lock:
            begun = time.monotonic()
            if begun < self._next_status:
                return self._status
            try:
                overview = Inventory().overview(self._settings())
            except RetouchdError as error:
                overview = unknown(error)
            self._status = overview.document()
            ended = time.monotonic()
            self._next_status = ended + max(_FRESH_SECONDS, _SHARE * (ended - begun))
            return self._status


def _folders_below(inbox: Path) -> Iterator[str]:
    """
    Yield the paths of folders below the inbox, those near the top first.
    """
    paths = [""]
    for path in paths:
        with contextlib.suppress(OSError), os.scandir(inbox / path) as entries:
            for entry in entries:
                if not entry.name.startswith((".", "_")) and entry.is_dir(follow_symlinks=False):
                    paths.append(f"{path}/{entry.name}".lstrip("/"))
                    yield paths[-1]


def _first_of_each(files: Sequence[WaitingFile]) -> Iterator[WaitingFile]:
    """
    Yield the first files of each kind that wants something of somebody, or tells what happens.
    """
    told = Counter[str]()
    for each in files:
        told[each.kind] += 1
        if each.kind not in _COUNTED and told[each.kind] <= _MOST_WAITING:
            yield each
