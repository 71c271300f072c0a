from dataclasses import fields, replace
from typing import Any

import pytest

from retouchd.request import models as models_module
from retouchd.request.limits import Limits, limits_for, override_problems
from retouchd.request.overrides import READERS
from retouchd.request.sizes import SizeRule

MB = 2**20


@pytest.mark.parametrize(
    ("model", "row"),
    [
        ("dall-e-2", "DALL_E_2"),
        ("gpt-image-1", "GPT_IMAGE_1"),
        ("gpt-image-1-2025-04-15", "GPT_IMAGE_1"),
        ("gpt-image-1-mini", "GPT_IMAGE_1_MINI"),
        ("gpt-image-1.5", "GPT_IMAGE_1_5"),
        ("chatgpt-image-latest", "GPT_IMAGE_1_5"),
        ("gpt-image-2", "GPT_IMAGE_2"),
        ("gpt-image-2-2026-04-21", "GPT_IMAGE_2"),
        ("openai/gpt-image-2", "GPT_IMAGE_2"),
        ("azure/openai/gpt-image-2-2026-04-21", "GPT_IMAGE_2"),
        ("GPT-Image-2", "GPT_IMAGE_2"),
        ("gpt-image-2.5-sunburst", "GPT_IMAGE_2_5"),
        ("gpt-image-2.5-flare-2026-09-08", "GPT_IMAGE_2_5"),
        ("gpt-image-2.6-flare", "GPT_IMAGE_2_5"),
    ],
)
def test_published_models_have_their_rules(model: str, row: str) -> None:
    """
    A prefix, a version's date or capitals do not hide the rules of a published model.
    """
    assert limits_for(model) is getattr(models_module, row)


@pytest.mark.parametrize(
    "model", ["gpt-image-3", "gpt-image-2-all", "gpt-image-2-4k", "flux", "", "my/own-model"]
)
def test_other_models_have_no_rules(model: str) -> None:
    """
    A model that nothing is published about is given no rule at all.
    """
    assert limits_for(model) == Limits()


def test_relay_page_holds() -> None:
    """
    Every limit of the relay's page is in the table.
    """
    old, new = limits_for("dall-e-2"), limits_for("gpt-image-1")

    assert (old.formats, old.max_images, old.square) == (("png",), 1, True)
    assert (old.max_image_bytes, old.max_mask_bytes, old.max_prompt_chars) == (
        4 * MB,
        4 * MB,
        1_000,
    )
    assert old.sizes == ("256x256", "512x512", "1024x1024")
    assert (old.values["quality"], old.max_n) == (("standard",), 10)
    assert "response_format" not in old.forbidden
    assert (new.max_image_bytes, new.max_mask_bytes, new.max_prompt_chars) == (
        25 * MB,
        4 * MB,
        32_000,
    )
    assert set(new.formats) == {"png", "webp", "jpeg"}
    assert new.sizes == ("auto", "1024x1024", "1536x1024", "1024x1536")
    assert set(new.values["quality"]) == {"high", "medium", "low", "auto"}
    assert "response_format" in new.forbidden


def test_overrides_are_laid_on_key_by_key() -> None:
    """
    What the configuration does not name stays as published; values and ranges join by parameter.
    """
    found = limits_for(
        "gpt-image-2",
        {
            "gpt-image-2": {
                "max_image_bytes": 1_500_000,
                "max_n": 0,
                "formats": ["PNG"],
                "values": {"quality": ["low"]},
                "ranges": {"seed": [0, 9]},
                "forbidden": [],
            }
        },
    )

    assert found == replace(
        models_module.GPT_IMAGE_2,
        max_image_bytes=1_500_000,
        max_n=None,
        formats=("png",),
        values={**models_module.GPT_IMAGE_2.values, "quality": ("low",)},
        ranges={"output_compression": (0, 100), "seed": (0, 9)},
        forbidden={},
    )


def test_more_specific_override_wins() -> None:
    """
    A pattern for one model is laid over a pattern for many, however they are ordered.
    """
    overrides = {
        "gpt-image-2": {"max_n": 1},
        "*": {"max_n": 3, "square": True},
        "gpt-*": {"max_n": 2},
    }

    assert limits_for("openai/gpt-image-2-2026-04-21", overrides).max_n == 1
    assert limits_for("gpt-image-2", overrides).square
    assert limits_for("gpt-image-1", overrides).max_n == 2
    assert limits_for("flux", overrides) == Limits(max_n=3, square=True)


def test_sizes_may_be_a_list_or_a_rule() -> None:
    """
    The sizes of a model can be set as a list, as a rule, or lifted.
    """

    def sizes(value: object) -> object:
        return limits_for("gpt-image-2", {"*": {"sizes": value}}).sizes

    assert sizes(["auto", "512x512"]) == ("auto", "512x512")
    assert sizes({"multiple": 8, "max_ratio": 2.5}) == SizeRule(multiple=8, max_ratio=2.5)
    assert sizes([]) == ()


def test_forbidden_may_say_why() -> None:
    """
    A forbidden parameter carries the operator's reason, or that the configuration forbids it.
    """

    def forbidden(value: object) -> object:
        return limits_for("flux", {"flux": {"forbidden": value}}).forbidden

    assert forbidden({"n": "one is enough"}) == {"n": "one is enough"}
    assert forbidden(["n"]) == {"n": "the configuration forbids it"}


def test_unknown_key_is_reported_with_the_nearest() -> None:
    """
    A mistyped key is named, together with the key that was probably meant, and has no effect.
    """
    overrides = {"gpt-image-2": {"max_image_byte": 5}}

    assert override_problems(overrides) == [
        'limits."gpt-image-2".max_image_byte is not a known key; the nearest is max_image_bytes.'
    ]
    assert limits_for("gpt-image-2", overrides) == models_module.GPT_IMAGE_2


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("max_n", "ten", "whole number"),
        ("max_n", -1, "whole number"),
        ("max_n", True, "whole number"),
        ("max_n", 1.5, "whole number"),
        ("square", 1, "true or false"),
        ("formats", "png", "must be a list"),
        ("formats", [1], "must be a list"),
        ("sizes", ["big"], "must hold sizes"),
        ("sizes", "auto", "must be a list"),
        ("sizes", {"step": 16}, "may hold only"),
        ("sizes", {"multiple": 0}, "above 0"),
        ("sizes", {"multiple": "16"}, "above 0"),
        ("sizes", {"multiple": 1.5}, "whole numbers"),
        ("values", ["low"], "must be a table"),
        ("values", {"quality": "low"}, "must be a list"),
        ("ranges", {"n": [1]}, "must be a table"),
        ("ranges", {"n": [1, "2"]}, "must be a table"),
        ("ranges", [1, 2], "must be a table"),
        ("forbidden", "n", "must be a list"),
        ("forbidden", {"n": 1}, "must be a list"),
    ],
)
def test_faulty_value_is_reported_and_has_no_effect(key: str, value: Any, words: str) -> None:
    """
    A value of the wrong kind is one sentence that names its key, and the published rule stays.
    """
    overrides = {"gpt-image-2": {key: value}}

    problems = override_problems(overrides)

    assert len(problems) == 1
    assert problems[0].startswith(f'limits."gpt-image-2".{key} ')
    assert words in problems[0]
    assert limits_for("gpt-image-2", overrides) == models_module.GPT_IMAGE_2


def test_all_faults_of_the_overrides_are_told_at_once() -> None:
    """
    Every faulty key under every pattern has its sentence; sound ones have none.
    """
    overrides: dict[str, dict[str, Any]] = {
        "a*": {"max_n": "x", "square": True},
        "b": {"nonsense": 1, "max_images": 0},
    }

    assert len(override_problems(overrides)) == 2


def test_every_limit_can_be_set() -> None:
    """
    The keys of the configuration are exactly the limits that a model has.
    """
    assert set(READERS) == {each.name for each in fields(Limits)} - {"interface"}
