"""
How far colours are apart, by the published examples.
"""

import numpy as np
import pytest
from PIL import Image

from retouchd.pictures.finishing.change import outside_change
from retouchd.pictures.finishing.planes import (
    delta_e_2000,
    extended,
    lab,
    margins,
    resampled,
    worst_block,
)

SHARMA = [
    ((50.0, 2.6772, -79.7751), (50.0, 0.0, -82.7485), 2.0425),
    ((50.0, 3.1571, -77.2803), (50.0, 0.0, -82.7485), 2.8615),
    ((50.0, -1.3802, -84.2814), (50.0, 0.0, -82.7485), 1.0000),
    ((50.0, 0.0, 0.0), (50.0, -1.0, 2.0), 2.3669),
    ((50.0, 2.49, -0.001), (50.0, -2.49, 0.0009), 7.1792),
    ((50.0, 2.49, -0.001), (50.0, -2.49, 0.0011), 7.2195),
    ((50.0, -0.001, 2.49), (50.0, 0.0009, -2.49), 4.8045),
    ((50.0, 2.5, 0.0), (50.0, 0.0, -2.5), 4.3065),
    ((50.0, 2.5, 0.0), (73.0, 25.0, -18.0), 27.1492),
    ((50.0, 2.5, 0.0), (58.0, 24.0, 15.0), 19.4535),
    ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
    ((22.7233, 20.0904, -46.6940), (23.0331, 14.9730, -42.5619), 2.0373),
    ((90.8027, -2.0831, 1.4410), (91.1528, -1.6435, 0.0447), 1.4441),
    ((6.7747, -0.2908, -2.4247), (5.8714, -0.0985, -2.2286), 0.6377),
    ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
]
"""Sharma, Wu and Dalal, "The CIEDE2000 Color-Difference Formula", 2005, table 1."""


@pytest.mark.parametrize(("one", "other", "apart"), SHARMA)
def test_differences_are_those_of_the_published_table(
    one: tuple[float, ...], other: tuple[float, ...], apart: float
) -> None:
    """
    The test data of CIEDE2000 was chosen for what implementations get wrong.
    """
    found = delta_e_2000(np.array([[one]], np.float64), np.array([[other]], np.float64))

    assert found[0, 0] == pytest.approx(apart, abs=2e-4)


def test_lab_of_srgb() -> None:
    image = Image.new("RGB", (3, 1))
    image.putdata([(255, 255, 255), (255, 0, 0), (0, 0, 255)])

    white, red, blue = lab(image)[0]

    assert white == pytest.approx((100, 0, 0), abs=0.05)
    assert red == pytest.approx((53.24, 80.09, 67.20), abs=0.05)
    assert blue == pytest.approx((32.30, 79.19, -107.86), abs=0.05)


def test_the_worst_block_is_where_it_is() -> None:
    """
    A small place that differs stands out, and one that does not count does not.
    """
    values = np.zeros((200, 300), np.float32)
    values[96:128, 160:192] = 10
    values[:40, :40] = 50
    weights = np.ones_like(values)
    weights[:48, :48] = 0

    highest, column, row = worst_block(values, weights)

    assert highest == pytest.approx(10)
    assert (column, row) == (176, 112)


def test_what_is_beyond_a_picture_is_as_wide_as_it_has_to_be_and_no_more() -> None:
    """
    A square result in the middle of a panorama: as much above and below it was 30 times its memory.
    """
    image = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3))
    box = (-40.5, -0.5, 44.5, 4.5)

    across, down = margins(box, image.size)
    found = extended(image, across, down)

    assert (across, down) == (41, 1)
    wanted = np.pad(np.asarray(image), ((1, 1), (41, 41), (0, 0)), mode="edge")
    assert np.array_equal(np.asarray(found), wanted)
    assert resampled(image, box, (85, 5)).size == (85, 5)


def test_a_sliver_that_was_not_to_change_is_a_place_to_look_at_or_none() -> None:
    """
    Of one column between those that are compared there is no mean.
    """
    image = Image.new("RGB", (64, 64))
    outside = np.zeros((64, 64), np.float32)
    outside[:, 7] = 1

    assert outside_change(image, image, outside, (64, 64)) is None
