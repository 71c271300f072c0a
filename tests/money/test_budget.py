"""
The sums of a day: what belongs to it, what its budget leaves, and when the next begins.
"""

import datetime as dt
import json
import time
from collections.abc import Iterator
from decimal import Decimal
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import NOW, an_attempt
from retouchd.job.model import Verdict
from retouchd.job.text import dollars
from retouchd.money.budget import (
    Allowance,
    Charge,
    ChargeState,
    Spend,
    beyond,
    charges_in,
    charges_of,
    day_of,
    lack,
    left,
    midnight,
    next_midnight,
    total,
    written,
)

CHARGES = st.builds(
    Charge,
    sent_at=st.datetimes(timezones=st.just(dt.UTC)),
    usd=st.none() | st.integers(0, 10**9).map(lambda micro: micro / 10**6),
    pictures=st.integers(0, 10),
    state=st.sampled_from(ChargeState),
)


@pytest.fixture
def in_berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """
    A machine whose own zone changes its clocks.
    """
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
        time.tzset()
        yield
    time.tzset()


def a_charge(
    usd: float | None = 0.25, state: ChargeState = ChargeState.DONE, pictures: int = 1
) -> Charge:
    return Charge(sent_at=NOW, usd=usd, pictures=pictures, state=state)


def spend_of(*charges: Charge) -> Spend:
    spend = Spend()
    for charge in charges:
        spend = spend.plus(charge)
    return spend


LINE = {"number": 1, **written(a_charge())}
SPENT = spend_of(
    a_charge(3.5),
    a_charge(0.25, ChargeState.IN_DOUBT),
    a_charge(1, ChargeState.OPEN),
    a_charge(None),
)


@given(st.lists(CHARGES))
def test_sums_never_depend_on_the_order(charges: list[Charge]) -> None:
    """
    Not on rounding either; and what is taken away again leaves nothing, not even below nothing.
    """
    spend = spend_of(*charges)
    shuffled = sorted(charges, key=lambda charge: (charge.usd or 0, charge.pictures))

    assert spend == spend_of(*shuffled)
    for charge in shuffled:
        spend = spend.minus(charge)
        assert min(spend.spent_usd, spend.in_doubt_usd, spend.reserved_usd) >= 0
        assert min(spend.images, spend.unpriced) >= 0
    assert spend == Spend()


def test_tenths_of_a_dollar_add_up() -> None:
    """
    Ten times 0.1 is 1, which floating point denies.
    """
    assert spend_of(*[a_charge(0.1)] * 10).spent_usd == Decimal(1)


def test_the_states_are_summed_apart() -> None:
    """
    Pictures count in any state; what has no price is counted by itself.
    """
    assert (
        Spend(
            spent_usd=Decimal("3.5"),
            in_doubt_usd=Decimal("0.25"),
            reserved_usd=Decimal(1),
            images=4,
            unpriced=1,
        )
        == SPENT
    )
    assert SPENT.committed_usd == Decimal("4.75")


def test_without_a_budget_nothing_is_lacking() -> None:
    """
    0 is no limit, whether the price is known or not.
    """
    for usd in (None, 10**6):
        assert lack(SPENT, Allowance(), usd, 1000) is None
    assert left(SPENT, Allowance()).usd is None
    assert left(SPENT, Allowance()).images is None


def test_a_budget_counts_what_is_reserved_and_in_doubt() -> None:
    """
    To the last cent a request may go; one more and the reason names the key and all sums.
    """
    allowance = Allowance(usd_per_day=5)

    assert lack(SPENT, allowance, 0.25, 1) is None
    reason = lack(SPENT, allowance, 0.26, 1)

    assert reason == (
        "Today's budget.usd_per_day = 5 is used up: $3.50 spent, $0.25 perhaps charged without a "
        "picture, $1.00 reserved for requests on their way, and the next request may cost $0.26."
    )
    assert left(SPENT, allowance).usd == Decimal("0.25")


def test_pictures_have_a_budget_too() -> None:
    """
    As many as are asked for, whatever they cost.
    """
    allowance = Allowance(images_per_day=6)

    assert lack(SPENT, allowance, None, 2) is None
    assert lack(SPENT, allowance, None, 3) == (
        "Today's budget.images_per_day = 6 is used up: 4 were asked for, and the next request asks for 3."
    )
    assert left(SPENT, allowance).images == 2
    assert left(SPENT, Allowance(images_per_day=3)).images == 0


@pytest.mark.parametrize(
    ("allowance", "usd", "pictures", "words"),
    [
        (Allowance(usd_per_day=0.2), 0.211, 1, ("$0.211", "usd_per_day = 0.2", "size")),
        (Allowance(images_per_day=3), 0.1, 4, ("4 pictures", "images_per_day = 3", "n")),
        (Allowance(usd_per_day=5), None, 1, ("not known", "[pricing]")),
    ],
)
def test_what_no_day_can_pay_for_says_so(
    allowance: Allowance, usd: float | None, pictures: int, words: tuple[str, ...]
) -> None:
    """
    It would wait for ever: the reason does not speak of today.
    """
    reason = lack(Spend(), allowance, usd, pictures)

    assert reason is not None
    assert reason == beyond(allowance, usd, pictures)
    assert "Today" not in reason
    assert [word for word in words if word not in reason] == []


def test_only_what_may_be_paid_is_charged() -> None:
    """
    What is provably unpaid is no charge at all.
    """
    attempts = [
        an_attempt(number, verdict, cost_usd=0.1 * number, pictures=1)
        for number, verdict in enumerate(Verdict, 1)
    ]
    charges = charges_of(attempts)

    states = {Verdict.DONE: ChargeState.DONE, Verdict.IN_DOUBT: ChargeState.IN_DOUBT}
    assert {key: charge.state for key, charge in charges.items()} == {
        (1, n): states[verdict] for n, verdict in enumerate(Verdict, 1) if verdict in states
    }


def test_a_sum_with_something_unknown_is_unknown() -> None:
    """
    None rather than too little; nothing at all is 0.
    """
    assert (
        total([a_charge(0.1), a_charge(0.2), a_charge(None, ChargeState.OPEN)], ChargeState.DONE)
        == 0.3
    )
    assert total([a_charge(0.1), a_charge(None)], ChargeState.DONE) is None
    assert total([], ChargeState.DONE) == 0


@given(
    CHARGES.filter(lambda charge: charge.state is not ChargeState.OPEN),
    st.integers(1, 9),
    st.integers(1, 99),
)
def test_a_charge_is_read_from_the_history_as_it_was_written(
    charge: Charge, edit: int, number: int
) -> None:
    """
    Through JSON and back.
    """
    line = json.loads(
        json.dumps({"charges": [{"edit": edit, "number": number, **written(charge)}]})
    )

    assert list(charges_in(line)) == [((edit, number), charge)]


@pytest.mark.parametrize(
    "found",
    [
        None,
        5,
        {},
        [None],
        [5],
        [{}],
        [LINE | {"usd": "much"}],
        [LINE | {"usd": -1}],
        [LINE | {"usd": float("nan")}],
        [LINE | {"usd": float("inf")}],
        [LINE | {"pictures": -1}],
        [LINE | {"sent_at": "yesterday"}],
    ],
)
def test_a_damaged_line_has_no_charges(found: object) -> None:
    """
    Lines of an earlier version have none either; nobody stops for them.
    """
    assert list(charges_in({"charges": found})) == []
    assert list(charges_in({})) == []


@pytest.mark.parametrize(
    ("moment", "hours"),
    [
        ("2026-11-23T12:00:00+00:00", 11),
        ("2026-03-28T23:00:00+00:00", 23),  # The day on which clocks go forward begins,
        ("2026-10-24T22:00:00+00:00", 25),  # and the one on which they go back.
        ("2026-07-01T21:59:59+00:00", 1 / 3600),
    ],
)
def test_the_next_day_begins_at_local_midnight(
    moment: str, hours: float, *, in_berlin: None
) -> None:
    """
    23 or 25 hours after the last where clocks are changed.
    """
    now = dt.datetime.fromisoformat(moment)

    after = next_midnight(now)

    assert after - now == dt.timedelta(hours=hours)
    assert day_of(after) == day_of(now) + dt.timedelta(days=1)


MIDNIGHTS = {
    "skipped": ("EET-2EEST,M4.5.5/0,M10.5.4/24", "2026-04-24", "2026-04-23T22:00:00+00:00"),
    "skipped in the west": (
        "CST5CDT,M3.2.0/0,M11.1.0/1",
        "2026-03-08",
        "2026-03-08T05:00:00+00:00",
    ),
    "twice": ("CST5CDT,M3.2.0/0,M11.1.0/1", "2026-11-01", "2026-11-01T04:00:00+00:00"),
    "an hour before it twice": (
        "EET-2EEST,M4.5.5/0,M10.5.4/24",
        "2026-10-30",
        "2026-10-29T22:00:00+00:00",
    ),
}


@pytest.mark.parametrize(("rule", "day", "begin"), MIDNIGHTS.values(), ids=MIDNIGHTS)
def test_a_day_begins_where_there_is_no_midnight(
    monkeypatch: pytest.MonkeyPatch, rule: str, day: str, begin: str
) -> None:
    """
    By the machine's own zone: an hour too early would be a pause that ends in the past, and is asked for anew.
    """
    date = dt.date.fromisoformat(day)
    with monkeypatch.context() as patch:
        patch.setenv("TZ", rule)
        time.tzset()
        found = midnight(date)
        before = day_of(found - dt.timedelta(seconds=1))
        at = day_of(found)
    time.tzset()

    assert found == dt.datetime.fromisoformat(begin)
    assert before == date - dt.timedelta(days=1)
    assert at == date


@pytest.mark.skipif("Europe/Berlin" not in available_timezones(), reason="no zones on this machine")
@given(
    st.integers(946_684_800, 2_114_380_800).map(
        lambda seconds: dt.datetime.fromtimestamp(seconds, dt.UTC)
    ),
    st.sampled_from(["Europe/Berlin", "America/Havana", "America/Santiago", "Asia/Beirut", "UTC"]),
)
def test_every_moment_lies_in_its_day(moment: dt.datetime, name: str) -> None:
    """
    Also where midnight is skipped, or comes twice.
    """
    zone = ZoneInfo(name)
    day = day_of(moment, zone)

    assert midnight(day, zone) <= moment < next_midnight(moment, zone)


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0, "$0.00"), (0.211, "$0.211"), (0.25, "$0.25"), (Decimal("1234.5"), "$1,234.50")],
)
def test_amounts_are_written_for_people(amount: float, text: str) -> None:
    """
    Cents, and tenths of a cent where there are any.
    """
    assert dollars(amount) == text
