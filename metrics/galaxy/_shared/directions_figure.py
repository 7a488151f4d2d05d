"""What figures of feature directions share: values over layers beside their surrogates, and panels of such plots."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Panel
from saegeom_data.metrics.nulls import spectrum_matched, uniform_sphere
from saegeom_data.report import draw, theme

MATCHED, UNIFORM = spectrum_matched.LABEL, uniform_sphere.LABEL
BAND = "▒"
_MARKS = {"circle": "●", "square": "■", "diamond": "◆"}
Number = float | None
Place = tuple[int, int]


def with_rows(group: Group | None) -> Group | None:
    """The result if it has rows to draw and speak of."""
    return group if group is not None and group.rows else None


@dataclass(frozen=True)
class Plot:
    """One plot of a figure: ``draw`` gives the sentences for readers who cannot see it."""

    title: str
    reading: str
    draw: Callable[[Any, Group, Place], list[str]]


@dataclass(frozen=True)
class Series:
    """A variable over layers beside its surrogates, whose mean and deviation are ``name_null`` and ``name_null_sd``."""

    name: str
    words: str
    key: str
    colour: str = theme.BLUE
    symbol: str = "circle"
    shift: float = 0.0
    where: Mapping[str, Any] = field(default_factory=dict)
    null: str = "null_mean"

    @property
    def heading(self) -> tuple[str, str, str]:
        """Its entry in the key of a plot."""
        return _MARKS[self.symbol], self.colour, self.key


def panel(
    anchor: str, title: str, group: Group, plots: Sequence[Plot], closing: str = "", *, tells_surrogates: bool = True
) -> Panel:
    """Lay out plots of one result side by side.

    Parameters
    ----------
    anchor, title
        Id and heading of the panel.
    group
        The result that is drawn.
    plots
        One or two plots.
    closing
        What to say after the plots' own words.
    tells_surrogates
        Whether to say what the shaded bands are.
    """
    titles = [plot.title for plot in plots]
    fig = theme.figure(columns=len(plots), titles=titles, height=410, horizontal_spacing=0.12)
    spoken, reading = [], []
    for column, plot in enumerate(plots, 1):
        spoken += plot.draw(fig, group, (1, column))
        where = f"{('Left', 'Right')[column - 1]}: " if len(plots) > 1 else ""
        reading.append(f"{where}{plot.reading}" if where else plot.reading[0].upper() + plot.reading[1:])
    reading += [closing] if closing else []
    reading += [_surrogates_reading(fig)] if tells_surrogates else []
    if any(trace.showlegend for trace in fig.data):
        fig.update_layout(margin_b=92)
    return Panel(anchor, "galaxy", title, fig, " ".join(spoken), " ".join(reading), (group.name,))


def _surrogates_reading(fig: Any) -> str:
    """What bands are, if there are any."""
    shaded = [trace for trace in fig.data if trace.fill == "toself"]
    if shaded or any(shape.type == "rect" for shape in fig.layout.shapes):
        return "Shaded bands are surrogates of the same mean and covariance, two standard deviations about their mean."
    return "No surrogates of the same mean and covariance can be drawn here."


def values_of(group: Group, name: str, **where: Any) -> list[Number]:
    """A variable at all rows; ``where`` selects labels of further dimensions."""
    return [group.value(row, name, **where) for row in group.rows]


def said(label: str, group: Group, values: Sequence[Number]) -> list[str]:
    """A sentence of values by layer, for readers who cannot see the figure; none without values."""
    words = draw.spoken(group, values)
    return [f"{label}: {words}."] if words else []


def _is_one_layer(group: Group) -> bool:
    return len(group.rows) == 1 and draw.along(group)[1] == "layer"


def by_row(fig: Any, group: Group, name: str, colour: str, *, shift: float = 0.0, **look: Any) -> list[Number]:
    """As :func:`draw.by_row`, with room between the marks of a single layer, which spans no range to shift by."""
    values = draw.by_row(fig, group, name, colour, shift=shift, **look)
    if _is_one_layer(group):
        # Shifts are in shares of the range of layers, which is 0 here.
        fig.data[-1].x = [fig.data[-1].x[0] + shift / 10]
    return values


def axes(fig: Any, group: Group, title: str, at: Place) -> None:
    """Name the axes of a plot over layers, with room on both sides of a single layer."""
    where = {"row": at[0], "col": at[1]}
    fig.update_yaxes(title_text=title, **where)
    draw.layer_axis(fig, group, **where)
    if _is_one_layer(group):
        layer = draw.along(group)[0][0]
        fig.update_xaxes(range=[layer - 1, layer + 1], **where)


def reference(fig: Any, group: Group, name: str, at: Place, **where: Any) -> list[Number]:
    """Draw a dashed line that has no spread."""
    look: dict[str, Any] = {"dash": "dash", "symbol": "line-ew-open", "where": where, "at": at}
    values = draw.by_row(fig, group, name, theme.NULL, **look)
    if len(values) == 1 and values[0] is not None:
        fig.add_hline(y=values[0], line={"color": theme.NULL, "width": 2, "dash": "dash"}, row=at[0], col=at[1])
    return values


def shade_surrogates(
    fig: Any, group: Group, mean: Sequence[Number], sd: Sequence[Number], series: Series, at: Place
) -> None:
    """Shade what surrogates give, over the whole width where there is one row."""
    low, high = draw.around(mean, sd)
    known = replace(group, data=group.data.assign(surrogates=(group.over, np.array(mean, dtype=float))))
    colour = theme.translucent(series.colour, 0.6)
    by_row(fig, known, "surrogates", colour, dash="dot", symbol="line-ew-open", at=at, shift=series.shift)
    if len(group.rows) > 1:
        draw.band(fig, group, low, high, series.colour, at=at)
    # A band has no area at a single layer, where a rectangle over the whole width takes its place.
    elif low[0] is not None:
        fill = theme.translucent(series.colour, 0.22)
        fig.add_hrect(y0=low[0], y1=high[0], fillcolor=fill, line_width=0, layer="below", row=at[0], col=at[1])


def draw_series(fig: Any, group: Group, series: Sequence[Series], at: Place) -> list[str]:
    """Draw variables over layers, each beside its surrogates."""
    spoken = []
    for drawn in series:
        name, where = drawn.name, drawn.where
        mean = values_of(group, f"{name}_{drawn.null}", null=MATCHED, **where)
        sd = values_of(group, f"{name}_null_sd", null=MATCHED, **where)
        shade_surrogates(fig, group, mean, sd, drawn, at)
        look: dict[str, Any] = {"low": f"{name}_low", "high": f"{name}_high", "symbol": drawn.symbol}
        values = by_row(fig, group, name, drawn.colour, shift=drawn.shift, at=at, where=where, **look)
        spoken += said(drawn.words, group, values) + said("Mean of its surrogates", group, mean)
    return spoken
