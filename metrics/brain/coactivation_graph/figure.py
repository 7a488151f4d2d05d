"""Figure of lobes found by another method: communities of the co-activation graph beside spectral lobes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Panel
from saegeom_data.metrics.brain._shared.figures import count_axis
from saegeom_data.metrics.brain.coactivation_graph._outputs import BY_NAME
from saegeom_data.report import draw, theme
from saegeom_data.results.groups import find_group
from saegeom_data.results.wording import number, spread


def figures(groups: Sequence[Group]) -> list[Panel]:
    """Communities beside lobes by number of lobes, and their modularity by layer."""
    group = find_group(groups, "coactivation_graph", "ami_across", "half_agreement", "n_communities", published=None)
    if group is None or "n_lobes" not in group.data.coords:
        return []
    middle = group.rows[len(group.rows) // 2]
    counts = [int(count) for count in group.data["n_lobes"].values]
    keys = [
        ("●", theme.BLUE, "communities and lobes"),
        ("▲", theme.GREEN, "communities"),
        ("◆", theme.ORANGE, "lobes"),
        ("■", theme.NULL, "lobes shuffled"),
    ]
    titles = (
        theme.heading(f"Two halves of the documents, {draw.row_name(group, middle)}", *keys),
        theme.heading("Modularity", ("●", theme.BLUE, "data"), ("■", theme.NULL, "redrawn")),
    )
    fig = theme.figure(columns=2, titles=titles, height=400, horizontal_spacing=0.11, column_widths=[0.58, 0.42])
    _by_count(fig, group, middle, counts)
    mean, sd = ([group.value(row, f"modularity_null_{moment}") for row in group.rows] for moment in ("mean", "sd"))
    draw.band(fig, group, *draw.around(mean, sd, bounds=BY_NAME["modularity"].bounds), theme.NULL, at=(1, 2))
    values = draw.by_row(fig, group, "modularity", theme.BLUE, at=(1, 2))
    count_axis(fig, counts, row=1, col=1)
    draw.layer_axis(fig, group, row=1, col=2)
    fig.update_yaxes(title_text="adjusted mutual information", rangemode="tozero", row=1, col=1)
    fig.update_yaxes(rangemode="tozero", row=1, col=2)
    found = [int(group.value(row, "n_communities") or 0) for row in group.rows]
    reading = (
        f"Leiden's algorithm finds {spread(found)} communities in the graph of each feature's "
        f"{number(group.parameters.get('n_neighbours'))} strongest affinities, without eigenvectors "
        "and without being told how many. Left: how far communities of one half of the documents are lobes of the "
        "other, 1 for the same grouping and 0 for chance, beside how far communities and lobes come back on other "
        "documents; neither can agree with anything much further. Right: how much of the graph lies inside "
        "communities beyond what degrees give, beside features that fire independently, as often and in blocks as "
        "active as those of the data."
    )
    alt = f"Modularity of communities: {draw.spoken(group, values)}."
    return [Panel("methods", "brain", "Do the lobes depend on the method?", fig, alt, reading, (group.name,))]


def _by_count(fig: Any, group: Group, row: str, counts: Sequence[int]) -> None:
    names = ("ami_across", "ami_across_null_mean", "ami_across_null_sd", "lobe_half_agreement")
    ami, mean, sd, lobes = ([group.value(row, name, n_lobes=count) for count in counts] for name in names)
    draw.shade(fig, counts, *draw.around(mean, sd), theme.NULL, at=(1, 1))
    ceiling = [group.value(row, "half_agreement")] * len(counts)
    fig.add_trace(draw.points(counts, ceiling, theme.GREEN, symbol="triangle-up"), row=1, col=1)
    fig.add_trace(draw.points(counts, lobes, theme.ORANGE, symbol="diamond"), row=1, col=1)
    marks = draw.points(counts, ami, theme.BLUE)
    marks.update(hovertemplate="%{x} lobes: %{y:.3f}<extra></extra>")
    fig.add_trace(marks, row=1, col=1)
