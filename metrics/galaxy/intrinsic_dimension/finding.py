"""Findings on local dimension, in words that follow from the numbers."""

from __future__ import annotations

from collections.abc import Sequence

from saegeom_data.declare.claim import Claim
from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Finding
from saegeom_data.metrics.galaxy._shared.directions_claims import Question, evidence_of, judged_at
from saegeom_data.metrics.galaxy._shared.directions_figure import MATCHED
from saegeom_data.metrics.galaxy._shared.directions_finding import among, labelled, near_copies, range_of
from saegeom_data.metrics.galaxy.intrinsic_dimension.figure import measured, most_neighbours
from saegeom_data.results.answers import answer, answers

# Dimensions estimated to be above this are too low.
_RELIABLE = 20.0


def _question(name: str, method: str) -> Question:
    return Question(
        f"local dimension by {method}",
        "the local dimension",
        "is",
        "lower",
        "higher",
        name,
        f"{name}_p",
        f"{name}_null_mean",
        (f"{name}_low", f"{name}_high"),
    )


_TWO_NN = _question("two_nn", "TwoNN")
_LIKELIHOOD = _question("maximum_likelihood", "maximum likelihood")


def claims(group: Group) -> list[Claim]:
    """Whether the cloud has fewer dimensions locally than its covariance explains, by both estimators."""
    k = most_neighbours(group)
    return [*_TWO_NN.claims(group), *(_LIKELIHOOD.claims(group, k=k) if k is not None else [])]


def findings(groups: Sequence[Group]) -> list[Finding]:
    """How many dimensions the cloud has locally, compared with its covariance."""
    group = measured(groups)
    found = _dimension(group) if group is not None else None
    return [found] if found is not None else []


def _dimension(group: Group) -> Finding | None:
    """Whether the cloud has fewer dimensions locally than its covariance explains."""
    made, judged = judged_at(_TWO_NN, group)
    if not made:
        return None
    rows = [claim.row for claim in made]
    surrogates = labelled("surrogates", range_of(group, rows, "two_nn_null_mean", 1, null=MATCHED))
    evidence = [
        f"TwoNN, which uses the two nearest neighbours, gives {range_of(group, rows, 'two_nn', 1)} dimensions"
        f"{among(surrogates)}; {evidence_of(judged, made)}."
    ]
    k = most_neighbours(group)
    evidence += _maximum_likelihood(group, k) if k is not None else []
    evidence += _farther(group)
    evidence += near_copies(group, "lower TwoNN")
    evidence.append(
        "Intervals are of sampling error: they hold the estimator's mean, which is not the dimension itself where the "
        "cloud is curved or has many dimensions."
    )
    if max(group.value(row, "two_nn") or 0.0 for row in rows) > _RELIABLE:
        evidence.append(
            f"Estimates above about {_RELIABLE:g} are too low, those of surrogates too, so that only the comparison "
            "counts."
        )
    short = answers(answer(judged, group))
    return Finding("galaxy", "local dimension", _TWO_NN.headline(judged), " ".join(evidence), short)


def _maximum_likelihood(group: Group, k: int) -> list[str]:
    made, judged = judged_at(_LIKELIHOOD, group, k=k)
    if not made:
        return []
    where, rows = {"null": MATCHED, "k": k}, [claim.row for claim in made]
    surrogates = labelled("surrogates", range_of(group, rows, "maximum_likelihood_null_mean", 1, **where))
    verdict = _LIKELIHOOD.verdict(judged) if judged.claims else ""
    found = range_of(group, rows, "maximum_likelihood", 1, **where)
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
