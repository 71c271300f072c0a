"""
What an edit costs: the published figures, exact costs from usage, and estimates that err on the dear side.
"""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import a_job, member
from retouchd.job.model import Job, Reference, Request, Snapshot
from retouchd.money.pricing import (
    cost,
    estimate,
    price_problems,
    prices_for,
    tokens_of_picture,
)
from retouchd.request.matching import matching_size
from retouchd.request.models import FACTORS, FACTORS_2_5, Prices
from retouchd.request.sizes import SizeRule

SNAPSHOT = Snapshot(size=1, mtime_ns=1, inode=1, device=1)
FLAT = {"*": {"per_call": 0.03}}


def asking(prompt: str = "", **parameters: Any) -> Job:
    """
    A job with one picture that asks for gpt-image-2's edit with these parameters.
    """
    request = Request(model="gpt-image-2", prompt=prompt, parameters=parameters)
    return a_job(member("cat.png"), request=request)


def usage(text: int, image: int, made: int) -> dict[str, Any]:
    return {
        "input_tokens": text + image,
        "input_tokens_details": {"text_tokens": text, "image_tokens": image},
        "output_tokens": made,
        "total_tokens": text + image + made,
    }


def cost_of(found: Any, model: str = "gpt-image-2", pictures: int = 1, **parameters: Any) -> Any:
    job = asking(**{"size": "1024x1024", "quality": "low"} | parameters)
    return cost(prices_for(model), job, pictures=pictures, usage=found).usd


@pytest.mark.parametrize(
    ("size", "tokens"), [((1024, 1024), 7024), ((1536, 1024), 5488), ((1792, 1024), 5063)]
)
def test_the_formula_gives_the_providers_samples(size: tuple[int, int], tokens: int) -> None:
    """
    gpt-image-2 at high quality, either way up.
    """
    assert tokens_of_picture(FACTORS["high"], *size) == tokens
    assert tokens_of_picture(FACTORS["high"], *reversed(size)) == tokens


def test_the_formula_gives_the_published_tokens_of_2_5() -> None:
    """
    All five qualities of a square of 1024 pixels.
    """
    found = {quality: tokens_of_picture(f, 1024, 1024) for quality, f in FACTORS_2_5.items()}

    assert found == {"low": 196, "medium": 439, "high": 1756, "xhigh": 3122, "max": 7024}


@pytest.mark.parametrize(
    ("model", "size", "figures"),
    [
        ("gpt-image-1-mini", "1024x1024", ".005 .011 .036"),
        ("gpt-image-1-mini", "1536x1024", ".006 .015 .052"),
        ("gpt-image-1.5", "1024x1024", ".009 .034 .133"),
        ("chatgpt-image-latest", "1024x1536", ".013 .050 .200"),
        ("gpt-image-1", "1024x1024", ".011 .042 .167"),
        ("gpt-image-1-2025-04-15", "1536x1024", ".016 .063 .250"),
        ("gpt-image-2", "1024x1024", ".006 .053 .211"),
        ("openai/gpt-image-2-2026-04-21", "1536x1024", ".005 .041 .165"),
        ("gpt-image-2.5-flare", "1024x1024", ".006 .013 .053 .094 .211"),
        ("gpt-image-2.5-sunburst-2026-09-08", "1024x1536", ".005 .010 .041 .074 .165"),
        ("gpt-image-2.6-sunburst", "1024x1024", ".006 .013 .053 .094 .211"),
    ],
)
def test_a_picture_costs_what_is_published(model: str, size: str, figures: str) -> None:
    """
    Each model, size and quality, without what goes in; two pictures cost twice as much as one.
    """
    prices = prices_for(model)
    for quality, figure in zip(
        ("low", "medium", "high", "xhigh", "max"), figures.split(), strict=False
    ):
        one, two = (estimate(prices, asking(size=size, quality=quality, n=n)) for n in (1, 2))
        assert one is not None
        assert two is not None
        assert f"{two - one:.3f}" == f"0{figure}", quality


@pytest.mark.parametrize("model", ["gpt-image-2.7", "dall-e-2", "gpt-image-2-all", "flux", ""])
def test_a_price_that_nobody_published_is_not_guessed(model: str) -> None:
    """
    Neither an estimate nor a cost, whatever the endpoint counted.
    """
    assert estimate(prices_for(model), asking()) is None
    assert cost_of(usage(10, 1000, 196), model=model) is None


def test_tokens_cost_exactly() -> None:
    """
    Text and image in, image out, each at its own price.
    """
    expected = (10 * 5 + 1000 * 8 + 7024 * 30) / 1_000_000

    assert cost_of(usage(10, 1000, 7024)) == round(expected, 6) == 0.21877


def test_text_that_comes_out_has_its_own_price() -> None:
    """
    Where the details tell text from image; else it all counts as image.
    """
    found = usage(0, 0, 1100) | {
        "output_tokens_details": {"text_tokens": 100, "image_tokens": 1000}
    }

    assert cost_of(found, model="gpt-image-1.5") == (100 * 10 + 1000 * 32) / 1e6
    assert cost_of(usage(0, 0, 1100), model="gpt-image-1.5") == 1100 * 32 / 1e6


@pytest.mark.parametrize("details", [None, {}, [], "many", {"text_tokens": -1}])
def test_without_details_all_that_goes_in_is_dear(details: Any) -> None:
    """
    What is not told apart counts at the dearest price of its side.
    """
    found = {"input_tokens": 1000, "output_tokens": 196, "input_tokens_details": details}

    assert cost_of(found) == (1000 * 8 + 196 * 30) / 1e6


@pytest.mark.parametrize(
    "broken",
    [
        None,
        {},
        {"output_tokens": 196},
        {"input_tokens": 5},
        {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0},
        {"prompt_tokens": 5, "completion_tokens": 9},
        *(
            {"input_tokens": 5, "output_tokens": value}
            for value in (-1, float("nan"), float("inf"), 1.5, "196", True, 10**30, None, [1])
        ),
    ],
)
def test_counts_that_cannot_be_believed_are_absent(broken: Any) -> None:
    """
    The answer then costs what was estimated for the pictures that came.
    """
    assert cost_of(broken) == estimate(prices_for("gpt-image-2"), asking_small())
    assert cost_of(broken, pictures=3) == estimate(
        prices_for("gpt-image-2"), asking(size="1024x1024", quality="low", n=3)
    )


def asking_small() -> Job:
    return asking(size="1024x1024", quality="low")


def test_a_flat_price_comes_before_everything() -> None:
    """
    For a call, whatever it brings and whatever was counted; 0 is a price too.
    """
    for price in (0.03, 0):
        prices = prices_for("gpt-image-2", {"gpt-image-*": {"per_call": price}})
        assert estimate(prices, asking(n=4)) == price
        assert cost(prices, asking(), pictures=4, usage=usage(10, 1000, 7024)).usd == price


def test_a_price_for_each_picture() -> None:
    """
    It takes the place of the built-in tokens: so many pictures as came, whatever was counted.
    """
    prices = prices_for("gpt-image-2", {"gpt-image-2": {"per_image": 0.05}})

    assert estimate(prices, asking("a prompt", n=3)) == 0.15
    assert cost(prices, asking(n=3), pictures=2, usage=usage(10, 1000, 7024)).usd == 0.1


def test_prices_by_size_and_quality() -> None:
    """
    What the request leaves open, or the table does not list, is the dearest it may be.
    """
    sizes = {"1024x1024": {"low": 0.01, "high": 0.2, "max": 0.9}, "1536x1024": 0.3}
    prices = prices_for("my-model", {"my-*": {"per_image": sizes}})

    found = {
        (size, quality): estimate(prices, asking(size=size, quality=quality))
        for size in ("1024x1024", "1536x1024", "auto")
        for quality in ("low", "auto", "rare")
    }

    assert found == {
        ("1024x1024", "low"): 0.01,
        ("1024x1024", "auto"): 0.2,
        ("1024x1024", "rare"): 0.9,
        ("1536x1024", "low"): 0.3,
        ("1536x1024", "auto"): 0.3,
        ("1536x1024", "rare"): 0.3,
        ("auto", "low"): 0.3,
        ("auto", "auto"): 0.3,
        ("auto", "rare"): 0.9,
    }


def test_prices_of_tokens_are_laid_on_key_by_key() -> None:
    """
    A relay's discount leaves the other prices, and the tokens of a picture, as they are.
    """
    prices = prices_for("gpt-image-2", {"gpt-*": {"image_out": 15}, "gpt-image-2": {"text_in": 1}})

    assert cost(prices, asking(), pictures=1, usage=usage(10, 1000, 7024)).usd == (
        (10 * 1 + 1000 * 8 + 7024 * 15) / 1e6
    )
    assert estimate(prices, asking_small()) == (1600 * 8 + 196 * 15) / 1e6


def test_the_most_specific_row_holds() -> None:
    """
    A row for all models gives way to one for this.
    """
    rows = {"gpt-image-2": {"text_in": 1.0}, **FLAT}

    assert estimate(prices_for("any/model", rows), asking()) == 0.03
    assert prices_for("gpt-image-2", rows) == Prices(per_call=Decimal("0.03"), text_in=Decimal(1))


def test_what_is_left_to_the_model_is_dear() -> None:
    """
    Quality counts as high, and the size is the dearest that is legal.
    """
    prices = prices_for("gpt-image-2")
    most = tokens_of_picture(96, 2880, 2880)

    assert estimate(prices, asking()) == round((1600 * 8 + most * 30) / 1e6, 6)
    assert estimate(prices, asking(size="auto", quality="auto")) == estimate(prices, asking())
    assert estimate(prices, asking(size="0x0")) == estimate(prices, asking())


@pytest.mark.parametrize("size", ["match", "match-large"])
@pytest.mark.parametrize(
    "upright", [(6000, 4000), (4000, 4000), (2000, 6000), (300, 200), (5, 4000)]
)
def test_what_is_to_match_costs_no_more_than_any_shape_of_that_size(
    size: str, upright: tuple[int, int]
) -> None:
    """
    Whatever picture comes: before its shape is known no more is reserved than the dearest one costs.
    """
    prices = prices_for("gpt-image-2")
    found = matching_size(upright, SizeRule(), is_large=size == "match-large")

    reserved, real = (estimate(prices, asking(size=each)) for each in (size, found))

    assert reserved is not None
    assert real is not None
    assert real <= reserved
    assert reserved < (estimate(prices, asking()) or 0) * (0.65 if size == "match-large" else 0.4)


def test_a_result_that_goes_back_to_its_photos_size_is_to_match() -> None:
    job = asking()
    edit = replace(job.edits[0], output={"size": "source"})

    found = estimate(prices_for("gpt-image-2"), replace(job, edits=(edit,)))

    assert found == estimate(prices_for("gpt-image-2"), asking(size="match"))


def test_everything_that_goes_in_is_reckoned() -> None:
    """
    Every byte of the prompt, the mask, the references.
    """
    prices = prices_for("gpt-image-2")
    bare, told = asking_small(), asking("猫" * 1000, size="1024x1024", quality="low")
    masked = a_job(member("cat.png"), member("cat.mask.png"), request=bare.request)
    reference = Reference(path="_refs/a.png", snapshot=SNAPSHOT)
    referring = a_job(member("cat.png"), request=bare.request, references=(reference,) * 2)

    first, *others = (estimate(prices, job) for job in (bare, told, masked, referring))

    more = [round(each - first, 6) for each in others if each and first]
    assert more == [3000 * 5 / 1e6, 1600 * 8 / 1e6, 2 * 1600 * 8 / 1e6]


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.dictionaries(
        st.sampled_from(
            [
                f"{side}_tokens{end}"
                for side in ("input", "output", "text", "image", "total")
                for end in ("", "_details")
            ]
        ),
        inner,
    ),
)


@given(st.dictionaries(st.sampled_from(list(usage(1, 1, 1))), ANYTHING), st.integers(0, 10))
def test_no_usage_makes_a_cost_that_is_none(found: dict[str, Any], pictures: int) -> None:
    """
    Whatever an endpoint says, a cost is a number from 0 up, of six digits at most.
    """
    amount = cost_of(found, pictures=pictures)

    assert 0 <= amount < 10**5
    assert round(amount, 6) == amount


@given(
    st.sampled_from(list(FACTORS_2_5)),
    st.sampled_from(["1024x1024", "1536x1024", "3840x2160", "auto", "1024x3072"]),
    st.integers(1, 10),
    st.text(max_size=200),
)
def test_an_estimate_is_never_too_small(quality: str, size: str, n: int, prompt: str) -> None:
    """
    The tokens that the provider would count cost no more than was reserved.
    """
    prices = prices_for("gpt-image-2.5-flare")
    job = asking(prompt, size=size, quality=quality, n=n)
    edges = (2048, 2048) if size == "auto" else tuple(map(int, size.split("x")))
    made = n * tokens_of_picture(FACTORS_2_5[quality], edges[0], edges[1])

    found, reserved = (
        cost(prices, job, pictures=n, usage=usage(len(prompt.encode()), 1600, made)).usd,
        estimate(prices, job),
    )

    assert found is not None
    assert reserved is not None
    assert found <= reserved


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"per_cal": 1}, ("per_cal", "per_call")),
        ({"per_call": -1}, ("US dollars",)),
        ({"per_call": True}, ("US dollars",)),
        ({"per_call": "0.03"}, ("US dollars",)),
        ({"text_in": float("nan")}, ("US dollars",)),
        ({"text_in": float("inf")}, ("US dollars",)),
        ({"text_in": 10**400}, ("US dollars",)),
        ({"per_image": {}}, ("per_image", "1024x1024")),
        ({"per_image": {"square": 1}}, ("per_image", "1024x1024")),
        ({"per_image": {"1024x1024": {}}}, ("each of its sizes",)),
        ({"per_image": {"1024x1024": {"low": "x"}}}, ("US dollars",)),
    ],
)
def test_a_fault_names_its_key(row: dict[str, Any], words: tuple[str, ...]) -> None:
    """
    One sentence with the key and what it must be; the faulty key has no effect.
    """
    (problem,) = price_problems({"my-*": row})

    assert problem.startswith('pricing."my-*".')
    assert problem.endswith(".")
    for word in words:
        assert word in problem
    assert prices_for("gpt-image-2", {"*": row}) == prices_for("gpt-image-2")
