"""Findings on crystals among features, in words that follow from the numbers whichever way they fall."""

from __future__ import annotations

from collections.abc import Sequence

from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Finding
from saegeom_data.metrics.atom.crystal_search.figure import KINDS, richest, searched
from saegeom_data.report import draw
from saegeom_data.results.wording import listing, number, out_of, probability, spread

_LISTED = 3


def findings(groups: Sequence[Group]) -> list[Finding]:
    """Whether the dictionaries hold crystals."""
    group = searched(groups)
    if group is None:
        return []
    rows = [row for row in group.rows if group.value(row, "largest_agreement_p", kind="parallelogram") is not None]
    if not rows:
        return []
    found = {kind: [row for row in rows if (group.value(row, "n_crystals", kind=kind) or 0) > 0] for kind in KINDS}
    parts = [f"{KINDS[kind][0]} at {out_of(some, rows, 'layer')}" for kind, some in found.items() if some]
    if parts:
        headline = f"Features form {listing(parts)}, more than directions of the same mean and covariance do."
    else:
        headline = "Features form no more parallelograms or trapezoids than directions of the same mean and covariance."
    evidence = " ".join(_counts(group, rows, kind) for kind in KINDS)
    return [Finding("atom", "crystals", headline, evidence + _best(group))]


def _counts(group: Group, rows: Sequence[str], kind: str) -> str:
    counts = [group.value(row, "n_crystals", kind=kind) or 0 for row in rows]
    false = [group.value(row, "n_false_expected", kind=kind) or 0 for row in rows]
    best = [value for row in rows if (value := group.value(row, "largest_agreement", kind=kind)) is not None]
    null = [value for row in rows if (value := group.value(row, "largest_agreement_null_mean", kind=kind)) is not None]
    p = [value for row in rows if (value := group.value(row, "largest_agreement_p", kind=kind)) is not None]
    rate = number(group.parameters.get("false_discovery_rate"), 2)
    words = f"{KINDS[kind][0].capitalize()}: {spread(counts, 0)} found at a false discovery rate of {rate}"
    words += f" ({spread(false, 1)} of them expected to be chance)" if any(counts) else ""
    if best:
        words += f"; the best agreement is {spread(best)}"
        words += f", among surrogates {spread(null)}" if null else ""
        words += f" ({'' if len(p) == 1 else 'smallest '}{probability(min(p))})" if p else ""
    return f"{words}."


def _best(group: Group) -> str:
    """The best crystals of the layer that has most."""
    row = richest(group)
    crystals = group.data.isel({group.over: group.rows.index(row)}).sel(kind="parallelogram")
    n = min(int(crystals["n_crystals"]), _LISTED, crystals.sizes["crystal"])
    if not n:
        return ""
    corners = crystals["corner"].transpose("crystal", "place").values[:n].tolist()
    named = [f"{a} : {b} as {c} : {d}" for a, b, c, d in corners]
    return f" The best parallelograms at {draw.row_name(group, row)} are of features {listing(named)}."
