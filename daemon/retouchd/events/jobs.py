"""
Events of a job's life, from the claim to done/ or error/.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from retouchd.events import Crash, Event, Level


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEvent(Event):
    """
    Base of events about a job; `name` is that of its picture. See `Job.about`.
    """

    job: str
    folder: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobClaimed(JobEvent):
    """
    A bundle was taken out of the inbox.
    """

    event: ClassVar[str] = "job.claimed"
    files: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobReturned(JobEvent):
    """
    A job was given back to the inbox.
    """

    event: ClassVar[str] = "job.returned"
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFitted(JobEvent):
    """
    A picture was converted, turned or scaled before it is sent; `name` is its own.
    """

    event: ClassVar[str] = "image.fitted"
    changes: Sequence[str]
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestSent(JobEvent):
    """
    An attempt was opened durably and is about to be sent, for this one of several edits.
    """

    event: ClassVar[str] = "request.sent"
    edit: str | None = None
    attempt: int
    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFailed(JobEvent):
    """
    An attempt was closed without a picture; `retry_in` is in seconds, None if it is not sent again by itself.
    """

    event: ClassVar[str] = "request.failed"
    level: Level = Level.WARNING
    edit: str | None = None
    attempt: int
    verdict: str
    http_status: int | None
    code: str
    message: str
    retry_in: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerHeld(Event):
    """
    The disk does not take an answer, which waits in memory.
    """

    event: ClassVar[str] = "answer.held"
    level: Level = Level.ERROR
    job: str
    bytes: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerLost(Event):
    """
    An answer was in memory alone when its job was removed, or the run stopped at once; `cost_usd` is what it
    may have cost.
    """

    event: ClassVar[str] = "answer.lost"
    level: Level = Level.ERROR
    job: str
    bytes: int
    reason: str
    cost_usd: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEnding(JobEvent):
    """
    A job is about to be forgotten: whoever must tell of it notes that durably before the listener returns.

    It comes again after a crash at that point. `record` is that of `spool.record`; it lies as `record_path`
    below done/ or error/, and the picture as `original`, "" where there is none; `outputs` lie in the outbox,
    those in `review` in the folder for reviews. The paths are those on the disk.
    """

    event: ClassVar[str] = "job.ending"
    level: Level = Level.DEBUG
    is_done: bool
    record: Mapping[str, Any]
    record_path: str
    original: str
    outputs: Sequence[str]
    review: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDone(JobEvent):
    """
    The results are published and the originals archived; those in `review` wait for somebody to look at them.
    """

    event: ClassVar[str] = "job.done"
    seconds: float
    attempts: int
    usage: Mapping[str, Any] | None
    cost_usd: float | None
    outputs: Sequence[str]
    review: Sequence[str]
    warnings: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobWarning(JobEvent):
    """
    A result is published, but not as asked for.
    """

    event: ClassVar[str] = "job.warning"
    level: Level = Level.WARNING
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFailed(JobEvent):
    """
    A job went to error/; `outputs` are what came of those of its edits that are done, published all the same.
    """

    event: ClassVar[str] = "job.failed"
    level: Level = Level.WARNING
    code: str
    message: str
    outputs: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobWaiting(Event):
    """
    Something stands in a job's way; only its id is sure to be known.
    """

    event: ClassVar[str] = "job.waiting"
    level: Level = Level.WARNING
    job: str
    folder: str | None = None
    name: str | None = None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobLeft(Event):
    """
    A job that an unresponsive folder holds up is left to the next start.
    """

    event: ClassVar[str] = "job.left"
    level: Level = Level.WARNING
    job: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCrashed(Crash):
    """
    A step of a job failed in a way that nobody foresaw; it is tried again.
    """

    event: ClassVar[str] = "job.crashed"
    job: str
