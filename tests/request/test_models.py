"""
The table of what is published of models: a row for each that there is, one truth for all who ask.
"""

import datetime as dt
from typing import get_args

import pytest
from openai.types import ImageModel

from retouchd.money.pricing import is_priced, prices_for
from retouchd.request.limits import limits_for
from retouchd.request.models import MODELS, READ_ON, published_of
from retouchd.sandbox.models import MODELS as EMBEDDED
from retouchd.sandbox.models import listed

ONLY_GENERATES = {"dall-e-3"}
NAMED = sorted(set(get_args(ImageModel)) - ONLY_GENERATES)


@pytest.mark.parametrize("model", NAMED)
def test_every_model_of_the_official_client_has_its_row(model: str) -> None:
    """
    Its limits; and its price, unless it is gone.
    """
    published = published_of(model)
    is_gone = published.shutdown is not None and published.shutdown < READ_ON

    assert limits_for(model) is published.limits
    assert is_priced(prices_for(model)) or is_gone


def test_a_name_with_a_date_is_one_that_the_official_client_knows() -> None:
    """
    Nobody is told to write a name that is not there.
    """
    dated = {name for row in MODELS.values() for name in row.dated}

    assert dated <= set(NAMED)
    assert {name for name in NAMED if name[-10:-6].isdigit()} == dated


@pytest.mark.parametrize(
    ("model", "day"),
    [
        ("dall-e-2", "2026-05-12"),
        ("openai/gpt-image-1", "2026-10-23"),
        ("gpt-image-1-mini", "2026-12-01"),
        ("gpt-image-1.5", "2026-12-01"),
        ("chatgpt-image-latest", "2026-12-01"),
    ],
)
def test_the_days_of_shutting_down_are_told(model: str, day: str) -> None:
    """
    As the provider announced them.
    """
    assert published_of(model).shutdown == dt.date.fromisoformat(day)


def test_the_embedded_endpoint_tells_the_same() -> None:
    """
    Its list has the days of the table.
    """
    for model in EMBEDDED:
        shutdown = published_of(model.id).shutdown
        assert listed(model).get("shutdown_date") == (shutdown.isoformat() if shutdown else None)


@pytest.mark.parametrize(
    ("model", "key", "is_known"),
    [
        ("gpt-image-2.6-flare", "complexity", True),
        ("gpt-image-2.5-sunburst", "complexity", True),
        ("gpt-image-2", "complexity", False),
        ("gpt-image-1.5", "complexity", False),
        ("gpt-image-2", "safety_identifier", True),
        ("dall-e-2", "safety_identifier", False),
        ("gpt-image-2", "moderation", True),
    ],
)
def test_newer_parameters_have_their_rules(model: str, key: str, *, is_known: bool) -> None:
    """
    Known where the model has them, refused before anything is sent where it does not.
    """
    assert (key not in limits_for(model).forbidden) == is_known
