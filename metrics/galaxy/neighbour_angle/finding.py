"""Findings on nearest neighbours, in words that follow from the numbers."""

from __future__ import annotations

from collections.abc import Sequence

from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Finding
from saegeom_data.metrics.galaxy._shared.directions_figure import MATCHED, UNIFORM
from saegeom_data.metrics.galaxy._shared.directions_finding import (
    among,
    headline_of,
    labelled,
    one_sided_test,
    range_of,
)
from saegeom_data.metrics.galaxy.neighbour_angle.figure import measured
from saegeom_data.report import draw
from saegeom_data.results.wording import interval, number

# The side that p is for, the other, and neither.
_CLOSENESS = ("closer", "farther apart", "neither closer nor farther apart beyond chance")


def findings(groups: Sequence[Group]) -> list[Finding]:
    """How close nearest neighbours lie, compared with their covariance."""
    group = measured(groups)
    found = _nearest(group) if group is not None else None
    return [found] if found is not None else []


def _nearest(group: Group) -> Finding | None:
    """Whether features lie closer to their nearest neighbour than their covariance explains."""
    test = one_sided_test(_CLOSENESS, group, "mean_cosine", "p", "mean_cosine_null", null=MATCHED)
    if not test.rows:
        return None
    surrogates = labelled("surrogates", range_of(group, test.rows, "mean_cosine_null", null=MATCHED))
    uniform = labelled("uniform directions", range_of(group, test.rows, "mean_cosine_null", null=UNIFORM))
    exact = f"{uniform} by an exact law" if uniform else ""
    evidence = (
        f"The mean cosine of a feature and its nearest neighbour is {range_of(group, test.rows, 'mean_cosine')}"
        f"{among(surrogates, exact)}; {test.words}.{_farthest(group, test.rows)}"
    )
    return Finding("galaxy", "nearest neighbours", headline_of("nearest neighbours", "are", test), evidence)


def _farthest(group: Group, rows: Sequence[str]) -> str:
    """The layer that differs most from its surrogates."""
    values = {row: group.value(row, "mean_cosine_excess", null=MATCHED) for row in rows}
    excess = {row: value for row, value in values.items() if value is not None}
    # Of a single layer the mean has said it already.
    if len(excess) < 2:
        return ""
    row = max(excess, key=lambda name: abs(excess[name]))
    low, high = (group.value(row, f"mean_cosine_{end}") for end in ("low", "high"))
    ends = f" {interval(low, high)}" if low is not None and high is not None else ""
    return (
        f" It differs most from surrogates at {draw.row_name(group, row)}: {number(group.value(row, 'mean_cosine'))}"
        f"{ends} against {number(group.value(row, 'mean_cosine_null', null=MATCHED))}."
    )
