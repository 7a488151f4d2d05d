"""Findings on packing, in words that follow from the numbers."""

from __future__ import annotations

from collections.abc import Sequence

from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Finding
from saegeom_data.metrics.galaxy._shared.directions_figure import MATCHED
from saegeom_data.metrics.galaxy._shared.directions_finding import (
    among,
    headline_of,
    labelled,
    one_sided_test,
    range_of,
)
from saegeom_data.metrics.galaxy.packing.figure import measured
from saegeom_data.results.wording import out_of

# The side that p is for, the other, and neither.
_OVERLAP = ("larger", "smaller", "neither larger nor smaller beyond chance")


def findings(groups: Sequence[Group]) -> list[Finding]:
    """How large the largest overlap of two features is, compared with the covariance."""
    group = measured(groups)
    found = _packing(group) if group is not None else None
    return [found] if found is not None else []


def _packing(group: Group) -> Finding | None:
    """Whether the two most aligned features are more aligned than the covariance explains."""
    test = one_sided_test(_OVERLAP, group, "coherence", "coherence_p", "coherence_null_mean", null=MATCHED)
    if not test.rows:
        return None
    surrogates = labelled("surrogates", range_of(group, test.rows, "coherence_null_mean", null=MATCHED))
    evidence = [
        "Mutual coherence, the largest absolute cosine of two features, is "
        f"{range_of(group, test.rows, 'coherence')}{among(surrogates)}; {test.words}."
    ]
    ratio = range_of(group, test.rows, "coherence_ratio", 2)
    if ratio:
        evidence.append(f"It is {ratio} times the Welch bound, the least that so many directions allow.")
    unbounded = [row for row in test.rows if group.value(row, "welch_bound") == 0]
    if unbounded:
        evidence.append(
            f"The bound is 0 at {out_of(unbounded, test.rows, 'layer')}, for lack of more features than dimensions."
        )
    potential = range_of(group, test.rows, "frame_potential_ratio", 2)
    if potential:
        evidence.append(
            f"The frame potential is {potential} times its least, where 1 is a tight frame, which shares the space "
            "evenly; it follows from mean and covariance alone."
        )
    headline = headline_of("the largest overlap of two features", "is", test)
    return Finding("galaxy", "packing", headline, " ".join(evidence))
