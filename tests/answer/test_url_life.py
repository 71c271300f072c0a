"""
How long the url of a paid picture is asked, and how often.
"""

import datetime as dt

import pytest

from retouchd.answer.retry_after import expires_at, seconds_to_retry

NOW = dt.datetime(2026, 11, 29, 12, 0, tzinfo=dt.UTC)
AMZ = "X-Amz-Date=20261129T120000Z&X-Amz-Expires="


@pytest.mark.parametrize(
    ("query", "hours"),
    [
        ("", 1),
        ("?sig=x", 1),
        (f"?{AMZ}7200", 2),
        (f"?{AMZ}60", 1),
        (f"?{AMZ}604800", 24),
        ("?X-Goog-Date=20261129T120000Z&X-Goog-Expires=10800", 3),
        ("?se=2026-11-29T14%3A00%3A00Z&sig=x", 2),
        ("?se=2026-11-29", 1),
        ("?Expires=1795960800&Signature=x", 2),
        ("?Expires=soon", 1),
        ("?X-Amz-Expires=7200", 1),
        (f"?{AMZ}{'9' * 30}", 1),
        ("?Expires=99999999999999999999", 1),
    ],
)
def test_a_url_is_asked_for_as_long_as_it_says(query: str, hours: int) -> None:
    """
    At least for an hour, at most for a day; what cannot be read says nothing.
    """
    found = expires_at(f"https://cdn.example/a.png{query}", NOW)

    assert found == NOW + dt.timedelta(hours=hours)


def test_a_malformed_url_says_nothing() -> None:
    """
    It is refused elsewhere.
    """
    assert expires_at("http://[::1/a?se=x", NOW) == NOW + dt.timedelta(hours=1)


def test_waits_grow_with_the_age_of_the_answer() -> None:
    """
    From two seconds to five minutes, some forty of them within an hour.
    """
    age, waits = 0.0, []
    while age < 3600:
        waits.append(seconds_to_retry(age))
        age += waits[-1]

    assert (waits[0], waits[-1]) == (2.0, 300.0)
    assert waits == sorted(waits)
    assert 20 <= len(waits) <= 50
