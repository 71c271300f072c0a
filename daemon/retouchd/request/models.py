"""
What is published of each model: what it takes, what it costs, how long it will be there. One row each.

Sources, as they stood on `READ_ON`: the provider's specification, its Python client 3.57, its pages of the
models and of deprecations (limits, tokens, dates; gpt-image-1 and gpt-image-1-mini by picture); the relay's
page of the endpoint (dall-e-2, the 25 MB of gpt-image-1); the price map of litellm 1.103.11 (gpt-image-1.5 by
picture); for the tokens of a picture of gpt-image-2 and later the formula that the provider's samples obey, and
for those of gpt-image-2.6 that of 2.5. gpt-image-2.6-flare is priced as docs.apiyi.com announced it,
grok-imagine-image-2.0 as docs.laozhang.ai did, at the dearest of its range. A relay may charge something else.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TypeAlias

from retouchd.request.overrides import fitting
from retouchd.request.rules import MB, Limits
from retouchd.request.sizes import SizeRule

READ_ON = dt.date(2026, 11, 29)
"""The day on which all of this was read."""

PerImage: TypeAlias = Mapping[str, Mapping[str, Decimal]]
"""The price of one picture by size, then by quality."""

ANY = "any"
"""Stands for every size, or every quality."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """
    What one model costs, in US dollars; None, or nothing listed, is not known.

    `text_in`, `image_in`, `text_out` and `image_out` are for a million tokens, `per_image` for a picture
    that comes back, `per_input` for one that is sent besides, `per_call` for a request, whatever it brings.
    `per_credit` is what one of a relay's own credits costs. `factors` are those of `tokens_of_picture` by
    quality, `input_tokens` the most that one picture sent is counted as.
    """

    text_in: Decimal | None = None
    image_in: Decimal | None = None
    text_out: Decimal | None = None
    image_out: Decimal | None = None
    per_image: PerImage = field(default_factory=dict)
    per_input: Decimal | None = None
    per_call: Decimal | None = None
    per_credit: Decimal | None = None
    factors: Mapping[str, int] = field(default_factory=dict)
    input_tokens: int = 3050


def alike(price: Decimal) -> Mapping[str, Decimal]:
    """
    Return the prices of a size whose qualities all cost the same.
    """
    return {ANY: price}


def all_alike(price: Decimal) -> PerImage:
    """
    Return the prices of pictures that all cost the same.
    """
    return {ANY: alike(price)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """
    A model's row: None where nothing is published of its limits or prices.

    `shutdown` is the day on which its provider shuts it down, or did; `dated` are its names with a date, which
    stand for one and the same model for good.
    """

    limits: Limits | None = None
    prices: Prices | None = None
    shutdown: dt.date | None = None
    dated: tuple[str, ...] = ()


_ALWAYS_BASE64 = "its pictures always come within the answer"
_ONLY_GPT_IMAGE = "only GPT image models know it"
_ONLY_NEWEST = "only gpt-image-2.5 and later know it"
_VALUES = {
    "quality": ("auto", "low", "medium", "high"),
    "background": ("auto", "opaque", "transparent"),
    "output_format": ("png", "jpeg", "webp"),
    "input_fidelity": ("low", "high"),
    "moderation": ("auto", "low"),
}

DALL_E_2 = Limits(
    formats=("png",),
    max_image_bytes=4 * MB,
    max_images=1,
    square=True,
    max_prompt_chars=1_000,
    max_mask_bytes=4 * MB,
    max_n=10,
    sizes=("256x256", "512x512", "1024x1024"),
    values={"quality": ("standard",), "response_format": ("url", "b64_json")},
    forbidden=dict.fromkeys(
        (
            "background",
            "complexity",
            "input_fidelity",
            "moderation",
            "output_compression",
            "output_format",
            "safety_identifier",
        ),
        _ONLY_GPT_IMAGE,
    ),
)
GPT_IMAGE_1_5 = Limits(
    formats=("png", "jpeg", "webp"),
    max_image_bytes=50 * MB,
    max_images=16,
    max_prompt_chars=32_000,
    max_mask_bytes=4 * MB,
    max_n=10,
    sizes=("auto", "1024x1024", "1536x1024", "1024x1536"),
    values=_VALUES,
    ranges={"output_compression": (0, 100)},
    forbidden={"response_format": _ALWAYS_BASE64, "complexity": _ONLY_NEWEST},
    compressed_formats=("jpeg", "webp"),
    transparent_formats=("png", "webp"),
)
GPT_IMAGE_1 = replace(GPT_IMAGE_1_5, max_image_bytes=25 * MB)
GPT_IMAGE_1_MINI = replace(GPT_IMAGE_1_5, values={**_VALUES, "input_fidelity": ("low",)})
GPT_IMAGE_2_5 = replace(
    GPT_IMAGE_1_5,
    sizes=SizeRule(),
    values={
        **_VALUES,
        "quality": (*_VALUES["quality"], "xhigh", "max"),
        "complexity": ("low", "medium", "high"),
    },
    forbidden={"response_format": _ALWAYS_BASE64},
)
GPT_IMAGE_2 = replace(
    GPT_IMAGE_2_5,
    values=_VALUES,
    forbidden={
        "response_format": _ALWAYS_BASE64,
        "complexity": _ONLY_NEWEST,
        "input_fidelity": "it always works with high fidelity",
    },
)

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


_OF_1 = Prices(
    text_in=Decimal(5),
    image_in=Decimal(10),
    image_out=Decimal(40),
    per_image=_three(".011 .042 .167", ".016 .063 .25"),
)
_OF_1_MINI = Prices(
    text_in=Decimal(2),
    image_in=Decimal("2.50"),
    image_out=Decimal(8),
    per_image=_three(".005 .011 .036", ".006 .015 .052"),
)
_OF_1_5 = Prices(
    text_in=Decimal(5),
    image_in=Decimal(8),
    text_out=Decimal(10),
    image_out=Decimal(32),
    per_image=_three(".009 .034 .133", ".013 .050 .200"),
)
_OF_2 = Prices(
    text_in=Decimal(5),
    image_in=Decimal(8),
    image_out=Decimal(30),
    factors=FACTORS,
    input_tokens=1600,
)
_OF_2_5 = replace(_OF_2, factors=FACTORS_2_5)
_OF_GROK_2 = Prices(per_image=all_alike(Decimal("0.08")), per_input=Decimal("0.01"))

_DECEMBER = dt.date(2026, 12, 1)

MODELS: Mapping[str, Published] = {
    "dall-e-2": Published(limits=DALL_E_2, shutdown=dt.date(2026, 5, 12)),
    "gpt-image-1": Published(limits=GPT_IMAGE_1, prices=_OF_1, shutdown=dt.date(2026, 10, 23)),
    "gpt-image-1-mini": Published(limits=GPT_IMAGE_1_MINI, prices=_OF_1_MINI, shutdown=_DECEMBER),
    "gpt-image-1.5": Published(limits=GPT_IMAGE_1_5, prices=_OF_1_5, shutdown=_DECEMBER),
    "chatgpt-image-latest": Published(limits=GPT_IMAGE_1_5, prices=_OF_1_5, shutdown=_DECEMBER),
    "gpt-image-2": Published(limits=GPT_IMAGE_2, prices=_OF_2, dated=("gpt-image-2-2026-04-21",)),
    "gpt-image-2.5*": Published(limits=GPT_IMAGE_2_5),
    "gpt-image-2.5-sunburst": Published(
        limits=GPT_IMAGE_2_5, prices=_OF_2_5, dated=("gpt-image-2.5-sunburst-2026-09-08",)
    ),
    "gpt-image-2.5-flare": Published(
        limits=GPT_IMAGE_2_5, prices=_OF_2_5, dated=("gpt-image-2.5-flare-2026-09-08",)
    ),
    "gpt-image-2.6*": Published(limits=GPT_IMAGE_2_5),
    "gpt-image-2.6-sunburst": Published(limits=GPT_IMAGE_2_5, prices=_OF_2_5),
    "gpt-image-2.6-flare": Published(limits=GPT_IMAGE_2_5, prices=_OF_2_5),
    "grok-imagine-image-2.0": Published(prices=_OF_GROK_2),
}
"""The rows by pattern; of several that fit, the most specific holds."""

_NOTHING = Published()


def published_of(model: str) -> Published:
    """
    Return what is published of a model, whatever prefix or date its name has.
    """
    return next((MODELS[pattern] for pattern in reversed(fitting(model, MODELS))), _NOTHING)
