"""Findings on local dimension, in words that follow from the numbers."""

from __future__ import annotations

from collections.abc import Sequence

from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Finding
from saegeom_data.metrics.galaxy._shared.directions_figure import MATCHED
from saegeom_data.metrics.galaxy._shared.directions_finding import (
    OneSidedTest,
    among,
    headline_of,
    labelled,
    one_sided_test,
    range_of,
)
from saegeom_data.metrics.galaxy.intrinsic_dimension.figure import measured, most_neighbours

# Dimensions estimated to be above this are too low.
_RELIABLE = 20.0
# The side that p is for, the other, and neither.
_DIMENSION = ("lower", "higher", "neither lower nor higher beyond chance")


def findings(groups: Sequence[Group]) -> list[Finding]:
    """How many dimensions the cloud has locally, compared with its covariance."""
    group = measured(groups)
    found = _dimension(group) if group is not None else None
    return [found] if found is not None else []


def _dimension(group: Group) -> Finding | None:
    """Whether the cloud has fewer dimensions locally than its covariance explains."""
    test = one_sided_test(_DIMENSION, group, "two_nn", "two_nn_p", "two_nn_null_mean", null=MATCHED)
    if not test.rows:
        return None
    surrogates = labelled("surrogates", range_of(group, test.rows, "two_nn_null_mean", 1, null=MATCHED))
    evidence = [
        f"TwoNN, which uses the two nearest neighbours, gives {range_of(group, test.rows, 'two_nn', 1)} dimensions"
        f"{among(surrogates)}; {test.words}."
    ]
    k = most_neighbours(group)
    if k is not None:
        name = "maximum_likelihood"
        other = one_sided_test(_DIMENSION, group, name, f"{name}_p", f"{name}_null_mean", null=MATCHED, k=k)
        evidence += _maximum_likelihood(group, other, k) if other.rows else []
    evidence += _farther(group)
    if max(group.value(row, "two_nn") or 0.0 for row in test.rows) > _RELIABLE:
        evidence.append(
            f"Estimates above about {_RELIABLE:g} are too low, those of surrogates too, so that only the comparison "
            "counts."
        )
    return Finding("galaxy", "local dimension", headline_of("the local dimension", "is", test), " ".join(evidence))


def _maximum_likelihood(group: Group, test: OneSidedTest, k: int) -> list[str]:
    where = {"null": MATCHED, "k": k}
    surrogates = labelled("surrogates", range_of(group, test.rows, "maximum_likelihood_null_mean", 1, **where))
    verdict = test.verdict if test.p else ""
    found = range_of(group, test.rows, "maximum_likelihood", 1, **where)
    return [f"Maximum likelihood from {k} neighbours gives {found}{among(surrogates, verdict)}."]


def _farther(group: Group) -> list[str]:
    """The estimate from the largest distances that there is one from."""
    scales = sorted(map(int, group.data["scale"].values), reverse=True) if group.has("dimension_by_scale") else []
    # Where rows are few, the farthest scales have no estimate.
    for scale in scales:
        found = range_of(group, group.rows, "dimension_by_scale", 1, scale=scale)
        if found:
            null = range_of(group, group.rows, "dimension_by_scale_null_mean", 1, scale=scale, null=MATCHED)
            surrogates = labelled("surrogates", null)
            return [f"Seen from farther away, by neighbours {scale} and {2 * scale}, it is {found}{among(surrogates)}."]
    return []
