"""Figures of parallelograms before and after distractors are removed, and of what the distractors are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Panel
from saegeom_data.metrics.atom.parallelogram_quality import distractors_figure, offsets_figure
from saegeom_data.metrics.nulls import label_permutation
from saegeom_data.report import draw, theme
from saegeom_data.results.groups import find_group

_VIEWS = {
    "raw": ("as they are", theme.MUTED, "circle", -0.8),
    "principal_components_removed": ("first principal components removed", theme.ORANGE, "square", 0.0),
    "lda": ("after LDA, held out", theme.BLUE, "diamond", 0.8),
    "whitened": ("whitened", theme.GREEN, "triangle-up", 1.2),
    "whitened_at_random": ("whitened along random directions", theme.NULL, "triangle-down", 1.6),
    "erased": ("nuisance variables erased", theme.PURPLE, "cross", -0.4),
}
_BASELINES = {
    "analogy_accuracy_without_offset": ("analogies: no offset", theme.INK),
    "analogy_accuracy_other_relation": ("analogies: offset of another relation", theme.NULL),
}
_HELD_OUT = {"hold_out": "pairs"}
_SCORES = {
    "silhouette": ("Silhouette of relations", "silhouette", "higher is better"),
    "offset_consistency": ("Offsets point the same way", "mean cosine", "higher is better"),
    "parallelogram_residual": ("Gap that is left open", "residual / offset length", "lower is better"),
    "analogy_accuracy": ("Analogies answered right", "share of analogies", "higher is better"),
}


def figures(groups: Sequence[Group]) -> list[Panel]:
    """Offsets on a plane, scores by view, scores by number of directions, and what is removed."""
    found: list[Panel | None] = [offsets_figure.panel(groups)]
    group = find_group(groups, "parallelogram_quality", "silhouette", published=None)
    if group is not None:
        found += [_scores(group), _directions(group, _published(groups)), distractors_figure.panel(group)]
    return [panel for panel in found if panel is not None]


def _published(groups: Sequence[Group]) -> Group | None:
    return find_group(groups, "parallelogram_quality", "silhouette_published_by_directions", published=True)


def _is_shown(group: Group, *views: str) -> bool:
    """Whether pairs are held out in these views, which figures show."""
    return "pairs" in group.data["hold_out"].values and set(views) <= set(group.data["view"].values.tolist())


def _scores(group: Group) -> Panel | None:
    if not _is_shown(group):
        return None
    shown = {name: words for name, words in _SCORES.items() if group.has(name)}
    views = [view for view in _VIEWS if view in group.data["view"].values]
    titles = [theme.heading(title, ("", theme.MUTED, better)) for title, _, better in shown.values()]
    fig = theme.figure(rows=2, columns=2, titles=titles, height=720, horizontal_spacing=0.12, vertical_spacing=0.2)
    spoken = []
    for i, (name, (title, axis, _)) in enumerate(shown.items()):
        at = (i // 2 + 1, i % 2 + 1)
        for view in views:
            words, colour, symbol, shift = _VIEWS[view]
            where = _HELD_OUT | {"view": view, "score": name}
            chance = where | {"null": label_permutation.LABEL}
            draw.by_row(
                fig,
                group,
                "null_mean",
                theme.translucent(colour, 0.75),
                at=at,
                dash="dot",
                symbol="line-ew",
                where=chance,
            )
            values = draw.by_row(
                fig,
                group,
                name,
                colour,
                low="low",
                high="high",
                title="" if i else words,
                at=at,
                symbol=symbol,
                shift=shift,
                where=where,
            )
            spoken.append(f"{title}, {words}: {draw.spoken(group, values)}.")
        if name == "analogy_accuracy":
            spoken += _draw_baselines(fig, group, at)
        fig.update_yaxes(title_text=axis, row=at[0], col=at[1])
        draw.layer_axis(fig, group, row=at[0], col=at[1])
    fig.update_layout(margin_b=100)
    n = int(group.data["n_pairs"].isel({group.over: 0}).sum()) if group.has("n_pairs") else 0
    reading = (
        "Each panel scores the steps from one word to the other, on word pairs that were held out when directions "
        "were fitted; dotted lines are the same with relations shuffled among pairs and LDA fitted anew. What a view "
        "changes shows where it moves farther than its own dotted line does. Analogies count where they are above both "
        "dashed lines: the word nearest to c with no offset, and the offset of another relation; bars are 95 percent "
        f"intervals{f', from {n} pairs a layer' if n else ''}."
    )
    return Panel(
        "parallelograms", "atom", "Parallelograms before and after LDA", fig, " ".join(spoken), reading, (group.name,)
    )


def _draw_baselines(fig: Any, group: Group, at: tuple[int, int]) -> list[str]:
    """Draw what answers analogies without an offset of the relation; returns it in words."""
    spoken = []
    for name, (words, colour) in _BASELINES.items():
        where = _HELD_OUT | {"view": "raw"}
        values = draw.by_row(fig, group, name, colour, title=words, at=at, dash="dash", symbol="x", where=where)
        spoken.append(f"Analogies, {words}: {draw.spoken(group, values)}.")
    return spoken


def _directions(group: Group, published: Group | None) -> Panel | None:
    if not group.has("score_by_directions", "silhouette_by_relation") or not _is_shown(group, "raw", "lda"):
        return None
    row = group.rows[len(group.rows) // 2]
    name = draw.row_name(group, row)
    keys = [("━", theme.sequence(3)[1], "held out")]
    if published is not None:
        keys.append(("╌", theme.MUTED, "scored on the pairs it was fitted on"))
    titles = (
        theme.heading("How many directions LDA keeps", *keys),
        theme.heading(
            f"Relations at {name}", ("●", theme.MUTED, "as they are"), ("◆", theme.BLUE, "after LDA, held out")
        ),
    )
    height = max(430, 170 + 24 * group.data.sizes.get("relation", 0))
    fig = theme.figure(columns=2, titles=titles, height=height, column_widths=[0.5, 0.5], horizontal_spacing=0.2)
    _draw_directions(fig, group, "score_by_directions", dash="solid")
    if published is not None:
        _draw_directions(fig, published, "silhouette_published_by_directions", dash="dash")
    _draw_relations(fig, group, row)
    fig.update_xaxes(title_text="number of directions", row=1, col=1)
    fig.update_yaxes(title_text="silhouette", row=1, col=1)
    fig.update_xaxes(title_text="silhouette", showgrid=True, gridcolor=theme.GRID, row=1, col=2)
    fig.update_yaxes(showgrid=False, ticks="", row=1, col=2)
    fig.update_layout(margin_b=92)
    reading = (
        "Left: how well relations separate when LDA keeps few or many directions; a score on the pairs that LDA was "
        "fitted on is high even for noise, so only the held-out one counts. Right: the same by relation; a relation "
        "gains where its diamond lies right of its dot."
    )
    alt = f"Held-out silhouette by number of directions at each layer; silhouette of each relation at {name}."
    uses = (group.name,) if published is None else (group.name, published.name)
    return Panel("directions", "atom", "Directions and relations", fig, alt, reading, uses)


def _draw_directions(fig: Any, group: Group, name: str, *, dash: str) -> None:
    import plotly.graph_objects as go

    for row, colour in zip(group.rows, theme.sequence(len(group.rows)), strict=True):
        values = group.data[name].isel({group.over: group.rows.index(row)})
        if "score" in values.dims:
            values = values.sel(_HELD_OUT | {"score": "silhouette"})
        label = draw.row_name(group, row)
        # A trace of nothing would still have an entry in the legend.
        if not np.isfinite(values).any():
            continue
        fig.add_trace(
            go.Scatter(
                x=values["directions"].values.tolist(),
                y=theme.plain(values.values),
                mode="lines",
                name=label,
                legendgroup=label,
                # The dashed line of the same layer shares its entry.
                showlegend=dash == "solid" and row in draw.in_legend(group),
                line={"color": colour, "width": 1.8, "dash": dash},
                hovertemplate="%{x} directions: %{y:.3f}<extra>%{fullData.name}</extra>",
            ),
            row=1,
            col=1,
        )


def _draw_relations(fig: Any, group: Group, row: str) -> None:
    import plotly.graph_objects as go

    scores = group.data["silhouette_by_relation"].isel({group.over: group.rows.index(row)}).sel(_HELD_OUT)
    raw, lda = (scores.sel(view=view).values for view in ("raw", "lda"))
    # Plotly draws the first at the bottom: relations that are told apart best stand on top.
    order = [i for i in np.argsort(lda) if np.isfinite(lda[i]) and np.isfinite(raw[i])]
    labels = [theme.safe(str(scores["relation"].values[i]).replace("_", " "), 28) for i in order]
    for label, i in zip(labels, order, strict=True):
        fig.add_trace(
            go.Scatter(
                x=[raw[i], lda[i]],
                y=[label, label],
                mode="lines",
                line={"color": "#c9d0d6", "width": 2},
                showlegend=False,
                hoverinfo="skip",
            ),
            row=1,
            col=2,
        )
    for values, colour, symbol in ((raw, theme.MUTED, "circle"), (lda, theme.BLUE, "diamond")):
        fig.add_trace(
            go.Scatter(
                x=[float(values[i]) for i in order],
                y=labels,
                mode="markers",
                showlegend=False,
                marker={"color": colour, "size": 9, "symbol": symbol},
                hovertemplate="%{y}: %{x:.3f}<extra></extra>",
            ),
            row=1,
            col=2,
        )
