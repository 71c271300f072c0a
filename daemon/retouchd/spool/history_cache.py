"""
`work/history.db`: an index of `history.jsonl`, and of `recovered.jsonl`, which tells of jobs that were lost
from it. Any of a hundred thousand jobs is found by it at once.

It is a cache and holds nothing that they do not: deleted or damaged, it is made anew. Only where the line of
each job begins is kept, with what lists are chosen by; the lines are read from the journals themselves.
"""

import contextlib
import errno
import hashlib
import json
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from retouchd.disk import durable
from retouchd.disk.calls import step
from retouchd.spool.fingerprint import picture_path
from retouchd.spool.history import RECOVERED, History

T = TypeVar("T")

_VERSION = 2
_JOURNALS = 2
_BATCH = 2000
_WAIT_SECONDS, _MOST_WAITS = 0.5, 120
_MOST_WORDS = 8
_FIRST = ("\U0010ffff", 0)
"""Newer than any job."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS state (journal INTEGER PRIMARY KEY, mark TEXT, end INTEGER);
CREATE TABLE IF NOT EXISTS jobs (
    position INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, finished TEXT NOT NULL, status TEXT NOT NULL,
    is_retried INTEGER NOT NULL, previous TEXT, words TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS reviewed (path TEXT NOT NULL, position INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS by_time ON jobs (finished, position);
CREATE INDEX IF NOT EXISTS by_status ON jobs (status, is_retried, finished, position);
CREATE INDEX IF NOT EXISTS by_previous ON jobs (previous);
CREATE INDEX IF NOT EXISTS by_path ON reviewed (path);
"""
"""A `position` is where a line begins in its journal, times `_JOURNALS`, and the journal's number."""


class HistoryPage(NamedTuple):
    """
    Some lines of the history, newest first; the next page begins before the position `before`, None at the end.
    """

    lines: Sequence[dict[str, Any]]
    before: int | None


class HistoryCache:
    """
    The index of the history in a work folder. May be used from any thread, one at a time; everything blocks.
    """

    def __init__(self, work: Path) -> None:
        self._path = work / "history.db"
        self._journals = (History(work), History(work, RECOVERED))
        self._lock = threading.Lock()
        self._open: sqlite3.Connection | None = None

    def page(
        self, *, limit: int, before: int | None = None, status: str = "", words: str = ""
    ) -> HistoryPage:
        """
        Return the newest jobs that ended before a position: of a status, with these words in their paths.

        Jobs in `error/` that were tried again are not among those of the status `error`.
        """
        where, values = ["(finished, position) < (?, ?)"], list[Any]()
        if status:
            where.append("status = ? AND is_retried = 0")
            values.append(status)
        for word in words.casefold().split()[:_MOST_WORDS]:
            where.append("instr(words, ?)")
            values.append(word)
        condition = " AND ".join(where)

        def chosen(db: sqlite3.Connection) -> list[int]:
            last = None
            if before is not None:
                last = db.execute(
                    "SELECT finished, position FROM jobs WHERE position <= ? "
                    "ORDER BY position DESC LIMIT 1",
                    (before,),
                ).fetchone()
            rows = db.execute(
                f"SELECT position FROM jobs WHERE {condition} "  # noqa: S608
                "ORDER BY finished DESC, position DESC LIMIT ?",
                (*(last or _FIRST), *values, limit + 1),
            )
            return [position for (position,) in rows]

        found = self._asked(chosen)
        lines = [line for position in found[:limit] if (line := self._line_at(position))]
        return HistoryPage(lines, found[limit - 1] if len(found) > limit else None)

    def reviewed(self, paths: Iterable[str]) -> list[dict[str, Any]]:
        """
        Return the lines of the jobs that put results under these paths into the folder for reviews.

        The newest comes first. Of several that had the same path over time the last one is meant.
        """
        query = "SELECT max(position) FROM reviewed WHERE path = ?"
        rows = self._asked(lambda db: [db.execute(query, (path,)).fetchone() for path in paths])
        found = sorted({position for (position,) in rows if position is not None}, reverse=True)
        return [line for position in found if (line := self._line_at(position))]

    def find(self, job_id: str) -> dict[str, Any] | None:
        """
        Return the line of a job, None where none ended under that id.
        """
        return self._line("id = ?", job_id)

    def after(self, job_id: str) -> dict[str, Any] | None:
        """
        Return the line of the job that a job was tried again as, None where there is none.
        """
        return self._line("previous = ?", job_id)

    def count(self, status: str) -> int:
        """
        Return how many jobs ended so, and were not tried again.
        """
        query = "SELECT count(*) FROM jobs WHERE status = ? AND is_retried = 0"
        return int(self._asked(lambda db: db.execute(query, (status,)).fetchone())[0])

    def close(self) -> None:
        """
        Let go of the file.
        """
        with self._lock:
            if self._open is not None:
                self._open.close()
                self._open = None

    def _line(self, where: str, value: str) -> dict[str, Any] | None:
        query = f"SELECT position FROM jobs WHERE {where} ORDER BY position DESC LIMIT 1"  # noqa: S608
        row = self._asked(lambda db: db.execute(query, (value,)).fetchone())
        return self._line_at(row[0]) if row else None

    def _line_at(self, position: int) -> dict[str, Any] | None:
        start, number = divmod(position, _JOURNALS)
        return self._journals[number].line(start)

    def _asked(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """
        Return what a query finds in the index as of now. A database that fails is made anew, at last in memory.
        """
        with self._held():
            try:
                if self._open is None:
                    self._open = self._opened()
                self._catch_up(self._open)
                return query(self._open)
            except sqlite3.Error:
                self._open = self._made_anew()
                return query(self._open)

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        """
        Hold the lock. Whoever waits meanwhile is not hung: of a long history the first look takes seconds.
        """
        for _ in range(_MOST_WAITS):
            if self._lock.acquire(timeout=_WAIT_SECONDS):
                break
            step()
        else:
            raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT), str(self._path))
        try:
            yield
        finally:
            self._lock.release()

    def _opened(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, timeout=2.0, check_same_thread=False)
        try:
            # Another process at it, or one that died: whatever comes of it, all of this can be made anew.
            db.execute("PRAGMA synchronous = OFF")
            db.execute("PRAGMA cache_size = -4000")
            if db.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                raise sqlite3.DatabaseError("it is damaged")
            if db.execute("PRAGMA user_version").fetchone() != (_VERSION,):
                if db.execute("SELECT count(*) FROM sqlite_master").fetchone() != (0,):
                    raise sqlite3.DatabaseError("it is another version's")
                db.execute(f"PRAGMA user_version = {_VERSION}")
            db.executescript(_SCHEMA)
        except sqlite3.Error:
            db.close()
            raise
        return db

    def _made_anew(self) -> sqlite3.Connection:
        if self._open is not None:
            with contextlib.suppress(sqlite3.Error):
                self._open.close()
        try:
            for name in (self._path, self._path.with_name(f"{self._path.name}-journal")):
                durable.remove(name)
            return self._caught_up(self._opened())
        except (sqlite3.Error, OSError):
            db = sqlite3.connect(":memory:", check_same_thread=False)
            db.executescript(_SCHEMA)
            return self._caught_up(db)

    def _caught_up(self, db: sqlite3.Connection) -> sqlite3.Connection:
        try:
            self._catch_up(db)
        except BaseException:
            db.close()
            raise
        return db

    def _catch_up(self, db: sqlite3.Connection) -> None:
        """
        Take in the lines that were added since; all of them where a journal is another one.
        """
        states = [each.state() for each in self._journals]
        now = [
            (number, hashlib.sha256(head).hexdigest(), size)
            for number, (head, size) in enumerate(states)
        ]
        known = db.execute("SELECT journal, mark, end FROM state ORDER BY journal").fetchall()
        if known == now:
            return
        is_same = len(known) == len(now) and all(
            old[1] == new[1] and old[2] <= new[2] for old, new in zip(known, now, strict=True)
        )
        with db:
            db.execute("BEGIN IMMEDIATE")
            if not is_same:
                db.execute("DELETE FROM jobs")
                db.execute("DELETE FROM reviewed")
            for number, mark, _ in now:
                end = self._read_on(db, number, known[number][2] if is_same else 0)
                db.execute("INSERT OR REPLACE INTO state VALUES (?, ?, ?)", (number, mark, end))

    def _read_on(self, db: sqlite3.Connection, number: int, end: int) -> int:
        """
        Take in a journal from a place on; return how far it was read. What the history tells of a job holds.
        """
        texts = self._journals[number].texts(end)
        while lines := list(islice(texts, _BATCH)):
            rows = [
                row for start, _, text in lines if (row := _row(start * _JOURNALS + number, text))
            ]
            db.executemany(
                "INSERT OR IGNORE INTO jobs VALUES (?, ?, ?, ?, 0, ?, ?)",
                [row.values for row in rows],
            )
            db.executemany(
                "INSERT INTO reviewed VALUES (?, ?)",
                [(path, row.values[0]) for row in rows for path in row.reviewed],
            )
            retried = [(row.previous,) for row in rows if row.previous]
            db.executemany("UPDATE jobs SET is_retried = 1 WHERE id = ?", retried)
            end = lines[-1][1]
        return end


class _Row(NamedTuple):
    values: tuple[int, str, str, str, str | None, str]
    previous: str | None
    reviewed: list[str]


def _row(position: int, text: bytes) -> _Row | None:
    try:
        line = json.loads(text)
        if line["id"] is None:  # A record that tells of no job.
            return None
        previous = str(line["previous"]) if line.get("previous") else None
        words = " ".join((picture_path(line), *map(str, line.get("outputs") or ()))).casefold()
        finished = str(line.get("finished_at") or "")
        about = str(line["id"]), finished, str(line["status"])
        reviewed = [str(each) for each in line.get("review") or ()]
        # SQLite takes no half of a surrogate pair.
        "".join((*about, previous or "", words, *reviewed)).encode()
        return _Row((position, *about, previous, words), previous, reviewed)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
