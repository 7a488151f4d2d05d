"""Figure of spectra and their slopes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Panel
from saegeom_data.metrics.nulls import families_turned, marchenko_pastur
from saegeom_data.report import draw, theme
from saegeom_data.results.groups import find_group

_MOST_RANKS = 220
# How each null is drawn among the slopes.
_NULLS = ((marchenko_pastur.LABEL, "dash", "line-ew-open"), (families_turned.LABEL, "dot", "circle-open"))


def figures(groups: Sequence[Group]) -> list[Panel]:
    """Spectra and slopes of the first result that has both."""
    group = find_group(groups, "eigenvalue_slope", "eigenvalue", "slope")
    return [_spectra(group)] if group is not None else []


def _spectra(group: Group) -> Panel:
    titles = (
        theme.heading("Spectra", ("╌", theme.NULL, "isotropic rows"), ("···", theme.INK, "power law")),
        theme.heading("Slopes", ("●", theme.BLUE, "data, 95 % interval"), ("╌", theme.NULL, "isotropic rows")),
    )
    fig = theme.figure(columns=2, titles=titles, height=450, column_widths=[0.57, 0.43], horizontal_spacing=0.11)
    colours = theme.sequence(len(group.rows))
    window = (group.parameters.get("first_rank", 1), group.parameters.get("last_rank", 1))
    for row, colour in zip(group.rows, colours, strict=True):
        _draw_spectrum(fig, group, row, colour, window)
    _draw_null_spectrum(fig, group)
    fig.add_vrect(x0=window[0], x1=window[1], fillcolor="#f1f3f5", line_width=0, layer="below", row=1, col=1)
    fig.update_xaxes(type="log", title_text="rank of the eigenvalue", dtick=1, row=1, col=1)
    floor = min((_floor(group, row) for row in group.rows), default=0.01)
    fig.update_yaxes(
        type="log", title_text="eigenvalue / mean eigenvalue", dtick=1, exponentformat="none", row=1, col=1
    )
    fig.update_yaxes(range=[np.log10(floor), None], row=1, col=1)
    slopes = draw.by_row(fig, group, "slope", theme.BLUE, low="slope_low", high="slope_high", at=(1, 2))
    nulls = {
        label: draw.by_row(
            fig, group, "slope_null", theme.NULL, dash=dash, symbol=symbol, at=(1, 2), where={"null": label}
        )
        for label, dash, symbol in _NULLS
    }
    draw.layer_axis(fig, group, row=1, col=2)
    fig.update_yaxes(title_text="slope (lower is steeper)", row=1, col=2)
    fig.update_layout(margin_b=92)
    alt = (
        f"Slope of the spectrum: {draw.spoken(group, slopes)}; isotropic rows of equal norms: "
        f"{draw.spoken(group, nulls[marchenko_pastur.LABEL])}; with the norms and families of the data: "
        f"{draw.spoken(group, nulls[families_turned.LABEL])}."
    )
    reading = (
        "Left: how much the cloud is spread along its widest direction, its second widest and so on; dotted lines are "
        f"power laws fitted to ranks {window[0]} to {window[1]} (shaded), and the dashed grey line is what directions "
        "drawn at random would give. Right: the fitted slopes, and those of directions at random with equal norms "
        "(dashed) and with the norms and families of the data (dotted); a layer differs from them where its bar stays "
        "clear of both."
    )
    return Panel("spectra", "galaxy", "Spectrum of the feature cloud", fig, alt, reading, (group.name,))


def _draw_spectrum(fig: Any, group: Group, row: str, colour: str, window: tuple[int, int]) -> None:
    import plotly.graph_objects as go

    ranks, values = _normalised(group, row, "eigenvalue")
    name = draw.row_name(group, row)
    few = _log_spaced(ranks)
    fig.add_trace(
        go.Scatter(
            x=ranks[few],
            y=values[few],
            mode="lines",
            line={"color": colour, "width": 1.8},
            name=name,
            legendgroup=name,
            showlegend=row in draw.in_legend(group),
            hovertemplate="rank %{x}: %{y:.3g}<extra>%{fullData.name}</extra>",
        ),
        row=1,
        col=1,
    )
    inside = (ranks >= window[0]) & (ranks <= window[1])
    slope = group.value(row, "slope")
    if slope is None or not inside.any():
        return
    # The line of least squares passes through the mean of the window, which gives its level.
    level = np.mean(np.log10(values[inside]) - slope * np.log10(ranks[inside]))
    ends = np.array([window[0] * 0.72, window[1] * 1.3])
    fig.add_trace(
        go.Scatter(
            x=ends,
            y=10 ** (level + slope * np.log10(ends)),
            mode="lines",
            legendgroup=name,
            showlegend=False,
            line={"color": theme.INK, "width": 1, "dash": "dot"},
            hoverinfo="skip",
        ),
        row=1,
        col=1,
    )


def _draw_null_spectrum(fig: Any, group: Group) -> None:
    """One grey line: that of equal norms depends on the shape only, so layers of equal width share it."""
    import plotly.graph_objects as go

    if not group.has("eigenvalue_null"):
        return
    ranks, values = _normalised(group, group.rows[0], "eigenvalue_null")
    few = _log_spaced(ranks)
    fig.add_trace(
        go.Scatter(
            x=ranks[few],
            y=values[few],
            mode="lines",
            name="isotropic rows",
            hoverinfo="skip",
            showlegend=False,
            line={"color": theme.NULL, "width": 2.4, "dash": "dash"},
        ),
        row=1,
        col=1,
    )


def _normalised(group: Group, row: str, name: str) -> tuple[Any, Any]:
    """Ranks and positive eigenvalues over their mean."""
    data = group.data[name].isel({group.over: group.rows.index(row)})
    data = data.sel(null=marchenko_pastur.LABEL) if "null" in data.dims else data
    values = np.asarray(data.values, dtype=float)
    ranks = np.arange(1, len(values) + 1)
    # Directions without variance have no place on a logarithmic axis.
    kept = np.isfinite(values) & (values > 1e-9 * np.nanmax(values, initial=0))
    mean = values[kept].sum() / max(kept.sum(), 1)
    return ranks[kept], values[kept] / mean


def _floor(group: Group, row: str) -> float:
    """Lower end of the axis: the last few eigenvalues fall to nothing and would take up most of it."""
    _, values = _normalised(group, row, "eigenvalue")
    return float(values[int(0.97 * len(values))]) * 0.8 if len(values) else 0.1


def _log_spaced(ranks: Any) -> Any:
    # On a logarithmic axis thousands of the last ranks would share a few pixels and make the page large.
    places = np.geomspace(1, len(ranks), min(_MOST_RANKS, len(ranks))) if len(ranks) else np.array([])
    return np.unique(places.astype(int)) - 1
