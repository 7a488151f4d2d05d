"""Matrices of pairs of features as heatmaps: figures of metrics whose results are too wide for a report to draw."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Panel
from saegeom_data.report import theme
from saegeom_data.typing import Array

# Output of each such metric, and what it is called.
_MATRICES = {
    "affinity": ("affinity", "Affinity of features that fire together"),
    "cooccurrence": ("n_blocks_both", "Blocks in which two features are on"),
    "cooccurrence_by_type": ("n_blocks_both", "Blocks in which two features are on, by type of document"),
}
_N, _N_TYPES, _N_ALIKE = 40, 3, 6
_HEIGHT = 380


def panels(groups: Iterable[Group]) -> list[Panel]:
    """Draw a part of each matrix: features of the first SAE that have others like them."""
    return [_panel(group) for group in groups if group.metric in _MATRICES]


def _panel(group: Group) -> Panel:
    output, title = _MATRICES[group.metric]
    part = group.data[output].isel({group.over: 0})
    has_types = "document_type" in part.dims
    # Before anything is read: there may be many types.
    part = part.isel(document_type=slice(_N_TYPES)) if has_types else part.expand_dims("document_type")
    names = [str(label) for label in part["document_type"].values] if has_types else [""]
    stack = part.values.astype("float64")
    chosen = _grouped(stack.sum(axis=0))
    shown = stack[:, chosen][:, :, chosen]
    fig = theme.figure(height=_HEIGHT, columns=len(shown), titles=names)
    for place, matrix in enumerate(shown, start=1):
        fig.add_trace(_heatmap(matrix), row=1, col=place)
        fig.update_xaxes(showticklabels=False, ticks="", showgrid=False, row=1, col=place)
        fig.update_yaxes(showticklabels=False, ticks="", showgrid=False, autorange="reversed", row=1, col=place)
    n = len(chosen)
    alt = f"{n} features by {n} features; values from {np.nanmin(shown):.4g} to {np.nanmax(shown):.4g}."
    reading = (
        f"{n} features of {group.rows[0]} that have several others like them, like ones beside each other; "
        "darker is more. The result has all features."
    )
    return Panel(f"matrix-{group.metric}", group.scale, title, fig, alt, reading, (group.name,), group.metric)


def _grouped(matrix: Array) -> Array:
    """Features that have several others like them (n), like ones beside each other."""
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import pdist

    plain = np.nan_to_num(matrix)
    # A feature that is on in no block has 0 there, and is like no other.
    size = np.sqrt(np.maximum(plain.diagonal(), np.finfo(float).tiny))
    alike = plain / size[:, None] / size
    np.fill_diagonal(alike, 0)
    # By the last of a few: a pair of features that are alike is no group.
    by_group = np.sort(alike, axis=1)[:, -min(_N_ALIKE, len(alike))]
    chosen = np.argsort(-by_group, kind="stable")[:_N]
    return np.asarray(chosen[leaves_list(linkage(pdist(alike[np.ix_(chosen, chosen)]), method="average"))])


def _heatmap(matrix: Array) -> Any:
    import plotly.graph_objects as go

    off_diagonal = matrix[~np.eye(len(matrix), dtype=bool)]
    # The diagonal is of each feature with itself, and would leave no scale for the rest.
    return go.Heatmap(
        x=list(range(len(matrix))),
        y=list(range(len(matrix))),
        z=[theme.plain(line) for line in np.where(np.eye(len(matrix), dtype=bool), np.nan, matrix)],
        zmin=min(0.0, float(np.nanmin(off_diagonal))),
        zmax=float(np.nanquantile(off_diagonal, 0.99)),
        colorscale=[[0, "#ffffff"], [1, theme.BLUE]],
        showscale=False,
    )
