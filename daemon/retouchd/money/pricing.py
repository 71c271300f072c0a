"""
What an edit costs: each model's published prices, the configuration's `pricing` over them, estimates and exact
sums.

Sources of the prices, as they stood on `READ_ON`: the provider's pages of the models (tokens; gpt-image-1 and
gpt-image-1-mini by picture), the price map of litellm 1.103.11 (gpt-image-1.5 by picture), and for the tokens
of a picture of gpt-image-2 and later the formula that the provider's samples obey. A relay may charge something
else: `pricing.<model pattern>` of the configuration is laid on top.

Costs are exact by the tokens that the endpoint counted, or at most, before a request is sent. Amounts are US
dollars, reckoned in decimals and rounded to six digits at the very end. What an endpoint says of its own usage
is never trusted further than it makes sense: a count that is negative, a fraction, a text or absurdly large is
taken as absent.
"""

import datetime as dt
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, TypeAlias, TypeVar

from retouchd.job.model import Job, Request
from retouchd.request.overrides import Readers, Shapes, fitting, row_fault, row_problems
from retouchd.request.sizes import SIZE, SizeRule, edges_of, is_size

READ_ON = dt.date(2026, 11, 23)
"""The day on which the prices were read."""

PerImage: TypeAlias = Mapping[str, Mapping[str, Decimal]]
"""The price of one picture by size, then by quality."""

_ANY = "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """
    What one model costs, in US dollars; None, or nothing listed, is not known.

    `text_in`, `image_in`, `text_out` and `image_out` are for a million tokens, `per_image` for a picture
    that comes back, `per_call` for a request, whatever it brings. `factors` are those of
    `tokens_of_picture` by quality, `input_tokens` the most that one picture sent is counted as.
    """

    text_in: Decimal | None = None
    image_in: Decimal | None = None
    text_out: Decimal | None = None
    image_out: Decimal | None = None
    per_image: PerImage = field(default_factory=dict)
    per_call: Decimal | None = None
    factors: Mapping[str, int] = field(default_factory=dict)
    input_tokens: int = 3050


def alike(price: Decimal) -> Mapping[str, Decimal]:
    """
    Return the prices of a size whose qualities all cost the same.
    """
    return {_ANY: price}


def all_alike(price: Decimal) -> PerImage:
    """
    Return the prices of pictures that all cost the same.
    """
    return {_ANY: alike(price)}


def tokens_of_picture(factor: int, width: int, height: int) -> int:
    """
    Return the tokens of a picture of gpt-image-2 or later; the factor goes with its quality.
    """
    short = round(factor * min(width, height) / max(width, height))
    return math.ceil(factor * short * (2_000_000 + width * height) / 4_000_000)


FACTORS: Mapping[str, int] = {"low": 16, "medium": 48, "high": 96}
FACTORS_2_5: Mapping[str, int] = {"low": 16, "medium": 24, "high": 48, "xhigh": 64, "max": 96}


def _three(square: str, oblong: str) -> PerImage:
    """
    Return the prices of the three sizes; each text holds those of low, medium and high.
    """
    texts = {"1024x1024": square, "1536x1024": oblong, "1024x1536": oblong}
    return {
        size: {
            quality: Decimal(price)
            for quality, price in zip(("low", "medium", "high"), text.split(), strict=True)
        }
        for size, text in texts.items()
    }


GPT_IMAGE_1 = Prices(
    text_in=Decimal(5),
    image_in=Decimal(10),
    image_out=Decimal(40),
    per_image=_three(".011 .042 .167", ".016 .063 .25"),
)
GPT_IMAGE_1_MINI = Prices(
    text_in=Decimal(2),
    image_in=Decimal("2.50"),
    image_out=Decimal(8),
    per_image=_three(".005 .011 .036", ".006 .015 .052"),
)
GPT_IMAGE_1_5 = Prices(
    text_in=Decimal(5),
    image_in=Decimal(8),
    text_out=Decimal(10),
    image_out=Decimal(32),
    per_image=_three(".009 .034 .133", ".013 .050 .200"),
)
GPT_IMAGE_2 = Prices(
    text_in=Decimal(5),
    image_in=Decimal(8),
    image_out=Decimal(30),
    factors=FACTORS,
    input_tokens=1600,
)
GPT_IMAGE_2_5 = Prices(
    text_in=Decimal(5),
    image_in=Decimal(8),
    image_out=Decimal(30),
    factors=FACTORS_2_5,
    input_tokens=1600,
)

TABLE: Mapping[str, Prices] = {
    "gpt-image-1": GPT_IMAGE_1,
    "gpt-image-1-mini": GPT_IMAGE_1_MINI,
    "gpt-image-1.5": GPT_IMAGE_1_5,
    "chatgpt-image-latest": GPT_IMAGE_1_5,
    "gpt-image-2": GPT_IMAGE_2,
    "gpt-image-2.5-sunburst": GPT_IMAGE_2_5,
    "gpt-image-2.5-flare": GPT_IMAGE_2_5,
    "gpt-image-2.6-sunburst": GPT_IMAGE_2_5,
}
"""The published prices, by pattern. No price of gpt-image-2.6-flare was published; none is guessed."""


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
    prices = next((TABLE[pattern] for pattern in reversed(fitting(model, TABLE))), Prices())
    for pattern in fitting(model, rows):
        row = rows[pattern]
        said = {key: READERS[key](row[key]) for key in row if not row_fault(key, row[key], READERS)}
        prices = replace(Prices() if any(key in said for key in _FLAT) else prices, **said)
    return prices


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
    "per_call": _price,
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

_MILLION = 1_000_000
_MICRO = Decimal("0.000001")
_MOST_TOKENS = 10**8
_AUTO = ("auto", "", None)


def estimate(prices: Prices, job: Job) -> float | None:
    """
    Return what one request for the job may cost, None where that is not known.

    It errs on the dear side: a quality left to the model counts as high and an unknown one as the dearest,
    a size left to the model as the dearest it has; a prompt has a token for each of its bytes, and
    each picture sent, the mask too, as many as one can have.
    """
    return _rounded(_at_most(prices, job, pictures_asked(job.request)))


def cost(
    prices: Prices, job: Job, *, pictures: int, usage: Mapping[str, Any] | None
) -> float | None:
    """
    Return what an answer with so many pictures cost, None where no price is known.

    A flat price of the call comes first. Then the tokens count: those that the details tell apart as text
    or image at their own price, the rest of a side at that side's dearest, and a kind without a price at
    the other's of its side. Without counts that can be believed it is the estimate for what came.
    """
    if prices.per_call is None and (exact := _by_tokens(prices, usage or {})) is not None:
        return _rounded(exact)
    return _rounded(_at_most(prices, job, pictures))


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
    return inputs + pictures * _picture(prices, job.request)


def _picture(prices: Prices, request: Request) -> Decimal:
    """
    Return what one picture of the asked size and quality costs at most.
    """
    size, quality = (request.parameters.get(key) for key in ("size", "quality"))
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
    edge = int(SizeRule().max_pixels ** 0.5)
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
