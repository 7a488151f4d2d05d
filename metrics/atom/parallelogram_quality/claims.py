"""What is tested of parallelograms: one claim for each site and question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from saegeom_data.declare.claim import Claim, Null, NullTest
from saegeom_data.declare.group import Group
from saegeom_data.metrics.atom._word_pairs.wording import NO_COMMON_OFFSET, NO_GAIN, PAIRING, change_tests
from saegeom_data.metrics.nulls import label_permutation
from saegeom_data.results.judgement import draws_of, null_tests

HELD_OUT = {"hold_out": "pairs"}
# The direction that offsets vary most along, and the variable that the paper says it follows.
LENGTH = {"direction": "principal_component_1", "nuisance": "length"}
DROPPED = {"direction": "dropped_by_lda_1"}
SCORES = {
    "parallelogram_residual": "the gap that is left open",
    "offset_consistency": "the cosine between offsets",
    "analogy_accuracy": "the share of analogies answered right",
}
_DIRECTIONS = {
    "principal component 1": "the first principal component of the steps",
    "dropped by lda 1": "the largest direction that LDA drops",
}
_SHUFFLED = {
    "all": Null(
        label_permutation.LABEL, "relations that change places and pairs shuffled within them", "n_permutations"
    ),
    "within_relations": Null(label_permutation.LABEL, "pairs shuffled within relations", "n_permutations"),
}


def claims(group: Group) -> list[Claim]:
    """All claims of one result."""
    found = [*parallel(group), *pairing(group), *analogies(group), *separated(group)]
    found += [claim for score in ("silhouette", *SCORES) for claim in changes(group, score)]
    for scope in _SHUFFLED:
        found += follows(group, LENGTH, scope)
    return found


def parallel(group: Group) -> list[Claim]:
    """Whether offsets of a relation point the same way, as they are."""
    where = HELD_OUT | {"score": "offset_consistency", "view": "raw"}
    statement = "offsets of a relation point the same way"
    return [_scored(group, row, "parallel offsets", statement, NO_COMMON_OFFSET, where) for row in group.rows]


def pairing(group: Group) -> list[Claim]:
    """Whether it matters which target belongs to which source."""
    where = HELD_OUT | {"score": "pairing_consistency", "view": "raw"}
    statement = "offsets depend on which target a source is paired with"
    return [_scored(group, row, "pairing", statement, PAIRING, where) for row in group.rows]


def analogies(group: Group) -> list[Claim]:
    """Whether the offset of another pair of a relation answers more analogies than either baseline."""
    where = HELD_OUT | {"score": "analogy_gain", "view": "raw"}
    statement = "a relation's offset answers more analogies than no offset or another relation's"
    found = []
    for row in group.rows:
        p = group.value(row, "analogy_gain_p", **where)
        claim = _scored(group, row, "analogies", statement, NO_COMMON_OFFSET, where)
        # Its p is of another output: it is not of draws, but of the gain over the better baseline.
        tests = tuple(NullTest(NO_GAIN, p) if test.null == NO_GAIN else test for test in claim.tests)
        found.append(Claim("analogies", row, statement, tests, value=claim.value, low=claim.low, high=claim.high))
    return found


def separated(group: Group) -> list[Claim]:
    """Whether offsets tell relations apart after held-out discriminants."""
    where = HELD_OUT | {"score": "silhouette", "view": "lda"}
    statement = "held-out LDA tells relations apart"
    return [_scored(group, row, "relations apart", statement, NO_COMMON_OFFSET, where) for row in group.rows]


def changes(group: Group, score: str, hold_out: str = "pairs") -> list[Claim]:
    """Whether discriminants better or worsen a score beyond what they do where there is no common offset."""
    where = {"hold_out": hold_out, "score": score, "view": "lda"}
    words = SCORES.get(score, "the silhouette of relations")
    return [
        Claim(
            f"LDA: {score}" if hold_out == "pairs" else f"LDA of other relations: {score}",
            row,
            f"held-out LDA betters {words}",
            change_tests(group, row, **where),
            opposite=f"held-out LDA worsens {words}",
            value=group.value(row, "improvement", **where),
            low=group.value(row, "improvement_low", **where),
            high=group.value(row, "improvement_high", **where),
        )
        for row in group.rows
    ]


def follows(group: Group, direction: Mapping[str, str], scope: str) -> list[Claim]:
    """Whether a direction follows a nuisance variable, over all pairs or within relations."""
    null, found = _SHUFFLED[scope], []
    where = {**direction, "scope": scope}
    name = direction["nuisance"].replace("_", " ")
    subject = direction["direction"].replace("_", " ")
    follows_words = f"{_DIRECTIONS.get(subject, subject)} follows {'word length' if name == 'length' else name}"
    within = " within relations" if scope == "within_relations" else ""
    for row in group.rows:
        value, low, high, p = (
            group.value(row, f"nuisance_spearman{end}", **where) for end in ("", "_low", "_high", "_p")
        )
        test = NullTest(null, p, draws_of(group, row, null))
        topic = f"{subject}: {name}{within}"
        found.append(Claim(topic, row, follows_words + within, (test,), value=value, low=low, high=high))
    return found


def _scored(group: Group, row: str, topic: str, statement: str, only: Sequence[str], where: Mapping[str, Any]) -> Claim:
    """Claim that a score is beyond some of the nulls."""
    tests = null_tests(group, row, "p", mean="null_mean", only=only, **where)
    value, low, high = (group.value(row, name, **where) for name in (where["score"], "low", "high"))
    return Claim(topic, row, statement, tests, value=value, low=low, high=high)
