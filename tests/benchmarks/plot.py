"""
A line plot as a small PNG: medians joined, and a thin line from the least to the most that was measured.
"""

import itertools
import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from PIL import Image, ImageDraw, ImageFont

Curve: TypeAlias = Mapping[float, Sequence[float]]
"""What was measured, by what was varied."""

_WIDTH, _HEIGHT = 560, 340
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 16, 34, 44
_SHARP = 2
"""Pixels drawn for one that is told of, each way."""
_COLOURS = ("#0b6e99", "#c2410c", "#4d7c0f", "#7c3aed")
_TOPS = (1.0, 1.2, 1.6, 2.0, 2.4, 3.2, 4.0, 6.0, 8.0, 10.0)
"""Where the vertical axis may end, but for the power of ten: a quarter of each has few digits."""
_INK, _GRID = "#334155", "#e2e8f0"


class Plot:
    """
    A plot of curves by their names, the horizontal axis in equal ratios, the vertical one from zero.
    """

    def __init__(self, title: str, axis: str, curves: Mapping[str, Curve]) -> None:
        self._curves = curves
        self._places = sorted({place for curve in curves.values() for place in curve})
        self._top = _round_up(max(most for curve in curves.values() for most in _most(curve)))
        self._image = Image.new("RGB", (_SHARP * _WIDTH, _SHARP * _HEIGHT), "white")
        self._draw = ImageDraw.Draw(self._image)
        self._font = ImageFont.load_default(11 * _SHARP)
        self._text((_LEFT, 10), title, "lm")
        self._text(((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 10), axis, "mm")
        self._axes()
        for number, (name, curve) in enumerate(curves.items()):
            self._curve(name, curve, _COLOURS[number % len(_COLOURS)], number)

    def save(self, path: Path) -> None:
        """
        Write it as PNG.
        """
        self._image.quantize(64).save(path, optimize=True)

    def _axes(self) -> None:
        for step in range(5):
            value = self._top * step / 4
            (left, y), (right, _) = self._at(self._places[0], value), self._at(self._places[-1], 0)
            self._line([(left, y), (right, y)], _GRID)
            self._text((left - 8, y), f"{value:g}", "rm")
        for place in self._places:
            x, y = self._at(place, 0)
            self._text((x, y + 12), f"{place:g}", "mm")

    def _curve(self, name: str, curve: Curve, colour: str, number: int) -> None:
        points = [self._at(place, statistics.median(curve[place])) for place in sorted(curve)]
        self._line(points, colour, 2)
        for (x, y), place in zip(points, sorted(curve), strict=True):
            spread = [self._at(place, end(curve[place])) for end in (min, max)]
            self._line(spread, colour)
            dot = [_SHARP * each for each in (x - 2.5, y - 2.5, x + 2.5, y + 2.5)]
            self._draw.ellipse(dot, fill=colour)
        self._text((_LEFT + 12, _TOP + 10 + 15 * number), name, "lm", colour)

    def _at(self, place: float, value: float) -> tuple[float, float]:
        """
        Return where on the plot a value stands.
        """
        share = self._places.index(place) / max(1, len(self._places) - 1)
        x = _LEFT + share * (_WIDTH - _LEFT - _RIGHT)
        return x, _HEIGHT - _BOTTOM - value / self._top * (_HEIGHT - _TOP - _BOTTOM)

    def _line(self, points: Sequence[tuple[float, float]], colour: str, width: int = 1) -> None:
        scaled = [_SHARP * each for each in itertools.chain.from_iterable(points)]
        self._draw.line(scaled, fill=colour, width=_SHARP * width)

    def _text(self, at: tuple[float, float], text: str, anchor: str, colour: str = _INK) -> None:
        place = (_SHARP * at[0], _SHARP * at[1])
        self._draw.text(place, text, fill=colour, font=self._font, anchor=anchor)


def _most(curve: Curve) -> list[float]:
    return [max(values) for values in curve.values()]


def _round_up(value: float) -> float:
    """
    Return the next number that four equal steps lead to in few digits.
    """
    unit = 10.0 ** math.floor(math.log10(value or 1))
    return next(
        each * unit for each in (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10) if each * unit >= value
    )
