"""
When the gate is held and when it opens: whether the endpoint is to be asked at all.

The gate holds everything back in three cases. *Account*: the endpoint said that nothing will be accepted
before a person has acted. *Configuration*: three different files in a row suffered the same fault, so
it is not theirs. *Outage*: five endpoint failures in a row, or three of the only job. Held, the gate
lets one probe through at growing intervals, and opens by itself when one of them gets an answer.
Seconds of the monotonic clock throughout.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from retouchd.rules.job import Verdict

FAILURES_TO_HOLD = 5
FAILURES_OF_THE_ONLY_JOB = 3
FILES_OF_ONE_FAULT = 3
FIRST_PROBE_SECONDS = 60.0
LONGEST_PROBE_SECONDS = 3600.0


class Cause(StrEnum):
    """
    Why the gate is held.
    """

    ACCOUNT = "account"
    CONFIGURATION = "configuration"
    OUTAGE = "outage"

    @property
    def needs_person(self) -> bool:
        """
        Return whether no time will mend it: files are better off in the inbox meanwhile.
        """
        return self is not Cause.OUTAGE


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """
    The gate is held: why, since when, and when the next probe may pass.
    """

    cause: Cause
    reason: str
    since: float
    probes: int = 0
    probe_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """
    The gate's memory: endpoint failures in a row, the hold if there is one, and a pause after a 429.

    `sufferers` are the jobs that met the same `common_fault` one after the other.
    """

    failures: int = 0
    common_fault: str | None = None
    sufferers: frozenset[str] = frozenset()
    hold: Hold | None = None
    not_before: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """
    What one closed attempt tells the gate; `now` is of the monotonic clock.

    `common_fault` says what was wrong if it is of the kind that a configuration causes, not a file.
    """

    job_id: str = ""
    common_fault: str | None = None
    verdict: Verdict
    is_endpoint_failure: bool
    slows_pool: bool
    retry_after: float
    reason: str
    is_probe: bool
    now: float
    is_only_job: bool


def after(pace: Pace, report: Report) -> Pace:
    """
    Return the gate's memory after an attempt was closed.
    """
    if report.slows_pool and report.verdict is Verdict.TRANSIENT:
        pace = replace(pace, not_before=max(pace.not_before, report.now + report.retry_after))
    if pace.hold is not None and not report.is_probe:
        return pace  # Sent before the hold: it says nothing about now.
    if report.verdict is Verdict.ACCOUNT:
        return replace(pace, hold=_next_hold(pace.hold, Cause.ACCOUNT, report))
    pace = _with_fault(pace, report)
    if len(pace.sufferers) >= FILES_OF_ONE_FAULT:
        return replace(pace, hold=_next_hold(pace.hold, Cause.CONFIGURATION, report))
    if not report.is_endpoint_failure:
        return replace(pace, failures=0, hold=None)
    failures = pace.failures + 1
    limit = FAILURES_OF_THE_ONLY_JOB if report.is_only_job else FAILURES_TO_HOLD
    if pace.hold is not None or failures >= limit:
        return replace(pace, failures=failures, hold=_next_hold(pace.hold, Cause.OUTAGE, report))
    return replace(pace, failures=failures)


def _with_fault(pace: Pace, report: Report) -> Pace:
    if report.common_fault is None:
        return replace(pace, common_fault=None, sufferers=frozenset())
    known = pace.sufferers if pace.common_fault == report.common_fault else frozenset()
    return replace(pace, common_fault=report.common_fault, sufferers=known | {report.job_id})


def probe_now(pace: Pace, now: float) -> Pace:
    """
    Return the memory with the next probe due at once: a person has asked for it.
    """
    if pace.hold is None:
        return replace(pace, not_before=now)
    return replace(pace, not_before=now, hold=replace(pace.hold, probe_at=now))


def _accusation(report: Report) -> str:
    return (
        f"{FILES_OF_ONE_FAULT} files in a row met the same fault: {report.common_fault}. "
        "Check [edit] and endpoint.base_url in the configuration."
    )


def _next_hold(hold: Hold | None, cause: Cause, report: Report) -> Hold:
    if hold is None or hold.cause is not cause:
        since, probes = report.now, 0
    else:
        since, probes = hold.since, hold.probes + 1
    wait = min(FIRST_PROBE_SECONDS * 2 ** min(probes, 6), LONGEST_PROBE_SECONDS)
    wait = max(wait, min(report.retry_after, LONGEST_PROBE_SECONDS))
    return Hold(
        cause=cause,
        reason=report.reason if cause is not Cause.CONFIGURATION else _accusation(report),
        since=since,
        probes=probes,
        probe_at=report.now + wait,
    )
