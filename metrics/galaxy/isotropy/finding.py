"""Findings on isotropy, in words that follow from the numbers."""

from __future__ import annotations

from collections.abc import Sequence

from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Finding
from saegeom_data.metrics.galaxy._shared.directions_finding import among, labelled, one_sided_test, range_of
from saegeom_data.metrics.galaxy.isotropy.figure import measured

# The side that p is for, the other, and neither.
_AXES = (
    "less evenly spread over axes",
    "more evenly spread over axes",
    "neither less nor more evenly spread over axes beyond chance",
)
_COMMON = (
    "more aligned with a common direction",
    "less aligned with a common direction",
    "neither more nor less aligned with a common direction beyond chance",
)


def findings(groups: Sequence[Group]) -> list[Finding]:
    """How evenly directions are spread, compared with uniform ones."""
    group = measured(groups)
    found = _evenness(group) if group is not None else None
    return [found] if found is not None else []


def _evenness(group: Group) -> Finding | None:
    """Whether directions prefer axes, or a common direction, beyond what uniform ones do by chance."""
    axes = one_sided_test(_AXES, group, "second_moment_excess", "second_moment_p")
    common = one_sided_test(_COMMON, group, "mean_cosine", "mean_resultant_p")
    if not common.rows:
        return None
    told = ", and ".join(test.verdict for test in (axes, common) if test.p)
    if told:
        headline = f"Compared with uniform directions, features are {told}."
    else:
        headline = "Whether features are spread less evenly than uniform directions cannot be told."
    uniform = range_of(group, common.rows, "mean_cosine_null_sd", 5)
    resultant = range_of(group, common.rows, "mean_resultant")
    evidence = [
        f"The mean cosine of two features is {range_of(group, common.rows, 'mean_cosine', 4)}"
        f"{among(labelled('uniform directions 0, with standard deviation', uniform))}"
        f"{labelled(', and the norm of their mean direction', resultant)}"
        f"{among(labelled('Rayleigh test,', common.words if common.p else ''))}."
    ]
    score = range_of(group, common.rows, "iso_score")
    if score:
        reached = labelled("uniform directions reach", range_of(group, common.rows, "iso_score_null"))
        bingham = labelled("Bingham test,", axes.words if axes.p else "")
        evidence.append(f"IsoScore, 1 if all axes vary alike, is {score}{among(reached, bingham)}.")
    return Finding("galaxy", "isotropy", headline, " ".join(evidence))
