"""
Events of what is told to others: hooks, the webhook, notifications.
"""

from dataclasses import dataclass
from typing import ClassVar

from retouchd.events import Crash, Event, Level, Warned


@dataclass(frozen=True, slots=True, kw_only=True)
class HookDone(Event):
    """
    Somebody was told: by which `way`, of what (`about`), at which `run`, and how long that took.
    """

    event: ClassVar[str] = "hook.done"
    level: Level = Level.DEBUG
    id: str
    way: str
    about: str
    run: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HookFailed(Warned):
    """
    Somebody could not be told; `retry_in` is in seconds.
    """

    event: ClassVar[str] = "hook.failed"
    id: str
    way: str
    about: str
    run: int
    reason: str
    retry_in: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HookGivenUp(Event):
    """
    Somebody could not be told for a day, and is not told any more.
    """

    event: ClassVar[str] = "hook.given_up"
    level: Level = Level.ERROR
    id: str
    way: str
    about: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HookUnwritten(Warned):
    """
    What is to be told could not be written down; it is told all the same unless this process ends before.
    """

    event: ClassVar[str] = "hook.unwritten"
    id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HookCrashed(Crash):
    """
    Somebody could not be told for a fault that nobody foresaw; it is tried again as what fails is.
    """

    event: ClassVar[str] = "hook.crashed"
    id: str
    way: str
