"""What lobe_modularity tests: whether lobes are places in decoder space, at any number of them and in further ways."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from saegeom_data.declare.claim import Claim, NullTest
from saegeom_data.declare.group import Group
from saegeom_data.metrics.brain.lobe_modularity._outputs import PARTIAL_NULLS
from saegeom_data.results.judgement import null_tests

AGREEMENT = "lobes and places"
WITHIN_TYPES = "lobes and places within document types"
POSITIONS = "lobes predicted from places"
PAIRS = "pairs that fire together"
PAIRS_GIVEN_RATES = "pairs that fire together, given firing rates"


def claims(group: Group) -> list[Claim]:
    """Five claims per row, each against every null model that the number has."""
    if "n_lobes" not in group.data.coords or not group.has("ami_any_p"):
        return []
    count = {"n_lobes": fewest(group)}
    made = []
    for row in group.rows:
        made += [
            _at_any(group, row, AGREEMENT, "lobes agree, at some number of them, with clusters of decoder rows", "ami"),
            _at_any(
                group, row, WITHIN_TYPES,
                "lobes of one document type agree, at some number of them, with clusters of decoder rows",
                "ami_within_type",
            ),
            _claim(group, row, POSITIONS, "a feature's decoder row tells its lobe", "balanced_accuracy", count),
            _claim(group, row, PAIRS, "features that fire together have larger cosines", "mantel", {}),
            _claim(
                group, row, PAIRS_GIVEN_RATES,
                "features that fire together have larger cosines than firing rates explain", "mantel_partial",
                {}, PARTIAL_NULLS,
            ),
        ]  # fmt: skip
    return made


def fewest(group: Group) -> int:
    """The least number of lobes that was measured."""
    return min(int(count) for count in group.data["n_lobes"].values)


def farthest(group: Group, row: str, measure: str = "ami") -> int:
    """The number of lobes that is farthest above the null model which is hardest to exceed."""
    nulls = [str(null) for null in group.data["null"].values] if "null" in group.data.coords else []
    p = {null: group.value(row, f"{measure}_any_p", null=null) for null in nulls}
    known = {null: value for null, value in p.items() if value is not None}
    if not known:
        return fewest(group)
    # Of equal p the later: draws that cluster anew are the more like the data.
    hardest = max(reversed(list(known)), key=known.__getitem__)
    return int(group.value(row, f"{measure}_any_n_lobes", null=hardest) or fewest(group))


def _at_any(group: Group, row: str, topic: str, statement: str, measure: str) -> Claim:
    """A claim on a measure over all numbers of lobes; its value is that of the number that is farthest above."""
    tests = null_tests(group, row, f"{measure}_any_p")
    # Not of that number of lobes alone: the largest deviation over all of them is tested.
    return _valued(topic, row, statement, tests, group, measure, {"n_lobes": farthest(group, row, measure)}, {})


def _claim(
    group: Group,
    row: str,
    topic: str,
    statement: str,
    measure: str,
    where: Mapping[str, Any],
    only: Sequence[str] = (),
) -> Claim:
    tests = null_tests(
        group, row, f"{measure}_p", mean=f"{measure}_null_mean", deviation=f"{measure}_null_sd", only=only, **where
    )
    return _valued(topic, row, statement, tests, group, measure, where, where)


def _valued(
    topic: str,
    row: str,
    statement: str,
    tests: tuple[NullTest, ...],
    group: Group,
    measure: str,
    where: Mapping[str, Any],
    at: Mapping[str, Any],
) -> Claim:
    """A claim about the labels ``at``, with the value of a measure and the ends of its interval at ``where``."""
    value, low, high = (group.value(row, f"{measure}{end}", **where) for end in ("", "_low", "_high"))
    return Claim(topic, row, statement, tests, value=value, low=low, high=high, at=at)
