"""
Completes the index of finished jobs before anything is bought: where the history lacks jobs that `done/` has a
record of (it was removed, or an older work folder was put back), or that `error/` has one of which tells of
something that was paid for, those records are read once and noted.
"""

import asyncio
import contextlib
import datetime as dt
import os
import threading
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from retouchd.disk.calls import Folder, at
from retouchd.disk.folders import Folders
from retouchd.disk.threads import attempt
from retouchd.errors import FolderUnresponsive
from retouchd.events import emit
from retouchd.events.run import HistoryClosed, HistoryCrashed, HistoryRecovered, HistoryUnread
from retouchd.job.naming import escaped, shown
from retouchd.spool.believed import is_below
from retouchd.spool.fingerprint import record_path
from retouchd.spool.finished_index import FinishedIndex, ReplacedError
from retouchd.spool.finished_job import beside, is_partly_done, is_told, raw_name, recovered
from retouchd.spool.hash_index import HashIndex, text_key
from retouchd.spool.history import History, RecordFile, record_in, records_below, size_of
from retouchd.spool.history_line import Facts, finished_at, record_of, seen_in
from retouchd.spool.spool import Spool

_AT_ONCE = 500
"""Records that are read before what they say is made durable."""
_AGAIN_SECONDS = 5.0
_UNFORESEEN = (
    "Nothing is taken: looking up what was edited before failed in an unforeseen way; see the log."
)
_UNDER_WAY = "waits until it is known from work/ and done/ what was edited before"


class Recovery:
    """
    Builds `finished`, the index of all finished jobs: None until it is complete, and again where a person
    removed or shortened the history.

    `on_change` is called in the loop's thread whenever that or the reason changes. `scratch` takes what is
    recovered for those who only look, in place of the work folder.
    """

    def __init__(
        self,
        *,
        folders: Folders,
        history: History,
        spool: Spool,
        on_change: Callable[[], None] = lambda: None,
        scratch: History | None = None,
    ) -> None:
        self._folders = folders
        self._history = history
        self._spool = spool
        self._on_change = on_change
        self._further = (scratch,) if scratch else ()
        self._is_stopped = False
        self._is_replaced = False
        self._needed = asyncio.Event()
        # A call that was given up, as a folder hung, goes on by itself when that answers again.
        self._learning = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.finished: FinishedIndex | None = None
        self.obstacle = ""
        """Why `done/` or the history cannot be read, empty while they can."""

    @property
    def reason(self) -> str:
        """
        Return why nothing may be claimed yet, empty once all is known.
        """
        return "" if self.finished is not None else self.obstacle or _UNDER_WAY

    def journals(self) -> FinishedIndex:
        """
        Return an index of what the journals tell, with `catch_up` still to be called: no record is read for it.
        """
        return FinishedIndex(self._folders, self._history, *self._further)

    def stop(self) -> None:
        """
        Leave off; what was read so far stays noted.
        """
        self._is_stopped = True
        self._needed.set()

    def again(self) -> None:
        """
        Look everything up anew; from any thread.
        """
        self.finished = None
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._needed.set)

    def replaced(self) -> None:
        """
        Look everything up anew, as the history was replaced; from any thread.
        """
        self._is_replaced = True
        self.again()

    async def run(self) -> None:
        """
        Look everything up, and again whenever that is needed, until stopped.
        """
        self._loop = asyncio.get_running_loop()
        while not self._is_stopped:
            self._needed.clear()
            within = None
            try:
                if self.finished is None:
                    await attempt(Folder.DONE, self.learn)
                within = _AGAIN_SECONDS if self.finished is None else None
                self.obstacle = ""
            except FolderUnresponsive:
                within = _AGAIN_SECONDS  # It is told already.
            except ReplacedError:
                within, self._is_replaced = 0.0, True
            except OSError as error:
                within = _AGAIN_SECONDS
                self._meet(error)
            except Exception as error:  # noqa: BLE001 - as with jobs: what nobody foresaw must not end the daemon
                emit(HistoryCrashed(exception=error))
                within, self.obstacle = _AGAIN_SECONDS, _UNFORESEEN
            self._on_change()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(within):
                    await self._needed.wait()

    def learn(self) -> None:
        """
        Read the journals, then the records that they lack. Blocking.

        Raises OSError where one cannot be read, ReplacedError where a journal was replaced meanwhile. Does
        nothing while an earlier call goes on.
        """
        if self._learning.acquire(blocking=False):
            try:
                self._learn()
            finally:
                self._learning.release()

    def _learn(self) -> None:
        if self._is_replaced:
            self._history.written = (b"", 0)
        finished, known = self.journals(), _Known()
        finished.catch_up(known.note)
        count = self._note(finished, known, self._unread_results(finished, known))
        for place in (Folder.DONE, Folder.ERROR):
            found = self._records(place)
            missing = (each for each in found if not known.has(place, each))
            while batch := list(islice(missing, _AT_ONCE)):
                count += self._note(finished, known, self._read(finished, known, place, batch))
                if self._is_stopped:
                    return
        if count:
            emit(HistoryRecovered(jobs=count))
        self.finished = finished

    def _note(
        self, finished: FinishedIndex, known: "_Known", lines: Iterable[dict[str, Any]]
    ) -> int:
        """
        Make lines durable and take them in; return how many tell of a job.
        """
        count = 0
        lines = iter(lines)
        while batch := list(islice(lines, _AT_ONCE)):
            finished.journals[-1].history.add_all(batch)
            finished.catch_up(known.note)
            count += sum(each["id"] is not None for each in batch)
        return count

    def _records(self, place: Folder) -> Iterator[RecordFile]:
        with at(place):
            yield from records_below(self._root(place), _tell_closed)

    def _root(self, place: Folder) -> Path:
        return self._folders.done if place is Folder.DONE else self._folders.error

    def _read(
        self, finished: FinishedIndex, known: "_Known", place: Folder, batch: list[RecordFile]
    ) -> Iterator[dict[str, Any]]:
        with at(place):
            bodies = [record_in(self._root(place), each.path) for each in batch]
        # In this order: a job leaves the work folder after the history has its line. One that has a record but
        # no plan there was put back with an older work folder. The line of one that is about to leave may have
        # been in a history that was replaced since; an earlier version's record says too little for one, as
        # long as its original is not beside it.
        at_work = [each for each in self._spool.ids() if self._spool.is_ending(each)]
        finished.catch_up(known.note)
        for found, body in zip(batch, bodies, strict=True):
            job_id = (body or {}).get("id")
            may_be_lost = self._is_replaced and "fingerprint" in (body or {})
            is_due = may_be_lost or job_id not in at_work
            if is_due and not known.has_job(finished, place, found, job_id):
                yield self._line(place, found, body)

    def _line(
        self, place: Folder, found: RecordFile, body: dict[str, Any] | None
    ) -> dict[str, Any]:
        where = {
            "folder": escaped(found.folder),
            "record": escaped(found.name),
            "seen": [found.size, found.mtime_ns],
        }
        if place is Folder.ERROR:
            where["status"] = "error"
        is_read = is_told if place is Folder.DONE else is_partly_done
        if body is None or not is_read(body):
            return {"id": None, **where}
        line = recovered(body, escaped(str(self._folders.outbox))) | where
        if place is Folder.ERROR:
            return line
        original = None
        if "fingerprint" not in line:
            path = beside(found.path, line["name"], line["image"])
            original = size_of(self._folders.done, path) if path else None
        results = self._sizes(line["outputs"]) if "results" not in line else []
        return line | (
            {"bare": {"original": original, "results": results}} if original or results else {}
        )

    def _unread_results(self, finished: FinishedIndex, known: "_Known") -> Iterator[dict[str, Any]]:
        """
        Yield the sizes of results that the history of an earlier version has no hashes of.
        """
        kept = ("id", "status", "folder", "record", "finished_at", "outputs")
        for position in known.bare:
            line = finished.line(position) or {}
            outputs = line.get("outputs")
            if not isinstance(outputs, list) or known.is_sized(line):
                continue
            if results := self._sizes(outputs):
                bare = {"original": None, "results": results}
                yield {**{key: line.get(key) for key in kept}, "bare": bare}

    def _sizes(self, outputs: list[str]) -> list[tuple[int, str]]:
        """
        Return those results that still lie where they were published, each with its size before it.
        """
        found = []
        for folder, root in self._folders.results().items():
            with at(folder):
                found += [
                    (size_of(root, raw_name(each)), each) for each in outputs if is_below(each)
                ]
        return [(size, each) for size, each in found if size is not None]

    def _meet(self, error: OSError) -> None:
        where = shown(os.fsdecode(error.filename) if error.filename else "done/")
        obstacle = (
            f"Nothing is taken: {where} cannot be read ({error.strerror}), so it cannot be told what was "
            "edited before. Make it readable, or move it elsewhere; retouchd tries again by itself."
        )
        if obstacle != self.obstacle:
            emit(HistoryUnread(reason=obstacle))
        self.obstacle = obstacle


class _Known:
    """
    Which records need not be read: those that the history tells of, and those that were read before.
    """

    def __init__(self) -> None:
        self.bare = array("Q")
        """Lines of the history that do not tell what their results are known by."""
        self._paths = HashIndex()
        self._seen = HashIndex()
        self._sized = HashIndex()
        self._newest = ""

    def note(self, position: int, text: bytes, facts: Facts) -> None:
        path = _keyed(Folder.ERROR if facts.is_failed else Folder.DONE, record_of(text))
        if (seen := seen_in(text)) is not None:
            self._seen.add(text_key(f"{seen} {path}"), position)
            return
        ended = finished_at(text)
        if b'"bare"' in text:
            self._sized.add(text_key(f"{ended} {path}"), position)
            return
        self._newest = max(self._newest, ended)
        if facts.is_failed or (facts.fingerprint is not None and facts.is_done):
            self._paths.add(text_key(path), position)
        if facts.is_done and facts.results is None:
            self.bare.append(position)

    def has(self, place: Folder, found: RecordFile) -> bool:
        """
        Return whether a record need not be read.

        One that is younger than the whole history must be, whatever its name: another job may have taken that.
        """
        path = _keyed(place, escaped(found.path))
        if text_key(f"{(found.size, found.mtime_ns)} {path}") in self._seen:
            return True
        return text_key(path) in self._paths and found.mtime_ns <= _nanoseconds(self._newest)

    def is_sized(self, line: Mapping[str, Any]) -> bool:
        """
        Return whether the sizes of that job's results were noted already.
        """
        path = _keyed(Folder.DONE, record_path(line))
        return text_key(f"{line.get('finished_at')} {path}") in self._sized

    def has_job(
        self, finished: FinishedIndex, place: Folder, found: RecordFile, job_id: object
    ) -> bool:
        """
        Return whether the history tells of that job.
        """
        positions = self._paths.find(text_key(_keyed(place, escaped(found.path))))
        return any((finished.line(each) or {}).get("id") == job_id for each in positions)


def _keyed(place: Folder, path: str) -> str:
    """
    Return what a record is known by: its path below `done/` or `error/`, which no other folder's is like.
    """
    return f"{place.value}\0{path}"


def _nanoseconds(moment: str) -> int:
    try:
        return int(dt.datetime.fromisoformat(moment).timestamp() * 1e9)
    except ValueError:
        return 0


def _tell_closed(folder: str) -> None:
    emit(HistoryClosed(folder=folder, reason="its records may not be read by this user"))
