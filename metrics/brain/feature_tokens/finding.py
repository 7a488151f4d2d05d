"""Findings on the tokens that features go with, and what lobes, communities and crystals stand for in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Finding
from saegeom_data.results.discoveries import FALSE_DISCOVERY_RATE
from saegeom_data.results.feature_names import FeatureNames, quoted
from saegeom_data.results.groups import find_group, row_name
from saegeom_data.results.wording import spread
from saegeom_data.typing import Array

# Sets of features that are named, the largest ones, and tokens of each.
_SETS, _TOKENS = 4, 5
_CRYSTALS = 3


def findings(groups: Sequence[Group]) -> list[Finding]:
    """How many features go with tokens; and in words, lobes, communities and crystals of the middle SAE."""
    group = find_group(groups, "feature_tokens", "q", "n_fired", published=None)
    if group is None or not group.rows:
        return []
    shares = _shares(group)
    if not shares:
        return []
    percent = spread([100 * share for share in shares], digits=0)
    found = [
        Finding(
            "brain",
            "tokens of features",
            f"{percent} % of features that fire go with tokens, at a false discovery rate of 5 %.",
            "A token counts if a feature fires on it in more documents than if it fired on any tokens of the same"
            " documents alike; topics that bring both together are no evidence.",
        )
    ]
    row = group.rows[len(group.rows) // 2]
    names = FeatureNames(groups, row)
    lines = [*_lobes(groups, row, names), *_communities(groups, row, names), *_crystals(groups, row, names)]
    if lines:
        more = " ".join(f"{line[0].upper()}{line[1:]}." for line in lines[1:])
        found.append(Finding("brain", "in words", f"In words, at {row_name(group, row)}: {lines[0]}.", more))
    return found


def _shares(group: Group) -> list[float]:
    """Share of the features that fire of which a token has a false discovery rate of 5 percent, for each SAE."""
    fires = group.data["n_fired"].values > 0
    least = np.nan_to_num(group.data["q"].values, nan=1.0).min(axis=-1)
    return [float(np.mean(q[on] <= FALSE_DISCOVERY_RATE)) for q, on in zip(least, fires, strict=True) if on.any()]


def _lobes(groups: Sequence[Group], row: str, names: FeatureNames) -> Iterator[str]:
    group = find_group(groups, "lobes", "lobe", published=None)
    if group is None or row not in group.rows or "n_lobes" not in group.data.coords:
        return
    counts = group.data["n_lobes"].values.tolist()
    of_features = group.data["lobe"].values[group.rows.index(row)]
    for count, lobes in list(zip(counts, of_features, strict=True))[:2]:
        yield from _sets(f"of {count} lobes", "lobe", lobes, names)


def _communities(groups: Sequence[Group], row: str, names: FeatureNames) -> Iterator[str]:
    group = find_group(groups, "coactivation_graph", "community", published=None)
    if group is not None and row in group.rows:
        yield from _sets(
            "of the communities", "community", group.data["community"].values[group.rows.index(row)], names
        )


def _sets(which: str, noun: str, of_features: Array, names: FeatureNames) -> Iterator[str]:
    """One sentence on the sets of a partition, the largest first; none where no set has tokens of its own."""
    known = of_features[of_features >= 0].astype(int)
    sizes = np.bincount(known) if len(known) else np.zeros(0, int)
    told = []
    for index in np.argsort(-sizes, kind="stable")[:_SETS].tolist():
        tokens = names.typical(np.flatnonzero(of_features == index).tolist(), _TOKENS)
        if tokens and sizes[index] > 1:
            told.append(f"{noun} {index} ({sizes[index]:,} features) goes with {quoted(tokens)}")
    if told:
        yield f"{which}, {'; '.join(told)}"


def _crystals(groups: Sequence[Group], row: str, names: FeatureNames) -> Iterator[str]:
    """One sentence on the first pairs of features of the listed families of crystals."""
    group = find_group(groups, "crystal_search", "pair", published=None)
    if group is None or row not in group.rows:
        return
    pairs = group.data["pair"].values[group.rows.index(row)].reshape(-1, 2)
    pairs = pairs[(pairs >= 0).all(axis=1)][:_CRYSTALS]
    if len(pairs):
        told = "; ".join(f"{names.name(int(start))} to {names.name(int(end))}" for start, end in pairs)
        yield f"of the families of crystals, the first pairs lead from {told}"
