import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import NOW, PROBLEM, an_attempt
from retouchd.errors import JobCode
from retouchd.job.model import Attempt, Verdict
from retouchd.throttle.breaker import PauseCause
from retouchd.throttle.retry import (
    Ask,
    Fail,
    Later,
    Move,
    RetryBudget,
    RetryContext,
    Return,
    backoff,
    count_in_doubt,
    next_move,
)

HOUR = dt.timedelta(hours=1)
LATER = NOW + HOUR
MEANWHILE = NOW + dt.timedelta(minutes=2)


def attempts(*verdicts: Verdict, **last: Any) -> list[Attempt]:
    """
    Build attempts a minute apart; `last` is what is special about the last of them.
    """
    made = [an_attempt(number, verdict) for number, verdict in enumerate(verdicts, 1)]
    return [*made[:-1], an_attempt(len(verdicts), verdicts[-1], **last)]


def move(made: list[Attempt], budget: RetryBudget | None = None, **retry_context: Any) -> Move:
    return next_move(
        "猫.png", made, budget or RetryBudget(), RetryContext(**{"now": LATER} | retry_context)
    )


def code(found: Move) -> JobCode | None:
    return found.problem.code if isinstance(found, Fail) else None


BUSY, DOUBT, ACCOUNT = Verdict.TRANSIENT, Verdict.IN_DOUBT, Verdict.ACCOUNT


def test_a_fresh_job_is_asked_for() -> None:
    """
    Also during an outage: the gate decides when.
    """
    assert Ask() == move([]) == move([], pause_cause=PauseCause.OUTAGE)


@pytest.mark.parametrize("made", [[], attempts(BUSY, BUSY), attempts(ACCOUNT)])
def test_an_unpaid_job_goes_back_while_the_account_is_refused(made: list[Attempt]) -> None:
    """
    Nothing was paid and nothing can be done: the files stand in the inbox again.
    """
    assert isinstance(move(made, pause_cause=PauseCause.ACCOUNT), Return)


def test_a_job_that_may_have_been_paid_stays_while_the_account_is_refused() -> None:
    """
    What was sent is not forgotten by giving it back.
    """
    for made in (attempts(DOUBT), attempts(DOUBT, DOUBT), attempts(DOUBT, ACCOUNT)):
        assert not isinstance(move(made, pause_cause=PauseCause.ACCOUNT), Return | Fail)


@pytest.mark.parametrize("pause_cause", [None, *PauseCause])
def test_a_refusal_wins_over_a_pause(pause_cause: PauseCause | None) -> None:
    """
    A picture that was refused goes to error with its own reason, whatever became of the endpoint.
    """
    refused = attempts(Verdict.REFUSED, problem=PROBLEM)

    assert Fail(problem=PROBLEM) == move(refused, pause_cause=pause_cause)


def test_a_retry_waits_for_its_time() -> None:
    """
    The wait is told with its reason, and over when its time has come.
    """
    made = attempts(BUSY, retry_at=LATER)

    early, due = (move(made, now=LATER - dt.timedelta(seconds=s)) for s in (1, 0))

    assert isinstance(early, Later)
    assert early.until == LATER
    assert "busy" in early.reason
    assert Ask() == due


def test_a_wait_is_never_longer_than_the_longest_backoff() -> None:
    """
    A clock that was a year ahead when the attempt was closed costs five minutes, not a year.
    """
    year = dt.timedelta(days=365)
    made = attempts(
        BUSY,
        sent_at=NOW + year,
        closed_at=NOW + year,
        retry_at=NOW + year + dt.timedelta(seconds=9),
    )

    first = move(made, now=NOW)
    asked_at = first.until if isinstance(first, Later) else NOW

    assert asked_at is not None
    assert asked_at <= NOW + dt.timedelta(seconds=300)
    assert Ask() == move(made, now=asked_at)


def test_a_long_retry_after_is_honoured() -> None:
    """
    An endpoint that asks for a quarter of an hour is not asked before.
    """
    made = attempts(BUSY, closed_at=NOW, retry_at=NOW + dt.timedelta(seconds=900))

    early, due = (move(made, now=NOW + dt.timedelta(seconds=s)) for s in (899, 900))

    assert isinstance(early, Later)
    assert Ask() == due


def test_everything_that_waits_can_be_made_due() -> None:
    """
    SIGHUP and the end of an outage reach what was closed before them, and nothing else.
    """
    made = attempts(BUSY, retry_at=LATER)
    closed = made[-1].closed_at

    assert Ask() == move(made, now=closed, due_since=closed)
    before = closed - dt.timedelta(seconds=1)
    assert isinstance(move(made, now=closed, due_since=before), Later)


def test_attempts_are_exhausted_if_others_go_through() -> None:
    """
    Five failures of one job with a success of another in between are its own fault.
    """
    made = attempts(*[BUSY] * 5)

    assert JobCode.ATTEMPTS_EXHAUSTED is code(move(made, others_succeeded_at=MEANWHILE))
    assert Ask() == move(made[:4], others_succeeded_at=MEANWHILE)


@pytest.mark.parametrize(("failures", "is_over"), [(5, 0), (19, 0), (20, 1)])
def test_a_crowd_turned_away_is_no_fault_of_the_one_that_comes_last(
    failures: int, is_over: int
) -> None:
    """
    While others are turned away as well, four times as many failures are a job's own.
    """
    made = attempts(*[BUSY] * failures)

    found = move(made, others_succeeded_at=MEANWHILE, others_turned_away_at=MEANWHILE)
    before = move(made, others_succeeded_at=MEANWHILE, others_turned_away_at=NOW - HOUR)

    assert isinstance(found, Fail) == bool(is_over)
    assert code(before) is JobCode.ATTEMPTS_EXHAUSTED


@pytest.mark.parametrize("others", [None, NOW, LATER])
def test_an_outage_never_exhausts_a_job(others: dt.datetime | None) -> None:
    """
    Without another success between its first and last failure a job waits, however often it failed.
    """
    assert Ask() == move(attempts(*[BUSY] * 50), others_succeeded_at=others)


def test_probes_are_not_counted() -> None:
    """
    What was sent while the gate was shut does not use up a job's attempts.
    """
    probes = [an_attempt(number, probe=True) for number in (2, 3, 4)]
    made = [an_attempt(1), *probes, an_attempt(5)]

    assert Ask() == move(made, others_succeeded_at=MEANWHILE)
    assert isinstance(move(made, RetryBudget(max_attempts=2), others_succeeded_at=MEANWHILE), Fail)


@pytest.mark.parametrize(("budget", "in_doubt_count"), [(0, 1), (1, 2), (3, 4)])
def test_a_doubt_is_repeated_as_often_as_allowed(budget: int, in_doubt_count: int) -> None:
    """
    With a budget of one a request that may have been paid is sent once more, with none never.
    """
    within, beyond = attempts(*[DOUBT] * in_doubt_count)[:-1], attempts(*[DOUBT] * in_doubt_count)

    assert Ask() == move(within, RetryBudget(max_in_doubt=budget))
    assert JobCode.IN_DOUBT is code(move(beyond, RetryBudget(max_in_doubt=budget)))


def test_free_failures_do_not_use_the_budget_of_doubts() -> None:
    """
    The two budgets are kept apart.
    """
    made = attempts(BUSY, DOUBT, BUSY, BUSY)

    assert count_in_doubt(made) == 1
    assert Ask() == move(made, RetryBudget(max_attempts=4, max_in_doubt=1))


@pytest.mark.parametrize("cause", [PauseCause.ACCOUNT, PauseCause.OUTAGE])
def test_a_spent_doubt_waits_for_the_gate(cause: PauseCause) -> None:
    """
    It is neither sent again nor given up while the endpoint is away.
    """
    found = move(attempts(DOUBT, DOUBT), pause_cause=cause, due_since=LATER)

    assert isinstance(found, Later)
    assert found.until is None


def test_a_spent_doubt_does_not_wait_for_a_configuration() -> None:
    """
    No probe could change what became of it, and waiting it would keep its place for ever.
    """
    assert isinstance(move(attempts(DOUBT, DOUBT), pause_cause=PauseCause.CONFIGURATION), Fail)


def test_a_paid_answer_without_picture_is_named_as_such() -> None:
    """
    The person learns that the answer is kept and that asking again costs again.
    """
    found = move(attempts(DOUBT, DOUBT, http_status=200, message="it is HTML"))

    assert isinstance(found, Fail)
    assert JobCode.BAD_RESPONSE is found.problem.code
    assert "it is HTML" in found.problem.message
    assert "charged" in found.problem.hint


def test_backoff_doubles_up_to_five_minutes() -> None:
    """
    Full jitter gives the whole wait: 1, 2, 4 … 256, 300 seconds, also after a thousand attempts and more.
    """
    waits = [backoff(repeats, 1.0) for repeats in (1, 2, 3, 9, 10, 1000, 5000)]

    assert waits == [1, 2, 4, 256, 300, 300, 300]


@given(st.integers(0, 500), st.floats(0, 1))
def test_backoff_has_full_jitter(repeats: int, jitter: float) -> None:
    """
    Jobs that failed together come back spread over the whole wait.
    """
    assert jitter * backoff(repeats, 1.0) == backoff(repeats, jitter)


VERDICTS = st.lists(st.sampled_from([BUSY, DOUBT, ACCOUNT]), min_size=1, max_size=8)


@given(VERDICTS, st.integers(0, 2), st.sampled_from([None, *PauseCause]), st.booleans())
def test_no_job_is_asked_for_beyond_its_doubts(
    verdicts: list[Verdict],
    budget: int,
    pause_cause: PauseCause | None,
    others: bool,  # noqa: FBT001 - drawn
) -> None:
    """
    Whatever happened: more doubts than allowed are never followed by another request.
    """
    made = attempts(*verdicts)

    found = move(
        made,
        RetryBudget(max_in_doubt=budget),
        pause_cause=pause_cause,
        others_succeeded_at=MEANWHILE if others else None,
        due_since=LATER,
    )

    assert not (isinstance(found, Ask) and count_in_doubt(made) > budget)
    assert not (isinstance(found, Return) and count_in_doubt(made))
