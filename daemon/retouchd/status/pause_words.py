"""
Why nothing is sent, in a few words: the same in `status`, in `status.txt` and of a single photo.
"""

from retouchd.status.report import Report
from retouchd.throttle.breaker import WHY, Cause


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
