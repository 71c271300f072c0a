"""
The circuit breaker of an endpoint as a pure state machine: when sending pauses, and when it goes on.

It trips in three cases. *Account*: the endpoint said that nothing will be accepted before a person has acted.
*Configuration*: three different files in a row suffered the same fault, so it is not theirs. *Outage*: five
endpoint failures in a row, or three of the only job. During such a pause one probe is sent at growing
intervals; the first that gets an answer ends it. A *block* is a pause for a cause of our own, budget or disk:
no probe can end it, only a look at that cause. Seconds of the monotonic clock throughout.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from retouchd.job.model import Verdict
from retouchd.job.naming import sentence

FAILURES_TO_OPEN = 5
FAILURES_OF_THE_ONLY_JOB = 3
FILES_OF_ONE_FAULT = 3
FIRST_PROBE_SECONDS = 60.0
LONGEST_PROBE_SECONDS = 3600.0
LONGEST_SLOWING_SECONDS = 300.0


class PauseCause(StrEnum):
    """
    Why sending is paused.
    """

    ACCOUNT = "account"
    CONFIGURATION = "configuration"
    OUTAGE = "outage"
    BUDGET = "budget"
    DISK = "disk"
    PERSON = "person"

    @property
    def is_lasting(self) -> bool:
        """
        Return whether files are better off in the inbox meanwhile.
        """
        return self is not PauseCause.OUTAGE

    @property
    def is_probed(self) -> bool:
        """
        Return whether only a request can find out that it is over.
        """
        return self not in {PauseCause.BUDGET, PauseCause.DISK, PauseCause.PERSON}


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalBlock:
    """
    Nothing may be sent for a cause of our own: why, and for how many seconds at least.
    """

    cause: PauseCause
    reason: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """
    A pause in sending: why, since when, and when the next probe may be sent (a block: is looked at again).

    `since` is when the last request could be sent, whatever the causes were that followed one another.
    """

    cause: PauseCause
    reason: str
    since: float
    probes: int = 0
    probe_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerState:
    """
    The breaker's state: endpoint failures in a row, the pause if there is one, and the back-off after a 429.

    `affected_jobs` are the jobs that met the same `common_fault` one after the other; `throttled` counts the
    429s since the last success, `hidden` those of the failures behind which a fault of the account may hide.
    `earlier` is the block of an earlier process: one for the same cause continues it until something is done.
    """

    failures: int = 0
    hidden: int = 0
    throttled: int = 0
    common_fault: str | None = None
    affected_jobs: frozenset[str] = frozenset()
    pause: Pause | None = None
    earlier: Pause | None = None
    not_before: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptReport:
    """
    What one closed attempt tells the breaker and the concurrency limit; `now` is of the monotonic clock.

    `key` is that of the edit. `common_fault` says what was wrong if it is of the kind that a configuration
    causes, not a file; `slows_pool` that everybody must wait, `may_slow_pool` that they must if others are
    served meanwhile; `rest` is for how long everybody must wait because this answer took the last of a minute's
    ration.
    """

    job_id: str = ""
    key: str = ""
    common_fault: str | None = None
    verdict: Verdict
    is_endpoint_failure: bool
    may_slow_pool: bool = False
    may_hide_account: bool = False
    slows_pool: bool
    retry_after: float
    rest: float = 0.0
    reason: str
    is_probe: bool
    now: float
    is_only_job: bool


def after(state: BreakerState, report: AttemptReport) -> BreakerState:
    """
    Return the state after an attempt was closed.
    """
    state = _slowed(state, report)
    if state.pause is not None and not report.is_probe:
        return state  # Sent before the pause: it says nothing about now.
    if report.verdict is Verdict.ACCOUNT:
        return replace(state, pause=_next_pause(state.pause, PauseCause.ACCOUNT, report))
    state = _with_fault(state, report)
    if len(state.affected_jobs) >= FILES_OF_ONE_FAULT:
        return replace(state, pause=_next_pause(state.pause, PauseCause.CONFIGURATION, report))
    if not report.is_endpoint_failure:
        return replace(state, failures=0, hidden=0, pause=None)
    state = replace(
        state, failures=state.failures + 1, hidden=state.hidden + report.may_hide_account
    )
    limit = FAILURES_OF_THE_ONLY_JOB if report.is_only_job else FAILURES_TO_OPEN
    if state.pause is not None or state.failures >= limit:
        # A relay that parks what refuses its key says no more than that it is busy, again and again.
        cause = PauseCause.ACCOUNT if state.hidden == state.failures else PauseCause.OUTAGE
        return replace(state, pause=_next_pause(state.pause, cause, report))
    return state


def _slowed(state: BreakerState, report: AttemptReport) -> BreakerState:
    """
    Return the state with everybody's wait: what the endpoint asks for, and after a 429 at least the back-off.
    """
    wait = report.rest
    if report.verdict is Verdict.DONE:
        state = replace(state, throttled=0, earlier=None)
    if report.slows_pool and report.verdict is Verdict.TRANSIENT:
        wait = report.retry_after or min(2.0 ** min(state.throttled, 9), LONGEST_SLOWING_SECONDS)
        if report.may_slow_pool:
            # It may concern this one request after all, and others go through.
            wait = min(wait, LONGEST_SLOWING_SECONDS)
        state = replace(state, throttled=state.throttled + 1)
    return replace(state, not_before=max(state.not_before, report.now + wait)) if wait else state


def _with_fault(state: BreakerState, report: AttemptReport) -> BreakerState:
    if report.common_fault is None:
        return replace(state, common_fault=None, affected_jobs=frozenset())
    known = state.affected_jobs if state.common_fault == report.common_fault else frozenset()
    return replace(state, common_fault=report.common_fault, affected_jobs=known | {report.job_id})


def probe_now(state: BreakerState, now: float) -> BreakerState:
    """
    Return the state with the next probe due at once: a person has asked for it.
    """
    if state.pause is None:
        return replace(state, not_before=now)
    return replace(state, not_before=now, pause=replace(state.pause, probe_at=now))


def blocked(state: BreakerState, block: LocalBlock, now: float) -> BreakerState:
    """
    Return the state with a block; a pause that waits for its probe stays, and waits for as long as the block.
    """
    pause, until = state.pause, now + block.seconds
    if pause is not None and pause.cause.is_probed:
        return replace(state, pause=replace(pause, probe_at=max(pause.probe_at, until)))
    if pause is None and state.earlier is not None and state.earlier.cause is block.cause:
        pause = state.earlier
    since = now if pause is None else pause.since
    found = Pause(cause=block.cause, reason=block.reason, since=since, probe_at=until)
    return replace(state, pause=found, earlier=None)


def restored(pause: Pause) -> BreakerState:
    """
    Return the state after a restart during a pause: whether a block still stands is looked at first.
    """
    return BreakerState(pause=pause) if pause.cause.is_probed else BreakerState(earlier=pause)


def unblocked(state: BreakerState) -> BreakerState:
    """
    Return the state without a block; a pause that waits for its probe stays.
    """
    return (
        state if state.pause is None or state.pause.cause.is_probed else replace(state, pause=None)
    )


def _accusation(report: AttemptReport) -> str:
    fault = str(report.common_fault)
    # What it said may tell more than what it was: "I can't edit pictures of people".
    words = f"The last one: {sentence(report.reason)} " if report.reason not in fault else ""
    return (
        f"{FILES_OF_ONE_FAULT} files in a row met the same fault: {fault}. {words}"
        "Check [edit], endpoint.base_url and endpoint.style in the configuration."
    )


def _next_pause(pause: Pause | None, cause: PauseCause, report: AttemptReport) -> Pause:
    since = report.now if pause is None else pause.since
    probes = 0 if pause is None or pause.cause is not cause else pause.probes + 1
    wait = min(FIRST_PROBE_SECONDS * 2 ** min(probes, 6), LONGEST_PROBE_SECONDS)
    wait = max(wait, min(report.retry_after, LONGEST_PROBE_SECONDS))
    return Pause(
        cause=cause,
        reason=report.reason if cause is not PauseCause.CONFIGURATION else _accusation(report),
        since=since,
        probes=probes,
        probe_at=report.now + wait,
    )


WHY: Mapping[PauseCause, str] = {
    PauseCause.ACCOUNT: "the key or the account is turned away",
    PauseCause.CONFIGURATION: "the endpoint refuses what the configuration asks for",
    PauseCause.OUTAGE: "the endpoint does not answer",
    PauseCause.BUDGET: "the day's budget is used up",
    PauseCause.DISK: "a disk is full",
    PauseCause.PERSON: "somebody has paused it",
}
