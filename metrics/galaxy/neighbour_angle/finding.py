"""Findings on nearest neighbours, in words that follow from the numbers."""

from __future__ import annotations

from collections.abc import Sequence

from saegeom_data.declare.claim import Claim
from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Finding
from saegeom_data.metrics.galaxy._shared.directions_claims import Question, evidence_of, judged_at
from saegeom_data.metrics.galaxy._shared.directions_figure import MATCHED, UNIFORM
from saegeom_data.metrics.galaxy._shared.directions_finding import among, labelled, range_of
from saegeom_data.metrics.galaxy.neighbour_angle.figure import measured
from saegeom_data.report import draw
from saegeom_data.results.answers import answer, answers
from saegeom_data.results.wording import interval, number

_CLOSENESS = Question(
    "nearest neighbours",
    "nearest neighbours",
    "are",
    "closer",
    "farther apart",
    "mean_cosine",
    "p",
    "mean_cosine_null",
    ("mean_cosine_low", "mean_cosine_high"),
)


def claims(group: Group) -> list[Claim]:
    """Whether features lie closer to their nearest neighbour than each null model explains."""
    return _CLOSENESS.claims(group)


def findings(groups: Sequence[Group]) -> list[Finding]:
    """How close nearest neighbours lie, compared with every null model."""
    group = measured(groups)
    found = _nearest(group) if group is not None else None
    return [found] if found is not None else []


def _nearest(group: Group) -> Finding | None:
    """Whether features lie closer to their nearest neighbour than each null model explains."""
    made, judged = judged_at(_CLOSENESS, group)
    if not made:
        return None
    rows = [claim.row for claim in made]
    surrogates = labelled("surrogates", range_of(group, rows, "mean_cosine_null", null=MATCHED))
    uniform = labelled("uniform directions", range_of(group, rows, "mean_cosine_null", null=UNIFORM))
    exact = f"{uniform} by an exact law" if uniform else ""
    evidence = (
        f"The mean cosine of a feature and its nearest neighbour is {range_of(group, rows, 'mean_cosine')}"
        f"{among(surrogates, exact)}; {evidence_of(judged, made)}.{_farthest(group, rows)}"
    )
    short = answers(answer(judged, group))
    return Finding("galaxy", "nearest neighbours", _CLOSENESS.headline(judged), evidence, short)


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
