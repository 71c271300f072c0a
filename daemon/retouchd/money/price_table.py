"""
What each model costs, in US dollars, as the provider published it.

Sources, as they stood on `READ_ON`: the provider's pages of the models (tokens; gpt-image-1 and
gpt-image-1-mini by picture), the price map of litellm 1.103.11 (gpt-image-1.5 by picture), and for the
tokens of a picture of gpt-image-2 and later the formula that the provider's samples obey. A relay may
charge something else: `pricing.<model pattern>` of the configuration is laid on top.
"""

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeAlias

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
