"""
What an edit costs: exactly, by the tokens the endpoint counted, or at most, before it is sent.

Amounts are US dollars, reckoned in decimals and rounded to six digits at the very end. What an endpoint
says of its own usage is never trusted further than it makes sense: a count that is negative, a fraction,
a text or absurdly large is taken as absent.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, TypeAlias, TypeVar

from retouchd.job.model import Job, Request
from retouchd.money.price_table import Prices, tokens_of_picture
from retouchd.request.sizes import SizeRule, edges_of

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
