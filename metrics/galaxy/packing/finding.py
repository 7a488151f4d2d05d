"""Findings on packing, in words that follow from the numbers."""

from __future__ import annotations

from collections.abc import Sequence

from saegeom_data.declare.claim import Claim
from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Finding
from saegeom_data.metrics.galaxy._shared.directions_claims import Question, evidence_of, judged_at
from saegeom_data.metrics.galaxy._shared.directions_figure import MATCHED, UNIFORM
from saegeom_data.metrics.galaxy._shared.directions_finding import among, labelled, range_of
from saegeom_data.metrics.galaxy.packing.figure import measured
from saegeom_data.results.answers import answer, answers
from saegeom_data.results.wording import out_of

_OVERLAP = Question(
    "largest overlap",
    "the largest overlap of two features",
    "is",
    "larger",
    "smaller",
    "coherence",
    "coherence_p",
    "coherence_null_mean",
)


def claims(group: Group) -> list[Claim]:
    """Whether the two most aligned features are more aligned than each null model explains."""
    return _OVERLAP.claims(group)


def findings(groups: Sequence[Group]) -> list[Finding]:
    """How large the largest overlap of two features is, compared with every null model."""
    group = measured(groups)
    found = _packing(group) if group is not None else None
    return [found] if found is not None else []


def _packing(group: Group) -> Finding | None:
    """Whether the two most aligned features are more aligned than each null model explains."""
    made, judged = judged_at(_OVERLAP, group)
    if not made:
        return None
    rows = [claim.row for claim in made]
    surrogates = labelled("surrogates", range_of(group, rows, "coherence_null_mean", null=MATCHED))
    uniform = labelled("uniform directions", range_of(group, rows, "coherence_null_mean", null=UNIFORM))
    evidence = [
        "Mutual coherence, the largest absolute cosine of two features, is "
        f"{range_of(group, rows, 'coherence')}{among(surrogates, uniform)}; {evidence_of(judged, made)}."
    ]
    ratio = range_of(group, rows, "coherence_ratio", 2)
    if ratio:
        evidence.append(f"It is {ratio} times the Welch bound, the least that so many directions allow.")
    unbounded = [row for row in rows if group.value(row, "welch_bound") == 0]
    if unbounded:
        evidence.append(
            f"The bound is 0 at {out_of(unbounded, rows, 'layer')}, for lack of more features than dimensions."
        )
    potential = range_of(group, rows, "frame_potential_ratio", 2)
    if potential:
        evidence.append(
            f"The frame potential is {potential} times its least, where 1 is a tight frame, which shares the space "
            "evenly; it follows from mean and covariance alone."
        )
    short = answers(answer(judged, group))
    return Finding("galaxy", "packing", _OVERLAP.headline(judged), " ".join(evidence), short)
