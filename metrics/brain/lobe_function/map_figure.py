"""Figure of lobes: maps of the features coloured by lobe, above the document types that each lobe wins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Panel
from saegeom_data.metrics.brain.lobe_function._type_shares import lobe_of, winner_shares
from saegeom_data.metrics.nulls.streams import stream
from saegeom_data.report import draw, theme

_MOST_POINTS = 4000
_MOST_LOBES = 4


def panel(function: Group, places: Group | None) -> Panel:
    """Maps coloured by lobe above the shares of document types that each lobe wins."""
    shared = [row for row in function.rows if places is not None and row in places.rows]
    row = shared[len(shared) // 2] if shared else function.rows[len(function.rows) // 2]
    # Beyond four lobes colours cannot be told apart in a cloud of points.
    counts = [int(count) for count in function.data["n_lobes"].values if count <= _MOST_LOBES][:2]
    counts = counts or [int(function.data["n_lobes"].values[0])]
    has_map = bool(shared) and places is not None
    titles = [_lobe_heading(function, row, count) for count in counts]
    n_types = function.data.sizes["document_type"]
    map_height, bar_height = 420 * has_map, 50 + 30 * n_types
    fig = theme.figure(
        rows=1 + has_map,
        columns=len(counts),
        titles=titles,
        height=map_height + bar_height + 150,
        horizontal_spacing=0.06,
        vertical_spacing=0.07,
        row_heights=[map_height, bar_height] if has_map else None,
        shared_yaxes="rows" if len(counts) > 1 else False,
    )
    for column, count in enumerate(counts, start=1):
        if has_map and places is not None:
            _draw_map(fig, function, places, row, count, column)
        _draw_bars(fig, function, row, count, (1 + has_map, column))
    fig.update_layout(barmode="stack", margin_l=190)
    name = draw.row_name(function, row)
    reading = (
        f"{_map_words(places, row, name) if has_map and places is not None else 'Bars: '}the "
        "share of text blocks of each document type in which a lobe is on most beyond its usual rate, on documents "
        "that did not serve to find the lobes. A lobe stands for a document type where it fills that type's bar. "
        f"Lobes are those of {function.name}, found on half of the documents, and have the numbers of its output lobe, "
        "from 0, the largest."
    )
    uses = [function.name, *([places.name] if places is not None else [])]
    return Panel(
        "lobes", "brain", f"Lobes of {name} and what they do", fig, _alt(function, row, counts), reading, tuple(uses)
    )


def _map_words(places: Group, row: str, name: str) -> str:
    """What the map shows: all features that have a place on it, or how many of them."""
    n = int(np.isfinite(_positions(places, row)).all(axis=1).sum())
    which = f"every feature of {name}" if n <= _MOST_POINTS else f"{_MOST_POINTS:,} of {n:,} features of {name}"
    if places.parameters.get("method") == "pca":
        how = "its first two principal components"
    else:
        how = "t-SNE, which keeps neighbours together while distances mean little"
    return f"Top: {which} at its place on a flat map ({how}), coloured by its lobe. Bottom: "


def _positions(places: Group, row: str) -> Any:
    """Places (features, 2) on the map; NaN for features without one."""
    return places.data["position"].isel({places.over: places.rows.index(row)}).transpose("features", "axis").values


def _lobe_heading(function: Group, row: str, count: int) -> str:
    sizes = [int((_lobe(function, row, count) == lobe).sum()) for lobe in range(count)]
    colours = _colours(function, row, count)
    keys = [
        ("●", colour, f"lobe {lobe} (n = {size})")
        for lobe, (size, colour) in enumerate(zip(sizes, colours, strict=True))
    ]
    return theme.heading(f"{count} lobes", *keys)


def _colours(function: Group, row: str, count: int) -> list[str]:
    """A colour for each lobe, such that lobes of different counts that share most features share their colour."""
    from scipy.optimize import linear_sum_assignment

    fewest = int(function.data["n_lobes"].values[0])
    order = list(range(fewest))
    # The lobe of the first type is always drawn in the second colour.
    lobe = lobe_of(function, row, fewest, 0)
    order[1], order[lobe] = order[lobe], order[1]
    first = np.argsort(order)[np.maximum(_lobe(function, row, fewest), 0)]
    lobe = _lobe(function, row, count)
    overlap = np.array(
        [[((lobe == index) & (first == other)).sum() for other in range(max(count, fewest))] for index in range(count)]
    )
    # The assignment finds the least total cost, and what is wanted is the largest overlap.
    _, colour = linear_sum_assignment(-overlap)
    return [theme.CATEGORIES[int(i) % len(theme.CATEGORIES)] for i in colour]


def _lobe(function: Group, row: str, count: int) -> Any:
    return function.data["lobe"].isel({function.over: function.rows.index(row)}).sel(n_lobes=count).values


def _draw_map(fig: Any, function: Group, places: Group, row: str, count: int, column: int) -> None:
    import plotly.graph_objects as go

    position, lobe = _positions(places, row), _lobe(function, row, count)
    known = np.flatnonzero(np.isfinite(position).all(axis=1))
    # A fixed seed, so that a report is the same whenever it is written.
    few = np.sort(known[stream("shown_features", 0).permutation(len(known))[:_MOST_POINTS]])
    colours = _colours(function, row, count)
    # Features without a lobe first, so that they lie under the others.
    for index in range(-1, count):
        members = few[lobe[few] == index]
        colour = colours[index] if index >= 0 else "#c9d0d6"
        name = f"lobe {index}" if index >= 0 else "no lobe"
        fig.add_trace(
            go.Scatter(
                x=theme.plain(position[members, 0]),
                y=theme.plain(position[members, 1]),
                mode="markers",
                showlegend=False,
                name=name,
                customdata=members.tolist(),
                hovertemplate="feature %{customdata}<extra>%{fullData.name}</extra>",
                marker={"color": colour, "size": 4.5, "opacity": 0.62, "line": {"width": 0}},
            ),
            row=1,
            col=column,
        )
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
                x=values,
                y=labels,
                orientation="h",
                showlegend=False,
                name=f"lobe {lobe}",
                marker={"color": colours[lobe]},
                # A number needs about an eighth of the bar to fit into it.
                text=[f"{value:.0%}" if value is not None and value >= 0.12 else "" for value in values],
                textposition="inside",
                insidetextanchor="middle",
                textangle=0,
                insidetextfont={"color": "white", "size": 11},
                hovertemplate="%{y}<br>%{x:.1%} of blocks<extra>%{fullData.name}</extra>",
            ),
            row=at[0],
            col=at[1],
        )
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
    lobe = table[lobe_of(function, row, count, 0)]
    return [int(i) for i in np.argsort(lobe, kind="stable") if np.isfinite(lobe[i])]


def _alt(function: Group, row: str, counts: Sequence[int]) -> str:
    sentences = []
    for count in counts:
        table, names = winner_shares(function, row, count)
        kept = [i for i in range(len(names)) if np.isfinite(table[:, i]).all()]
        won = [f"{names[i]} lobe {int(table[:, i].argmax())} ({table[:, i].max():.0%})" for i in kept]
        sentences.append(f"With {count} lobes, blocks are mostly won by: {', '.join(won)}.")
    return " ".join(sentences)
