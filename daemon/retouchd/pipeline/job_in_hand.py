"""
A job that is over while its results are finished anew: its record, its folders, and what is half done there.

What is made stands in the outbox under a hidden name first. Then the record tells of it, then it gets its name.
A note in `work/finishing/`, written before all of it, says that a job is in hand: whoever finds it ends what
was cut short, so nothing hidden stays and nothing is made twice.
"""

import contextlib
import fcntl
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from retouchd.disk import durable, file_stat, moves, nofollow
from retouchd.disk.calls import Folder
from retouchd.disk.folders import Folders
from retouchd.disk.nofollow import Entry, OpenFolder
from retouchd.job.naming import escaped, free_stem, path_below
from retouchd.spool import refinishing
from retouchd.spool.finished_index import digest_of, found_digest
from retouchd.spool.finished_job import raw_name
from retouchd.spool.history import History, RecordFile, is_taken, record_in
from retouchd.spool.record import JOB_ID, document, own_record
from retouchd.spool.reindex import line_of_record

_NOTES = "finishing"


class RefinishError(Exception):
    """
    The results of a job cannot be finished anew; says why, and what to do, in words.
    """


@dataclass(slots=True, kw_only=True)
class JobInHand:
    """
    One job that is over: its record, the folder of that, which is held, and its folder in the outbox.
    """

    body: dict[str, Any]
    file: RecordFile
    root: Path
    here: OpenFolder
    outbox: OpenFolder
    folders: Folders
    history: History

    @property
    def prefix(self) -> str:
        """
        Return how all hidden names begin that are its own.
        """
        return _prefix(self.body["id"])

    def hidden(self, key: str) -> Entry:
        """
        Return where a result stands in the outbox before it has its name.
        """
        return self.outbox / f"{self.prefix}{key}"

    def is_taken(self, name: str) -> bool:
        """
        Return whether a name is taken in the outbox or in the folder for reviews.
        """
        path = path_below(self.file.folder, name)
        return any(is_taken(root, path) for root in self.folders.results().values())

    def there(self, is_meant: Callable[[Mapping[str, Any]], bool]) -> tuple[Folder, str] | None:
        """
        Return where a result lies that the record tells of, unchanged: its folder, and its path there.
        """
        for told in self.body.get("results", ()):
            path = raw_name(str(told.get("path")))
            if is_meant(told):
                for place, root in self.folders.results().items():
                    found = found_digest(root, path)
                    if found and (found.size, found.sha256) == (told["bytes"], told["sha256"]):
                        return place, path
        return None

    def write(self, body: dict[str, Any]) -> None:
        """
        Let record and history tell of more results, before these have their names.
        """
        record, new = self.here / self.file.name, self.here / f"{self.prefix}record"
        durable.remove(new)
        moves.put_new(new, document(body), is_shared=True)
        if not file_stat.is_taken(record):
            durable.remove(new)
            raise RefinishError("its record was taken away meanwhile")
        durable.fsync_folder(
            self.outbox
        )  # What the record tells of is to be there after a power cut.
        durable.move(new, record)
        durable.fsync_folder(self.here)
        self.body = body
        self._add_line()

    def named(self, key: str) -> str:
        """
        Give a result the name that its record tells, another one where somebody took that meanwhile; return its
        path.
        """
        told = next(each for each in self.body["results"] if each.get("key") == key)
        path = raw_name(told["path"])
        try:
            self._place(told, path.rpartition("/")[2])
        except FileExistsError:
            stem, _, extension = path.rpartition("/")[2].rpartition(".")
            free = free_stem(stem, self.body["id"], [f".{extension}"], self.is_taken)
            path = path_below(self.file.folder, f"{free}.{extension}")
            self.write(refinishing.with_result(self.body, told | {"path": escaped(path)}))
            return self.named(key)
        return path

    def _place(self, told: Mapping[str, Any], name: str) -> None:
        """
        Put a result where it belongs; cut short, whoever ends it finds it there. Raises FileExistsError.
        """
        hidden = self.hidden(told["key"])
        if place_of(told) is Folder.OUTBOX:
            with durable.synced(self.outbox):
                moves.rename_new(hidden, self.outbox / name)
            return
        with moves.made_folder(self.folders.review, self.file.folder) as review:
            with durable.synced(review, self.outbox):
                if not moves.moved(hidden, review / name):
                    moves.copy(hidden, review / hidden.name)
                    moves.rename_new(review / hidden.name, review / name)
            durable.remove(hidden)

    def ended(self) -> Iterator[str]:
        """
        Give what the record tells of its name, where that was cut short; yield its path.
        """
        for told in [each for each in self.body.get("results", ()) if "key" in each]:
            hidden = self.hidden(told["key"])
            if not file_stat.is_taken(hidden):
                continue
            found = digest_of(self.folders.outbox, path_below(self.file.folder, hidden.name))
            if (found.size, found.sha256) == (told["bytes"], told["sha256"]):
                if self.there(partial(is_same, told)):
                    durable.remove(hidden)
                else:
                    self._add_line()
                    yield f"{place_of(told)}/{self.named(told['key'])}"

    def _add_line(self) -> None:
        line = line_of_record(self.body, self.file, str(self.folders.outbox))
        if line is not None:
            self.history.add(line)


def place_of(told: Mapping[str, Any]) -> Folder:
    """
    Return where a result belongs that was finished later.
    """
    return Folder.REVIEW if told["output"].get("review") else Folder.OUTBOX


def is_same(told: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """
    Return whether two results have the same bytes.
    """
    return (told["bytes"], told["sha256"]) == (other.get("bytes"), other.get("sha256"))


class JobsInHand:
    """
    The jobs whose results are finished anew, each with a note of it in the work folder.
    """

    def __init__(self, folders: Folders) -> None:
        self._folders = folders
        self._history = History(folders.work)
        self._notes = folders.work / _NOTES

    @contextlib.contextmanager
    def taken(self, root: Path, file: RecordFile) -> Iterator[JobInHand]:
        """
        Hold the job with a record in `root`; what was cut short of it is ended first.

        Raises RefinishError, and OSError where a folder cannot be used.
        """
        with self._held(root, file, fcntl.LOCK_EX) as job:
            if job is None:
                raise RefinishError("its record is gone or damaged")
            note = self._notes / f"{job.body['id']}.json"
            if note.exists():
                list(self._ended(job))
            durable.make_folder(self._notes, root=self._folders.work)
            durable.write(note, _written(root.name, file))
            yield job
            durable.remove(note)

    def end_left(self) -> Iterator[str]:
        """
        End all that was cut short and that nobody holds; yield the paths of results that got their names, which
        begin with `outbox` or `review`.

        Raises OSError where a folder cannot be used.
        """
        for note in sorted(self._notes.glob("*.json")):
            told = _told(note)
            if told is not None:
                with contextlib.suppress(BlockingIOError):
                    yield from self._ended_by(note, *told)
            else:
                durable.remove(note)

    def _ended_by(self, note: Path, place: str, file: RecordFile) -> Iterator[str]:
        root = {each.name: each for each in (self._folders.done, self._folders.error)}.get(place)
        with contextlib.suppress(FileNotFoundError):
            if root is not None:
                with self._held(root, file, fcntl.LOCK_EX | fcntl.LOCK_NB) as job:
                    if job is not None and job.body["id"] == note.stem:
                        yield from self._ended(job)
        self._clear(note.stem, file.folder)
        durable.remove(note)

    def _ended(self, job: JobInHand) -> Iterator[str]:
        yield from job.ended()
        durable.remove(job.here / f"{job.prefix}record")
        self._clear(job.body["id"], job.file.folder)

    def _clear(self, job_id: str, folder: str) -> None:
        """
        Remove what stands hidden beside results of a job.
        """
        for root in self._folders.results().values():
            with (
                contextlib.suppress(FileNotFoundError),
                nofollow.opened_folder(root, folder) as held,
            ):
                for name in nofollow.names_in(held):
                    if name.startswith(_prefix(job_id)):
                        durable.remove(held / name)

    @contextlib.contextmanager
    def _held(self, root: Path, file: RecordFile, how: int) -> Iterator[JobInHand | None]:
        """
        Hold a job; None where its record is gone or damaged.
        """
        with (
            nofollow.opened_folder(root, file.folder) as here,
            moves.made_folder(self._folders.outbox, file.folder) as outbox,
        ):
            fcntl.flock(here.fd, how)  # Two of us would both take one free name.
            body = record_in(root, file.path)
            if body is None or own_record(document(body)) is None:
                yield None
                return
            yield JobInHand(
                body=body,
                file=file,
                root=root,
                here=here,
                outbox=outbox,
                folders=self._folders,
                history=self._history,
            )


def _prefix(job_id: str) -> str:
    return f".retouchd-{job_id}-finish-"


def _written(place: str, file: RecordFile) -> bytes:
    return json.dumps({"place": place, "folder": file.folder, "name": file.name}).encode("ascii")


def _told(note: Path) -> tuple[str, RecordFile] | None:
    """
    Return what a note says; None where a power cut left less than all of it, so that nothing was begun.
    """
    try:
        told = json.loads(note.read_bytes())
        file = RecordFile(folder=told["folder"], name=told["name"], size=0, mtime_ns=0)
        return (str(told["place"]), file) if JOB_ID.fullmatch(note.stem) else None
    except (ValueError, KeyError, TypeError, FileNotFoundError):
        return None
