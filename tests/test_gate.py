"""
The gate's memory: who may send while it is held.
"""

from typing import Any

from retouchd.engine.clock import SystemClock
from retouchd.engine.gate import Gate
from retouchd.rules.job import Verdict
from retouchd.rules.pacing import Cause, Report


def failure(job_id: str, **changes: Any) -> Report:
    values: dict[str, Any] = {
        "job_id": job_id,
        "verdict": Verdict.TRANSIENT,
        "is_endpoint_failure": True,
        "slows_pool": False,
        "retry_after": 0.0,
        "reason": "away",
        "is_probe": False,
        "now": 100.0,
        "is_only_job": False,
    }
    return Report(**values | changes)


def held_gate() -> Gate:
    gate = Gate(concurrency=4, clock=SystemClock())
    for name in "abcde":
        gate.report(failure(name))
    assert gate.hold is Cause.OUTAGE
    return gate


async def test_a_late_report_of_another_job_leaves_the_probe_its_permission() -> None:
    """
    What was sent before the hold may report while a probe prepares; the probe goes on.
    """
    gate = held_gate()
    gate.let_probe("probe")

    gate.report(failure("late"))

    assert gate.admits("probe")
    assert gate.is_probing


async def test_a_probe_is_for_one_request() -> None:
    """
    When it has failed, the same job may not send again before the next one is due.
    """
    gate = held_gate()
    gate.let_probe("probe")

    gate.report(failure("probe", is_probe=True))

    assert not gate.admits("probe")
    assert not gate.is_probing
