"""Figure of function vectors: what they explain, and how near they carry sources to their targets."""

from __future__ import annotations

from collections.abc import Sequence

from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Panel
from saegeom_data.metrics.nulls import label_permutation
from saegeom_data.report import draw, theme
from saegeom_data.results.groups import find_group

_VIEWS = {"raw": ("as they are", theme.MUTED, "circle"), "lda": ("after LDA", theme.BLUE, "diamond")}
_VECTORS = {
    "own": ("own vector", theme.BLUE, "diamond"),
    "other_relations": ("vectors of other relations", theme.ORANGE, "square"),
    "none": ("no vector", theme.MUTED, "circle"),
}


def figures(groups: Sequence[Group]) -> list[Panel]:
    """Explained share before and after, and the rank of the right target with each kind of vector."""
    group = find_group(groups, "function_vectors", "explained_share", "target_rank_by_vector", published=None)
    return [_panel(group)] if group is not None else []


def _panel(group: Group) -> Panel:
    marks = {"circle": "●", "diamond": "◆", "square": "■"}
    titles = (
        theme.heading("Share of new steps explained", *((marks[s], c, w) for w, c, s in _VIEWS.values())),
        theme.heading("Place of the right target", *((marks[s], c, w) for w, c, s in _VECTORS.values())),
    )
    fig = theme.figure(columns=2, titles=titles, height=400, horizontal_spacing=0.14)
    spoken = []
    for view, (words, colour, symbol) in _VIEWS.items():
        where = {"view": view, "score": "explained_share"}
        pale = theme.translucent(colour, 0.75)
        chance = where | {"null": label_permutation.LABEL}
        draw.by_row(fig, group, "null_mean", pale, dash="dot", symbol="line-ew", where=chance)
        values = draw.by_row(fig, group, "explained_share", colour, low="low", high="high", symbol=symbol, where=where)
        spoken.append(f"explained {words}: {draw.spoken(group, values)}")
    for vector, (words, colour, symbol) in _VECTORS.items():
        where = {"view": "raw", "vector": vector}
        values = draw.by_row(fig, group, "target_rank_by_vector", colour, at=(1, 2), symbol=symbol, where=where)
        spoken.append(f"place with {words}: {draw.spoken(group, values)}")
    for column, title in enumerate(("share of squared length", "place among targets (0.5 at random)"), 1):
        fig.update_yaxes(title_text=title, row=1, col=column)
        draw.layer_axis(fig, group, row=1, col=column)
    reading = (
        "A function vector is the mean step of half of a relation's word pairs, scored on the other half. Left: how "
        "much of their steps it explains; dotted lines are vectors of shuffled relations. Right: where the right "
        "target stands among all targets when the vector is added to the source; what counts is how far the relation's "
        "own vector lies below no vector and below those of other relations."
    )
    alt = "; ".join(spoken) + "."
    return Panel("function-vectors", "atom", "Function vectors of relations", fig, alt, reading, (group.name,))
