"""How far communities are the spectral lobes, beside how far either comes back on other documents."""

from __future__ import annotations

import numpy as np

from saegeom_data import lazy
from saegeom_data.metrics._statistics.agreement import adjusted_mutual_information, contingency
from saegeom_data.metrics._statistics.jackknife import N_GROUPS, balanced_groups, jackknife_interval
from saegeom_data.metrics._statistics.p_values import tail
from saegeom_data.metrics._statistics.works import agreement_work, permuted_work
from saegeom_data.metrics.brain._shared.partition_measures import permuted_ami
from saegeom_data.metrics.nulls.streams import stream
from saegeom_data.typing import Array


def agreement(
    community: Array,
    lobe: Array,
    community_first: Array,
    community_second: Array,
    lobe_first: Array,
    lobe_second: Array,
    *,
    n_permutations: int,
    seed: int,
) -> lazy.Arrays:
    """Agreement (n_lobes) of communities (features) and lobes (n_lobes, features), and of halves with each other.

    Over features that have a place in every partition that has any; NaN if there is none.
    """
    placed = [labels for labels in (*lobe, *lobe_first, *lobe_second) if (labels >= 0).any()]
    keep = np.flatnonzero(np.min([*placed, community, community_first, community_second], axis=0) >= 0)
    community, *parts = (labels[keep] for labels in (community, community_first, community_second))
    rows = [
        _of_count(labels[keep], community, parts, (first[keep], second[keep]), n_permutations, seed)
        for labels, first, second in zip(lobe, lobe_first, lobe_second, strict=True)
    ]
    found = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return {**found, "half_agreement": _ami(*parts)}


def agreements_work(n: int, n_lobes: int, n_permutations: int) -> lazy.Work:
    """What :func:`agreement` computes for one number of lobes: draws for both halves, and a jackknife of four each."""
    return 2 * permuted_work(n, n_permutations) + (4 * (N_GROUPS + 1) + 4) * agreement_work(n, n_lobes)


def _of_count(
    lobe: Array,
    community: Array,
    communities: list[Array],
    lobes: tuple[Array, Array],
    n_permutations: int,
    seed: int,
) -> dict[str, float]:
    """The same for one number of lobes, without what communities alone give."""
    if not len(lobe) or min(labels.min() for labels in (lobe, *lobes)) < 0:
        names = ("lobe_half_agreement", "ami", "ami_across", "ami_across_null_mean", "ami_across_null_sd",
                 "ami_across_p", "relative_agreement", "relative_agreement_low", "relative_agreement_high")  # fmt: skip
        return dict.fromkeys(names, np.nan)
    # By number of lobes, so that a result does not depend on which other numbers are asked for.
    index = int(lobe.max()) + 1
    # One order of features for both halves: lobes of halves are much the same, and stay so in each draw.
    crossed = [
        permuted_ami(labels, other, n_permutations, stream("community_permutations", seed, index))
        for labels, other in zip(lobes, reversed(communities), strict=True)
    ]
    across = float(np.mean([value for value, _ in crossed]))
    draws = np.mean([drawn for _, drawn in crossed], axis=0)
    everyone = np.ones(len(lobe), bool)
    relative = _relative(communities, lobes, everyone)
    groups = balanced_groups(len(lobe), N_GROUPS, stream("community_groups", seed))
    left_out = [_relative(communities, lobes, groups != group) for group in np.unique(groups)]
    low, high = jackknife_interval(np.array(relative), np.array(left_out))
    return {
        "lobe_half_agreement": _ami(*lobes),
        "ami": _ami(community, lobe),
        "ami_across": across,
        "ami_across_null_mean": float(draws.mean()),
        "ami_across_null_sd": float(draws.std()),
        "ami_across_p": float(tail(across, draws)),
        "relative_agreement": relative,
        "relative_agreement_low": float(low),
        "relative_agreement_high": float(high),
    }


def _relative(communities: list[Array], lobes: tuple[Array, Array], keep: Array) -> float:
    """(AMI(c1, l2) + AMI(c2, l1)) / 2 over sqrt(AMI(c1, c2) AMI(l1, l2)), for communities c and lobes l of two halves.

    A correlation of two measures is corrected for their reliability in the same way (Spearman 1904): neither can agree
    with anything further than with itself on other documents.
    """
    (c1, c2), (l1, l2) = ([labels[keep] for labels in pair] for pair in (communities, lobes))
    ceilings = _ami(c1, c2), _ami(l1, l2)
    if not min(ceilings) > 0:
        return float("nan")
    return (_ami(c1, l2) + _ami(c2, l1)) / 2 / float(np.sqrt(ceilings[0] * ceilings[1]))


def _ami(first: Array, second: Array) -> float:
    """Adjusted mutual information of two partitions (members); NaN of none."""
    if not len(first):
        return float("nan")
    return adjusted_mutual_information(contingency(first, second, (int(first.max()) + 1, int(second.max()) + 1)))
