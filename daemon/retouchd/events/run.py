"""
Events of a run as a whole: start and end, pauses, folders, configuration, history.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from retouchd.events import Crash, Event, Level, Warned


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonStarted(Event):
    """
    A run holds the work folder: the tables of the configuration in effect, without secrets.
    """

    event: ClassVar[str] = "daemon.started"
    folders: Mapping[str, Any] | None = None
    endpoint: Mapping[str, Any] | None = None
    edit: Mapping[str, Any] | None = None
    edits: Sequence[Mapping[str, Any]] | None = None
    limits: Mapping[str, Any] | None = None
    pricing: Mapping[str, Any] | None = None
    budget: Mapping[str, Any] | None = None
    intake: Mapping[str, Any] | None = None
    images: Mapping[str, Any] | None = None
    output: Mapping[str, Any] | None = None
    status: Mapping[str, Any] | None = None
    web: Mapping[str, Any] | None = None
    hooks: Mapping[str, Any] | None = None
    notify: Mapping[str, Any] | None = None
    metrics: Mapping[str, Any] | None = None
    logging: Mapping[str, Any] | None = None
    was_clean: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointCorrected(Warned):
    """
    The endpoint's address was put right, or is likely wrong: a sentence on what.
    """

    event: ClassVar[str] = "endpoint.corrected"
    remark: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonReady(Event):
    """
    The whole inbox was looked at once.
    """

    event: ClassVar[str] = "daemon.ready"
    inbox: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleNotLoaded(Crash):
    """
    A part of the program cannot be loaded that some photos or pages need: it has to be installed anew.
    """

    event: ClassVar[str] = "module.not_loaded"
    module: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonStopping(Event):
    """
    Nothing more is claimed; so many jobs are in work still.
    """

    event: ClassVar[str] = "daemon.stopping"
    jobs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonStopped(Event):
    """
    A run is over: how it ended, and how many jobs ended in which way.
    """

    event: ClassVar[str] = "daemon.stopped"
    ending: str
    done: int
    error: int
    returned: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonPaused(Warned):
    """
    Nothing is sent from now on; the next probe comes in so many seconds.
    """

    event: ClassVar[str] = "daemon.paused"
    cause: str
    reason: str
    probe_in: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonResumed(Event):
    """
    Requests are sent again; `after` is the cause of the pause.
    """

    event: ClassVar[str] = "daemon.resumed"
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonStuck(Event):
    """
    A run makes no progress.
    """

    event: ClassVar[str] = "daemon.stuck"
    level: Level = Level.ERROR
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonUnstuck(Event):
    """
    A run makes progress again.
    """

    event: ClassVar[str] = "daemon.unstuck"


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonFailed(Event):
    """
    A fault that was foreseen ends the process.
    """

    event: ClassVar[str] = "daemon.failed"
    level: Level = Level.ERROR
    problems: Sequence[str]
    exit_code: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OnceEnded(Event):
    """
    What `once` came to: `waiting` counts files by the kinds of their reasons; None cannot be told.
    """

    event: ClassVar[str] = "once.ended"
    ending: str
    reason: str
    done: int
    error: int
    waiting: Mapping[str, int]
    waiting_pictures: int
    in_work: int | None
    in_error: int | None
    exit_code: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolNarrowed(Warned):
    """
    The endpoint asks for fewer requests at once.
    """

    event: ClassVar[str] = "pool.narrowed"
    at_once: int
    most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolWidened(Event):
    """
    As many requests at once as are configured are sent again.
    """

    event: ClassVar[str] = "pool.widened"
    at_once: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderMade(Event):
    """
    Folders that were missing at a first start were made.
    """

    event: ClassVar[str] = "folder.made"
    folders: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderUnnoted(Warned):
    """
    The work folder could not note with which folders it has worked.
    """

    event: ClassVar[str] = "folder.unnoted"
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderHung(Event):
    """
    A folder does not answer.
    """

    event: ClassVar[str] = "folder.unresponsive"
    level: Level = Level.ERROR
    folder: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderAnswers(Event):
    """
    A folder answers again.
    """

    event: ClassVar[str] = "folder.answers"
    folder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkMisplaced(Event):
    """
    The work folder was moved or replaced; `jobs` are the ids of those in work.
    """

    event: ClassVar[str] = "work.misplaced"
    level: Level = Level.ERROR
    reason: str
    jobs: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkRestored(Event):
    """
    The work folder is in its place again.
    """

    event: ClassVar[str] = "work.restored"


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRecovered(Event):
    """
    Finished jobs that the history lacked were read from done/.
    """

    event: ClassVar[str] = "history.recovered"
    jobs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryUnread(Warned):
    """
    It cannot be told what was edited before.
    """

    event: ClassVar[str] = "history.unread"
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryClosed(Warned):
    """
    A folder below done/ may not be read.
    """

    event: ClassVar[str] = "history.closed"
    folder: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryCrashed(Crash):
    """
    Looking up what was edited before failed in a way that nobody foresaw; it is tried again.
    """

    event: ClassVar[str] = "history.crashed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationReloaded(Event):
    """
    A changed configuration is in force; `changed` are its keys that are new.
    """

    event: ClassVar[str] = "configuration.reloaded"
    changed: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationUnchanged(Event):
    """
    The configuration was read anew and is as before.
    """

    event: ClassVar[str] = "configuration.unchanged"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationLate(Warned):
    """
    Keys were changed that only a restart brings into force.
    """

    event: ClassVar[str] = "configuration.late"
    keys: Sequence[str]
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationRefused(Event):
    """
    A changed configuration cannot be used; the one before holds.
    """

    event: ClassVar[str] = "configuration.refused"
    level: Level = Level.ERROR
    problems: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusUnwritten(Warned):
    """
    The status file could not be written.
    """

    event: ClassVar[str] = "status.unwritten"
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusTextUnwritten(Warned):
    """
    status.txt could not be written into its place.
    """

    event: ClassVar[str] = "status_text.unwritten"
    place: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusTextCrashed(Crash):
    """
    Writing status.txt failed in a way that nobody foresaw; it is tried again.
    """

    event: ClassVar[str] = "status_text.crashed"


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseUnwritten(Warned):
    """
    The pause could not be written down for the next start.
    """

    event: ClassVar[str] = "pause.unwritten"
    reason: str
