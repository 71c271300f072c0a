"""
The redo journal of the spool: what several jobs note at the same moment is made durable with one flush of one
file, `work/journal.jsonl`.

Each line is a document of a job, or says that an answer is whole. The job's directory has the same and is what
everybody reads; its files need no flush of their own. What a power cut takes away of them is done again from
here at the next start, before any job is read. Who takes a document out of a directory by hand while nothing
runs has to remove the journal as well.
"""

import contextlib
import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from retouchd.disk import durable, file_stat
from retouchd.disk.group_commit import GroupCommit
from retouchd.disk.thread_pools import flushing
from retouchd.spool import documents
from retouchd.spool.phase import ANSWER_PART, FIRST_ANSWER, is_document
from retouchd.spool.record import JOB_ID

_NAME = "journal.jsonl"
_BEGINNING = b'{"job": "'
_ID_BYTES = 24
_LEAST_BYTES = 1 << 22
"""A journal that has grown so much is written anew, with the lines of jobs that are not over."""


class Journal:
    """
    The journal of one work folder, wherever that is by now: `work` is its path.

    A crash may leave a line twice or torn. Of several of one file the last one holds.
    """

    def __init__(self) -> None:
        self._rounds: GroupCommit[bytes] = GroupCommit()
        self._most = _LEAST_BYTES

    def note(self, work: Path, job_id: str, name: str, document: bytes | None = None) -> None:
        """
        Make a document of a job durable, or with none that the answer is whole which is to have this name.

        Raises OSError; then it may be durable all the same.
        """
        head = json.dumps({"job": job_id, "name": name})
        line = head.encode("ascii")
        if document is not None:
            line = line[:-1] + b', "document": ' + document.rstrip(b"\n") + b"}"
        with flushing():
            self._rounds.join(work, line, partial(self._commit, work))

    def compact(self, work: Path) -> None:
        """
        Leave only the lines of jobs that are not over: an older copy of a directory that somebody puts back is
        not to be taken on by them.
        """
        lines = _lines(work)
        live = _live(work, lines)
        if len(live) < len(lines):
            self._write(work, live)

    def redo(self, work: Path) -> None:
        """
        Do again what is missing or torn in the directories of jobs.
        """
        found = {}
        for line in _live(work, _lines(work)):
            # One may be torn.
            with contextlib.suppress(ValueError, TypeError, KeyError, RecursionError):
                entry = json.loads(line)
                found[entry["job"], entry["name"]] = entry.get("document")
        for (job_id, name), document in found.items():
            _redo(work / "jobs" / job_id, name, document)

    def _commit(self, work: Path, lines: Sequence[bytes]) -> None:
        path = work / _NAME
        if _size(path) < self._most:
            durable.append_alone(path, b"\n".join(lines))
            return
        self._write(work, [*_live(work, _lines(work)), *lines])

    def _write(self, work: Path, lines: Sequence[bytes]) -> None:
        # Else a power cut brings back jobs that are over, and nothing that was noted of them.
        for folder in (work / "trash", work / "jobs"):
            durable.fsync_folder(folder)
        whole = b"".join(line + b"\n" for line in lines)
        durable.write(work / _NAME, whole)
        self._most = max(_LEAST_BYTES, 2 * len(whole))


def _redo(folder: Path, name: str, document: Mapping[str, Any] | None) -> None:
    path = folder / name
    if document is not None and is_document(name):
        if not file_stat.is_taken(path) or documents.is_torn(file_stat.read(path)):
            durable.write(path, f"{json.dumps(document)}\n".encode("ascii"))
    elif name == FIRST_ANSWER and not file_stat.is_taken(path):
        with contextlib.suppress(FileNotFoundError):
            durable.rename(folder / ANSWER_PART, path)


def _lines(work: Path) -> list[bytes]:
    try:
        return file_stat.read(work / _NAME).splitlines()
    except FileNotFoundError:
        return []


def _live(work: Path, lines: Sequence[bytes]) -> list[bytes]:
    """
    Return the lines of jobs that are not over.
    """
    there = {name.encode() for name in file_stat.folders(work / "jobs") if JOB_ID.fullmatch(name)}
    start = len(_BEGINNING)
    return [line for line in lines if line[start : start + _ID_BYTES] in there]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
