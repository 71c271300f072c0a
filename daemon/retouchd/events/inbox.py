"""
Events of the inbox: its files that are not taken, and how its changes are noticed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from retouchd.events import Crash, Event, Level, Warned


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEvent(Event):
    """
    Base of events about a file that stays where it is.
    """

    level: Level = Level.WARNING
    folder: str
    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileHeld(FileEvent):
    """
    A bundle that is ready cannot be claimed; `same_as` is the job that asked for the same, with its results.
    """

    event: ClassVar[str] = "file.held"
    same_as: str = ""
    results: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOpen(FileEvent):
    """
    A file is still being written.
    """

    event: ClassVar[str] = "file.open"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReturning(FileEvent):
    """
    A bundle came back from its claim again and again, and is not claimed for a while.
    """

    event: ClassVar[str] = "file.returning"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLeft(FileEvent):
    """
    A file is none that is taken.
    """

    event: ClassVar[str] = "file.left"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileWaiting(FileEvent):
    """
    Files wait for what somebody has to bring: the first of them, how many, and some others' paths.
    """

    event: ClassVar[str] = "file.waiting"
    level: Level = Level.INFO
    files: int
    others: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReturned(Event):
    """
    A retry that was cut short has been finished for a file.
    """

    event: ClassVar[str] = "file.returned"
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileUnreturned(Warned):
    """
    A retry that was cut short could not be finished.
    """

    event: ClassVar[str] = "file.unreturned"
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishEnded(Event):
    """
    A `retouchd finish` that was cut short has been ended: a result got its name.
    """

    event: ClassVar[str] = "finish.ended"
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishUnended(Warned):
    """
    A `retouchd finish` that was cut short could not be ended.
    """

    event: ClassVar[str] = "finish.unended"
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeCrashed(Crash):
    """
    A look at the inbox, or at one of its files, failed in a way that nobody foresaw; it is tried again.
    """

    event: ClassVar[str] = "intake.crashed"


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchMode(Event):
    """
    Changes are noticed in this way from now on; a warning if it is less than was asked for.
    """

    event: ClassVar[str] = "watch.mode"
    mode: str
    reason: str
    meaning: str
    remedy: str = ""
    scan_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchLost(Warned):
    """
    The inbox is not watched any more.
    """

    event: ClassVar[str] = "watch.lost"
    reason: str
    action: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchRestored(Event):
    """
    The inbox is watched again.
    """

    event: ClassVar[str] = "watch.restored"
    mode: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchOverflow(Warned):
    """
    More changed than could be told of one by one.
    """

    event: ClassVar[str] = "watch.overflow"
    action: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchCrashed(Crash):
    """
    The watch failed in a way that nobody foresaw; it is tried again.
    """

    event: ClassVar[str] = "watch.crashed"
