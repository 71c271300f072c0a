"""
The benchmarks still work: each row once, tiny. What they measure is no matter here.
"""

from pathlib import Path

import pytest

from benchmarks.__main__ import ROWS, measure
from benchmarks.figures import Figure, Skipped, line
from benchmarks.scale import SMOKE

pytestmark = pytest.mark.slow(40)

_SAME = {"2mb", "2mb-32", "20mb", "10ms-8", "10ms-32", "8ms-one-8"}
"""Rows that differ from others in their figures alone."""


@pytest.mark.parametrize("row", [row for row in ROWS if row not in _SAME])
def test_a_row_of_the_benchmarks_can_be_measured(row: str, tmp_path: Path) -> None:
    """
    It yields figures, each a line of the table; yardsticks that are not installed are told of.
    """
    figures = list(measure([row], SMOKE, tmp_path))

    assert any(isinstance(each, Figure) for each in figures)
    assert all(line(each).startswith(f"| {row} |") for each in figures)
    assert all(each.reason for each in figures if isinstance(each, Skipped))
