"""
When the gate is held and when it opens: whether the endpoint is to be asked at all.

The gate holds everything back in three cases. *Account*: the endpoint said that nothing will be accepted
before a person has acted. *Configuration*: three different files in a row suffered the same fault, so
it is not theirs. *Outage*: five endpoint failures in a row, or three of the only job. Held, the gate
lets one probe through at growing intervals, and opens by itself when one of them gets an answer.
Seconds of the monotonic clock throughout.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from retouchd.job.model import Verdict
from retouchd.job.naming import sentence

FAILURES_TO_HOLD = 5
FAILURES_OF_THE_ONLY_JOB = 3
FILES_OF_ONE_FAULT = 3
FIRST_PROBE_SECONDS = 60.0
LONGEST_PROBE_SECONDS = 3600.0
LONGEST_SLOWING_SECONDS = 300.0


class PauseCause(StrEnum):
    """
    Why the gate is held.
    """

    ACCOUNT = "account"
    CONFIGURATION = "configuration"
    OUTAGE = "outage"
    BUDGET = "budget"
    DISK = "disk"

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
        return self not in {PauseCause.BUDGET, PauseCause.DISK}


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalBlock:
    """
    Nothing may be sent for a cause of our own: why, and for how many seconds at least.
    """

    cause: PauseCause
    reason: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GatePause:
    """
    The gate is held: why, since when, and when the next probe may pass (a bar: is looked at again).

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
    The gate's memory: endpoint failures in a row, the hold if there is one, and a pause after a 429.

    `affected_jobs` are the jobs that met the same `common_fault` one after the other; `throttled` counts the
    429s since the last success, `hidden` those of the failures behind which a fault of the account may hide.
    `earlier` is the bar of an earlier process: one for the same cause goes on with it until something is done.
    """

    failures: int = 0
    hidden: int = 0
    throttled: int = 0
    common_fault: str | None = None
    affected_jobs: frozenset[str] = frozenset()
    hold: GatePause | None = None
    earlier: GatePause | None = None
    not_before: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptReport:
    """
    What one closed attempt tells the gate; `now` is of the monotonic clock.

    `common_fault` says what was wrong if it is of the kind that a configuration causes, not a file;
    `slows_pool` that everybody must wait, `may_slow_pool` that they must if others are served meanwhile;
    `rest` is for how long everybody must wait because this answer took the last of a minute's ration.
    """

    job_id: str = ""
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


def after(pace: BreakerState, report: AttemptReport) -> BreakerState:
    """
    Return the gate's memory after an attempt was closed.
    """
    pace = _slowed(pace, report)
    if pace.hold is not None and not report.is_probe:
        return pace  # Sent before the hold: it says nothing about now.
    if report.verdict is Verdict.ACCOUNT:
        return replace(pace, hold=_next_hold(pace.hold, PauseCause.ACCOUNT, report))
    pace = _with_fault(pace, report)
    if len(pace.affected_jobs) >= FILES_OF_ONE_FAULT:
        return replace(pace, hold=_next_hold(pace.hold, PauseCause.CONFIGURATION, report))
    if not report.is_endpoint_failure:
        return replace(pace, failures=0, hidden=0, hold=None)
    pace = replace(pace, failures=pace.failures + 1, hidden=pace.hidden + report.may_hide_account)
    limit = FAILURES_OF_THE_ONLY_JOB if report.is_only_job else FAILURES_TO_HOLD
    if pace.hold is not None or pace.failures >= limit:
        # A relay that parks what refuses its key says no more than that it is busy, again and again.
        cause = PauseCause.ACCOUNT if pace.hidden == pace.failures else PauseCause.OUTAGE
        return replace(pace, hold=_next_hold(pace.hold, cause, report))
    return pace


def _slowed(pace: BreakerState, report: AttemptReport) -> BreakerState:
    """
    Return the memory with everybody's wait: what the endpoint asks for, and after a 429 at least the back-off.
    """
    wait = report.rest
    if report.verdict is Verdict.DONE:
        pace = replace(pace, throttled=0, earlier=None)
    if report.slows_pool and report.verdict is Verdict.TRANSIENT:
        wait = report.retry_after or min(2.0 ** min(pace.throttled, 9), LONGEST_SLOWING_SECONDS)
        if report.may_slow_pool:
            # It may concern this one request after all, and others go through.
            wait = min(wait, LONGEST_SLOWING_SECONDS)
        pace = replace(pace, throttled=pace.throttled + 1)
    return replace(pace, not_before=max(pace.not_before, report.now + wait)) if wait else pace


def _with_fault(pace: BreakerState, report: AttemptReport) -> BreakerState:
    if report.common_fault is None:
        return replace(pace, common_fault=None, affected_jobs=frozenset())
    known = pace.affected_jobs if pace.common_fault == report.common_fault else frozenset()
    return replace(pace, common_fault=report.common_fault, affected_jobs=known | {report.job_id})


def probe_now(pace: BreakerState, now: float) -> BreakerState:
    """
    Return the memory with the next probe due at once: a person has asked for it.
    """
    if pace.hold is None:
        return replace(pace, not_before=now)
    return replace(pace, not_before=now, hold=replace(pace.hold, probe_at=now))


def barred(pace: BreakerState, bar: LocalBlock, now: float) -> BreakerState:
    """
    Return the memory with a bar; a hold that waits for its probe stays, and waits for as long as the bar.
    """
    hold, until = pace.hold, now + bar.seconds
    if hold is not None and hold.cause.is_probed:
        return replace(pace, hold=replace(hold, probe_at=max(hold.probe_at, until)))
    if hold is None and pace.earlier is not None and pace.earlier.cause is bar.cause:
        hold = pace.earlier
    since = now if hold is None else hold.since
    held = GatePause(cause=bar.cause, reason=bar.reason, since=since, probe_at=until)
    return replace(pace, hold=held, earlier=None)


def resumed(hold: GatePause) -> BreakerState:
    """
    Return the memory of a gate that an earlier process held: whether a bar still stands is looked at first.
    """
    return BreakerState(hold=hold) if hold.cause.is_probed else BreakerState(earlier=hold)


def lifted(pace: BreakerState) -> BreakerState:
    """
    Return the memory without a bar; a hold that waits for its probe stays.
    """
    return pace if pace.hold is None or pace.hold.cause.is_probed else replace(pace, hold=None)


def _accusation(report: AttemptReport) -> str:
    fault = str(report.common_fault)
    # What it said may tell more than what it was: "I can't edit pictures of people".
    words = f"The last one: {sentence(report.reason)} " if report.reason not in fault else ""
    return (
        f"{FILES_OF_ONE_FAULT} files in a row met the same fault: {fault}. {words}"
        "Check [edit] and endpoint.base_url in the configuration."
    )


def _next_hold(hold: GatePause | None, cause: PauseCause, report: AttemptReport) -> GatePause:
    since = report.now if hold is None else hold.since
    probes = 0 if hold is None or hold.cause is not cause else hold.probes + 1
    wait = min(FIRST_PROBE_SECONDS * 2 ** min(probes, 6), LONGEST_PROBE_SECONDS)
    wait = max(wait, min(report.retry_after, LONGEST_PROBE_SECONDS))
    return GatePause(
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
}
