"""
Events of the log's own, what libraries and Python itself say, and how it stands with the log's reader.
"""

import datetime as dt
from dataclasses import dataclass
from typing import ClassVar

from retouchd.events import Event, Level, Warned


@dataclass(frozen=True, slots=True, kw_only=True)
class LogDropped(Warned):
    """
    Lines of the log are missing since then; only the log tells of it, in their place.
    """

    event: ClassVar[str] = "log.dropped"
    lines: int
    since: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryMessage(Warned):
    """
    A library logged something, at the level that it has there.
    """

    event: ClassVar[str] = "library.message"
    logger: str
    message: str
    exception: BaseException | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonWarning(Warned):
    """
    Python or a library warned of its use.
    """

    event: ClassVar[str] = "python.warning"
    category: str
    message: str
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StderrPrinted(Warned):
    """
    Something printed a line to standard error.
    """

    event: ClassVar[str] = "stderr.printed"
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceptionIgnored(Event):
    """
    An exception was raised where nothing can catch it.
    """

    event: ClassVar[str] = "exception.ignored"
    level: Level = Level.ERROR
    message: str
    exception: BaseException | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadCrashed(Event):
    """
    An exception ended a thread.
    """

    event: ClassVar[str] = "thread.crashed"
    level: Level = Level.ERROR
    thread: str | None
    exception: BaseException


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessCrashed(Event):
    """
    An exception ends the process.
    """

    event: ClassVar[str] = "process.crashed"
    level: Level = Level.CRITICAL
    exception: BaseException


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadLog:
    """
    Log lines that could not be written: how many were dropped, none yet if 0, and since when. `fault` is what
    the system says of it, empty where nobody reads.
    """

    lines: int
    since: dt.datetime
    fault: str = ""

    def __str__(self) -> str:
        since = f"{self.since.astimezone():%H:%M}"
        why = f"the log cannot be written ({self.fault})" if self.fault else "nobody reads the log"
        remedy = "look at where retouchd's standard error goes"
        if not self.lines:
            return f"Since {since} {why}, and soon its lines will be dropped: {remedy}."
        lines = "1 log line was" if self.lines == 1 else f"{self.lines:,} log lines were"
        return f"{lines} dropped since {since}: {why}; {remedy}."
