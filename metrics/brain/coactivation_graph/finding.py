"""Finding on communities of the co-activation graph, in words that follow from the numbers."""

from __future__ import annotations

from collections.abc import Sequence

from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Finding
from saegeom_data.results.groups import find_group
from saegeom_data.results.wording import out_of, spread


def findings(groups: Sequence[Group]) -> list[Finding]:
    """Whether communities are the lobes."""
    group = find_group(groups, "coactivation_graph", "ami", "n_communities", published=None)
    finding = None if group is None else _communities(group)
    return [] if finding is None else [finding]


def _communities(group: Group) -> Finding | None:
    """Whether communities of the co-activation graph are the spectral lobes, measured by how far each comes back."""
    rows = [row for row in group.rows if group.value(row, "half_agreement") is not None]
    counts = [int(count) for count in group.data["n_lobes"].values]
    if not rows or not counts:
        return None
    by_count = {count: [group.value(row, "ami", n_lobes=count) or 0.0 for row in rows] for count in counts}
    count = max(counts, key=lambda number: sum(by_count[number]))
    ceiling = {row: group.value(row, "half_agreement") or 0.0 for row in rows}
    # Measured by how far communities agree with themselves: no fixed value could be reached where they are unstable.
    alike = [row for row, ami in zip(rows, by_count[count], strict=True) if ami > ceiling[row] / 2]
    if alike:
        headline = f"Lobes and communities of the co-activation graph are much alike at {out_of(alike, rows, 'layer')}."
    else:
        headline = "Lobes depend on the method: communities of the co-activation graph are others at every layer."
    found = [int(group.value(row, "n_communities") or 0) for row in rows]
    evidence = (
        f"Leiden's algorithm finds {spread(found)} communities, with a modularity of "
        f"{spread([group.value(row, 'modularity') or 0.0 for row in rows])}. Their adjusted mutual information with "
        f"lobes is largest for {count}: {spread(by_count[count])}, where communities of two halves of the documents "
        f"have {spread(list(ceiling.values()))} with each other."
    )
    return Finding("brain", "another method", headline, evidence)
