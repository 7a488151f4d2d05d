"""Small pictures beside short answers: a number over depth, its intervals, and what null models give, as plain SVG."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

from saegeom_data.declare.answer import Series
from saegeom_data.results.wording import number

_WIDTH, _HEIGHT, _MARGIN = 104, 36, 5
# With more rows than that, bars and marks would run into each other.
_MOST_BARS, _MOST_MARKS = 16, 60


def spark(series: Series | None) -> str:
    """Draw a series as an SVG element that takes its colours from the page; empty where it holds no number.

    Rows stand from left to right, filled marks where the claim holds, a grey band for the null models. One row alone is
    a mark on a horizontal line of numbers.

    Examples
    --------
    >>> drawn = spark(Series(("layer 0",), (0.5,), (0.4,), (0.6,), (0.0,), (0.1,), (True,)))
    >>> drawn.startswith('<svg class="spark" role="img" aria-label="0.500 [0.400, 0.600]; null models 0.000 to 0.100"')
    True
    """
    if series is None or not any(value is not None for value in series.values):
        return ""
    marks = _alone(series) if len(series.rows) == 1 else _over_rows(series)
    words = escape(_words(series), quote=True)
    size = f'viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}"'
    return f'<svg class="spark" role="img" aria-label="{words}" {size}><title>{words}</title>{"".join(marks)}</svg>'


def _words(series: Series) -> str:
    """The numbers in words: one with its interval, or the first and last row, and what null models give."""
    known = [(row, value) for row, value in zip(series.rows, series.values, strict=True) if value is not None]
    if len(series.rows) == 1:
        ends = f" [{number(series.low[0])}, {number(series.high[0])}]" if series.low[0] is not None else ""
        said = f"{number(known[0][1])}{ends}"
    else:
        said = ", ".join(f"{row} {number(value)}" for row, value in (known if len(known) <= 12 else _ends(known)))
    nulls = [value for value in (*series.null_low, *series.null_high) if value is not None]
    if not nulls:
        return said
    low, high = number(min(nulls)), number(max(nulls))
    return f"{said}; null models {low}" + (f" to {high}" if low != high else "")


def _ends(known: Sequence[tuple[str, float]]) -> list[tuple[str, float]]:
    """First, lowest, highest and last of many, in their order."""
    chosen = {known[0], known[-1], min(known, key=lambda pair: pair[1]), max(known, key=lambda pair: pair[1])}
    return [pair for pair in known if pair in chosen]


def _over_rows(series: Series) -> list[str]:
    n = len(series.rows)
    x = [_MARGIN + (_WIDTH - 2 * _MARGIN) * place / (n - 1) for place in range(n)]
    low, high = _range(series)

    def y(value: float) -> float:
        return _HEIGHT - _MARGIN - (_HEIGHT - 2 * _MARGIN) * (value - low) / (high - low)

    drawn = _band(series, x, y)
    line = " ".join(f"{x[i]:.1f},{y(value):.1f}" for i, value in enumerate(series.values) if value is not None)
    drawn.append(f'<polyline class="line" points="{line}"/>')
    for i, value in enumerate(series.values):
        if value is None or n > _MOST_MARKS:
            continue
        bottom, top = series.low[i], series.high[i]
        if bottom is not None and top is not None and n <= _MOST_BARS:
            drawn.append(f'<path class="bar" d="M{x[i]:.1f} {y(bottom):.1f}V{y(top):.1f}"/>')
        drawn.append(_mark(x[i], y(value), is_found=series.is_found[i], radius=2.6 if n <= _MOST_BARS else 1.5))
    return drawn


def _alone(series: Series) -> list[str]:
    (value,), (bottom,), (top,) = series.values, series.low, series.high
    low, high = _range(series)
    middle = _HEIGHT / 2

    def x(at: float) -> float:
        return _MARGIN + (_WIDTH - 2 * _MARGIN) * (at - low) / (high - low)

    drawn = [f'<path class="axis" d="M{_MARGIN} {middle}H{_WIDTH - _MARGIN}"/>']
    if series.null_low[0] is not None and series.null_high[0] is not None:
        # A pixel more on either side: a band of no width could not be seen.
        left, right = x(series.null_low[0]), x(series.null_high[0])
        drawn.append(f'<rect class="null" x="{left - 1:.1f}" y="6" width="{right - left + 2:.1f}" height="24"/>')
    if bottom is not None and top is not None:
        drawn.append(f'<path class="bar" d="M{x(bottom):.1f} {middle}H{x(top):.1f}"/>')
    return [*drawn, _mark(x(value or 0.0), middle, is_found=series.is_found[0], radius=3.2)]


def _band(series: Series, x: Sequence[float], y: Callable[[float], float]) -> list[str]:
    """What null models give: an area, and a line where it has no width."""
    ends = list(zip(x, series.null_low, series.null_high, strict=True))
    known = [(at, low, high) for at, low, high in ends if low is not None and high is not None]
    if not known:
        return []
    there = [f"{at:.1f},{y(high):.1f}" for at, _, high in known]
    back = [f"{at:.1f},{y(low):.1f}" for at, low, _ in reversed(known)]
    return [f'<polygon class="null" points="{" ".join([*there, *back])}"/>']


def _mark(x: float, y: float, *, is_found: bool, radius: float) -> str:
    return f'<circle class="{"found" if is_found else "open"}" cx="{x:.1f}" cy="{y:.1f}" r="{radius}"/>'


def _range(series: Series) -> tuple[float, float]:
    """Lowest and highest of all that is drawn, with room where they are one."""
    drawn = (*series.values, *series.low, *series.high, *series.null_low, *series.null_high)
    known = [value for value in drawn if value is not None]
    low, high = min(known), max(known)
    # A range of no width would divide by zero.
    room = 0.0 if high > low else max(abs(high), 1.0)
    return low - room, high + room
