"""
The configuration's `pricing`, laid on the published prices.
"""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, TypeAlias

from retouchd.money.price_table import TABLE, PerImage, Prices, alike, all_alike
from retouchd.request.model_patterns import Readers, Shapes, fitting, row_fault, row_problems
from retouchd.request.sizes import SIZE, is_size

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
