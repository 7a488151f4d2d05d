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
    # A legend stands below the axis, where nothing is left for it otherwise.
    if any(trace.showlegend for trace in fig.data):
        fig.update_layout(margin_b=92)
    return Panel(anchor, "galaxy", title, fig, " ".join(spoken), " ".join(reading), (group.name,))


def _surrogates_reading(fig: Any) -> str:
    """What bands are, if there are any."""
    if any(trace.fill == "toself" for trace in fig.data):
        return "Shaded bands are surrogates of the same mean and covariance, two standard deviations about their mean."
    return "No surrogates of the same mean and covariance can be drawn here."


def values_of(group: Group, name: str, **where: Any) -> list[Number]:
    """A variable at all rows; ``where`` selects labels of further dimensions."""
    return [group.value(row, name, **where) for row in group.rows]


def said(label: str, group: Group, values: Sequence[Number]) -> list[str]:
    """A sentence of values by layer, for readers who cannot see the figure; none without values."""
    words = draw.spoken(group, values)
    return [f"{label}: {words}."] if words else []


def axes(fig: Any, group: Group, title: str, at: Place) -> None:
    """Name the axes of a plot over layers."""
    fig.update_yaxes(title_text=title, row=at[0], col=at[1])
    draw.layer_axis(fig, group, row=at[0], col=at[1])


def reference(fig: Any, group: Group, name: str, at: Place, **where: Any) -> list[Number]:
    """Draw a dashed line that has no spread."""
    look: dict[str, Any] = {"dash": "dash", "symbol": "line-ew-open", "where": where, "at": at}
    return draw.by_row(fig, group, name, theme.NULL, **look)


def shade_surrogates(
    fig: Any, group: Group, mean: Sequence[Number], sd: Sequence[Number], series: Series, at: Place
) -> None:
    """Shade what surrogates give, about their mean."""
    low, high = draw.around(mean, sd)
    # Lines are drawn of variables of a result: these numbers are made one.
    known = replace(group, data=group.data.assign(surrogates=(group.over, np.array(mean, dtype=float))))
    colour = theme.translucent(series.colour, 0.6)
    draw.by_row(fig, known, "surrogates", colour, dash="dot", symbol="line-ew-open", at=at, shift=series.shift)
    draw.band(fig, group, low, high, series.colour, at=at)


def draw_series(fig: Any, group: Group, series: Sequence[Series], at: Place) -> list[str]:
    """Draw variables over layers, each beside its surrogates."""
    spoken = []
    for drawn in series:
        name, where = drawn.name, drawn.where
        mean = values_of(group, f"{name}_{drawn.null}", null=MATCHED, **where)
        sd = values_of(group, f"{name}_null_sd", null=MATCHED, **where)
        # Before the values, which lie above what is drawn earlier.
        shade_surrogates(fig, group, mean, sd, drawn, at)
        look: dict[str, Any] = {"low": f"{name}_low", "high": f"{name}_high", "symbol": drawn.symbol}
        values = draw.by_row(fig, group, name, drawn.colour, shift=drawn.shift, at=at, where=where, **look)
        spoken += said(drawn.words, group, values) + said("Mean of its surrogates", group, mean)
    return spoken
