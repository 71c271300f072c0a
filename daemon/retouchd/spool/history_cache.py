"""
`work/history.db`: an index of `history.jsonl` by which any of a hundred thousand jobs is found at once.

It is a cache and holds nothing that the history does not: deleted or damaged, it is made anew. Only where the
line of each job begins is kept, with what lists are chosen by; the lines are read from the history itself.
"""

import contextlib
import hashlib
import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from retouchd.disk import durable
from retouchd.spool.fingerprint import picture_path
from retouchd.spool.history import History

_VERSION = 1
_BATCH = 2000
_MOST_WORDS = 8
_SCHEMA = """
CREATE TABLE IF NOT EXISTS state (version INTEGER, mark TEXT, end INTEGER);
CREATE TABLE IF NOT EXISTS jobs (
    start INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, status TEXT NOT NULL, is_retried INTEGER NOT NULL,
    previous TEXT, words TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS by_status ON jobs (status, is_retried, start);
CREATE INDEX IF NOT EXISTS by_previous ON jobs (previous);
"""


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
        self._history = History(work)
        self._lock = threading.Lock()
        self._open: sqlite3.Connection | None = None

    def page(
        self, *, limit: int, before: int | None = None, status: str = "", words: str = ""
    ) -> HistoryPage:
        """
        Return the newest jobs that ended before a position: of a status, with these words in their paths.

        Jobs in `error/` that were tried again are not among those of the status `error`.
        """
        where, values = ["start < ?"], list[Any]([1 << 62 if before is None else before])
        if status:
            where.append("status = ? AND is_retried = 0")
            values.append(status)
        for word in words.casefold().split()[:_MOST_WORDS]:
            where.append("instr(words, ?)")
            values.append(word)
        with self._ready() as db:
            rows = db.execute(
                f"SELECT start FROM jobs WHERE {' AND '.join(where)} ORDER BY start DESC LIMIT ?",  # noqa: S608
                (*values, limit + 1),
            ).fetchall()
            starts = [start for (start,) in rows]
        lines = [line for start in starts[:limit] if (line := self._history.line(start))]
        return HistoryPage(lines, starts[limit - 1] if len(starts) > limit else None)

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
        with self._ready() as db:
            row = db.execute(
                "SELECT count(*) FROM jobs WHERE status = ? AND is_retried = 0", (status,)
            ).fetchone()
            return int(row[0])

    def close(self) -> None:
        """
        Let go of the file.
        """
        with self._lock:
            if self._open is not None:
                self._open.close()
                self._open = None

    def _line(self, where: str, value: str) -> dict[str, Any] | None:
        with self._ready() as db:
            row = db.execute(
                f"SELECT start FROM jobs WHERE {where} ORDER BY start DESC LIMIT 1",  # noqa: S608
                (value,),
            ).fetchone()
        return self._history.line(row[0]) if row else None

    @contextlib.contextmanager
    def _ready(self) -> Iterator[sqlite3.Connection]:
        """
        Hold the index as of now. A database that fails is made anew, at last in memory.
        """
        with self._lock:
            try:
                if self._open is None:
                    self._open = self._opened()
                self._catch_up(self._open)
            except sqlite3.Error:
                self._open = self._made_anew()
            yield self._open

    def _opened(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, timeout=2.0, check_same_thread=False)
        try:
            # Another process at it, or one that died: whatever comes of it, all of this can be made anew.
            db.execute("PRAGMA synchronous = OFF")
            db.execute("PRAGMA cache_size = -4000")
            if db.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                raise sqlite3.DatabaseError("it is damaged")
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
            db = self._opened()
            self._catch_up(db)
        except (sqlite3.Error, OSError):
            db = sqlite3.connect(":memory:", check_same_thread=False)
            db.executescript(_SCHEMA)
            self._catch_up(db)
        return db

    def _catch_up(self, db: sqlite3.Connection) -> None:
        """
        Take in the lines that were added since; all of them where the history is another one.
        """
        head, size = self._history.state()
        mark = hashlib.sha256(head).hexdigest()
        known = db.execute("SELECT version, mark, end FROM state").fetchone()
        if known == (_VERSION, mark, size):
            return
        end = known[2] if known and known[:2] == (_VERSION, mark) and known[2] <= size else 0
        with db:
            db.execute("BEGIN IMMEDIATE")
            if not end:
                db.execute("DELETE FROM jobs")
            texts = self._history.texts(end)
            while lines := list(islice(texts, _BATCH)):
                rows = [row for start, _, text in lines if (row := _row(start, text))]
                db.executemany("INSERT OR IGNORE INTO jobs VALUES (?, ?, ?, 0, ?, ?)", rows)
                retried = [(previous,) for _, _, _, previous, _ in rows if previous]
                db.executemany("UPDATE jobs SET is_retried = 1 WHERE id = ?", retried)
                end = lines[-1][1]
            db.execute("DELETE FROM state")
            db.execute("INSERT INTO state VALUES (?, ?, ?)", (_VERSION, mark, end))


def _row(start: int, text: bytes) -> tuple[int, str, str, str | None, str] | None:
    try:
        line = json.loads(text)
        previous = line.get("previous")
        words = " ".join((picture_path(line), *map(str, line.get("outputs") or ())))
        return (
            start,
            str(line["id"]),
            str(line["status"]),
            previous and str(previous),
            words.casefold(),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
