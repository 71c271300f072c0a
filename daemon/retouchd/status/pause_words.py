"""
Why nothing is sent, in a few words: the same in `status`, in `status.txt` and of a single photo.
"""

from collections.abc import Mapping

from retouchd.status.report import Report
from retouchd.throttle.breaker import Cause

WHY: Mapping[Cause, str] = {
    Cause.ACCOUNT: "the key or the account is turned away",
    Cause.CONFIGURATION: "the endpoint refuses what the configuration asks for",
    Cause.OUTAGE: "the endpoint does not answer",
    Cause.BUDGET: "the day's budget is used up",
    Cause.DISK: "a disk is full",
}


def stop_of(report: Report | None) -> str:
    """
    Return why a daemon takes nothing at all now, empty where all has its turn.
    """
    if report is None:
        return ""
    if report.pause:
        return f"paused: {WHY[Cause(report.pause.cause)]}"
    if report.away:
        return "paused: the inbox cannot be used"
    if report.unusable:
        return f"paused: {', '.join(sorted(report.unusable))} cannot be used"
    return report.looking_up
