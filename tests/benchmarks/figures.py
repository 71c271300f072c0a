"""
What was measured, what it was to be, and how both are told.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """
    The median of what was measured, with its goal if it has one: at most or at least so much.
    """

    row: str
    what: str
    values: tuple[float, ...]
    unit: str = ""
    at_most: float | None = None
    at_least: float | None = None
    note: str = ""

    @property
    def value(self) -> float:
        """
        Return the median.
        """
        return statistics.median(self.values)

    @property
    def is_met(self) -> bool | None:
        """
        Return whether the goal is met, None where there is none.
        """
        if self.at_most is not None:
            return self.value <= self.at_most
        if self.at_least is not None:
            return self.value >= self.at_least
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """
    What was not measured, and why.
    """

    row: str
    what: str
    reason: str


HEADER = "| row | what | measured | spread | goal | |\n|---|---|---|---|---|---|"
"""The beginning of the table in Markdown that the lines make."""


def line(figure: Figure | Skipped) -> str:
    """
    Return a line of the table.
    """
    if isinstance(figure, Skipped):
        return f"| {figure.row} | {figure.what} | skipped: {figure.reason} | | | |"
    spread = ""
    if len(figure.values) > 1:
        spread = f"{_told(min(figure.values))}–{_told(max(figure.values))}"
    mark = {True: "met", False: "**missed**", None: ""}[figure.is_met]
    measured = f"{_told(figure.value)} {figure.unit}".strip()
    what = f"{figure.what} ({figure.note})" if figure.note else figure.what
    return f"| {figure.row} | {what} | {measured} | {spread} | {_goal(figure)} | {mark} |"


def percentile(values: Sequence[float], share: float) -> float:
    """
    Return the value that so large a share of the values does not exceed.
    """
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _goal(figure: Figure) -> str:
    if figure.at_most is not None:
        return f"≤ {_told(figure.at_most)} {figure.unit}".strip()
    if figure.at_least is not None:
        return f"≥ {_told(figure.at_least)} {figure.unit}".strip()
    return ""


def _told(value: float) -> str:
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
