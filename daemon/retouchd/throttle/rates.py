"""
So many requests and so many pictures a minute: how long the next request must wait.

A sliding minute, not a bucket that starts full: in no sixty seconds is more sent than the limit, so it
holds at endpoints that count by windows and at those that count by buckets. Pictures are those that go
in, because that is how providers count them ("Rate limit reached … on input-images per min").
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import TypeAlias

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
