"""Figures of the brain scale: maps of lobes, what the lobes do, and how far they are places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from saegeom_data.report import brain_agreement, draw, theme
from saegeom_data.report.groups import Group, find_group
from saegeom_data.report.parts import Panel
from saegeom_data.report.text import listing
from saegeom_data.report.types import is_technical, shares, winner_shares

_MOST_POINTS = 4000
_MOST_LOBES = 4


def panels(groups: Sequence[Group]) -> list[Panel]:
    """Figures for the groups that are there."""
    function = find_group(groups, "lobe_function", "winner_share", "lobe", published=None)
    if function is None or "n_lobes" not in function.data.coords:
        return brain_agreement.panels(groups)
    places = find_group(groups, "feature_map", "position", published=None)
    by_layer = [_by_layer(function)] if len(function.rows) > 1 else []
    return [_maps(groups, function, places), *by_layer, *brain_agreement.panels(groups)]


def _maps(groups: Sequence[Group], function: Group, places: Group | None) -> Panel:
    """Maps coloured by lobe above the shares of document types that each lobe wins."""
    shared = [row for row in function.rows if places is not None and row in places.rows]
    row = shared[len(shared) // 2] if shared else function.rows[len(function.rows) // 2]
    counts = [int(count) for count in function.data["n_lobes"].values if count <= _MOST_LOBES][:2]
    counts = counts or [int(function.data["n_lobes"].values[0])]
    has_map = bool(shared) and places is not None
    titles = [_lobe_heading(function, row, count) for count in counts]
    n_types = function.data.sizes["document_type"]
    map_height, bar_height = 420 * has_map, 50 + 30 * n_types
    fig = theme.figure(
        rows=1 + has_map, columns=len(counts), titles=titles, height=map_height + bar_height + 150, horizontal_spacing=0.06,
        vertical_spacing=0.07, row_heights=[map_height, bar_height] if has_map else None, shared_yaxes="rows" if len(counts) > 1 else False,
    )  # fmt: skip
    for column, count in enumerate(counts, start=1):
        if has_map and places is not None:
            _draw_map(fig, function, places, row, count, column)
        _draw_bars(fig, function, row, count, (1 + has_map, column))
    fig.update_layout(barmode="stack", margin_l=190)
    name = draw.row_name(function, row)
    reading = (
        f"{'Top: every feature of ' + name + ' at its place on a flat map (t-SNE keeps neighbours together; distances mean little), coloured by its lobe. Bottom: ' if has_map else 'Bars: '}"
        f"the share of text blocks of each document type in which a lobe is on most beyond its usual rate, on documents that did not serve to find the lobes. A lobe "
        "stands for a document type where it fills that type's bar."
    )
    uses = [function.name, *([places.name] if places is not None else []), *(group.name for group in groups if group.metric == "lobes")]
    return Panel("lobes", "brain", f"Lobes of {name} and what they do", fig, _alt(function, row, counts), reading, tuple(uses))


def _lobe_heading(function: Group, row: str, count: int) -> str:
    sizes = [int((_lobe(function, row, count) == lobe).sum()) for lobe in range(count)]
    colours = _colours(function, row, count)
    keys = [("●", colour, f"lobe {lobe + 1} (n = {size})") for lobe, (size, colour) in enumerate(zip(sizes, colours, strict=True))]
    return theme.heading(f"{count} lobes", *keys)


def _colours(function: Group, row: str, count: int) -> list[str]:
    """A colour for each lobe, such that lobes of different counts that share most features share their colour."""
    from scipy.optimize import linear_sum_assignment

    fewest = int(function.data["n_lobes"].values[0])
    order = list(range(fewest))
    found = shares(function, row, fewest)
    if found is not None:
        # Code and mathematics are always drawn in the second colour.
        order[1], order[found.lobe] = order[found.lobe], order[1]
    first = np.argsort(order)[np.maximum(_lobe(function, row, fewest), 0)]
    lobe = _lobe(function, row, count)
    overlap = np.array([[((lobe == one) & (first == other)).sum() for other in range(max(count, fewest))] for one in range(count)])
    _, colour = linear_sum_assignment(-overlap)
    return [theme.CATEGORIES[int(i) % len(theme.CATEGORIES)] for i in colour]


def _lobe(function: Group, row: str, count: int) -> Any:
    return function.data["lobe"].isel({function.over: function.rows.index(row)}).sel(n_lobes=count).values


def _draw_map(fig: Any, function: Group, places: Group, row: str, count: int, column: int) -> None:
    import plotly.graph_objects as go

    position = places.data["position"].isel({places.over: places.rows.index(row)}).transpose("features", "axis").values
    lobe = _lobe(function, row, count)
    n = min(len(position), len(lobe))
    # A fixed seed, so that a report is the same whenever it is written.
    few = np.sort(np.random.default_rng(0).permutation(n)[:_MOST_POINTS])
    few = few[np.isfinite(position[few]).all(axis=1)]
    colours = _colours(function, row, count)
    for one in range(-1, count):
        members = few[lobe[few] == one]
        colour = colours[one] if one >= 0 else "#c9d0d6"
        name = f"lobe {one + 1}" if one >= 0 else "no lobe"
        fig.add_trace(
            go.Scatter(
                x=theme.plain(position[members, 0]), y=theme.plain(position[members, 1]), mode="markers", showlegend=False, name=name,
                customdata=members.tolist(), hovertemplate="feature %{customdata}<extra>%{fullData.name}</extra>",
                marker={"color": colour, "size": 4.5, "opacity": 0.62, "line": {"width": 0}},
            ),
            row=1, col=column,
        )  # fmt: skip
    bare = {"showticklabels": False, "ticks": "", "showgrid": False, "showline": False, "title_text": ""}
    fig.update_xaxes(row=1, col=column, **bare)
    fig.update_yaxes(row=1, col=column, **bare)


def _draw_bars(fig: Any, function: Group, row: str, count: int, at: tuple[int, int]) -> None:
    import plotly.graph_objects as go

    first = int(function.data["n_lobes"].values[0])
    order = _type_order(function, row, first)
    table, names = winner_shares(function, row, count)
    labels = [_type_label(function, row, names[i], i) for i in order]
    colours = _colours(function, row, count)
    for lobe in range(count):
        values = theme.plain(table[lobe, order])
        fig.add_trace(
            go.Bar(
                x=values, y=labels, orientation="h", showlegend=False, name=f"lobe {lobe + 1}", marker={"color": colours[lobe]},
                text=[f"{value:.0%}" if value is not None and value >= 0.12 else "" for value in values], textposition="inside",
                insidetextanchor="middle", textangle=0, insidetextfont={"color": "white", "size": 11},
                hovertemplate="%{y}<br>%{x:.1%} of blocks<extra>%{fullData.name}</extra>",
            ),
            row=at[0], col=at[1],
        )  # fmt: skip
    fig.update_xaxes(title_text="share of blocks won", tickformat=".0%", range=[0, 1], row=at[0], col=at[1])
    fig.update_yaxes(showgrid=False, showline=False, ticklen=6, tickcolor="white", row=at[0], col=at[1])


def _type_label(function: Group, row: str, name: str, index: int) -> str:
    words = theme.safe(name.replace("_", " "), 24)
    if not function.has("n_blocks_measured"):
        return words
    n = int(function.data["n_blocks_measured"].isel({function.over: function.rows.index(row)}).values[index])
    return f"{words} <span style='color:{theme.MUTED}'>n = {n}</span>"


def _type_order(function: Group, row: str, count: int) -> list[int]:
    """Types by how much of them one lobe wins, so that types of one lobe stand together."""
    table, _ = winner_shares(function, row, count)
    found = shares(function, row, count)
    lobe = table[found.lobe] if found is not None else -table[0]
    return [int(i) for i in np.argsort(lobe, kind="stable") if np.isfinite(lobe[i])]


def _alt(function: Group, row: str, counts: Sequence[int]) -> str:
    sentences = []
    for count in counts:
        table, names = winner_shares(function, row, count)
        kept = [i for i in range(len(names)) if np.isfinite(table[:, i]).all()]
        won = [f"{names[i]} lobe {int(table[:, i].argmax()) + 1} ({table[:, i].max():.0%})" for i in kept]
        sentences.append(f"With {count} lobes, blocks are mostly won by: {', '.join(won)}.")
    return " ".join(sentences)


def _by_layer(function: Group) -> Panel:
    """Winner shares of two lobes at every layer as a heat map, beside Cramer's V."""
    count = int(function.data["n_lobes"].values[0])
    names = [str(name) for name in function.data["document_type"].values]
    technical = [name for name in names if is_technical(name)]
    anchor = listing([name.replace("_", " ") for name in technical]) if technical else names[0].replace("_", " ")
    titles = (
        theme.heading("Blocks won by the lobe of " + theme.safe(anchor, 40)),
        theme.heading("Lobe and document type", ("●", theme.BLUE, "data, 95 % interval"), ("■", theme.NULL, "types shuffled")),
    )
    height = max(380, 170 + 26 * len(names))
    fig = theme.figure(columns=2, titles=titles, height=height, column_widths=[0.55, 0.45], horizontal_spacing=0.11)
    table = _oriented(function, count, technical or names[:1])
    _draw_heat(fig, function, table, names)
    values: list[float | None] = []
    if function.has("cramers_v", "cramers_v_null_mean", "cramers_v_null_sd"):
        ends = [[_null_end(function, row, count, side) for row in function.rows] for side in (-2, 2)]
        draw.band(fig, function, ends[0], ends[1], theme.NULL, at=(1, 2))
        values = draw.by_row(fig, function, "cramers_v", theme.BLUE, low="cramers_v_low", high="cramers_v_high", at=(1, 2), where={"n_lobes": count})
    draw.layer_axis(fig, function, row=1, col=1)
    draw.layer_axis(fig, function, row=1, col=2)
    fig.update_yaxes(title_text="Cramér's V", rangemode="tozero", row=1, col=2)
    fig.update_layout(margin_l=190)
    reading = (
        f"Left: for {count} lobes, how much of each document type goes to the lobe that wins most of {anchor}; a clean split shows dark rows for these and pale rows for all others. "
        "Right: how strongly winning lobe and document type go together, from 0 to 1, beside the same with types shuffled among documents."
    )
    alt = f"Cramér's V of {count} lobes and document types: {draw.spoken(function, values)}."
    return Panel("lobe-types", "brain", "The split at every layer", fig, alt, reading, (function.name,))


def _null_end(function: Group, row: str, count: int, side: int) -> float | None:
    mean = function.value(row, "cramers_v_null_mean", n_lobes=count)
    sd = function.value(row, "cramers_v_null_sd", n_lobes=count)
    return None if mean is None or sd is None else max(0.0, mean + side * sd)


def _oriented(function: Group, count: int, anchors: Sequence[str]) -> Any:
    """Shares (types, layers) of the lobe that wins most of the anchor types: lobes are numbered anew at each layer."""
    columns = []
    for row in function.rows:
        found = shares(function, row, count)
        table, names = winner_shares(function, row, count)
        picked = np.nan_to_num(table[:, [names.index(one) for one in anchors]]).mean(axis=1)
        columns.append(table[found.lobe if found is not None else int(picked.argmax())])
    return np.array(columns).T


def _draw_heat(fig: Any, function: Group, table: Any, names: Sequence[str]) -> None:
    import plotly.graph_objects as go

    order = np.argsort(np.nan_to_num(table.mean(axis=1)), kind="stable")
    places, _ = draw.along(function)
    values = [theme.plain(table[i]) for i in order]
    fig.add_trace(
        go.Heatmap(
            x=[str(place) for place in places], y=[theme.safe(names[i].replace("_", " "), 24) for i in order], z=values, zmin=0, zmax=1,
            colorscale=[[0, "#f4f6f8"], [0.5, "#9db8d6"], [1, "#123a6b"]], xgap=2, ygap=2, showscale=False,
            text=[["" if value is None else f"{100 * value:.0f}" for value in line] for line in values], texttemplate="%{text}", textfont={"size": 11},
            hovertemplate="%{y}, %{x}: %{z:.1%} of blocks<extra></extra>",
        ),
        row=1, col=1,
    )  # fmt: skip
    fig.update_yaxes(showgrid=False, showline=False, ticklen=6, tickcolor="white", row=1, col=1)
