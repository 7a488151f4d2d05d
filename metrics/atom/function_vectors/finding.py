"""Findings about function vectors: what they explain of new steps, and whether they find the right targets."""

from __future__ import annotations

from collections.abc import Sequence

from saegeom_data.declare.claim import Claim
from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Finding
from saegeom_data.metrics.atom._word_pairs.wording import NO_COMMON_OFFSET, nulls_named, range_of
from saegeom_data.metrics.nulls import label_permutation, offsets_redealt
from saegeom_data.results.answers import answer, answers
from saegeom_data.results.groups import find_group
from saegeom_data.results.judgement import judge, null_tests
from saegeom_data.results.wording import any_of, number, out_of

_EXPLAINED = {"view": "raw", "score": "explained_share"}


def claims(group: Group) -> list[Claim]:
    """Whether a relation's vector explains new steps, and whether it carries new sources to their targets."""
    statements = {
        "explained_share": "a relation's mean step stands for steps of new pairs",
        "target_rank": "a relation's mean step carries new sources to their targets",
    }
    return [_claim(group, row, score, words) for score, words in statements.items() for row in group.rows]


def _claim(group: Group, row: str, score: str, statement: str) -> Claim:
    where = {"view": "raw", "score": score}
    tests = null_tests(group, row, "p", mean="null_mean", only=NO_COMMON_OFFSET, **where)
    value, low, high = (group.value(row, name, **where) for name in (score, "low", "high"))
    return Claim(f"vectors: {score}", row, statement, tests, value=value, low=low, high=high)


def findings(groups: Sequence[Group]) -> list[Finding]:
    """Findings for the groups that are there."""
    group = find_group(groups, "function_vectors", "explained_share", "target_rank_by_vector", published=None)
    return [] if group is None else [finding for finding in (_explained(group), _found(group)) if finding is not None]


def _explained(group: Group) -> Finding | None:
    """What the vector of half of the pairs explains of the steps of the other half."""
    judged = judge([claim for claim in claims(group) if claim.topic == "vectors: explained_share"])
    rows = judged.rows
    if not rows:
        return None
    headline = (
        f"A relation's mean step stands for the steps of new pairs, beyond {nulls_named(judged)}, at "
        f"{judged.at(judged.found)}."
        if judged.found
        else f"A relation's mean step stands for the steps of new pairs no better than with {nulls_named(judged)}."
    )
    nulls = {
        label: range_of(group, rows, "null_mean", null=label, **_EXPLAINED)
        for label in (label_permutation.LABEL, offsets_redealt.LABEL)
    }
    evidence = (
        f"Fitted on half of the pairs, it explains {range_of(group, rows, 'explained_share', view='raw')} of the "
        f"squared length of the others' steps, where that of shuffled relations explains "
        f"{nulls[label_permutation.LABEL]} and that of redealt offsets {nulls[offsets_redealt.LABEL]} "
        f"({judged.p_words}); the two halves' vectors have a "
        f"cosine of {range_of(group, rows, 'agreement', view='raw')}"
    )
    if group.values(rows, "explained_share", view="lda"):
        evidence += f". After held-out LDA it explains {range_of(group, rows, 'explained_share', view='lda')}"
    return Finding("atom", "function vectors", headline, evidence + ".", answers(answer(judged, group)))


def _found(group: Group) -> Finding | None:
    """Whether a source plus its relation's vector lies nearer to its target than without one."""
    rows = [row for row in group.rows if group.value(row, "gain_low", view="raw", vector="none") is not None]
    if not rows:
        return None
    better = [row for row in rows if (group.value(row, "gain_low", view="raw", vector="none") or 0) > 0]
    worse = [row for row in rows if (group.value(row, "gain_high", view="raw", vector="none") or 0) < 0]
    changes = [f"nearer at {out_of(better, rows, 'layer')}"] if better else []
    changes += [f"farther at {out_of(worse, rows, 'layer')}"] if worse else []
    change = " and ".join(changes) or f"neither nearer nor farther at {any_of(rows, 'layer')}"
    places = {
        vector: range_of(group, rows, "target_rank_by_vector", view="raw", vector=vector)
        for vector in ("own", "other_relations", "none")
    }
    found = [
        number(max(group.values(rows, "target_found_by_vector", view="raw", vector=v) or [0.0]))
        for v in ("own", "none")
    ]
    evidence = (
        f"The right target's place among all, from 0 (nearest) to 1, is {places['own']} with the vector of the "
        f"relation, {places['other_relations']} with those of other relations and {places['none']} without any (95 "
        f"percent intervals over pairs); it is the nearest for at most {found[0]} of sources with the vector and "
        f"{found[1]} without."
    )
    return Finding("atom", "moved sources", f"A relation's mean step carries new sources {change}.", evidence)
