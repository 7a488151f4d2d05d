"""Figure of offsets: held-out word pairs on a plane, coloured by relation, before and after LDA."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Panel
from saegeom_data.report import draw, theme
from saegeom_data.results.groups import find_group
from saegeom_data.results.wording import listing, plural

# Okabe and Ito's palette without yellow, as it stands: darkened, its orange and yellow are one to some readers. Seven
# colours and nine symbols have no common divisor, so 63 relations differ in at least one of the two.
_COLOURS = (theme.BLUE, theme.ORANGE, "#009e73", "#cc79a7", "#56b4e9", "#e69f00", theme.INK)
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "star", "triangle-down", "cross", "hourglass")
_VIEWS = {
    "raw": ("Before: offsets as they are", ("first principal axis", "second principal axis")),
    "lda": ("After LDA, held out", ("first discriminant", "second discriminant")),
}
_WHERE = {"hold_out": "pairs", "view": "lda", "score": "silhouette"}
_LABELS_IN_A_ROW = 5


def panel(groups: Sequence[Group]) -> Panel | None:
    """Offsets of one site before and after LDA, if their positions are in the results."""
    needs = ("offset_position", "pair_relation", "silhouette", "improvement")
    group = find_group(groups, "parallelogram_quality", *needs, published=None)
    row = None if group is None else _best_row(group)
    if group is None or row is None:
        return None
    relation = _of_row(group, "pair_relation", row)
    silhouettes = {view: _silhouette(group, row, view) for view in _VIEWS}
    titles = [
        theme.heading(title, ("", theme.MUTED, f"silhouette {silhouettes[view]}"))
        for view, (title, _) in _VIEWS.items()
    ]
    shown = [int(label) for label in np.unique(relation[relation >= 0])]
    names = {label: str(group.data["relation"].values[label]).replace("_", " ") for label in shown}
    legend = 24 * -(-len(names) // _LABELS_IN_A_ROW)
    fig = theme.figure(columns=2, titles=titles, height=500 + legend, horizontal_spacing=0.09)
    for column, view in enumerate(_VIEWS, start=1):
        _draw(fig, _of_row(group, "offset_position", row, view=view), relation, names, column)
        for update, title in zip((fig.update_xaxes, fig.update_yaxes), _VIEWS[view][1], strict=True):
            update(title_text=title, showgrid=True, gridcolor=theme.GRID, row=1, col=column)
        # Equal units along both axes, since it is distances that a silhouette compares.
        fig.update_yaxes(scaleanchor=f"x{column}" if column > 1 else "x", row=1, col=column)
    fig.update_layout(margin_b=70 + legend, legend_traceorder="normal", legend_itemsizing="constant")
    name, n = draw.row_name(group, row), plural(int((relation >= 0).sum()), "word pair")
    alt = (
        f"Offsets of {n} of {plural(len(names), 'relation')} at {name} ({listing(list(names.values()))}). The "
        f"silhouette of relations is {silhouettes['raw']} before and {silhouettes['lda']} after LDA."
    )
    return Panel(
        "offsets", "atom", f"Offsets of word pairs at {name}, before and after LDA", fig, alt, _reading(group, row, n),
        (group.name,),
    )  # fmt: skip


def _reading(group: Group, row: str, n: str) -> str:
    n_rows, noun = len(group.rows), draw.along(group)[1]
    which = f" ({draw.row_name(group, row)} gains most of {plural(n_rows, noun)})" if n_rows > 1 else ""
    directions = group.value(row, "headline_directions")
    kept = "all directions kept" if directions is None else f"the {plural(int(directions), 'direction')} that LDA keeps"
    return (
        f"Each mark is one of {n}{which}, placed by the step from its first word to its second; colour and shape say "
        "its relation. These pairs did not serve to fit the discriminants, nor the principal axes: other pairs of the "
        "same relations did. LDA tells relations apart where marks of one kind gather, away from the others. "
        "Silhouettes, with 95 percent intervals, are not those of the two axes drawn but of all dimensions before and "
        f"of {kept} after, and means over all folds, of which the first is drawn."
    )


def _best_row(group: Group) -> str | None:
    """Row whose silhouette gains most from LDA, among those with positions."""
    gains = {}
    for row in group.rows:
        gain = group.value(row, "improvement", **_WHERE)
        # Without a gain no pairs are held out, or there is no view of discriminants.
        if gain is None:
            continue
        if all(np.isfinite(_of_row(group, "offset_position", row, view=view)).any() for view in _VIEWS):
            gains[row] = gain
    return max(gains, key=gains.__getitem__) if gains else None


def _of_row(group: Group, name: str, row: str, **where: str) -> Any:
    values = group.data[name].isel({group.over: group.rows.index(row)}).sel(where)
    return values.transpose("pairs", ...).values


def _silhouette(group: Group, row: str, view: str) -> str:
    where = _WHERE | {"view": view}
    value, low, high = (group.value(row, name, **where) for name in ("silhouette", "low", "high"))
    return draw.interval_text(value, low, high)


def _draw(fig: Any, position: Any, relation: Any, names: dict[int, str], column: int) -> None:
    import plotly.graph_objects as go

    for label, name in names.items():
        # Pairs of the fold that is shown alone have positions.
        members = np.flatnonzero((relation == label) & np.isfinite(position).all(axis=1))
        fig.add_trace(
            go.Scatter(
                x=theme.plain(position[members, 0]),
                y=theme.plain(position[members, 1]),
                mode="markers",
                name=theme.safe(name, 28),
                legendgroup=str(label),
                showlegend=column == 1,
                marker={
                    "color": _COLOURS[label % len(_COLOURS)],
                    "symbol": _SYMBOLS[label % len(_SYMBOLS)],
                    "size": 8,
                    "opacity": 0.9,
                    "line": {"width": 0.7, "color": theme.INK},
                },
                hovertemplate="%{fullData.name}<extra></extra>",
            ),
            row=1,
            col=column,
        )
