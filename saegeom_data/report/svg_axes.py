"""Axes of a figure that is drawn without a browser: from values to places, and ticks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

_PADDING = 0.05
_MOST_TICKS = 6


@dataclass
class Axis:
    """One axis: its values, where it lies in the picture, and what is written along it.

    Attributes
    ----------
    spec
        The axis in plotly's JSON, the template's settings with it.
    start, end
        Places of its ends in pixels, that of the lowest value first; a vertical axis starts below.
    values
        All values that are drawn along it.
    is_banded
        Whether bars or cells lie along it, which reach half a step beyond their values.
    """

    spec: Mapping[str, Any]
    start: float
    end: float
    values: list[Any] = field(default_factory=list)
    is_banded: bool = False

    @cached_property
    def kind(self) -> str:
        """``"log"``, ``"category"`` or ``"linear"``."""
        if self.spec.get("type") in ("log", "category"):
            return str(self.spec["type"])
        return "category" if any(isinstance(value, str) for value in self.values) else "linear"

    @cached_property
    def categories(self) -> list[str]:
        """Labels in the order in which they come."""
        return list(dict.fromkeys(str(value) for value in self.values if value is not None))

    def at(self, value: Any) -> float | None:
        """Place of a value in pixels; None where it has none."""
        number_of = self._number(value)
        if number_of is None:
            return None
        low, high = self.range
        return self.start + (self.end - self.start) * (number_of - low) / (high - low)

    def _number(self, value: Any) -> float | None:
        if value is None:
            return None
        if self.kind == "category":
            return float(self.categories.index(str(value))) if str(value) in self.categories else None
        value = float(value)
        if self.kind == "log":
            return math.log10(value) if value > 0 else None
        return value if math.isfinite(value) else None

    @cached_property
    def range(self) -> tuple[float, float]:
        """Lowest and highest value, as logarithms to base 10 on a logarithmic axis."""
        given = list(self.spec.get("range") or (None, None))
        known = [found for value in self.values if (found := self._number(value)) is not None] or [0.0, 1.0]
        low, high = min(known), max(known)
        if self.kind == "category" or self.is_banded:
            low, high = low - 0.5, high + 0.5
        else:
            # A single value has no range of its own: it takes half its size on either side, and 0 takes one half.
            room = _PADDING * (high - low) or 0.5 * abs(high) or 0.5
            low, high = low - room, high + room
        if self.spec.get("rangemode") == "tozero" and self.kind == "linear":
            low, high = min(low, 0.0) if min(known) < 0 else 0.0, max(high, 0.0)
        low, high = (end if asked is None else float(asked) for end, asked in zip((low, high), given, strict=True))
        return (high, low) if self.spec.get("autorange") == "reversed" else (low, high)

    def ticks(self) -> list[tuple[float, str]]:
        """Places and labels of ticks, those within its range."""
        if self.spec.get("showticklabels") is False or self.spec.get("visible") is False:
            return []
        asked = self.spec.get("tickvals")
        if isinstance(asked, Sequence):
            words = self.spec.get("ticktext") or [_written(value) for value in asked]
            marks = list(zip(asked, words, strict=True))
        elif self.kind == "category":
            marks = [(label, label) for label in self.categories]
        elif self.kind == "log":
            marks = [(value, f"{value:g}") for value in _powers(*sorted(self.range))]
        else:
            words_of = _percent if str(self.spec.get("tickformat", "")).endswith("%") else _written
            marks = [(value, words_of(value)) for value in _even(*sorted(self.range))]
        # One pixel more on either side, as rounding may put the tick of an end beyond it.
        low, high = sorted((self.start, self.end))
        placed = [(self.at(value), str(words)) for value, words in marks]
        return [(place, words) for place, words in placed if place is not None and low - 1 <= place <= high + 1]


def _percent(value: float) -> str:
    return f"{100 * value:.0f}%"


def _written(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:.6g}".replace("-", "−")


def _even(low: float, high: float) -> list[float]:
    """Round numbers from low to high, about five of them.

    Examples
    --------
    >>> _even(0.0, 1.0), _even(-0.71, -0.25)
    ([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], [-0.7, -0.6, -0.5, -0.4, -0.3])
    """
    size = 10 ** math.floor(math.log10((high - low) or 1.0))
    steps = (size * factor for factor in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0))
    step = next((step for step in steps if (high - low) / step <= _MOST_TICKS), size)
    # A tick that rounding puts a hair beyond the end of the axis is still one.
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [float(f"{place * step:.10g}") for place in range(first, last + 1)]


def _powers(low: float, high: float) -> list[float]:
    """Powers of ten between two logarithms; with fewer than two of them also twice and five times these."""
    powers = [10.0**power for power in range(math.floor(low), math.ceil(high) + 1)]
    within = [value for value in powers if low <= math.log10(value) <= high]
    if len(within) > 1:
        return within
    finer = [factor * value for value in powers for factor in (1, 2, 5)]
    return [value for value in finer if low <= math.log10(value) <= high]
