"""
The gate's state: who may send during a pause.
"""

import asyncio
from typing import Any

import pytest

from retouchd.clock import SystemClock
from retouchd.job.model import Verdict
from retouchd.throttle.breaker import AttemptReport, PauseCause
from retouchd.throttle.gate import Gate


def failure(job_id: str, **changes: Any) -> AttemptReport:
    values: dict[str, Any] = {
        "job_id": job_id,
        "key": job_id,
        "verdict": Verdict.TRANSIENT,
        "is_endpoint_failure": True,
        "slows_pool": False,
        "retry_after": 0.0,
        "reason": "away",
        "is_probe": False,
        "now": 100.0,
        "is_only_job": False,
    }
    return AttemptReport(**values | changes)


def paused_gate() -> Gate:
    gate = Gate(concurrency=4, clock=SystemClock())
    for name in "abcde":
        gate.report(failure(name))
    assert gate.pause_cause is PauseCause.OUTAGE
    return gate


async def test_a_late_report_of_another_job_leaves_the_probe_its_permission() -> None:
    """
    What was sent before the pause may report while a probe prepares; the probe goes on.
    """
    gate = paused_gate()
    gate.let_probe("probe")

    gate.report(failure("late"))

    assert gate.admits("probe")
    assert gate.is_probing


def served_gate(*, out: int, answered: int) -> Gate:
    gate = Gate(concurrency=4, clock=SystemClock())
    for number in range(out):
        gate.note_sent(f"out{number}", f"out{number}", 1)
    if answered:
        gate.note_sent("served", "served", 1)
        gate.report(failure("served", verdict=Verdict.DONE, is_endpoint_failure=False))
    gate.note_sent("turned away", "turned away", 1)
    return gate


@pytest.mark.parametrize(("out", "answered", "width"), [(0, 0, 4), (3, 0, 2), (1, 0, 1), (0, 1, 2)])
async def test_a_503_narrows_the_pool_if_others_are_served(
    out: int, answered: int, width: int
) -> None:
    """
    Others are out, or one was served a moment ago: everybody slows down as after a 429. Alone it is an outage.
    """
    gate = served_gate(out=out, answered=answered)

    gate.report(failure("turned away", may_slow_pool=True, now=101.0))

    assert gate.concurrency == width


async def test_a_request_that_ended_otherwise_is_not_out() -> None:
    """
    What never got as far as a verdict says nothing of those that are served.
    """
    gate = served_gate(out=1, answered=0)
    gate.note_over("out0")

    gate.report(failure("turned away", may_slow_pool=True))

    assert gate.concurrency == 4


async def test_a_probe_is_for_one_request() -> None:
    """
    When it has failed, the same job may not send again before the next one is due.
    """
    gate = paused_gate()
    gate.let_probe("probe")
    gate.note_sent("probe", "probe", 1)

    gate.report(failure("probe", is_probe=True))

    assert not gate.admits("probe")
    assert not gate.is_probing


async def test_a_change_between_a_decision_and_the_wait_is_not_missed() -> None:
    """
    Whoever decides to wait may have to wait for a lock before it does, and the gate may open meanwhile.
    """
    gate = paused_gate()
    changes = gate.changes.count
    gate.unblock()
    gate.wake()

    async with asyncio.timeout(60):
        await gate.changes.wait(changes)


async def test_who_has_seen_the_last_change_waits_for_the_next() -> None:
    """
    Else they would go round and round.
    """
    gate = paused_gate()
    waiting = asyncio.ensure_future(gate.changes.wait(gate.changes.count))
    await asyncio.sleep(0)
    assert not waiting.done()

    gate.changes.tell()

    async with asyncio.timeout(60):
        await waiting


@pytest.mark.parametrize("within", [None, 60.0])
async def test_who_is_cancelled_while_a_change_comes_ends(within: float | None) -> None:
    """
    A run that ends for a pause cancels the prober in the very moment in which the gate tells of it.
    """
    gate = paused_gate()

    async def forever() -> None:
        while True:
            await gate.changes.wait(gate.changes.count, within)

    waiting = asyncio.ensure_future(forever())
    await asyncio.sleep(0)

    gate.changes.tell()
    await asyncio.sleep(0)
    waiting.cancel()

    await asyncio.wait([waiting], timeout=5)
    assert waiting.cancelled()
