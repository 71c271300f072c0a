"""
What an endpoint says that an answer costs: found under every name, and believed as far as it makes sense.
"""

from typing import Any

import pytest

from builders import a_job, member
from retouchd.answer.body import read_answer
from retouchd.answer.stated_cost import stated_in
from retouchd.money.pricing import Cost, cost, perhaps_charged, prices_for

HEADER = "x-litellm-response-cost"


def charged(model: str, stated: dict[str, float], rows: Any = None) -> Cost:
    job = a_job(member("cat.png"))
    return cost(prices_for(model, rows), job, pictures=1, usage=None, stated=stated)


@pytest.mark.parametrize(
    ("document", "stated"),
    [
        ({"usage": {"cost_in_usd_ticks": 900_000_000}}, {"usage.cost_in_usd_ticks": 0.09}),
        ({"usage": {"cost": 0.0326, "total_tokens": 3}}, {"usage.cost": 0.0326}),
        ({"cost": "0.04"}, {"cost": 0.04}),
        ({"credits_cost": 6}, {"credits_cost": 6.0}),
        ({"cost": True, "usage": {"cost": [1]}}, {}),
        ({"cost": "free", "usage": None}, {}),
        ({"cost": 1e400}, {}),
        ([{"cost": 1}], {}),
        ("cost", {}),
        ({"cost": 0.3, "currency": "CNY"}, {}),
        ({"usage": {"cost": 0.3, "currency": "eur"}, "cost": 0.4}, {"cost": 0.4}),
        ({"usage": {"cost": 0.3}, "currency": " usd "}, {"usage.cost": 0.3}),
        ({"cost": 0.3, "currency": "CNY", "credits_cost": 6}, {"credits_cost": 6.0}),
    ],
)
def test_a_sum_is_found_under_its_name(document: Any, stated: dict[str, float]) -> None:
    """
    In the document, as a number or as a text that is one.
    """
    assert stated_in({}, [document]) == stated


def test_the_surest_comes_first() -> None:
    """
    What the provider states of its own usage, before a relay's word, before credits of unknown worth.
    """
    document = {"credits_cost": 9, "cost": 0.2, "usage": {"cost": 0.1}}

    assert list(stated_in({HEADER: "0.3"}, [document])) == [
        "usage.cost",
        "cost",
        HEADER,
        "credits_cost",
    ]


def test_it_is_read_with_the_answer() -> None:
    """
    From the header as well, also where the body is the picture itself.
    """
    body = b'{"data": [{"b64_json": "iVBORw0KGgo="}], "cost": 0.05}'

    assert read_answer(body, {HEADER: "0.07"}).stated == {"cost": 0.05, HEADER: 0.07}
    assert read_answer(b"\x89PNG\r\n\x1a\n", {HEADER: "0.07"}).stated == {HEADER: 0.07}


def test_what_is_stated_goes_before_what_is_published() -> None:
    """
    Whatever the model costs elsewhere.
    """
    assert charged("gpt-image-2", {"cost": 0.015}) == Cost(usd=0.015, source="cost")
    assert charged("gpt-image-2", {}).source == "pricing"
    assert charged("flux", {}) == Cost(usd=None)


def test_of_a_stream_the_last_word_counts() -> None:
    """
    What it states beside a preview is what that cost; an event that states nothing takes nothing back.
    """
    events: list[dict[str, Any]] = [
        {"type": "image_edit.partial_image", "usage": {"cost": 0.01}},
        {"type": "image_edit.completed", "usage": {"cost": 0.05}},
        {"usage": {"cost": None}},
    ]

    assert stated_in({}, events) == {"usage.cost": 0.05}


@pytest.mark.parametrize("amount", [-1.0, float("nan"), float("inf"), 1e9, 101.0])
def test_a_sum_that_makes_no_sense_is_passed_over(amount: float) -> None:
    """
    The next that is stated counts.
    """
    assert charged("gpt-image-2", {"usage.cost": amount, HEADER: 0.2}).source == HEADER
    assert charged("gpt-image-2", {"usage.cost": amount}).source == "pricing"


def test_nothing_is_no_price_where_one_is_known() -> None:
    """
    LiteLLM states 0.0 for a model whose price it does not know: that must not open the day's budget.
    """
    for nothing in (0.0, -0.0, 1e-9):
        assert charged("gpt-image-2", {HEADER: nothing}).source == "pricing"
        assert str(charged("local-model", {HEADER: nothing}).usd) == "0.0"
    assert charged("local-model", {HEADER: 0.0}) == Cost(usd=0.0, source=HEADER)


def test_credits_count_once_it_is_known_what_one_is_worth() -> None:
    """
    Six credits are no six dollars.
    """
    stated = {"credits_cost": 6.0}

    assert charged("flux", stated) == Cost(usd=None)
    assert charged("flux", stated, {"flux": {"per_credit": 0.005}}) == Cost(
        usd=0.03, source="credits_cost"
    )
    assert charged("flux", {"credits_cost": 20_000}, {"flux": {"per_credit": 0.000002}}).usd == 0.04


def test_an_answer_without_a_picture_may_have_cost_what_it_states() -> None:
    """
    Else what was reserved; that it states 0 is no proof.
    """
    prices = prices_for("gpt-image-2")

    assert perhaps_charged(prices, 0.09, {"usage.cost": 0.02}) == Cost(
        usd=0.02, source="usage.cost"
    )
    for stated in ({}, {"usage.cost": 0.0}, {"usage.cost": -1.0}, {"credits_cost": 6.0}):
        assert perhaps_charged(prices, 0.09, stated) == Cost(usd=0.09, source="estimate")
    assert perhaps_charged(prices, None) == Cost(usd=None)
