"""
The status report of one run, as it stands in `work/status.json`; batch progress, stall detection, and alarms.

The report has only what lies nowhere else: the jobs, the history and the inbox are looked at where they are.

A batch begins with the first picture after the inbox was empty and ends when it is empty again; more may be
dropped into it meanwhile. Times are of a monotonic clock, handed in.

A run is stuck if what is at work does not move at all. A watchdog that ends a run puts every request in flight
in doubt, so slow is never taken for stuck: a scan of a far disk may take an hour as long as it comes from one
name to the next.

What is wrong with a file, its prompt or its sidecar, and what a provider refuses to draw, is said beside the
file to whoever dropped it. An alarm is only for what may have cost money for nothing, or will happen again.
"""

import datetime as dt
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as validated

from retouchd.errors import JobCode
from retouchd.events.messages import UnreadLog
from retouchd.job.text import json_text
from retouchd.throttle.breaker import WHY, PauseCause

_WINDOW_SECONDS = 600.0
"""The rate is that of the last minutes: an endpoint is quick by night and slow by day."""
_FEWEST = 2
"""Pictures that have to be over before their rate says anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """
    So many pictures of the batch are over, of so many; `seconds_left` is None while that cannot be told.
    """

    over: int
    total: int
    seconds_left: float | None


class Batch:
    """
    Follows the batch that is being worked on; `finished` is how many pictures the last whole one had.
    """

    def __init__(self) -> None:
        self._begun = 0
        self._is_on = False
        self._moments: deque[tuple[float, int]] = deque()
        self.finished = 0

    def see(
        self, now: float, *, over: int, left: int, is_empty: bool, is_held: bool = False
    ) -> Progress | None:
        """
        Take in how many pictures are over since the start of the run and how many are left; return how far the
        batch is, None where there is none.

        Nothing `is_empty` of which something may still become work; while the run `is_held` nothing goes on.
        """
        if is_empty and not left:
            if over > self._begun:
                self.finished = over - self._begun
            self._begun, self._is_on = over, False
            self._moments.clear()
            return None
        self._is_on = self._is_on or left > 0
        if not self._is_on:
            return None
        done = over - self._begun
        self._note(now, done, is_held=is_held)
        return Progress(over=done, total=done + left, seconds_left=self._seconds_left(now, left))

    def _note(self, now: float, done: int, *, is_held: bool) -> None:
        if is_held:
            # A pause says nothing of how long a picture takes: what comes behind it is measured anew.
            self._moments.clear()
            return
        if not self._moments or self._moments[-1][1] != done:
            self._moments.append((now, done))
        while len(self._moments) > _FEWEST and now - self._moments[0][0] > _WINDOW_SECONDS:
            self._moments.popleft()

    def _seconds_left(self, now: float, left: int) -> float | None:
        if not self._moments or not left:
            return None
        since, before = self._moments[0]
        made = self._moments[-1][1] - before
        if made < _FEWEST or now <= since:
            return None
        return left * (now - since) / made


PATIENCE_SECONDS = 300.0
"""How long something may be at work without moving. The slowest single step is a huge file on a far disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Motion:
    """
    How something moves: `steps` counts what it has done, `moved_at` is when it last moved or was at rest.
    """

    steps: int
    moved_at: float


def observed(before: Motion | None, steps: int, now: float, *, is_at_work: bool) -> Motion:
    """
    Return the motion after one more look at it.
    """
    if before is None or steps != before.steps or not is_at_work:
        return Motion(steps=steps, moved_at=now)
    return before


def stuck(motions: Mapping[str, Motion], now: float) -> str | None:
    """
    Return which of them has been at work for too long without moving, None if all get on.
    """
    slow = {name: each for name, each in motions.items() if now - each.moved_at > PATIENCE_SECONDS}
    return min(slow, key=lambda name: slow[name].moved_at, default=None)


OWNERS = frozenset(
    {
        JobCode.PROMPT_MISSING,
        JobCode.IMAGE_MISSING,
        JobCode.PROMPT_EMPTY,
        JobCode.PROMPT_TOO_LONG,
        JobCode.SIDECAR_INVALID,
        JobCode.SIDECAR_AMBIGUOUS,
        JobCode.IMAGE_UNREADABLE,
        JobCode.IMAGE_UNSUPPORTED,
        JobCode.IMAGE_TOO_LARGE,
        JobCode.IMAGE_NOT_SQUARE,
        JobCode.MASK_INVALID,
        JobCode.MASK_SIZE_MISMATCH,
        JobCode.PARAMETER_INVALID,
        JobCode.REFERENCE_INVALID,
        JobCode.CONTENT_POLICY,
        JobCode.REFUSED,
    }
)
"""A matter of whoever dropped the file."""

OPERATORS: Mapping[str, tuple[str, str]] = {
    JobCode.IN_DOUBT: (
        "may have been charged, and no picture came",
        "Look at the provider's usage page first: what `retouchd retry` sends again may be charged again",
    ),
    JobCode.BAD_RESPONSE: (
        "answered, and perhaps charged, without a usable picture",
        "Each answer is kept there as .response; check edit.model and endpoint.base_url, or ask the provider",
    ),
    JobCode.ATTEMPTS_EXHAUSTED: (
        "turned away at each attempt while others went through",
        "Nothing was charged: `retouchd retry` tries again",
    ),
    JobCode.CRASHED: (
        "retouchd ended unexpectedly again and again while it worked on it",
        "Please report it; the log says more",
    ),
}
"""A matter of the operator's: what became of it, and what to do."""

_OTHERS = ("ended there", "The .error.txt beside it says why and what to do")


def is_for_the_operator(code: str) -> bool:
    """
    Return whether a code is worth an alarm: one that nobody here knows is.
    """
    return code not in OWNERS


def alarm(code: str, paths: list[str]) -> str:
    """
    Return what an operator is to know of pictures in `error/`, and what to do; there is at least one.
    """
    what, remedy = OPERATORS.get(code, _OTHERS)
    more = f" and {len(paths) - 1:,} more" if len(paths) > 1 else ""
    return f"In error/ since midnight, {what} ({code}): {paths[0]}{more}. {remedy}."


SIGN_OF_LIFE_SECONDS = 30.0
"""The daemon tells how it stands at least so often."""
MOST_HELD = 1000
"""Held files that are listed, and duplicates, of these the newest; the rest is only counted."""


@validated(frozen=True, slots=True, kw_only=True)
class Pause:
    """
    Nothing is sent: why, since when, and when the next probe may pass.
    """

    cause: str
    reason: str
    since: dt.datetime
    next_probe: dt.datetime


@validated(frozen=True, slots=True, kw_only=True)
class HeldFile:
    """
    A file that cannot be claimed though it is ready: escaped names, and why.
    """

    folder: str
    name: str
    reason: str


@validated(frozen=True, slots=True, kw_only=True)
class DuplicateFile(HeldFile):
    """
    A file that was asked for already; `is_done` unless that is still in work. Inode and time of change tell
    it from a newer one of its name.
    """

    is_done: bool
    inode: int
    mtime_ns: int


@validated(frozen=True, slots=True, kw_only=True)
class StatusReport:
    """
    One run at one moment. Times are aware UTC.

    `jobs` has for each job that waits why it does; `blocked` those of them that a folder holds up.
    `watch_remedy` says what to do where changes are noticed in a worse way than was asked for, `away` why
    the inbox cannot be used now; both are empty where all is well. `looking_up` says why nothing is claimed
    while it is not known what was edited before, `unread` why that cannot be found out, `unread_log` what is
    wrong where nobody reads the log. `unusable` has a sentence for each of the five folders that does not
    answer, or is not in its place. `unfinished` are files that may still be written to. `done`, `failed` and
    `returned` count since the start; `ready` families could be claimed at once.
    """

    version: Literal[1] = 1
    pid: int
    started_at: dt.datetime
    scanned_at: dt.datetime | None
    watch_mode: str
    watch_reason: str
    watch_remedy: str
    away: str
    pause: Pause | None
    remark: str = ""
    looking_up: str = ""
    unread: str = ""
    unread_log: UnreadLog | None = None
    scan_seconds: float = 0.0
    unusable: dict[str, str] = field(default_factory=dict)
    jobs: dict[str, str]
    blocked: tuple[str, ...]
    held: tuple[HeldFile, ...]
    held_count: int
    duplicates: tuple[DuplicateFile, ...] = ()
    unfinished: tuple[HeldFile, ...] = ()
    ready: int
    done: int
    failed: int
    returned: int


_ADAPTER = TypeAdapter(StatusReport)


def dump_report(report: StatusReport) -> bytes:
    """
    Return the report as it is written.
    """
    return (json_text(_ADAPTER.dump_python(report, mode="json"), indent=2) + "\n").encode()


def load_report(raw: bytes) -> StatusReport | None:
    """
    Return a report, None where the bytes are none of this version.
    """
    try:
        return _ADAPTER.validate_json(raw)
    except ValidationError:
        return None


def stop_of(report: StatusReport | None) -> str:
    """
    Return why a daemon takes nothing at all now, empty where all has its turn.
    """
    if report is None:
        return ""
    if report.pause:
        return f"paused: {WHY[PauseCause(report.pause.cause)]}"
    if report.away:
        return "paused: the inbox cannot be used"
    if report.unusable:
        return f"paused: {', '.join(sorted(report.unusable))} cannot be used"
    return report.looking_up
