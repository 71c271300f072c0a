"""
The retry policy of a job: ask again, wait until when (back-off with jitter), give back, give up.

Two budgets are kept apart: repeats of what was provably unpaid are cheap, repeats of what may have been
charged are counted. An outage is never a job's own fault.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from retouchd.answer.classify import Failure, without_picture
from retouchd.answer.retry_after import LONGEST_RETRY_AFTER_SECONDS
from retouchd.errors import JobCode, Problem
from retouchd.job.model import Attempt, Verdict
from retouchd.job.naming import sentence
from retouchd.throttle.breaker import WHY, PauseCause

LONGEST_BACKOFF_SECONDS = 300.0
TRIES_IN_A_CROWD = 4
"""So many times `max_attempts` a job may be turned away while others are turned away as well."""
IN_DOUBT_SECONDS = 5.0
LONGEST_WAIT = dt.timedelta(seconds=LONGEST_RETRY_AFTER_SECONDS)


_UNDECIDED = (PauseCause.ACCOUNT, PauseCause.OUTAGE)


def backoff(repeats: int, jitter: float) -> float:
    """
    Return how long to wait before the next attempt, in seconds: 1, 2, 4 … 300 with full jitter.

    `repeats` is the number of attempts already made, `jitter` a number from 0 to 1.
    """
    return min(2.0 ** min(max(repeats - 1, 0), 9), LONGEST_BACKOFF_SECONDS) * jitter


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryBudget:
    """
    How often a job may be asked: in all where nothing was paid, and again where something may have been.
    """

    max_attempts: int = 5
    max_in_doubt: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryContext:
    """
    What the policy must know besides the job: the time, the pause if there is one, how other jobs fare.

    `others_succeeded_at` is the last success of any other job, `others_turned_away_at` when one was last told
    that too much is asked; `due_since` the moment at which every waiting job was made due (a person asked, or
    an outage ended).
    """

    now: dt.datetime
    pause_cause: PauseCause | None = None
    others_succeeded_at: dt.datetime | None = None
    others_turned_away_at: dt.datetime | None = None
    due_since: dt.datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """
    Send the next attempt as soon as admission permits it.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Later:
    """
    Wait until then, or for the end of the pause where no time is given.
    """

    until: dt.datetime | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Return:
    """
    Give the files back to the inbox: nothing was paid, and nothing can be done for now.
    """

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fail:
    """
    To `error/`.
    """

    problem: Problem


Move: TypeAlias = Ask | Later | Return | Fail


def next_move(
    name: str, attempts: Sequence[Attempt], budget: RetryBudget, retry_context: RetryContext
) -> Move:
    """
    Return what becomes of a claimed job whose attempts, if any, are all closed without a picture.

    `name` is what the picture is called in messages.
    """
    in_doubt_count = count_in_doubt(attempts)
    last = attempts[-1] if attempts else None
    if last is not None and last.problem is not None:
        return Fail(problem=last.problem)
    if (
        retry_context.pause_cause is not None
        and retry_context.pause_cause.is_lasting
        and not in_doubt_count
    ):
        return Return(reason=f"nothing is sent for now: {WHY[retry_context.pause_cause]}")
    if last is None:
        return Ask()
    if in_doubt_count > budget.max_in_doubt:
        return _doubt_spent(name, attempts, retry_context)
    counted = [a for a in attempts if a.verdict is Verdict.TRANSIENT and not a.probe]
    if len(counted) >= budget.max_attempts and _is_own_fault(counted, budget, retry_context):
        return Fail(problem=_exhausted(name, counted))
    return _due(last, retry_context)


def count_in_doubt(attempts: Sequence[Attempt]) -> int:
    """
    Return how many of the attempts may have been paid for without bringing a picture.
    """
    return sum(attempt.verdict is Verdict.IN_DOUBT for attempt in attempts)


def _due(last: Attempt, retry_context: RetryContext) -> Move:
    made_due = retry_context.due_since is not None and retry_context.due_since >= last.closed_at
    if last.retry_at is None or made_due:
        return Ask()
    # Clocks jump: one that now shows less than when the attempt was closed proves nothing of the wait.
    retry_at = min(last.retry_at, last.closed_at + LONGEST_WAIT)
    if retry_context.now < last.closed_at or retry_at <= retry_context.now:
        return Ask()
    return Later(until=retry_at, reason=f"asked again later: {last.message}")


def _doubt_spent(name: str, attempts: Sequence[Attempt], retry_context: RetryContext) -> Move:
    if retry_context.pause_cause in _UNDECIDED:
        return Later(
            until=None,
            reason="may have been charged already; decided once the endpoint answers again",
        )
    last = attempts[-1]
    is_success = last.http_status is not None and 200 <= last.http_status < 300
    if is_success and last.code != Failure.NO_ANSWER.value:
        return Fail(
            problem=without_picture(f"{name} was sent {_times(len(attempts))}", last.message)
        )
    return Fail(
        problem=Problem(
            code=JobCode.IN_DOUBT,
            message=f"{name} was sent {_times(len(attempts))}, and no picture came back: "
            f"{sentence(last.message)}",
            hint="It may have been charged: look at your provider's usage page first.",
        )
    )


def _is_own_fault(
    failures: Sequence[Attempt], budget: RetryBudget, retry_context: RetryContext
) -> bool:
    """
    Return whether another job succeeded while this one failed, and none was turned away, or this one ever
    so often; else it is the endpoint's fault.
    """
    since, seen = failures[0].sent_at, retry_context.others_succeeded_at
    if seen is None or not since <= seen <= failures[-1].closed_at:
        return False
    turned_away = retry_context.others_turned_away_at
    is_crowd = turned_away is not None and turned_away >= since
    return not is_crowd or len(failures) >= TRIES_IN_A_CROWD * budget.max_attempts


def _exhausted(name: str, failures: Sequence[Attempt]) -> Problem:
    return Problem(
        code=JobCode.ATTEMPTS_EXHAUSTED,
        message=f"The endpoint turned {name} away {_times(len(failures))} while others went through: "
        f"{sentence(failures[-1].message)}",
        hint="Nothing was charged: wait for a while.",
    )


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"
