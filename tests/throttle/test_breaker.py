from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retouchd.job.model import Verdict
from retouchd.throttle.breaker import (
    AttemptReport,
    BreakerState,
    LocalBlock,
    Pause,
    PauseCause,
    after,
    blocked,
    probe_now,
    restored,
    unblocked,
)

FAILED, DOUBTFUL = Verdict.TRANSIENT, Verdict.IN_DOUBT
PROBED = [cause for cause in PauseCause if cause.is_probed]


def report(now: float, verdict: Verdict = FAILED, **changes: Any) -> AttemptReport:
    """
    Build the report of an attempt; during a pause it is a probe's.
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


def after_all(*reports: AttemptReport, state: BreakerState | None = None) -> BreakerState:
    state = state or BreakerState()
    for each in reports:
        state = after(state, each)
    return state


def paused(cause: PauseCause = PauseCause.OUTAGE) -> tuple[BreakerState, Pause]:
    """
    Return the state and the pause that began at moment 100.
    """
    reports = {
        PauseCause.ACCOUNT: [report(100, Verdict.ACCOUNT)],
        PauseCause.CONFIGURATION: [refusal(100, job) for job in "abc"],
        PauseCause.OUTAGE: [report(100)] * 5,
    }[cause]
    state = after_all(*reports)
    assert state.pause is not None
    return state, state.pause


def test_five_failures_in_a_row_pause() -> None:
    """
    Of whichever jobs and of whichever kind; four do not.
    """
    four = after_all(report(1), report(2, DOUBTFUL), report(3), report(4, DOUBTFUL))
    five = after_all(report(5), state=four)

    assert four.pause is None
    assert five.pause is not None
    assert (five.pause.cause, five.pause.since, five.pause.probe_at) == (PauseCause.OUTAGE, 5, 65)


def test_three_failures_of_the_only_job_pause() -> None:
    """
    A lone picture does not need five requests to find an outage.
    """
    two = after_all(*[report(1, is_only_job=True)] * 2)

    assert two.pause is None
    assert after_all(report(2, is_only_job=True), state=two).pause is not None
    assert after_all(report(2, is_only_job=False), state=two).pause is None


def parked(now: float) -> AttemptReport:
    return report(now, may_hide_account=True)


def test_a_relay_that_only_says_it_parks_its_keys_hides_an_account() -> None:
    """
    If all failures in a row are of that kind a person has to look; one other among them is an outage.
    """
    hidden = after_all(*[parked(1)] * 5)
    mixed = after_all(report(1), *[parked(1)] * 4)

    assert hidden.pause is not None
    assert mixed.pause is not None
    assert (hidden.pause.cause, mixed.pause.cause) == (PauseCause.ACCOUNT, PauseCause.OUTAGE)


def test_a_probe_that_is_parked_waits_longer_for_the_next() -> None:
    """
    An account's pause stays one, with growing intervals; an answer forgets everything.
    """
    state = after_all(*[parked(1)] * 5)

    later = after_all(parked(61), parked(181), state=state)
    answered = after_all(report(421, Verdict.DONE), *[parked(422)] * 4, state=later)

    assert later.pause is not None
    assert (later.pause.cause, later.pause.since, later.pause.probes) == (PauseCause.ACCOUNT, 1, 2)
    assert (answered.pause, answered.hidden) == (None, 4)


@pytest.mark.parametrize("verdict", [Verdict.REFUSED, Verdict.DONE])
def test_an_answer_starts_the_count_again(verdict: Verdict) -> None:
    """
    Refusals and successes show that the endpoint is there.
    """
    found = after_all(*[report(1)] * 4, report(2, verdict), *[report(3)] * 4)

    assert found.pause is None


def test_a_success_without_a_picture_does_not_count() -> None:
    """
    A 2xx nobody can read may have cost money, but is no outage.
    """
    unreadable = report(2, DOUBTFUL, is_endpoint_failure=False)

    assert after_all(*[report(1)] * 4, *[unreadable] * 9).pause is None


def test_one_account_verdict_pauses_at_once() -> None:
    """
    No other picture is tried with a key that was refused.
    """
    found = after_all(report(7, Verdict.ACCOUNT, reason="Incorrect API key"))

    assert (
        Pause(cause=PauseCause.ACCOUNT, reason="Incorrect API key", since=7, probe_at=67)
        == found.pause
    )


@pytest.mark.parametrize("verdict", list(Verdict))
@pytest.mark.parametrize("cause", PROBED)
def test_what_was_sent_before_the_pause_says_nothing_about_it(
    cause: PauseCause, verdict: Verdict
) -> None:
    """
    A late answer neither ends the pause nor makes the next probe wait longer.
    """
    state, _ = paused(cause)

    assert state == after_all(report(130, verdict, is_probe=False), state=state)


@pytest.mark.parametrize("verdict", [Verdict.DONE, Verdict.REFUSED])
@pytest.mark.parametrize("cause", PROBED)
def test_a_probe_that_is_answered_ends_the_pause(cause: PauseCause, verdict: Verdict) -> None:
    """
    The pause ends by itself, and failures count from nothing again.
    """
    state, _ = paused(cause)

    found = after_all(report(161, verdict), state=state)

    assert (found.pause, found.failures) == (None, 0)


@pytest.mark.parametrize("cause", PROBED)
def test_probes_come_at_growing_intervals(cause: PauseCause) -> None:
    """
    One minute, doubling to one hour, however long it takes.
    """
    state, pause = paused(cause)
    waits = [pause.probe_at - 100]
    verdict = Verdict.ACCOUNT if cause is PauseCause.ACCOUNT else FAILED

    for _ in range(2000):
        now = pause.probe_at + 1
        is_refused = cause is PauseCause.CONFIGURATION
        state = after_all(refusal(now, "d") if is_refused else report(now, verdict), state=state)
        assert state.pause is not None
        pause = state.pause
        waits.append(pause.probe_at - now)

    assert waits[:8] == [60, 120, 240, 480, 960, 1920, 3600, 3600]
    assert {3600} == set(waits[8:])
    assert pause.since == 100


def test_a_pause_changes_its_cause_with_what_the_probe_finds() -> None:
    """
    An endpoint that comes back without accepting the key is another matter.
    """
    state, _ = paused(PauseCause.OUTAGE)

    found = after_all(report(161, Verdict.ACCOUNT, reason="no credit"), state=state)

    assert found.pause is not None
    assert (found.pause.cause, found.pause.reason) == (PauseCause.ACCOUNT, "no credit")
    assert found.pause.probe_at == 221
    assert found.pause.since == 100, "nothing has been sent since then"


def test_a_429_delays_the_whole_pool() -> None:
    """
    `Retry-After` holds everybody for its time, and a shorter one does not cut it.
    """
    long = report(10, slows_pool=True, retry_after=30)
    short = report(11, slows_pool=True, retry_after=1)

    assert after_all(long, short).not_before == 40
    assert after_all(report(10, retry_after=30)).not_before == 0


def test_the_next_probe_respects_retry_after() -> None:
    """
    Up to an hour: no endpoint can silence the probes for longer.
    """
    state, _ = paused()

    for seconds, wait in ((900, 900), (10**9, 3600)):
        found = after_all(report(200, retry_after=seconds), state=state).pause
        assert found is not None
        assert 200 + wait == found.probe_at


@pytest.mark.parametrize("cause", PROBED)
def test_a_person_may_ask_for_a_probe(cause: PauseCause) -> None:
    """
    The probe is due at once; the pause stays until it is answered.
    """
    state, pause = paused(cause)

    found = probe_now(state, 110).pause

    assert found is not None
    assert (110, cause, pause.since) == (found.probe_at, found.cause, found.since)
    assert probe_now(BreakerState(not_before=99), 50) == BreakerState(not_before=50)


VERDICTS = st.lists(st.sampled_from(Verdict), max_size=30)


@given(VERDICTS)
def test_there_is_a_pause_only_with_cause(verdicts: list[Verdict]) -> None:
    """
    After any row of answers: a pause means an account verdict or five failures since the last answer.
    """
    state = after_all(*[report(n, verdict) for n, verdict in enumerate(verdicts, 1)])

    answers = [n for n, v in enumerate(verdicts) if v in (Verdict.DONE, Verdict.REFUSED)]
    since = verdicts[answers[-1] + 1 :] if answers else verdicts
    failures = [v for v in since if v is not Verdict.ACCOUNT]
    assert (state.pause is not None) == (Verdict.ACCOUNT in since or len(failures) >= 5)


def test_the_same_fault_of_three_files_is_the_configurations() -> None:
    """
    Three different jobs in a row with one fault begin a pause, and the reason names it.
    """
    found = after_all(*(refusal(100, job) for job in "abc")).pause

    assert found is not None
    assert found.cause is PauseCause.CONFIGURATION
    assert "refuses quality" in found.reason


def test_the_reason_of_a_pause_quotes_what_came_instead() -> None:
    """
    "Something else" alone would tell nobody what to do.
    """
    reports = (replace(refusal(100, job), reason="I can't edit people") for job in "abc")

    found = after_all(*reports).pause

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
    One file with three attempts, two faults, or a success in between begin none.
    """
    assert after_all(*reports, refusal(4, "d")).pause is None


def test_a_429_without_a_wait_slows_the_pool_more_each_time() -> None:
    """
    Relays strip Retry-After: the pool backs off by itself, and forgets it with a success.
    """
    state, waits = BreakerState(), []
    for now in (1000.0, 2000.0, 3000.0):
        state = after_all(report(now, slows_pool=True), state=state)
        waits.append(state.not_before - now)
    state = after_all(
        report(4000, Verdict.DONE, is_endpoint_failure=False),
        report(5000, slows_pool=True),
        state=state,
    )

    assert [*waits, state.not_before - 5000] == [1, 2, 4, 1]


def test_the_last_of_a_ration_lets_everybody_rest() -> None:
    """
    A success that says nothing is left delays the next request, and pauses nothing.
    """
    found = after_all(report(10, Verdict.DONE, is_endpoint_failure=False, rest=12))

    assert (found.not_before, found.pause) == (22, None)


def test_a_bar_ends_without_a_probe() -> None:
    """
    It is looked at again when its time is up; how long it has stood is remembered.
    """
    block = LocalBlock(cause=PauseCause.DISK, reason="full", seconds=10)
    first = blocked(BreakerState(), block, 100)
    again = blocked(first, block, 110)

    assert again.pause == Pause(cause=PauseCause.DISK, reason="full", since=100, probe_at=120)
    assert unblocked(again).pause is None


def test_a_bar_of_an_earlier_process_goes_on_in_the_next_one() -> None:
    """
    For the same cause alone, and once; until something blocks again, there is no pause.
    """
    earlier = Pause(cause=PauseCause.BUDGET, reason="spent", since=-500, probe_at=900)
    spent, full = (
        LocalBlock(cause=cause, reason="", seconds=10)
        for cause in (PauseCause.BUDGET, PauseCause.DISK)
    )

    state = restored(earlier)

    assert state.pause is None
    first, other = blocked(state, spent, 100), blocked(state, full, 100)
    again = blocked(unblocked(first), spent, 200)
    done = blocked(after(state, report(50, Verdict.DONE, is_endpoint_failure=False)), spent, 100)
    since = [each.pause and each.pause.since for each in (first, other, again, done)]
    assert since == [-500, 100, 200, 100]


@pytest.mark.parametrize("cause", PROBED)
def test_a_block_does_not_replace_a_pause(cause: PauseCause) -> None:
    """
    A full disk while the key is refused: afterwards the key is still refused.
    """
    state, pause = paused(cause)

    found = unblocked(
        blocked(state, LocalBlock(cause=PauseCause.BUDGET, reason="spent", seconds=500), 110)
    )

    assert found.pause is not None
    assert (found.pause.cause, found.pause.reason, found.pause.probe_at) == (
        cause,
        pause.reason,
        610,
    )
