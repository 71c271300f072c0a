"""
The size that is asked for where a picture's own shape is to come back.
"""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retouchd.request.limits import Limits, limits_for
from retouchd.request.matching import matching_size
from retouchd.request.sizes import SizeRule, edges_of, size_faults

SIDES = st.integers(1, 20_000)


@pytest.mark.parametrize(
    ("upright", "size"),
    [
        ((6000, 4000), "1584x1056"),
        ((4000, 3000), "1472x1104"),
        ((3840, 2160), "1680x944"),
        ((2000, 6000), "752x2256"),
        ((4000, 4000), "1312x1312"),
        ((12_000, 3000), "2256x752"),
        ((300, 200), "1008x672"),
    ],
)
def test_a_picture_is_asked_for_in_its_own_shape(upright: tuple[int, int], size: str) -> None:
    assert matching_size(upright, limits_for("gpt-image-2").sizes) == size


def test_of_a_list_the_nearest_shape_is_taken() -> None:
    """
    Never the nearest size: the shape is what is seen. Of several squares the largest is meant.
    """
    assert matching_size((6000, 4000), limits_for("gpt-image-1").sizes) == "1536x1024"
    assert matching_size((3024, 4032), limits_for("gpt-image-1").sizes) == "1024x1536"
    assert matching_size((900, 1000), limits_for("gpt-image-1").sizes) == "1024x1024"
    assert matching_size((512, 512), limits_for("dall-e-2").sizes) == "1024x1024"


def test_a_model_without_a_rule_is_asked_for_no_size() -> None:
    assert matching_size((6000, 4000), Limits().sizes) is None


@given(st.tuples(SIDES, SIDES), st.booleans())
def test_what_is_asked_for_is_legal_and_of_that_shape(
    upright: tuple[int, int],
    is_large: bool,  # noqa: FBT001 - hypothesis gives values by their places
) -> None:
    """
    Up to 2.95 : 1 no shape is missed by more than two thirds of a per cent.
    """
    found = matching_size(upright, SizeRule(), is_large=is_large)

    assert found is not None
    assert size_faults(found, SizeRule()) == []
    edges = edges_of(found)
    assert edges is not None
    if max(upright) <= 2.95 * min(upright):
        assert abs(math.log(edges[0] * upright[1] / (edges[1] * upright[0]))) < 0.0125
    most = 3_686_400 if is_large else 1_572_864
    assert edges[0] * edges[1] <= 1.1 * max(most, 655_360)
