"""
Counts and durations in words.
"""

import pytest

from retouchd.job.naming import path_below
from retouchd.job.text import counted, exact_length, rough_length


@pytest.mark.parametrize(
    ("count", "told"), [(0, "0 files"), (1, "1 file"), (2, "2 files"), (1200, "1,200 files")]
)
def test_things_are_counted_as_people_do(count: int, told: str) -> None:
    """
    One is singular; thousands are grouped.
    """
    assert counted(count, "file") == told


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, "0 s"), (119, "119 s"), (360, "6 min"), (7200, "2 h"), (200_000, "2 days")],
)
def test_a_length_is_told_as_people_do(seconds: float, told: str) -> None:
    """
    In the largest unit that holds it twice.
    """
    assert exact_length(seconds) == told


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "a minute"),
        (89, "a minute"),
        (720, "12 minutes"),
        (2140, "35 minutes"),
        (7200, "2 hours"),
        (200_000, "2 days"),
    ],
)
def test_an_estimate_is_no_more_exact_than_it_can_be(seconds: float, told: str) -> None:
    """
    Nobody can tell minutes of an hour that is still to come.
    """
    assert rough_length(seconds) == told


@pytest.mark.parametrize(
    ("folder", "name", "path"),
    [("", "cat.png", "cat.png"), ("shoes", "cat.png", "shoes/cat.png"), ("shoes", "", "shoes")],
)
def test_a_folder_that_cannot_be_read_is_named_alone(folder: str, name: str, path: str) -> None:
    """
    It waits without a file: no slash ends its name, in a table or in a text.
    """
    assert path_below(folder, name) == path
