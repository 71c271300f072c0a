from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retouchd.job.model import Verdict
from retouchd.throttle.breaker import (
    AttemptReport,
    BreakerState,
    GatePause,
    LocalBlock,
    PauseCause,
    after,
    barred,
    lifted,
    probe_now,
    resumed,
)

FAILED, DOUBTFUL = Verdict.TRANSIENT, Verdict.IN_DOUBT
PROBED = [cause for cause in PauseCause if cause.is_probed]


def report(now: float, verdict: Verdict = FAILED, **changes: Any) -> AttemptReport:
    """
    Build the report of an attempt; while the gate is held it is a probe's.
    """
    values: dict[str, Any] = {
        "verdict": verdict,
        "is_endpoint_failure": verdict in (FAILED, DOUBTFUL),
        "slows_pool": False,
        "retry_after": 0.0,
        "reason": "busy",
        "is_probe": True,
        "now": now,
        "is_only_job": False,
    }
    return AttemptReport(**values | changes)


def refusal(now: float, job: str, fault: str = "the endpoint refuses quality") -> AttemptReport:
    return report(now, Verdict.REFUSED, is_endpoint_failure=False, job_id=job, common_fault=fault)


def paced(*reports: AttemptReport, pace: BreakerState | None = None) -> BreakerState:
    pace = pace or BreakerState()
    for each in reports:
        pace = after(pace, each)
    return pace


def held(cause: PauseCause = PauseCause.OUTAGE) -> tuple[BreakerState, GatePause]:
    """
    Return the memory of a gate held since moment 100.
    """
    reports = {
        PauseCause.ACCOUNT: [report(100, Verdict.ACCOUNT)],
        PauseCause.CONFIGURATION: [refusal(100, job) for job in "abc"],
        PauseCause.OUTAGE: [report(100)] * 5,
    }[cause]
    pace = paced(*reports)
    assert pace.hold is not None
    return pace, pace.hold


def test_five_failures_in_a_row_hold_the_gate() -> None:
    """
    Of whichever jobs and of whichever kind; four do not.
    """
    four = paced(report(1), report(2, DOUBTFUL), report(3), report(4, DOUBTFUL))
    five = paced(report(5), pace=four)

    assert four.hold is None
    assert five.hold is not None
    assert (five.hold.cause, five.hold.since, five.hold.probe_at) == (PauseCause.OUTAGE, 5, 65)


def test_three_failures_of_the_only_job_hold_the_gate() -> None:
    """
    A lone picture does not need five requests to find an outage.
    """
    two = paced(*[report(1, is_only_job=True)] * 2)

    assert two.hold is None
    assert paced(report(2, is_only_job=True), pace=two).hold is not None
    assert paced(report(2, is_only_job=False), pace=two).hold is None


def parked(now: float) -> AttemptReport:
    return report(now, may_hide_account=True)


def test_a_relay_that_only_says_it_parks_its_keys_hides_an_account() -> None:
    """
    If all failures in a row are of that kind a person has to look; one other among them is an outage.
    """
    hidden = paced(*[parked(1)] * 5)
    mixed = paced(report(1), *[parked(1)] * 4)

    assert hidden.hold is not None
    assert mixed.hold is not None
    assert (hidden.hold.cause, mixed.hold.cause) == (PauseCause.ACCOUNT, PauseCause.OUTAGE)


def test_a_probe_that_is_parked_waits_longer_for_the_next() -> None:
    """
    An account's hold stays one, with growing intervals; an answer forgets everything.
    """
    pace = paced(*[parked(1)] * 5)

    later = paced(parked(61), parked(181), pace=pace)
    answered = paced(report(421, Verdict.DONE), *[parked(422)] * 4, pace=later)

    assert later.hold is not None
    assert (later.hold.cause, later.hold.since, later.hold.probes) == (PauseCause.ACCOUNT, 1, 2)
    assert (answered.hold, answered.hidden) == (None, 4)


@pytest.mark.parametrize("verdict", [Verdict.REFUSED, Verdict.DONE])
def test_an_answer_starts_the_count_again(verdict: Verdict) -> None:
    """
    Refusals and successes show that the endpoint is there.
    """
    found = paced(*[report(1)] * 4, report(2, verdict), *[report(3)] * 4)

    assert found.hold is None


def test_a_success_without_a_picture_does_not_count() -> None:
    """
    A 2xx nobody can read may have cost money, but is no outage.
    """
    unreadable = report(2, DOUBTFUL, is_endpoint_failure=False)

    assert paced(*[report(1)] * 4, *[unreadable] * 9).hold is None


def test_one_account_verdict_holds_at_once() -> None:
    """
    No other picture is tried with a key that was refused.
    """
    found = paced(report(7, Verdict.ACCOUNT, reason="Incorrect API key"))

    assert (
        GatePause(cause=PauseCause.ACCOUNT, reason="Incorrect API key", since=7, probe_at=67)
        == found.hold
    )


@pytest.mark.parametrize("verdict", list(Verdict))
@pytest.mark.parametrize("cause", PROBED)
def test_what_was_sent_before_the_hold_says_nothing_about_it(
    cause: PauseCause, verdict: Verdict
) -> None:
    """
    A late answer neither opens the gate nor makes the next probe wait longer.
    """
    pace, _ = held(cause)

    assert pace == paced(report(130, verdict, is_probe=False), pace=pace)


@pytest.mark.parametrize("verdict", [Verdict.DONE, Verdict.REFUSED])
@pytest.mark.parametrize("cause", PROBED)
def test_a_probe_that_is_answered_opens_the_gate(cause: PauseCause, verdict: Verdict) -> None:
    """
    The gate opens by itself, and counts from nothing again.
    """
    pace, _ = held(cause)

    found = paced(report(161, verdict), pace=pace)

    assert (found.hold, found.failures) == (None, 0)


@pytest.mark.parametrize("cause", PROBED)
def test_probes_come_at_growing_intervals(cause: PauseCause) -> None:
    """
    One minute, doubling to one hour, however long it takes.
    """
    pace, hold = held(cause)
    waits = [hold.probe_at - 100]
    verdict = Verdict.ACCOUNT if cause is PauseCause.ACCOUNT else FAILED

    for _ in range(2000):
        now = hold.probe_at + 1
        is_refused = cause is PauseCause.CONFIGURATION
        pace = paced(refusal(now, "d") if is_refused else report(now, verdict), pace=pace)
        assert pace.hold is not None
        hold = pace.hold
        waits.append(hold.probe_at - now)

    assert waits[:8] == [60, 120, 240, 480, 960, 1920, 3600, 3600]
    assert {3600} == set(waits[8:])
    assert hold.since == 100


def test_a_hold_changes_its_cause_with_what_the_probe_finds() -> None:
    """
    An endpoint that comes back without accepting the key is another matter.
    """
    pace, _ = held(PauseCause.OUTAGE)

    found = paced(report(161, Verdict.ACCOUNT, reason="no credit"), pace=pace)

    assert found.hold is not None
    assert (found.hold.cause, found.hold.reason) == (PauseCause.ACCOUNT, "no credit")
    assert found.hold.probe_at == 221
    assert found.hold.since == 100, "nothing has been sent since then"


def test_a_429_delays_the_whole_pool() -> None:
    """
    `Retry-After` holds everybody for its time, and a shorter one does not cut it.
    """
    long = report(10, slows_pool=True, retry_after=30)
    short = report(11, slows_pool=True, retry_after=1)

    assert paced(long, short).not_before == 40
    assert paced(report(10, retry_after=30)).not_before == 0


def test_the_next_probe_respects_retry_after() -> None:
    """
    Up to an hour: no endpoint can silence the probes for longer.
    """
    pace, _ = held()

    for seconds, wait in ((900, 900), (10**9, 3600)):
        found = paced(report(200, retry_after=seconds), pace=pace).hold
        assert found is not None
        assert 200 + wait == found.probe_at


@pytest.mark.parametrize("cause", PROBED)
def test_a_person_may_ask_for_a_probe(cause: PauseCause) -> None:
    """
    The probe is due at once; the hold stays until it is answered.
    """
    pace, hold = held(cause)

    found = probe_now(pace, 110).hold

    assert found is not None
    assert (110, cause, hold.since) == (found.probe_at, found.cause, found.since)
    assert probe_now(BreakerState(not_before=99), 50) == BreakerState(not_before=50)


VERDICTS = st.lists(st.sampled_from(Verdict), max_size=30)


@given(VERDICTS)
def test_the_gate_is_held_only_with_cause(verdicts: list[Verdict]) -> None:
    """
    After any row of answers: held means an account verdict or five failures since the last answer.
    """
    pace = paced(*[report(n, verdict) for n, verdict in enumerate(verdicts, 1)])

    answers = [n for n, v in enumerate(verdicts) if v in (Verdict.DONE, Verdict.REFUSED)]
    since = verdicts[answers[-1] + 1 :] if answers else verdicts
    failures = [v for v in since if v is not Verdict.ACCOUNT]
    assert (pace.hold is not None) == (Verdict.ACCOUNT in since or len(failures) >= 5)


def test_the_same_fault_of_three_files_is_the_configurations() -> None:
    """
    Three different jobs in a row with one fault hold the gate, and the reason names it.
    """
    found = paced(*(refusal(100, job) for job in "abc")).hold

    assert found is not None
    assert found.cause is PauseCause.CONFIGURATION
    assert "refuses quality" in found.reason


def test_the_reason_of_a_pause_quotes_what_came_instead() -> None:
    """
    "Something else" alone would tell nobody what to do.
    """
    reports = (replace(refusal(100, job), reason="I can't edit people") for job in "abc")

    found = paced(*reports).hold

    assert found is not None
    assert "The last one: I can't edit people. Check [edit]" in found.reason


@pytest.mark.parametrize(
    "reports",
    [
        [refusal(1, "a"), refusal(2, "a"), refusal(3, "a")],
        [refusal(1, "a"), refusal(2, "b"), refusal(3, "c", "the endpoint refuses size")],
        [refusal(1, "a"), refusal(2, "b"), report(3, Verdict.DONE, is_endpoint_failure=False)],
    ],
    ids=["one job", "another fault", "a success between"],
)
def test_less_than_that_proves_nothing(reports: list[AttemptReport]) -> None:
    """
    One file with three attempts, two faults, or a success in between leave the gate open.
    """
    assert paced(*reports, refusal(4, "d")).hold is None


def test_a_429_without_a_wait_slows_the_pool_more_each_time() -> None:
    """
    Relays strip Retry-After: the pool backs off by itself, and forgets it with a success.
    """
    pace, waits = BreakerState(), []
    for now in (1000.0, 2000.0, 3000.0):
        pace = paced(report(now, slows_pool=True), pace=pace)
        waits.append(pace.not_before - now)
    pace = paced(
        report(4000, Verdict.DONE, is_endpoint_failure=False),
        report(5000, slows_pool=True),
        pace=pace,
    )

    assert [*waits, pace.not_before - 5000] == [1, 2, 4, 1]


def test_the_last_of_a_ration_lets_everybody_rest() -> None:
    """
    A success that says nothing is left delays the next request, and holds nothing.
    """
    found = paced(report(10, Verdict.DONE, is_endpoint_failure=False, rest=12))

    assert (found.not_before, found.hold) == (22, None)


def test_a_bar_ends_without_a_probe() -> None:
    """
    It is looked at again when its time is up; how long it has stood is remembered.
    """
    bar = LocalBlock(cause=PauseCause.DISK, reason="full", seconds=10)
    first = barred(BreakerState(), bar, 100)
    again = barred(first, bar, 110)

    assert again.hold == GatePause(cause=PauseCause.DISK, reason="full", since=100, probe_at=120)
    assert lifted(again).hold is None


def test_a_bar_of_an_earlier_process_goes_on_in_the_next_one() -> None:
    """
    For the same cause alone, and once; until something bars the way again, the gate is open.
    """
    earlier = GatePause(cause=PauseCause.BUDGET, reason="spent", since=-500, probe_at=900)
    spent, full = (
        LocalBlock(cause=cause, reason="", seconds=10)
        for cause in (PauseCause.BUDGET, PauseCause.DISK)
    )

    pace = resumed(earlier)

    assert pace.hold is None
    first, other = barred(pace, spent, 100), barred(pace, full, 100)
    again = barred(lifted(first), spent, 200)
    done = barred(after(pace, report(50, Verdict.DONE, is_endpoint_failure=False)), spent, 100)
    since = [each.hold and each.hold.since for each in (first, other, again, done)]
    assert since == [-500, 100, 200, 100]


@pytest.mark.parametrize("cause", PROBED)
def test_a_bar_does_not_replace_a_hold(cause: PauseCause) -> None:
    """
    A full disk while the key is refused: afterwards the key is still refused.
    """
    pace, hold = held(cause)

    found = lifted(
        barred(pace, LocalBlock(cause=PauseCause.BUDGET, reason="spent", seconds=500), 110)
    )

    assert found.hold is not None
    assert (found.hold.cause, found.hold.reason, found.hold.probe_at) == (cause, hold.reason, 610)
