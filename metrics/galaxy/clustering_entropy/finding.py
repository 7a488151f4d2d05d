"""Findings on clustering: negentropy and close pairs against each null model, and the published estimator beside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from saegeom_data.declare.claim import Claim, NullTest
from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Finding
from saegeom_data.metrics.galaxy._shared.directions_finding import near_copies
from saegeom_data.metrics.galaxy.clustering_entropy.figure import (
    WHITE_NOISE_PUBLISHED,
    calibrated,
    first_k,
    is_published,
    nulls_of,
    published,
)
from saegeom_data.metrics.nulls import angular_central_gaussian, gaussian_scores, shuffled_components
from saegeom_data.results.answers import answer, answers
from saegeom_data.results.judgement import Judgement, judge, null_tests
from saegeom_data.results.wording import interval, number, spread

_WORDS = {
    gaussian_scores.LABEL: "Gaussian surrogates of the same covariance",
    angular_central_gaussian.LABEL: "such surrogates divided to the rows' norms",
    shuffled_components.LABEL: "independent components shuffled among features",
}
_GAUSSIAN = (gaussian_scores.LABEL, angular_central_gaussian.LABEL)
_CLUSTERED = "clustering"
_NOT_GAUSSIAN = "departure from a Gaussian"


def claims(group: Group) -> list[Claim]:
    """Whether the cloud is clustered, and whether it is Gaussian at all; none of the published estimator.

    Clustered is what is beyond every null model by both numbers, negentropy and close pairs: its p is the larger.
    """
    if is_published(group) or not group.has("negentropy", "close_pairs"):
        return []
    k, made = first_k(group), []
    for row in group.rows:
        value = group.value(row, "negentropy", null=gaussian_scores.LABEL, k=k)
        # Rows of the decoder that do not span the components have no estimate: nothing is claimed of them.
        if value is None:
            continue
        low, high = (group.value(row, f"negentropy_{end}", null=gaussian_scores.LABEL, k=k) for end in ("low", "high"))
        ordered = null_tests(group, row, "p", other="complement", k=k)
        close = null_tests(group, row, "close_pairs_p", other="complement")
        both = tuple(_both(*tests) for tests in zip(ordered, close, strict=True))
        made.append(
            Claim(_CLUSTERED, row, "features are clustered", both, "features are more evenly spread", value, low, high)
        )
        # Shuffled components keep each component as it is, Gaussian or not: that null model cannot speak to it.
        gaussian = null_tests(group, row, "p", other="complement", only=_GAUSSIAN, k=k)
        statement, opposite = (
            "features are less random than Gaussian ones",
            "features are more random than Gaussian ones",
        )
        made.append(Claim(_NOT_GAUSSIAN, row, statement, gaussian, opposite, value, low, high))
    return made


def _both(first: NullTest, second: NullTest) -> NullTest:
    """One null model for two numbers that must both be beyond it: the larger p, on either side."""
    if first.p is None or second.p is None:
        return replace(first, p=None, p_other=None)
    # A side without a p is no evidence for it.
    return replace(first, p=max(first.p, second.p), p_other=max(first.p_other or 1.0, second.p_other or 1.0))


def findings(groups: Sequence[Group]) -> list[Finding]:
    """Whether the cloud is clustered beyond every null model, and what the published estimator gives."""
    right, wrong = calibrated(groups), published(groups)
    found = (_calibrated(right) if right is not None else None, _published(wrong) if wrong is not None else None)
    return [finding for finding in found if finding is not None]


def _calibrated(group: Group) -> Finding | None:
    made = claims(group)
    clustered, gaussian = (
        judge([claim for claim in made if claim.topic == topic]) for topic in (_CLUSTERED, _NOT_GAUSSIAN)
    )
    if not clustered.claims:
        return None
    evidence = [
        f"Against {words}, {_negentropy(group, clustered, null)}, and {_close(group, clustered, null)}."
        for null, words in _WORDS.items()
        if null in nulls_of(group)
    ]
    evidence += [
        f"Two-sided {clustered.p_words}{_missing(clustered)}.",
        *_joint(group, clustered),
        *near_copies(group, "raise negentropy at k = 1"),
    ]
    # What is clustered is not Gaussian: the weaker claim is of interest without the stronger.
    without = clustered.found or clustered.opposite
    short = answers(answer(clustered, group, null=0.0), None if without else answer(gaussian, group, null=0.0))
    return Finding("galaxy", "clustering", _headline(clustered, gaussian), " ".join(evidence), short)


def _headline(clustered: Judgement, gaussian: Judgement) -> str:
    """What holds of clusters; where none are found, whether the cloud is at least not Gaussian."""
    other = [row for row in (*gaussian.found, *gaussian.opposite) if row not in clustered.found]
    besides = f"not Gaussian at {clustered.at(other)}" if other else ""
    if clustered.found:
        more = f", and {besides} without that" if besides else ""
        where = f"beyond {clustered.every} at {clustered.at(clustered.found)}"
        return f"The cloud is clustered {where}{more}{_doubt(clustered)}."
    if clustered.opposite:
        where = f"than {clustered.every} at {clustered.at(clustered.opposite)}"
        return f"The cloud is more evenly spread {where}, and clustered at none."
    if clustered.undecided:
        told = f"The cloud is {besides}; whether" if besides else "Whether"
        return f"{told} it is clustered beyond {clustered.every} cannot be told yet: {clustered.doubt}."
    if besides:
        return f"The cloud is {besides}, but clustered beyond {clustered.every} at none."
    return f"The cloud cannot be told from unclustered surrogates at {clustered.anywhere}."


def _doubt(judged: Judgement) -> str:
    return f"; {judged.doubt}" if judged.doubt else ""


def _missing(judged: Judgement) -> str:
    return f", {judged.missing}" if judged.missing else ""


def _negentropy(group: Group, judged: Judgement, null: str) -> str:
    """Negentropy against one null model: its range, what surrogates spread by, and the largest with its interval."""
    where = {"null": null, "k": first_k(group)}
    values = {row: value for row in judged.rows if (value := group.value(row, "negentropy", **where)) is not None}
    if not values:
        return "negentropy is not known"
    sd = group.values(values, "null_sd", **where)
    top = max(values, key=values.__getitem__)
    low, high = (group.value(top, f"negentropy_{end}", **where) for end in ("low", "high"))
    which = f"largest {number(values[top], 2)}" if len(values) > 1 else "interval"
    ends = f"; {which} {interval(low, high, 2)}" if low is not None else ""
    spreading = f" (surrogates have a standard deviation of {spread(sd, 2)}{ends})" if sd else ""
    return f"negentropy is {spread(list(values.values()), 2)} nats{spreading}"


def _close(group: Group, judged: Judgement, null: str) -> str:
    """Close pairs in excess of one null model."""
    excess = group.values(judged.rows, "close_pairs_excess", null=null)
    return (
        f"close pairs are in excess by {spread([100 * value for value in excess], 0)} percent"
        if excess
        else "no pairs are close"
    )


def _joint(group: Group, judged: Judgement) -> list[str]:
    """How much of the order is joint: lost where components are shuffled."""
    where = {"null": shuffled_components.LABEL, "k": first_k(group)}
    joint = group.values(judged.found, "negentropy", **where)
    if not joint:
        return []
    return [
        f"Where it is clustered, {spread(joint, 1)} nats are joint structure, which shuffling independent components "
        "takes away."
    ]


def _published(group: Group) -> Finding | None:
    k = first_k(group)
    rows = [row for row in group.rows if group.value(row, "negentropy_uncalibrated", k=k) is not None]
    if not rows:
        return None
    values = [group.value(row, "negentropy_uncalibrated", k=k) or 0.0 for row in rows]
    # As a set: mostly as many rows are drawn of every SAE, and the number is then said once.
    used = {int(value) for row in rows if (value := group.value(row, "n_features_used")) is not None}
    size = f" ({spread(sorted(used))} rows)" if used else ""
    return Finding(
        "galaxy",
        "clustering as published",
        f"The published estimator gives {spread(values, 1)} nats, where white noise gives {WHITE_NOISE_PUBLISHED}.",
        "That noise went through the paper's own procedure at its own size (5000 unit rows in 2304 dimensions), so "
        f"the height of the estimate is no sign of clustering. The values here are {_side(values)} it{size}, and come "
        "without interval or null of their own.",
    )


def _side(values: Sequence[float]) -> str:
    above = sum(value > WHITE_NOISE_PUBLISHED for value in values)
    return {0: "below", len(values): "above"}.get(above, "on both sides of")
