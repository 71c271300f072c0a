"""
What an answer states of its own cost, under the names that endpoints have for that, the surest first.

Sources: docs.x.ai (`usage.cost_in_usd_ticks`, ten billionths of a dollar), openrouter.ai/docs (`usage.cost`),
docs.merge.dev (`cost`), docs.litellm.ai (`x-litellm-response-cost`), asynchronous relays (`credits_cost`, in
credits of their own). Whether a sum can be believed is not decided here.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

_TICKS = 10_000_000_000
_HEADER = "x-litellm-response-cost"


def stated_in(headers: Mapping[str, str], documents: Sequence[Any]) -> dict[str, float]:
    """
    Return the sums that headers, under lower-case names, and the documents of a body state, by their names.
    """
    found: dict[str, float | None] = {}
    for document in reversed(documents):
        match document:
            case {"usage": {"cost_in_usd_ticks": ticks}}:
                amount = _number(ticks)
                found["usage.cost_in_usd_ticks"] = None if amount is None else amount / _TICKS
        match document:
            case {"usage": {"cost": amount}}:
                found["usage.cost"] = _number(amount)
        match document:
            case {"cost": amount}:
                found["cost"] = _number(amount)
        match document:
            case {"credits_cost": amount}:
                found["credits_cost"] = _number(amount)
    found[_HEADER] = _number(headers.get(_HEADER, "").strip() or None)
    ordered = {key: found.get(key) for key in _ORDER}
    return {key: amount for key, amount in ordered.items() if amount is not None}


_ORDER = ("usage.cost_in_usd_ticks", "usage.cost", "cost", _HEADER, "credits_cost")


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
