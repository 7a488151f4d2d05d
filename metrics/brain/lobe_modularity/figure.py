"""Figures of how far lobes are also places: agreement of function and geometry against its nulls and its ceiling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Panel
from saegeom_data.metrics.brain._shared.figures import count_axis
from saegeom_data.metrics.brain.lobe_modularity._outputs import OUTPUTS
from saegeom_data.metrics.brain.lobe_modularity.claims import farthest
from saegeom_data.metrics.nulls import fixed_margins, frequency_stratified, label_permutation, places_redrawn
from saegeom_data.report import draw, theme
from saegeom_data.results.groups import find_group
from saegeom_data.results.wording import number

NULLS = {
    label_permutation.LABEL: ("lobes shuffled", theme.NULL),
    frequency_stratified.LABEL: ("shuffled among features of like firing rate", theme.ORANGE),
    fixed_margins.LABEL: ("occurrence redrawn", theme.PURPLE),
    places_redrawn.LABEL: ("cloud redrawn", theme.SKY),
}
_WITHIN_WORDS = " Diamonds are lobes found from what types of documents leave of firing."
_RIGHT_WORDS = " Right: the number of lobes at which most layers are farthest above the nulls."
_MEASURES = {
    "balanced_accuracy": ("Lobe predicted from place", "balanced accuracy"),
    "neighbour_agreement": ("Neighbours in one lobe", "share of neighbours"),
    "modularity": ("Modularity in space", "Newman's Q"),
}
# A band of a null reaches no farther than the values can.
_BOUNDS = {output.name: output.bounds for output in OUTPUTS}


def figures(groups: Sequence[Group]) -> list[Panel]:
    """Agreement by number of lobes and by layer, and further tests of it."""
    group = find_group(groups, "lobe_modularity", "ami", published=None)
    if group is None or "n_lobes" not in group.data.coords:
        return []
    return [_mutual_information(group), *_measures(group)]


def _mutual_information(group: Group) -> Panel:
    middle = group.rows[len(group.rows) // 2]
    shown = _farthest_of_most(group)
    keys = [("●", theme.BLUE, "data, 95 % interval"), ("▲", theme.GREEN, "ceiling: two halves of the documents")]
    if _has_within_type(group):
        keys.insert(1, ("◆", theme.YELLOW, "within document types"))
    shades = [("■", colour, words) for words, colour in _nulls(group).values()]
    left = f"By number of lobes, {draw.row_name(group, middle)}"
    # One row is on the left already, at every number of lobes.
    titles = (
        [theme.heading(left, *keys, *shades)]
        if draw.is_alone(group)
        else [theme.heading(left, *keys), theme.heading(f"{shown} lobes, by {draw.along(group)[1]}", *shades)]
    )
    fig = theme.figure(columns=len(titles), titles=titles, height=430, horizontal_spacing=0.11)
    counts = [int(count) for count in group.data["n_lobes"].values]
    _by_count(fig, group, middle, counts)
    count_axis(fig, counts, row=1, col=1)
    if not draw.is_alone(group):
        _by_row(fig, group, shown)
    fig.update_yaxes(title_text="adjusted mutual information", rangemode="tozero")
    values = [group.value(row, "ami", n_lobes=shown) for row in group.rows]
    reading = (
        "How far the lobes (which features fire together) agree with clusters of features in space: 0 is chance and 1 "
        "is the same grouping, and shaded bands are the nulls' mean with two standard deviations. Triangles show how "
        "far lobes found on one half of the documents agree with those found on the other, which is about as far as "
        f"they can agree with anything.{_WITHIN_WORDS if _has_within_type(group) else ''}"
        f"{'' if draw.is_alone(group) else _RIGHT_WORDS}"
    )
    alt = f"Adjusted mutual information of {shown} lobes with space: {draw.spoken(group, values)}."
    return Panel("agreement", "brain", "Do features that fire together lie together?", fig, alt, reading, (group.name,))


def _by_row(fig: Any, group: Group, count: int) -> None:
    """Agreement at one number of lobes over all rows, beside its nulls and its ceiling."""
    at, where = (1, 2), {"n_lobes": count}
    for null, (_, colour) in _nulls(group).items():
        _null_band(fig, group, "ami", null, colour, count, at)
    draw.by_row(fig, group, "ami_split_half", theme.GREEN, symbol="triangle-up", at=at, where=where)
    if _has_within_type(group):
        draw.by_row(fig, group, "ami_within_type", theme.YELLOW, symbol="diamond", at=at, where=where)
    draw.by_row(fig, group, "ami", theme.BLUE, low="ami_low", high="ami_high", at=at, where=where)
    draw.layer_axis(fig, group, row=1, col=2)


def _has_within_type(group: Group) -> bool:
    """Whether lobes within document types were found anywhere: text of one type has none."""
    return group.has("ami_within_type") and bool(np.isfinite(group.data["ami_within_type"].values).any())


def _farthest_of_most(group: Group) -> int:
    """The number of lobes at which most rows are farthest above the null models, of equals the least."""
    numbers = [farthest(group, row) for row in group.rows]
    return min(numbers, key=lambda number: (-numbers.count(number), number))


def _by_count(fig: Any, group: Group, row: str, counts: list[int]) -> None:
    def values(name: str, **where: Any) -> list[float | None]:
        return [group.value(row, name, n_lobes=count, **where) for count in counts]

    for null, (_, colour) in _nulls(group).items():
        mean, sd = values("ami_null_mean", null=null), values("ami_null_sd", null=null)
        draw.shade(fig, counts, *draw.around(mean, sd), colour, at=(1, 1))
    low, high, ami = values("ami_low"), values("ami_high"), values("ami")
    fig.add_trace(draw.points(counts, values("ami_split_half"), theme.GREEN, symbol="triangle-up"), row=1, col=1)
    if _has_within_type(group):
        fig.add_trace(draw.points(counts, values("ami_within_type"), theme.YELLOW, symbol="diamond"), row=1, col=1)
    marks = draw.points(counts, ami, theme.BLUE, low=low, high=high)
    marks.update(
        customdata=[draw.interval_text(*values) for values in zip(ami, low, high, strict=True)],
        hovertemplate="%{x} lobes: %{customdata}<extra></extra>",
    )
    fig.add_trace(marks, row=1, col=1)


def _nulls(group: Group) -> dict[str, tuple[str, str]]:
    """Words and colour of the nulls that the group has."""
    known = [str(name) for name in group.data["null"].values] if "null" in group.data.coords else list(NULLS)
    return {null: words for null, words in NULLS.items() if null in known}


def _null_band(fig: Any, group: Group, name: str, null: str, colour: str, count: int, at: tuple[int, int]) -> None:
    where = {"null": null, "n_lobes": count}
    mean = [group.value(row, f"{name}_null_mean", **where) for row in group.rows]
    sd = [group.value(row, f"{name}_null_sd", **where) for row in group.rows]
    draw.band(fig, group, *draw.around(mean, sd, bounds=_BOUNDS[name]), colour, at=at)


def _measures(group: Group) -> list[Panel]:
    shown = {
        name: words for name, words in _MEASURES.items() if group.has(name, f"{name}_null_mean", f"{name}_null_sd")
    }
    if not shown:
        return []
    count = int(group.data["n_lobes"].values[0])
    fig = theme.figure(
        columns=len(shown),
        titles=[theme.heading(title) for title, _ in shown.values()],
        height=330,
        horizontal_spacing=0.09,
    )
    spoken = []
    for column, (name, (title, axis)) in enumerate(shown.items(), start=1):
        at = (1, column)
        for null, (_, colour) in _nulls(group).items():
            _null_band(fig, group, name, null, colour, count, at)
        values = draw.by_row(
            fig, group, name, theme.BLUE, low=f"{name}_low", high=f"{name}_high", at=at, where={"n_lobes": count}
        )
        spoken.append(f"{title}: {draw.spoken(group, values)}.")
        fig.update_yaxes(title_text=axis, row=1, col=column)
        draw.layer_axis(fig, group, row=1, col=column)
    fig.update_layout(margin_t=56)
    folds = group.parameters.get("n_folds")
    reading = (
        f"Three further tests of the same question, for {number(count)} lobes, with the same shaded nulls as above: "
        "whether a feature's lobe can be predicted from where it "
        f"points{f' ({folds}-fold held out)' if folds else ''}, whether its nearest neighbours share its lobe, and "
        "whether they do so more often than lobe sizes alone would bring about. There is agreement where the bar of an "
        "interval stays clear of all bands."
    )
    return [
        Panel("measures", "brain", "Three further tests of agreement", fig, " ".join(spoken), reading, (group.name,))
    ]
