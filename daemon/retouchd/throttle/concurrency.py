"""
The concurrency limit (AIMD: halved when the endpoint says it is too much, one slot more after successes), and
rate limits over a sliding minute.

A limit that was tried and turned away is tried again after twice as many successes each time, so that an
endpoint with few slots turns away few requests, and hardly any of them twice.

The minute slides, it is no bucket that starts full: in no sixty seconds is more sent than the limit, so it
holds at endpoints that count by windows and at those that count by buckets. Pictures are those that go
in, because that is how providers count them ("Rate limit reached … on input-images per min").
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import TypeAlias

_MOST_DOUBLINGS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class ConcurrencyLimit:
    """
    How many requests may be in flight: `now` of at `most`, and how many succeeded since the last change.

    `narrowed_at` is of the monotonic clock. `is_trial` says that it was widened last,
    `failed_trials` how many such limits in a row were turned away.
    """

    most: int
    now: int
    successes: int = 0
    narrowed_at: float = float("-inf")
    is_trial: bool = False
    failed_trials: int = 0

    @property
    def successes_to_widen(self) -> int:
        """
        Return how many successes in all make one slot more.
        """
        return self.now << min(self.failed_trials, _MOST_DOUBLINGS)


def narrowed(
    limit: ConcurrencyLimit, *, sent_at: float, now: float, served: int | None = None
) -> ConcurrencyLimit:
    """
    Return half the limit after a request was turned away, or `served` if no more than these are out.

    Only a request that was sent after the last narrowing says something about the present limit: the
    requests of one crowd are turned away together, and are one piece of news.
    """
    is_news = sent_at > limit.narrowed_at
    slots = max(1, limit.now // 2) if is_news else limit.now
    if served:
        slots = min(slots, served)
    if not is_news:
        return replace(limit, now=slots)
    return replace(
        limit,
        now=slots,
        successes=0,
        narrowed_at=now,
        is_trial=False,
        failed_trials=limit.failed_trials + limit.is_trial,
    )


def widened(limit: ConcurrencyLimit) -> ConcurrencyLimit:
    """
    Return the limit after a success: one slot more when as many have succeeded as there are slots.
    """
    if limit.successes + 1 < limit.successes_to_widen:
        return replace(limit, successes=limit.successes + 1)
    # A trial that has lasted as long as this is none any more.
    failed_trials = 0 if limit.is_trial else limit.failed_trials
    if limit.now >= limit.most:
        return replace(limit, successes=0, is_trial=False, failed_trials=failed_trials)
    return replace(
        limit, now=limit.now + 1, successes=0, is_trial=True, failed_trials=failed_trials
    )


MINUTE = 60.0

Sent: TypeAlias = tuple[float, int]
"""A request that was sent: its moment in seconds of the monotonic clock, its input pictures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """
    What may be sent within a minute; 0 is no limit.
    """

    requests_per_minute: int = 0
    images_per_minute: int = 0


def seconds_to_wait(rates: Rates, sent: Sequence[Sent], images: int, now: float) -> float:
    """
    Return how long a request with so many input pictures must wait; `sent` stands in order of time.

    One with more pictures than the limit itself goes when nothing else was sent within the minute: how
    the endpoint sees it is for the endpoint to say.
    """
    recent = within_the_minute(sent, now)
    waits = [0.0]
    if rates.requests_per_minute and len(recent) >= rates.requests_per_minute:
        waits.append(recent[-rates.requests_per_minute][0] + MINUTE - now)
    if rates.images_per_minute:
        over = sum(count for _, count in recent) + images - rates.images_per_minute
        for moment, count in recent:
            if over <= 0:
                break
            over -= count
            waits.append(moment + MINUTE - now)
    return max(waits)


def within_the_minute(sent: Sequence[Sent], now: float) -> tuple[Sent, ...]:
    """
    Return those that still count; `sent` stands in order of time, and may be long: each request asks.
    """
    return tuple(sent[bisect_right(sent, now - MINUTE, key=itemgetter(0)) :])
