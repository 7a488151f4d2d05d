"""Figure of local dimension, over layers and by the distances that it is estimated from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Panel
from saegeom_data.metrics.galaxy._shared.directions_figure import (
    BAND,
    MATCHED,
    Number,
    Place,
    Plot,
    Series,
    axes,
    draw_series,
    panel,
    with_rows,
)
from saegeom_data.report import draw, theme
from saegeom_data.results.groups import find_group
from saegeom_data.results.wording import number


def measured(groups: Sequence[Group]) -> Group | None:
    """The result that is drawn and spoken of."""
    return with_rows(find_group(groups, "intrinsic_dimension", "two_nn", "two_nn_null_mean", "two_nn_p"))


def figures(groups: Sequence[Group]) -> list[Panel]:
    """Local dimension over layers, and by scale."""
    group = measured(groups)
    if group is None:
        return []
    plots = [_dimension(group), *_scales(group)]
    closing = "Bars are 95 percent intervals of sampling error, without the bias of the estimators."
    return [panel("dimension", "How many dimensions has the cloud locally?", group, plots, closing)]


def most_neighbours(group: Group) -> int | None:
    """The largest number of neighbours that dimension is estimated from by maximum likelihood."""
    return int(max(group.data["k"].values)) if group.has("maximum_likelihood", "k") and group.data["k"].size else None


def _dimension_series(group: Group) -> list[Series]:
    # Moved apart by the shifts, so that the two markers of a layer do not cover each other.
    found = [Series("two_nn", "Dimension by TwoNN", "TwoNN", shift=-0.6)]
    k = most_neighbours(group)
    if k is not None:
        words, key = "Dimension by maximum likelihood", f"maximum likelihood, {k} neighbours"
        found.append(Series("maximum_likelihood", words, key, theme.ORANGE, "square", 0.6, {"k": k}))
    return found


def _dimension(group: Group) -> Plot:
    keys = [series.heading for series in _dimension_series(group)]
    reading = (
        "dimension of the cloud around a feature. Below its band, it is lower than covariance explains, as in clusters "
        "and curves; above about 20, all estimates are too low, those of surrogates too."
    )
    title = theme.heading("Local dimension", *keys, (BAND, theme.NULL, "surrogates"))
    return Plot(title, reading, _draw_dimension)


def _draw_dimension(fig: Any, group: Group, at: Place) -> list[str]:
    spoken = draw_series(fig, group, _dimension_series(group), at)
    axes(fig, group, "dimension", at)
    return spoken


def _scales(group: Group) -> list[Plot]:
    if not group.has("dimension_by_scale", "scale"):
        return []
    reading = "the same from the distances to neighbours s and 2 s, from near to far; means of surrogates are dotted."
    title = theme.heading("Dimension by scale", ("—", theme.INK, "data"), ("···", theme.INK, "surrogates"))
    return [Plot(title, reading, _draw_scales)]


def _draw_scales(fig: Any, group: Group, at: Place) -> list[str]:
    where = {"row": at[0], "col": at[1]}
    scales = [int(scale) for scale in group.data["scale"].values]
    spoken = []
    colours = theme.sequence(len(group.rows))
    for row, name, colour in zip(group.rows, draw.row_names(group), colours, strict=True):
        values = [group.value(row, "dimension_by_scale", scale=scale) for scale in scales]
        for trace in _scale_traces(group, row, colour, scales, values):
            fig.add_trace(trace, **where)
        known = [(scale, value) for scale, value in zip(scales, values, strict=True) if value is not None]
        # A single scale is both ends, and is told once.
        ends = [f"{number(value, 1)} at neighbour {scale}" for scale, value in dict.fromkeys((*known[:1], *known[-1:]))]
        spoken += [f"{name} {' and '.join(ends)}"] if ends else []
    # A log axis of its own would name powers of ten, where scales are powers of two.
    fig.update_xaxes(type="log", title_text="neighbour s (and 2 s)", tickvals=scales, ticktext=scales, **where)
    fig.update_yaxes(title_text="dimension", **where)
    return [f"Dimension by scale: {'; '.join(spoken)}."] if spoken else []


def _scale_traces(
    group: Group, row: str, colour: str, scales: Sequence[int], values: Sequence[Number]
) -> tuple[Any, Any]:
    """Lines of the data and of surrogates of one row."""
    low, high, null = (
        [group.value(row, f"dimension_by_scale_{end}", scale=scale, null=MATCHED) for scale in scales]
        for end in ("low", "high", "null_mean")
    )
    name = draw.row_name(group, row)
    line = draw.points(scales, values, colour, title=name)
    line.update(customdata=[draw.interval_text(*ends) for ends in zip(values, low, high, strict=True)], marker_size=6)
    line.update(showlegend=row in draw.in_legend(group))
    line.update(hovertemplate="neighbour %{x} and twice that<br>%{customdata}<extra>%{fullData.name}</extra>")
    dotted = draw.points(scales, null, colour, dash="dot")
    dotted.update(mode="lines", line_width=1.4, legendgroup=name, hoverinfo="skip")
    return dotted, line
