"""
So many requests and pictures a minute, and so many at once.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retouchd.throttle.concurrency import (
    MINUTE,
    ConcurrencyLimit,
    Rates,
    Sent,
    narrowed,
    seconds_to_wait,
    widened,
    within_the_minute,
)


def simulated(rates: Rates, wanted: list[int], pause: float) -> list[Sent]:
    """
    Send requests with so many pictures, each as soon as it may; return when each was sent.
    """
    sent: list[Sent] = []
    now = 0.0
    for images in wanted:
        now += pause + seconds_to_wait(rates, sent, images, now + pause)
        assert seconds_to_wait(rates, sent, images, now) == pytest.approx(0, abs=1e-6)
        sent.append((now, images))
    return sent


def test_no_limit_is_no_wait() -> None:
    """
    Nothing is held back where nobody asked for it.
    """
    assert simulated(Rates(), [1] * 100, 0)[-1] == (0, 1)


def test_what_the_limit_allows_goes_at_once() -> None:
    """
    Five a minute: five now, the sixth when the first is a minute old.
    """
    found = simulated(Rates(requests_per_minute=5), [1] * 11, 0)

    assert [moment for moment, _ in found] == [0] * 5 + [60] * 5 + [120]


def test_pictures_count_that_go_in() -> None:
    """
    A request with two references takes three of five.
    """
    found = simulated(Rates(images_per_minute=5), [3, 3, 1], 1)

    assert [moment for moment, _ in found] == [1, 61, 62]


def test_more_than_the_limit_goes_alone() -> None:
    """
    It would wait for ever otherwise; the endpoint says what it thinks of it.
    """
    found = simulated(Rates(images_per_minute=5), [1, 9, 1], 0)

    assert [moment for moment, _ in found] == [0, 60, 120]


@given(
    st.integers(0, 6),
    st.integers(0, 6),
    st.lists(st.integers(1, 5), max_size=40),
    st.floats(0, 20),
)
def test_no_minute_holds_more_than_the_limits(
    requests: int, images: int, wanted: list[int], pause: float
) -> None:
    """
    In any sixty seconds, wherever they begin.
    """
    rates = Rates(requests_per_minute=requests, images_per_minute=images)

    sent = simulated(rates, wanted, pause)

    for number, (moment, _) in enumerate(sent):
        # Reckoning with fractions may end a hair before the minute.
        window = [count for at, count in sent[number:] if at < moment + MINUTE - 1e-6]
        assert not requests or len(window) <= requests
        assert not images or sum(window) <= images or len(window) == 1


def test_the_memory_is_a_minute_long() -> None:
    """
    A daemon of months remembers no more than it needs.
    """
    assert within_the_minute([(0, 1), (30, 1), (61, 1)], 90) == ((61, 1),)


def test_a_429_halves_and_a_round_of_successes_adds_one() -> None:
    """
    8, 4, 2, 1 and never less; then one more for as many successes as there are places.
    """
    limit, seen = ConcurrencyLimit(most=8, now=8), []
    for now in range(4):
        limit = narrowed(limit, sent_at=now - 0.5, now=now)
        seen.append(limit.now)
    for _ in range(1 + 2 + 3):
        limit = widened(limit)

    assert seen == [4, 2, 1, 1]
    assert limit.now == 4


def test_a_crowd_turned_away_together_is_one_piece_of_news() -> None:
    """
    Eight 429s for eight requests sent at once halve once.
    """
    limit = ConcurrencyLimit(most=8, now=8)
    for now in range(10, 18):
        limit = narrowed(limit, sent_at=5, now=now)

    assert limit.now == 4


def test_what_was_tried_in_vain_is_tried_ever_more_seldom() -> None:
    """
    At an endpoint with one place a second one is tried after 1, 2, 4 … successes, at last after 64.
    """
    limit, between = narrowed(ConcurrencyLimit(most=8, now=2), sent_at=0, now=1), []
    for now in range(2, 12):
        successes = 0
        while limit.now == 1:
            limit, successes = widened(limit), successes + 1
        between.append(successes)
        limit = narrowed(limit, sent_at=now, now=now)

    assert between == [1, 2, 4, 8, 16, 32, 64, 64, 64, 64]


def test_a_width_that_holds_is_left_as_soon_as_ever() -> None:
    """
    One trial that failed is forgotten once a wider one has lasted.
    """
    limit = ConcurrencyLimit(most=8, now=1, is_trial=True)
    limit = narrowed(limit, sent_at=0, now=1)
    for _ in range(2 + 4 + 3 + 4):
        limit = widened(limit)

    assert (limit.now, limit.failed_trials) == (5, 0)


def test_no_more_are_sent_than_are_being_served() -> None:
    """
    Eight sent at once, of which all but two are turned away one by one.
    """
    limit = ConcurrencyLimit(most=8, now=8)
    for now in range(10, 16):
        limit = narrowed(limit, sent_at=5, now=now, served=17 - now)

    assert limit.now == 2


@given(st.lists(st.booleans(), max_size=200))
def test_the_width_stays_between_one_and_most(news: list[bool]) -> None:
    """
    Whatever the endpoint says.
    """
    limit = ConcurrencyLimit(most=5, now=5)
    for now, is_well in enumerate(news):
        limit = widened(limit) if is_well else narrowed(limit, sent_at=now, now=now)
        assert 1 <= limit.now <= 5
