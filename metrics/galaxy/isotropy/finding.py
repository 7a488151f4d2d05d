"""Findings on isotropy, in words that follow from the claims and numbers."""

from __future__ import annotations

from collections.abc import Sequence

from saegeom_data.declare.claim import Claim, NullTest
from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Finding
from saegeom_data.metrics.galaxy._shared.directions_finding import among, labelled, range_of
from saegeom_data.metrics.galaxy.isotropy.figure import measured
from saegeom_data.results.answers import answer, answers
from saegeom_data.results.judgement import Judgement, judge, nulls_of
from saegeom_data.results.wording import listing

_AXES, _COMMON = "spread over axes", "common direction"
# The side that p is for, the other, and neither.
_SIDES = {
    _AXES: (
        "less evenly spread over axes",
        "more evenly spread over axes",
        "neither less nor more evenly spread over axes",
    ),
    _COMMON: (
        "more aligned with a common direction",
        "less aligned with a common direction",
        "neither more nor less aligned with a common direction",
    ),
}
_TESTS = {_AXES: ("second_moment_excess", "second_moment_p"), _COMMON: ("mean_cosine", "mean_resultant_p")}


def claims(group: Group) -> list[Claim]:
    """Whether directions of each row prefer axes, and whether they prefer a common direction."""
    made = []
    for topic, (value, p) in _TESTS.items():
        statement, opposite = (f"directions are {words} than uniform ones" for words in _SIDES[topic][:2])
        for row in group.rows:
            found = group.value(row, p)
            # Both p are tails of a continuous law, without draws that could tie: the sides add to 1.
            other = None if found is None else 1 - found
            tests = tuple(NullTest(null, found, None, 0.0, other) for null in nulls_of(group))
            low, high = (group.value(row, f"{value}_{end}") for end in ("low", "high"))
            made.append(Claim(topic, row, statement, tests, opposite, group.value(row, value), low, high))
    return made


def findings(groups: Sequence[Group]) -> list[Finding]:
    """How evenly directions are spread, compared with uniform ones."""
    group = measured(groups)
    found = _evenness(group) if group is not None else None
    return [found] if found is not None else []


def _evenness(group: Group) -> Finding | None:
    """Whether directions prefer axes, or a common direction, beyond what uniform ones do by chance."""
    made = claims(group)
    axes, common = (judge([claim for claim in made if claim.topic == topic]) for topic in _SIDES)
    rows = [row for row in group.rows if group.value(row, "mean_cosine") is not None]
    if not rows:
        return None
    told = [_verdict(judged, topic) for topic, judged in zip(_SIDES, (axes, common), strict=True) if judged.claims]
    if told:
        headline = f"Compared with {_nulls(group)}, features are {', and '.join(told)}."
    else:
        headline = "Whether features are spread less evenly than uniform directions cannot be told."
    uniform = range_of(group, rows, "mean_cosine_null_sd", 5)
    resultant = range_of(group, rows, "mean_resultant")
    evidence = [
        f"The mean cosine of two features is {range_of(group, rows, 'mean_cosine', 4)}"
        f"{among(labelled('uniform directions 0, with standard deviation', uniform))}"
        f"{labelled(', and the norm of their mean direction', resultant)}"
        f"{among(labelled('Rayleigh test, two-sided', common.p_words if common.claims else ''))}."
    ]
    score = range_of(group, rows, "iso_score")
    if score:
        reached = labelled("uniform directions reach", range_of(group, rows, "iso_score_null"))
        bingham = labelled("Bingham test, two-sided", axes.p_words if axes.claims else "")
        evidence.append(f"IsoScore, 1 if all axes vary alike, is {score}{among(reached, bingham)}.")
    short = answers(answer(axes, group), answer(common, group))
    return Finding("galaxy", "isotropy", headline, " ".join(evidence), short)


def _nulls(group: Group) -> str:
    return listing([null.words for null in nulls_of(group)])


def _verdict(judged: Judgement, topic: str) -> str:
    """On which side layers stand out, and at how many."""
    found = (judged.found, judged.opposite)
    parts = [f"{words} at {judged.at(rows)}" for words, rows in zip(_SIDES[topic][:2], found, strict=True) if rows]
    if parts:
        return listing(parts)
    anywhere = "any layer" if len(judged.rows) > 1 else "the one layer measured"
    return f"{_SIDES[topic][2]} beyond chance at {anywhere}"
