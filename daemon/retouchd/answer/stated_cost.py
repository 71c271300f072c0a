"""
What an answer states of its own cost, under the names that endpoints have for that, the surest first.

Sources: docs.x.ai, page "Cost Tracking" (`usage.cost_in_usd_ticks`, ten billionths of a dollar),
openrouter.ai/docs (`usage.cost`), docs.merge.dev (`cost`), docs.litellm.ai (`x-litellm-response-cost`),
asynchronous relays (`credits_cost`, in credits of their own). Whether a sum is believed is not decided here.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_TICKS = 10_000_000_000
_HEADER = "x-litellm-response-cost"


def stated_in(headers: Mapping[str, str], documents: Sequence[Any]) -> dict[str, float]:
    """
    Return the sums that headers, under lower-case names, and the documents of a body state, by their names.
    """
    found: dict[str, float] = {}
    for document in documents:
        found |= {name: amount for name, amount in _of(document) if amount is not None}
    of_header = _number(headers.get(_HEADER, "").strip())
    if of_header is not None:
        found[_HEADER] = of_header
    return {key: found[key] for key in _ORDER if key in found}


_ORDER = ("usage.cost_in_usd_ticks", "usage.cost", "cost", _HEADER, "credits_cost")


def _of(document: Any) -> Iterator[tuple[str, float | None]]:
    """
    Yield what one document states; of a stream the last says what all of it cost.
    """
    if not isinstance(document, dict):
        return
    usage = document.get("usage")
    if isinstance(usage, dict):
        ticks = _number(usage.get("cost_in_usd_ticks"))
        yield "usage.cost_in_usd_ticks", None if ticks is None else ticks / _TICKS
        if _is_in_dollars(usage) and _is_in_dollars(document):
            yield "usage.cost", _number(usage.get("cost"))
    if _is_in_dollars(document):
        yield "cost", _number(document.get("cost"))
    yield "credits_cost", _number(document.get("credits_cost"))


def _is_in_dollars(found: Mapping[str, Any]) -> bool:
    """
    Return whether a sum is one of US dollars, as it is where nothing else is said.
    """
    currency = found.get("currency")
    return not isinstance(currency, str) or currency.strip().upper() in _DOLLARS


_DOLLARS = ("", "USD", "$", "US$")


def _number(value: object) -> float | None:
    """
    Return a number, also one that is written as a text, None for anything else.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
