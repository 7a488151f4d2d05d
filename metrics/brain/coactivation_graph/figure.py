"""Figure of lobes found by another method: communities of the co-activation graph beside spectral lobes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Panel
from saegeom_data.metrics.brain._shared.figures import count_axis
from saegeom_data.report import draw, theme
from saegeom_data.results.groups import find_group
from saegeom_data.results.wording import number, spread


def figures(groups: Sequence[Group]) -> list[Panel]:
    """Communities beside lobes, by number of lobes and by layer."""
    group = find_group(groups, "coactivation_graph", "ami", "half_agreement", "n_communities", published=None)
    if group is None or "n_lobes" not in group.data.coords:
        return []
    middle = group.rows[len(group.rows) // 2]
    counts = [int(count) for count in group.data["n_lobes"].values]
    # Communities have no number of their own to be asked for, so the most similar lobes stand beside them.
    closest = _closest(group, counts)
    keys = [("●", theme.BLUE, "communities and lobes"), ("▲", theme.GREEN, "ceiling: communities of two halves")]
    titles = (
        theme.heading(f"By number of lobes, {draw.row_name(group, middle)}", *keys),
        theme.heading(f"{closest} lobes, by layer", ("■", theme.NULL, "lobes shuffled")),
    )
    fig = theme.figure(columns=2, titles=titles, height=400, horizontal_spacing=0.11)
    _by_count(fig, group, middle, counts)
    mean, sd = (
        [group.value(row, f"ami_null_{moment}", n_lobes=closest) for row in group.rows] for moment in ("mean", "sd")
    )
    draw.band(fig, group, *draw.around(mean, sd), theme.NULL, at=(1, 2))
    draw.by_row(fig, group, "half_agreement", theme.GREEN, symbol="triangle-up", at=(1, 2))
    values = draw.by_row(fig, group, "ami", theme.BLUE, at=(1, 2), where={"n_lobes": closest})
    count_axis(fig, counts, row=1, col=1)
    draw.layer_axis(fig, group, row=1, col=2)
    fig.update_yaxes(title_text="adjusted mutual information", rangemode="tozero", row=1, col=1)
    fig.update_yaxes(rangemode="tozero", row=1, col=2)
    found = [int(group.value(row, "n_communities") or 0) for row in group.rows]
    reading = (
        f"Leiden's algorithm finds {spread(found)} communities in the graph of each feature's "
        f"{number(group.parameters.get('n_neighbours'))} strongest affinities, without eigenvectors "
        "and without being told how many. How far they are the spectral lobes is 1 for the same grouping and 0 for "
        "chance; triangles show how far communities come back on other documents, which is about as far as they can "
        "agree with anything."
    )
    alt = f"Adjusted mutual information of communities with {closest} lobes: {draw.spoken(group, values)}."
    return [Panel("methods", "brain", "Do the lobes depend on the method?", fig, alt, reading, (group.name,))]


def _closest(group: Group, counts: Sequence[int]) -> int:
    """The number of lobes that are most like the communities, over all rows."""
    return max(counts, key=lambda count: sum(group.value(row, "ami", n_lobes=count) or 0.0 for row in group.rows))


def _by_count(fig: Any, group: Group, row: str, counts: Sequence[int]) -> None:
    ami, mean, sd = ([group.value(row, name, n_lobes=count) for count in counts] for name in
                     ("ami", "ami_null_mean", "ami_null_sd"))  # fmt: skip
    draw.shade(fig, counts, *draw.around(mean, sd), theme.NULL, at=(1, 1))
    ceiling = [group.value(row, "half_agreement")] * len(counts)
    fig.add_trace(draw.points(counts, ceiling, theme.GREEN, symbol="triangle-up"), row=1, col=1)
    marks = draw.points(counts, ami, theme.BLUE)
    marks.update(hovertemplate="%{x} lobes: %{y:.3f}<extra></extra>")
    fig.add_trace(marks, row=1, col=1)
