"""Marks that figures share: values against layers with their intervals, null bands, and labels beside the marks.

One row alone has no depth to be drawn against: its values stand side by side, each with its number, and null bands and
references reach over the whole width.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from saegeom_data.declare.group import Group
from saegeom_data.report import theme
from saegeom_data.results.wording import interval, number

# What marks values of one row, room on either side of them, and ends of what reaches beyond any number of them.
_ALONE = "alone"
_BESIDE = 0.75
# Entries of a legend that fit below a figure, and how many stand for more rows than that.
_MOST_NAMED = 10
_FEW_NAMED = 5
_WIDE = (-10.0, 50.0)


def along(group: Group) -> tuple[list[Any], str]:
    """Places of a group's rows along a horizontal axis, and its title: layers if they are distinct, else names."""
    layers = [group.coordinate(row, "layer") for row in group.rows]
    # Several SAEs of one layer would lie on top of each other.
    if None not in layers and len(set(layers)) == len(layers):
        return layers, "layer"
    return [theme.safe(row) for row in group.rows], "SAE" if group.over == "sae" else "site"


def row_names(group: Group) -> list[str]:
    """Names of a group's rows as a reader says them: ``layer 3``, or the escaped names where layers repeat."""
    places, title = along(group)
    return [f"layer {place}" if title == "layer" else str(place) for place in places]


def row_name(group: Group, row: str) -> str:
    """Name of one row as :func:`row_names` gives it."""
    return row_names(group)[group.places[row]]


def in_legend(group: Group) -> set[str]:
    """Rows that a legend names: all of a few; of many, evenly spaced ones, whose colours tell of those between."""
    if len(group.rows) <= _MOST_NAMED:
        return set(group.rows)
    step = (len(group.rows) - 1) / (_FEW_NAMED - 1)
    return {group.rows[round(place * step)] for place in range(_FEW_NAMED)}


def layer_axis(fig: Any, group: Group, *, row: int = 1, col: int = 1) -> None:
    """Put ticks of a horizontal axis at the layers that exist; called once all is drawn, as one row has no layers."""
    places, title = along(group)
    where = {"row": row, "col": col}
    if is_alone(group):
        last = max(_n_side_by_side(fig, (row, col)) - 1, 0)
        ends = [-_BESIDE, last + _BESIDE]
        fig.update_xaxes(range=ends, tickvals=[], title_text=row_name(group, group.rows[0]), **where)
    elif title == "layer":
        # Ticks at every layer up to 20 of them; plotly thins out the rest by itself.
        ticks = {"tickmode": "array", "tickvals": sorted(places)} if len(places) <= 20 else {}
        fig.update_xaxes(title_text="layer", **ticks, **where)
    else:
        fig.update_xaxes(title_text=title, type="category", **where)


def is_alone(group: Group) -> bool:
    """Whether there is one row only, which leaves no depth to draw against."""
    return len(group.rows) == 1


def _n_side_by_side(fig: Any, at: tuple[int, int]) -> int:
    """How many values of one row stand side by side in a panel."""
    return sum(trace.meta == _ALONE for trace in fig.select_traces(row=at[0], col=at[1]))


def by_row(
    fig: Any,
    group: Group,
    name: str,
    colour: str,
    *,
    low: str = "",
    high: str = "",
    title: str = "",
    at: tuple[int, int] = (1, 1),
    dash: str = "solid",
    symbol: str = "circle",
    units: str = "",
    shift: float = 0.0,
    where: Mapping[str, Any] | None = None,
) -> list[float | None]:
    """Draw one variable against the layers, with its interval as error bars; return its values.

    Parameters
    ----------
    fig
        A figure of :func:`figure`.
    group
        The result to draw from.
    name, low, high
        Variables: value, and ends of its interval if it has one.
    colour, dash, symbol
        How it looks.
    title
        Name of the line in the legend.
    at
        Row and column of the panel, from 1.
    units
        Units to write after the value when a reader points at it.
    shift
        How far to move the marks to the right, so that error bars of several lines do not cover each other.
    where
        Labels of further dimensions to select.
    """
    values, lows, highs = (
        [group.value(row, variable, **(where or {})) if variable else None for row in group.rows]
        for variable in (name, low, high)
    )
    if is_alone(group):
        ends = (values[0], lows[0], highs[0])
        _draw_alone(fig, ends, colour, title=title, dash=dash, symbol=symbol, units=units, at=at)
        return values
    places, axis = along(group)
    numeric = axis == "layer"
    order = sorted(range(len(places)), key=places.__getitem__) if numeric else list(range(len(places)))
    # In percent of the axis, as layers may be one or a hundred apart.
    step = shift * (max(places) - min(places)) / 100 if numeric else 0
    trace = points(
        [places[i] + step if numeric else places[i] for i in order],
        [values[i] for i in order],
        colour,
        low=[lows[i] for i in order],
        high=[highs[i] for i in order],
        symbol=symbol,
        dash=dash,
        title=title,
        lines=numeric,
    )
    names = row_names(group)
    words = [[names[i], interval_text(values[i], lows[i], highs[i], units)] for i in order]
    trace.update(customdata=words, hovertemplate="%{customdata[0]}<br>%{customdata[1]}" + f"<extra>{title}</extra>")
    fig.add_trace(trace, row=at[0], col=at[1])
    return values


def _draw_alone(
    fig: Any,
    ends: tuple[float | None, float | None, float | None],
    colour: str,
    *,
    title: str,
    dash: str,
    symbol: str,
    units: str,
    at: tuple[int, int],
) -> None:
    """Draw the value of one row and its interval beside those that are there; what is dashed reaches over the width."""
    import plotly.graph_objects as go

    value, low, high = ends
    if value is None:
        return
    words = interval_text(value, low, high, units)
    hover = f"{words}<extra>{title}</extra>"
    if dash != "solid":
        line = {"color": colour, "width": 2, "dash": dash}
        legend = {"name": title, "showlegend": bool(title), "legendgroup": title or None}
        fig.add_trace(
            go.Scatter(x=list(_WIDE), y=[value, value], mode="lines", line=line, hovertemplate=hover, **legend),
            row=at[0],
            col=at[1],
        )
        return
    place = _n_side_by_side(fig, at)
    trace = points([place], [value], colour, low=[low], high=[high], symbol=symbol, title=title, lines=False)
    label = {"text": [f"  {number(value)}"], "textposition": "middle right", "textfont": {"color": colour, "size": 12}}
    trace.update(mode="markers+text", meta=_ALONE, hovertemplate=hover, **label)
    fig.add_trace(trace, row=at[0], col=at[1])


def interval_text(value: float | None, low: float | None, high: float | None, units: str = "") -> str:
    """Write a value, its units and its interval."""
    words = number(value) + (f" {units}" if units else "")
    return words if low is None or high is None else f"{words} {interval(low, high)}"


def band(
    fig: Any,
    group: Group,
    low: Sequence[float | None],
    high: Sequence[float | None],
    colour: str,
    *,
    at: tuple[int, int] = (1, 1),
) -> None:
    """Shade the range that a null covers at each layer."""
    if is_alone(group):
        shade(fig, list(_WIDE), [low[0], low[0]], [high[0], high[0]], colour, at=at)
        return
    places, axis = along(group)
    order = sorted(range(len(places)), key=places.__getitem__) if axis == "layer" else range(len(places))
    shade(fig, [places[i] for i in order], [low[i] for i in order], [high[i] for i in order], colour, at=at)


def shade(
    fig: Any,
    x: Sequence[Any],
    low: Sequence[float | None],
    high: Sequence[float | None],
    colour: str,
    *,
    at: tuple[int, int] = (1, 1),
) -> None:
    """Shade between two lines; nothing where an end is missing."""
    import plotly.graph_objects as go

    known = [i for i in range(len(x)) if low[i] is not None and high[i] is not None]
    if not known:
        return
    # One closed outline: plotly fills a trace to itself, while two traces would need each other's order.
    there, back = known, known[::-1]
    fig.add_trace(
        go.Scatter(
            x=[x[i] for i in (*there, *back)],
            y=[*(high[i] for i in there), *(low[i] for i in back)],
            fill="toself",
            mode="lines",
            fillcolor=theme.translucent(colour, 0.22),
            line={"width": 1, "color": theme.translucent(colour, 0.5)},
            hoverinfo="skip",
            showlegend=False,
        ),
        row=at[0],
        col=at[1],
    )


def points(
    x: Sequence[Any],
    y: Sequence[float | None],
    colour: str,
    *,
    low: Sequence[float | None] = (),
    high: Sequence[float | None] = (),
    symbol: str = "circle",
    dash: str = "solid",
    title: str = "",
    lines: bool = True,
) -> Any:
    """Return marks joined by a line, with intervals as error bars where both ends are there."""
    import plotly.graph_objects as go

    error = None
    if any(end is not None for end in low):
        up, down = _reach(y, high), _reach(low, y)
        error = {"type": "data", "array": up, "arrayminus": down, "thickness": 1.6, "width": 4, "color": colour}
    return go.Scatter(
        x=list(x),
        y=list(y),
        error_y=error,
        name=title,
        showlegend=bool(title),
        legendgroup=title or None,
        mode="lines+markers" if lines else "markers",
        line={"color": colour, "width": 2, "dash": dash},
        marker={"color": colour, "size": 8, "symbol": symbol},
    )


def _reach(low: Sequence[float | None], high: Sequence[float | None]) -> list[float | None]:
    """Lengths of error bars; None where an end is not known."""
    ends = zip(low, high, strict=True)
    return [None if start is None or end is None else end - start for start, end in ends]


def around(
    mean: Sequence[float | None],
    deviation: Sequence[float | None],
    times: float = 2.0,
    *,
    bounds: tuple[float | None, float | None] = (None, None),
) -> tuple[list[float | None], list[float | None]]:
    """Ends of the range of some standard deviations about a mean, as far as the values can go."""
    least, most = (-math.inf if bounds[0] is None else bounds[0], math.inf if bounds[1] is None else bounds[1])
    pairs = list(zip(mean, deviation, strict=True))
    low, high = (
        [None if m is None or s is None else min(max(m + side * times * s, least), most) for m, s in pairs]
        for side in (-1, 1)
    )
    return low, high


def spoken(group: Group, values: Sequence[float | None], units: str = "") -> str:
    """Values by layer as a phrase, for readers who cannot see a figure."""
    pairs = [
        f"{name} {number(value)}" for name, value in zip(row_names(group), values, strict=True) if value is not None
    ]
    return ", ".join(pairs) + (f" {units}" if units else "")
