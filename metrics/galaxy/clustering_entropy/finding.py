"""Findings on clustering: calibrated negentropy against each of its nulls, and the published estimator beside it."""

from __future__ import annotations

from collections.abc import Sequence

from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Finding
from saegeom_data.metrics.galaxy.clustering_entropy.figure import (
    WHITE_NOISE_PUBLISHED,
    calibrated,
    first_k,
    nulls_of,
    published,
)
from saegeom_data.metrics.nulls import angular_central_gaussian, gaussian_scores
from saegeom_data.results.discoveries import discoveries
from saegeom_data.results.wording import interval, listing, number, out_of, probability, spread

_NULL_WORDS = {
    gaussian_scores.LABEL: "Gaussian surrogates of the same covariance",
    angular_central_gaussian.LABEL: "surrogates of that covariance on the sphere",
}


def findings(groups: Sequence[Group]) -> list[Finding]:
    """Whether the cloud is clustered beyond its nulls, and what the published estimator gives."""
    right, wrong = calibrated(groups), published(groups)
    found = (_calibrated(right) if right is not None else None, _published(wrong) if wrong is not None else None)
    return [finding for finding in found if finding is not None]


def _calibrated(group: Group) -> Finding | None:
    k = first_k(group)
    nulls = nulls_of(group)
    rows = [row for row in group.rows if all(_value(group, row, "negentropy", null, k) is not None for null in nulls)]
    if not rows:
        return None
    above = {null: discoveries({row: _p(group, row, null, k) for row in rows}) for null in nulls}
    # The other side counts the observed value too, so that its p is never 0.
    least = 1 / (group.data.sizes.get("surrogate", 0) + 1)
    below = {null: discoveries({row: min(1.0, 1 - _p(group, row, null, k) + least) for row in rows}) for null in nulls}
    evidence = "Calibrated negentropy is " + listing([_against(group, rows, null, k, above[null]) for null in nulls])
    return Finding(
        "galaxy", "clustering", _headline(rows, above, below), f"{evidence}; 0 is no clustering beyond the surrogates."
    )


def _headline(rows: Sequence[str], above: dict[str, list[str]], below: dict[str, list[str]]) -> str:
    always = [row for row in rows if all(row in found for found in above.values())]
    sometimes = [row for row in rows if any(row in found for found in above.values())]
    never = [row for row in rows if all(row in found for found in below.values())]
    every = "every null" if len(above) > 1 else "its null"
    if always:
        return f"The cloud is clustered beyond {every} at {out_of(always, rows, 'layer')}."
    if sometimes:
        some = out_of(sometimes, rows, "layer")
        return f"The cloud is clustered beyond some nulls at {some}, but nowhere beyond {every}."
    if never:
        return f"The cloud is more evenly spread than {every} at {out_of(never, rows, 'layer')}, and clustered at none."
    return "The cloud cannot be told from unclustered surrogates at any layer."


def _against(group: Group, rows: Sequence[str], null: str, k: int, above: Sequence[str]) -> str:
    values = {row: _value(group, row, "negentropy", null, k) or 0.0 for row in rows}
    top = max(rows, key=values.__getitem__)
    low, high = (_value(group, top, f"negentropy_{end}", null, k) for end in ("low", "high"))
    sd = [value for row in rows if (value := _value(group, row, "null_sd", null, k)) is not None]
    ends = f"; largest value {number(values[top], 2)} {interval(low, high, 2)}" if low is not None else ""
    largest = probability(max(_p(group, row, null, k) for row in rows))
    words = _NULL_WORDS.get(null, null.replace("_", " "))
    spreading = f", whose standard deviation is {spread(sd, 2)}" if sd else ""
    return (
        f"{spread(list(values.values()), 2)} nats relative to {words}{spreading} "
        f"(above it at {len(above)} of {len(rows)}, largest {largest}{ends})"
    )


def _published(group: Group) -> Finding | None:
    k = first_k(group)
    rows = [row for row in group.rows if group.value(row, "negentropy_uncalibrated", k=k) is not None]
    if not rows:
        return None
    values = [group.value(row, "negentropy_uncalibrated", k=k) or 0.0 for row in rows]
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


def _value(group: Group, row: str, name: str, null: str, k: int) -> float | None:
    return group.value(row, name, null=null, k=k)


def _p(group: Group, row: str, null: str, k: int) -> float:
    p = _value(group, row, "p", null, k)
    # Without a p neither side may be called a discovery.
    return 0.5 if p is None else p
