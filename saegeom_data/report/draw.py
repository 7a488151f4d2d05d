"""Marks that figures share: values against layers with their intervals, null bands, and labels beside the marks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from saegeom_data.report import theme
from saegeom_data.report.groups import Group
from saegeom_data.report.text import interval, number


def along(group: Group) -> tuple[list[Any], str]:
    """Places of a group's rows along a horizontal axis, and its title: layers if they are distinct, else names."""
    layers = [group.coordinate(row, "layer") for row in group.rows]
    if None not in layers and len(set(layers)) == len(layers):
        return layers, "layer"
    return [theme.safe(row) for row in group.rows], "SAE" if group.over == "sae" else "site"


def row_name(group: Group, row: str) -> str:
    """Name of a row as a reader says it: ``layer 3``, or the escaped name where layers repeat."""
    places, title = along(group)
    place = places[group.rows.index(row)]
    return f"layer {place}" if title == "layer" else str(place)


def layer_axis(fig: Any, group: Group, **where: Any) -> None:
    """Put ticks of a horizontal axis at the layers that exist."""
    places, title = along(group)
    if title == "layer":
        # Ticks at every layer up to 20 of them; plotly thins out the rest by itself.
        ticks = {"tickmode": "array", "tickvals": sorted(places)} if len(places) <= 20 else {}
        fig.update_xaxes(title_text="layer", **ticks, **where)
    else:
        fig.update_xaxes(title_text=title, type="category", **where)


def by_row(
    fig: Any, group: Group, name: str, colour: str, *, low: str = "", high: str = "", title: str = "", at: tuple[int, int] = (1, 1),
    dash: str = "solid", symbol: str = "circle", units: str = "", shift: float = 0.0, where: Mapping[str, Any] | None = None,
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
    import plotly.graph_objects as go

    places, axis = along(group)
    values, lows, highs = (
        [group.value(row, one, **(where or {})) if one else None for row in group.rows] for one in (name, low, high)
    )
    error = None
    if low and high and any(one is not None for one in lows):
        up = [0 if None in (v, h) else h - v for v, h in zip(values, highs, strict=True)]
        down = [0 if None in (v, one) else v - one for v, one in zip(values, lows, strict=True)]
        error = {"type": "data", "array": up, "arrayminus": down, "thickness": 1.6, "width": 4, "color": colour}
    numeric = axis == "layer"
    span = max(places) - min(places) if numeric else 0
    at_layers = [place + shift * span / 100 for place in places] if numeric else places
    spoken = [interval_text(v, one, h, units) for v, one, h in zip(values, lows, highs, strict=True)]
    fig.add_trace(
        go.Scatter(
            x=at_layers, y=values, error_y=error, name=title, showlegend=bool(title), legendgroup=title or None,
            mode="lines+markers" if numeric else "markers", customdata=[[row_name(group, r), s] for r, s in zip(group.rows, spoken, strict=True)],
            line={"color": colour, "width": 2, "dash": dash}, marker={"color": colour, "size": 8, "symbol": symbol},
            hovertemplate="%{customdata[0]}<br>%{customdata[1]}" + f"<extra>{title}</extra>",
        ),
        row=at[0], col=at[1],
    )  # fmt: skip
    return values


def interval_text(value: float | None, low: float | None, high: float | None, units: str = "") -> str:
    """Write a value, its units and its interval."""
    words = number(value) + (f" {units}" if units else "")
    return words if low is None or high is None else f"{words} {interval(low, high)}"


def band(fig: Any, group: Group, low: Sequence[float | None], high: Sequence[float | None], title: str, *, at: tuple[int, int] = (1, 1)) -> None:
    """Shade the range that a null covers at each layer; numbers must stand for every row."""
    import plotly.graph_objects as go

    places, axis = along(group)
    if None in low or None in high or not places:
        return
    if axis == "layer":
        order = sorted(range(len(places)), key=places.__getitem__)
        x = [places[i] for i in order]
        edges = [[values[i] for i in order] for values in (low, high)]
    else:
        x, edges = places, [list(low), list(high)]
    fig.add_trace(
        go.Scatter(
            x=[*x, *x[::-1]], y=[*edges[1], *edges[0][::-1]], fill="toself", fillcolor=theme.NULL_FILL, mode="lines",
            line={"width": 0, "color": theme.NULL}, name=title, hoverinfo="skip", showlegend=bool(title), legendgroup=title,
        ),
        row=at[0], col=at[1],
    )  # fmt: skip


def spoken(group: Group, values: Sequence[float | None], units: str = "") -> str:
    """Values by layer as a phrase, for readers who cannot see a figure."""
    pairs = [f"{row_name(group, row)} {number(value)}" for row, value in zip(group.rows, values, strict=True) if value is not None]
    return ", ".join(pairs) + (f" {units}" if units else "")
