"""Figures of lobes and what they do, at one layer and at all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Panel
from saegeom_data.metrics.brain.lobe_function import map_figure
from saegeom_data.metrics.brain.lobe_function._type_shares import is_technical, shares, winner_shares
from saegeom_data.report import draw, theme
from saegeom_data.results.groups import find_group
from saegeom_data.results.wording import listing


def figures(groups: Sequence[Group]) -> list[Panel]:
    """Lobes of one layer and what they do, on a map of the features if there is one; and the split at every layer."""
    function = find_group(groups, "lobe_function", "winner_share", "lobe", published=None)
    if function is None or "n_lobes" not in function.data.coords:
        return []
    places = find_group(groups, "feature_map", "position", published=None)
    by_layer = [_by_layer(function)] if len(function.rows) > 1 else []
    return [map_figure.panel(groups, function, places), *by_layer]


def _by_layer(function: Group) -> Panel:
    """Winner shares of two lobes at every layer as a heat map, beside Cramer's V."""
    count = int(function.data["n_lobes"].values[0])
    names = [str(name) for name in function.data["document_type"].values]
    technical = [name for name in names if is_technical(name)]
    anchor = listing([name.replace("_", " ") for name in technical]) if technical else names[0].replace("_", " ")
    titles = (
        theme.heading("Blocks won by the lobe of " + theme.safe(anchor, 40)),
        theme.heading(
            "Lobe and document type", ("●", theme.BLUE, "data, 95 % interval"), ("■", theme.NULL, "types shuffled")
        ),
    )
    height = max(380, 170 + 26 * len(names))
    fig = theme.figure(columns=2, titles=titles, height=height, column_widths=[0.55, 0.45], horizontal_spacing=0.11)
    table = _oriented(function, count, technical or names[:1])
    _draw_heat(fig, function, table, names)
    values: list[float | None] = []
    if function.has("cramers_v", "cramers_v_null_mean", "cramers_v_null_sd"):
        mean = [function.value(row, "cramers_v_null_mean", n_lobes=count) for row in function.rows]
        sd = [function.value(row, "cramers_v_null_sd", n_lobes=count) for row in function.rows]
        draw.band(fig, function, *draw.around(mean, sd), theme.NULL, at=(1, 2))
        values = draw.by_row(
            fig,
            function,
            "cramers_v",
            theme.BLUE,
            low="cramers_v_low",
            high="cramers_v_high",
            at=(1, 2),
            where={"n_lobes": count},
        )
    draw.layer_axis(fig, function, row=1, col=1)
    draw.layer_axis(fig, function, row=1, col=2)
    fig.update_yaxes(title_text="Cramér's V", rangemode="tozero", row=1, col=2)
    fig.update_layout(margin_l=190)
    reading = (
        f"Left: for {count} lobes, how much of each document type goes to the lobe that wins most of {anchor}; a clean "
        "split shows dark rows for these and pale rows for all others. Right: how strongly winning lobe and document "
        "type go together, from 0 to 1, beside the same with types shuffled among documents."
    )
    alt = f"Cramér's V of {count} lobes and document types: {draw.spoken(function, values)}."
    return Panel("lobe-types", "brain", "The split at every layer", fig, alt, reading, (function.name,))


def _oriented(function: Group, count: int, anchors: Sequence[str]) -> Any:
    """Shares (types, layers) of the lobe that wins most of the anchor types: lobes are numbered anew at each layer."""
    columns = []
    for row in function.rows:
        found = shares(function, row, count)
        table, names = winner_shares(function, row, count)
        picked = np.nan_to_num(table[:, [names.index(anchor) for anchor in anchors]]).mean(axis=1)
        columns.append(table[found.lobe if found is not None else int(picked.argmax())])
    return np.array(columns).T


def _draw_heat(fig: Any, function: Group, table: Any, names: Sequence[str]) -> None:
    import plotly.graph_objects as go

    # Types of like share lie together, whatever order the store has them in.
    order = np.argsort(np.nan_to_num(table.mean(axis=1)), kind="stable")
    places, _ = draw.along(function)
    values = [theme.plain(table[i]) for i in order]
    fig.add_trace(
        go.Heatmap(
            x=[str(place) for place in places],
            y=[theme.safe(names[i].replace("_", " "), 24) for i in order],
            z=values,
            zmin=0,
            zmax=1,
            colorscale=[[0, "#f4f6f8"], [0.5, "#9db8d6"], [1, "#123a6b"]],
            xgap=2,
            ygap=2,
            showscale=False,
            text=[["" if value is None else f"{100 * value:.0f}" for value in line] for line in values],
            texttemplate="%{text}",
            textfont={"size": 11},
            hovertemplate="%{y}, %{x}: %{z:.1%} of blocks<extra></extra>",
        ),
        row=1,
        col=1,
    )
    fig.update_yaxes(showgrid=False, showline=False, ticklen=6, tickcolor="white", row=1, col=1)
