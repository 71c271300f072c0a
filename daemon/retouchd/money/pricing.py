"""
What an edit costs: each model's published prices, the configuration's `pricing` over them, estimates, exact
sums, and what an endpoint itself states.

Costs are exact by what the endpoint states or by the tokens that it counted, or at most, before a request is
sent. Amounts are US dollars, reckoned in decimals and rounded to six digits at the very end. What an endpoint
says is never trusted further than it makes sense: a count that is negative, a fraction, a text or absurdly
large is taken as absent. A relay may charge something else than is published: `pricing.<model pattern>` of
the configuration is laid on top.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType
from typing import Any, TypeAlias, TypeVar

from retouchd.job.model import Job, Request
from retouchd.request.matching import MATCH, most_pixels
from retouchd.request.models import (
    MODELS,
    PerImage,
    Prices,
    alike,
    all_alike,
)
from retouchd.request.output import Output
from retouchd.request.overrides import Readers, Shapes, fitting, row_fault, row_problems
from retouchd.request.sizes import SIZE, SizeRule, edges_of, is_size

TABLE: Mapping[str, Prices] = {
    pattern: row.prices for pattern, row in MODELS.items() if row.prices is not None
}
"""The published prices, by pattern."""


def tokens_of_picture(factor: int, width: int, height: int) -> int:
    """
    Return the tokens of a picture of gpt-image-2 or later; the factor goes with its quality.
    """
    short = round(factor * min(width, height) / max(width, height))
    return math.ceil(factor * short * (2_000_000 + width * height) / 4_000_000)


PriceRows: TypeAlias = Mapping[str, Mapping[str, Any]]
"""The configuration's `pricing`: a pattern for models, then keys of `Prices`."""

_DEAREST = 1_000_000
_FLAT = ("per_call", "per_image")


def prices_for(model: str, rows: PriceRows | None = None) -> Prices:
    """
    Return what a model costs: its row of the table, and on top what the configuration says.

    Of several rows that fit, the most specific is laid on last. One with `per_call` or `per_image` says how
    the model is charged and takes the place of everything before; one with prices of tokens alone changes
    those. Faulty keys have no effect here: `price_problems` reports them.
    """
    rows = rows or {}
    prices = _published(model)
    for pattern in fitting(model, rows):
        row = rows[pattern]
        said = {key: READERS[key](row[key]) for key in row if not row_fault(key, row[key], READERS)}
        prices = replace(Prices() if any(key in said for key in _FLAT) else prices, **said)
    return prices


@lru_cache(maxsize=64)
def _published(model: str) -> Prices:
    return next((TABLE[pattern] for pattern in reversed(fitting(model, TABLE))), Prices())


def price_problems(rows: PriceRows) -> list[str]:
    """
    Return every fault of the configuration's `pricing`: a sentence each, naming the key.
    """
    return row_problems("pricing", rows, READERS)


def _price(value: object) -> Decimal:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= _DEAREST:
        raise ValueError("must be a number of US dollars, such as 0.03; 0 = it costs nothing")
    return Decimal(str(value))


def _per_image(value: object) -> PerImage:
    if not isinstance(value, Mapping):
        return all_alike(_price(value))
    if not value or not all(isinstance(size, str) and is_size(size) for size in value):
        raise ValueError(
            'must be a price, or a table of sizes such as {"1024x1024" = {low = 0.01, high = 0.2}}'
        )
    return {str(size): _by_quality(row) for size, row in value.items()}


def _by_quality(value: object) -> Mapping[str, Decimal]:
    if not isinstance(value, Mapping):
        return alike(_price(value))
    if not value:
        raise ValueError("must have a price for each of its sizes")
    return {str(quality): _price(price) for quality, price in value.items()}


READERS: Readers = {
    "text_in": _price,
    "image_in": _price,
    "text_out": _price,
    "image_out": _price,
    "per_image": _per_image,
    "per_input": _price,
    "per_call": _price,
    "per_credit": _price,
}
"""For each key of `pricing.<model pattern>`, what reads its value."""

_PRICE: dict[str, Any] = {"type": "number", "minimum": 0, "maximum": _DEAREST}

SHAPES: Shapes = {
    _price: _PRICE,
    _per_image: {
        "anyOf": [
            _PRICE,
            {
                "type": "object",
                "minProperties": 1,
                "propertyNames": {"pattern": f"^{SIZE}$"},
                "additionalProperties": {
                    "anyOf": [
                        _PRICE,
                        {"type": "object", "minProperties": 1, "additionalProperties": _PRICE},
                    ]
                },
            },
        ]
    },
}
"""What each reader takes, as JSON Schema says it."""


PriceList: TypeAlias = Callable[[str], Prices]
"""What a model costs, by its name."""

_Amount = TypeVar("_Amount", int, Decimal)

CREDITS = "credits_cost"
"""What a relay states in credits of its own."""
NOTHING_STATED: Mapping[str, float] = MappingProxyType({})
_DEAREST_STATED = 100
"""US dollars; no request costs more: such a sum is in a relay's own units."""
_MILLION = 1_000_000
_MICRO = Decimal("0.000001")
_MOST_TOKENS = 10**8
_AUTO = ("auto", "", None)


def estimate(prices: Prices, job: Job) -> float | None:
    """
    Return what one request for the job may cost, None where that is not known.

    It errs on the dear side: a quality left to the model counts as high and an unknown one as the dearest,
    a size left to the model as the dearest it has, "match" as the largest that it comes to; a prompt has a
    token for each of its bytes, and each picture sent, the mask too, as many as one can have.
    """
    return _rounded(_at_most(prices, job, pictures_asked(job.request)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """
    What an answer cost, None where that is not known, and where the sum is from: a name under which the
    endpoint states it, `usage` for its count of tokens at the model's prices, `pricing` for those prices
    alone, `estimate` for what was reserved; empty where there is none.
    """

    usd: float | None
    source: str = ""


FREE = Cost(usd=0.0)
"""What is provably unpaid."""


def estimated(usd: float | None) -> Cost:
    """
    Return what may have been charged, as it was reserved.
    """
    return Cost(usd=usd, source="" if usd is None else "estimate")


def perhaps_charged(
    prices: Prices, usd: float | None, stated: Mapping[str, float] = NOTHING_STATED
) -> Cost:
    """
    Return what may have been charged for an answer without a picture: what it states, else `usd`, which was
    reserved. That it states nothing, or 0, proves nothing.
    """
    for source, amount in stated.items():
        if found := _rounded(_stated(prices, source, amount)):
            return Cost(usd=found, source=source)
    return estimated(usd)


def cost(
    prices: Prices,
    job: Job,
    *,
    pictures: int,
    usage: Mapping[str, Any] | None,
    stated: Mapping[str, float] = NOTHING_STATED,
) -> Cost:
    """
    Return what an answer with so many pictures cost.

    What the endpoint states comes first. Then a flat price of the call, then the tokens: those that the details
    tell apart as text or image at their own price, the rest of a side at that side's dearest, and a kind
    without a price at the other's of its side. Without counts that can be believed it is the estimate for what
    came. A relay that knows no price states 0: that is believed where we know none either.
    """
    for source, amount in stated.items():
        found = _rounded(_stated(prices, source, amount))
        if found is not None and (found or not is_priced(prices)):
            return Cost(usd=found, source=source)
    if prices.per_call is None and (exact := _by_tokens(prices, usage or {})) is not None:
        return Cost(usd=_rounded(exact), source="usage")
    at_most = _at_most(prices, job, pictures)
    return Cost(usd=_rounded(at_most), source="" if at_most is None else "pricing")


def _stated(prices: Prices, source: str, amount: float) -> Decimal | None:
    """
    Return a stated amount in US dollars, None for one that cannot be believed, or in credits of unknown worth.
    """
    if not math.isfinite(amount):
        return None
    found = Decimal(str(amount or 0))  # Zero has a sign.
    if source == CREDITS:
        if prices.per_credit is None:
            return None
        found *= prices.per_credit
    return found if 0 <= found <= _DEAREST_STATED else None


def is_priced(prices: Prices) -> bool:
    """
    Return whether what a request may cost can be told before it is sent.
    """
    has_tokens = bool(prices.factors) and prices.image_out is not None
    return prices.per_call is not None or bool(prices.per_image) or has_tokens


def pictures_asked(request: Request) -> int:
    """
    Return how many pictures a request asks for.
    """
    n = request.parameters.get("n")
    return max(1, n) if isinstance(n, int) else 1


def _at_most(prices: Prices, job: Job, pictures: int) -> Decimal | None:
    if not is_priced(prices):
        return None
    if prices.per_call is not None:
        return prices.per_call
    text = len((job.request.prompt or "").encode(errors="replace"))
    sent = job.pictures_sent * prices.input_tokens
    inputs = _of(text, prices.text_in) + _of(sent, prices.image_in)
    inputs += job.pictures_sent * (prices.per_input or Decimal())
    return inputs + pictures * _picture(prices, job)


def _picture(prices: Prices, job: Job) -> Decimal:
    """
    Return what one picture of the asked size and quality costs at most.
    """
    parameters = job.request.parameters
    is_matched = Output.from_json(job.edits[0].output).keeps_shape
    size, quality = parameters.get("size", MATCH if is_matched else None), parameters.get("quality")
    quality = "high" if quality in _AUTO else str(quality)
    if prices.per_image:
        row = prices.per_image.get(str(size))
        rows = prices.per_image.values() if row is None else [row]
        return max(_at_quality(row, quality) for row in rows)
    factor = _at_quality(prices.factors, quality)
    return _of(_tokens_at_size(factor, str(size)), prices.image_out)


def _at_quality(row: Mapping[str, _Amount], quality: str) -> _Amount:
    return row.get(quality, max(row.values()))


def _tokens_at_size(factor: int, size: str) -> int:
    if edges := edges_of(size):
        return tokens_of_picture(factor, *edges)
    # Of all shapes with so many pixels a square has the most tokens.
    edge = int(most_pixels(size, SizeRule()) ** 0.5)
    return tokens_of_picture(factor, edge, edge)


def _by_tokens(prices: Prices, usage: Mapping[str, Any]) -> Decimal | None:
    sent, made = _tokens(usage, "input"), _tokens(usage, "output")
    if sent is None or made is None or not any(made):
        return None
    for_input = _side(*sent, prices.text_in, prices.image_in)
    for_output = _side(*made, prices.text_out, prices.image_out)
    return None if for_input is None or for_output is None else for_input + for_output


def _tokens(usage: Mapping[str, Any], side: str) -> tuple[int, int, int] | None:
    """
    Return the tokens of one side that are text, those that are images, and the rest; None if none are said.
    """
    details = usage.get(f"{side}_tokens_details")
    found = details if isinstance(details, Mapping) else {}
    text, image = _count(found.get("text_tokens")), _count(found.get("image_tokens"))
    total = _count(usage.get(f"{side}_tokens"))
    if total is None and text is None and image is None:
        return None
    known = (text or 0) + (image or 0)
    return text or 0, image or 0, max(0, (total or 0) - known)


def _side(
    text: int, image: int, rest: int, text_price: Decimal | None, image_price: Decimal | None
) -> Decimal | None:
    known = [price for price in (text_price, image_price) if price is not None]
    if not known:
        return None
    text_price = known[-1] if text_price is None else text_price
    image_price = known[0] if image_price is None else image_price
    return _of(text, text_price) + _of(image, image_price) + _of(rest, max(known))


def _count(found: object) -> int | None:
    if not isinstance(found, int) or isinstance(found, bool):
        return None
    return found if 0 <= found <= _MOST_TOKENS else None


def _of(tokens: int, price: Decimal | None) -> Decimal:
    return tokens * (price or Decimal()) / _MILLION


def _rounded(amount: Decimal | None) -> float | None:
    return None if amount is None else float(amount.quantize(_MICRO))
