"""
How long an endpoint asks to be left alone.
"""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retouchd.answer.retry_after import rest_after, retry_after

NOW = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("headers", "message", "seconds"),
    [
        ({"retry-after": "12"}, "", 12),
        ({"retry-after": " 1.5 "}, "", 1.5),
        ({"retry-after": "0"}, "", 0),
        ({"retry-after": "-3"}, "", 0),
        ({"retry-after": "1", "retry-after-ms": "534"}, "", 0.534),
        ({"retry-after": "Mon, 23 Nov 2026 12:00:30 GMT"}, "", 30),
        ({"retry-after": "Mon, 23 Nov 2026 12:00:30 -0000"}, "", 30),
        ({"retry-after": "Mon, 23 Nov 2026 11:00:00 GMT"}, "", 0),
        ({"retry-after": "soon"}, "", None),
        ({"retry-after": "nan"}, "", None),
        ({"retry-after": "inf"}, "try again in 3s", 3),
        ({}, "Limit 5, Used 5, Requested 1. Please try again in 12s.", 12),
        ({}, "Please try again in 6m0s.", 360),
        ({}, "Please try again in 120ms.", 0.12),
        ({}, "Please try again in 58.891s. Visit", 58.891),
        ({}, "Please try again in 0h2m3s", 123),
        ({}, "Please try again in 1h2m3s", 3600),
        ({"retry-after": "1764000000"}, "", 3600),
        ({"retry-after": "1e15"}, "", 3600),
        ({}, "No deployments available, Try again in 5 seconds. cooldown_list=[]", 5),
        ({}, "Please retry after 2 minutes", 120),
        ({}, "您已达到请求数限制：3分钟内最多请求10次", 180),
        ({}, "It took 12s", None),
        ({"retry-after": "2"}, "try again in 50s", 2),
        ({"x-ratelimit-reset-requests": "6m0s"}, "", 360),
        ({"x-ratelimit-reset-tokens": "58.891s"}, "", 58.891),
        ({"x-ratelimit-reset-tokens": "120ms"}, "", 0.12),
        ({"x-ratelimit-reset-tokens": "1h30m0s"}, "", 3600),
        ({"x-ratelimit-reset-tokens": "later"}, "", None),
        ({"x-ratelimit-reset-tokens": "1s", "x-ratelimit-reset-input-images": "12s"}, "", 12),
        (
            {"x-ratelimit-reset-tokens": "1s", "x-ratelimit-reset-requests": "12s"}
            | {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-remaining-requests": "3"},
            "",
            1,
        ),
        ({"x-ratelimit-reset-requests": "6m0s", "retry-after": "1"}, "", 1),
        ({"x-ratelimit-reset-requests": "6m0s"}, "Please try again in 12s.", 12),
    ],
)
def test_the_wait_is_read_wherever_it_stands(
    headers: dict[str, str], message: str, seconds: float | None
) -> None:
    """
    Milliseconds before seconds, headers before words; a time gone by is no wait.
    """
    assert retry_after(headers, message, NOW) == (
        None if seconds is None else pytest.approx(seconds)
    )


@given(st.text(), st.text(), st.text())
def test_nothing_said_is_too_strange(milliseconds: str, seconds: str, message: str) -> None:
    """
    Any header and message yield a wait that is not negative, or none.
    """
    headers = {"retry-after-ms": milliseconds, "retry-after": seconds}

    wait = retry_after(headers, f"try again in {message}", NOW)

    assert wait is None or wait >= 0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0),
        ({"x-ratelimit-reset-requests": "12s"}, 0),
        ({"x-ratelimit-reset-requests": "12s", "x-ratelimit-remaining-requests": "1"}, 0),
        ({"x-ratelimit-reset-requests": "12s", "x-ratelimit-remaining-requests": "0"}, 12),
        ({"x-ratelimit-reset-requests": "9h", "x-ratelimit-remaining-requests": "0"}, 3600),
    ],
)
def test_an_answer_that_took_the_last_says_how_long_to_rest(
    headers: dict[str, str], seconds: float
) -> None:
    """
    Only where it says that nothing is left.
    """
    assert rest_after(headers) == seconds
