"""What metrics of word pairs claim, and phrases that their findings share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from saegeom_data.declare.claim import Null, NullTest
from saegeom_data.declare.group import Group
from saegeom_data.metrics.atom._word_pairs.scores import N_GROUPS
from saegeom_data.metrics.nulls import derangement, label_permutation, offsets_redealt
from saegeom_data.results.judgement import Judgement, nulls_of
from saegeom_data.results.wording import listing, out_of, spread

# Nulls without an offset that pairs of a relation have in common; derangements keep it, and test pairing alone.
NO_COMMON_OFFSET = (label_permutation.LABEL, offsets_redealt.LABEL)
PAIRING = (derangement.LABEL,)
# Exact laws: of a mean change, and of a mean gain over the better baseline, that are 0.
NO_CHANGE = Null("no_change", "no change")
NO_GAIN = Null("t_law", "no gain over the better of no offset and that of another relation")


def change_tests(group: Group, row: str, **where: Any) -> tuple[NullTest, ...]:
    """Tests of what a view improves: at all, and beyond what it does to draws of the nulls without a common offset.

    Their p is that of the jackknife's law, with the error of the nulls' means in it. A score that
    gets worse by less than that of shuffled relations does is thus neither better nor worse.
    """
    p = _p_above_zero(*(group.value(row, f"improvement{end}", **where) for end in ("", "_low", "_high")))
    tests = [NullTest(NO_CHANGE, p, None, 0.0, None if p is None else 1 - p)]
    for null in nulls_of(group):
        if null.label in (*PAIRING, NO_GAIN.label):
            tests.append(NullTest(null, None, is_left_out=True))
        elif null.label in NO_COMMON_OFFSET:
            p = group.value(row, "improvement_p", null=null.label, **where)
            tests.append(NullTest(null, p, None, None, None if p is None else 1 - p))
    return tuple(tests)


def _p_above_zero(value: float | None, low: float | None, high: float | None) -> float | None:
    """One-sided p of a value above 0 from its 95 percent interval, by the law of the interval; None without one."""
    from scipy.stats import t

    if value is None or low is None or high is None:
        return None
    free = N_GROUPS - 1
    error = (high - low) / 2 / t.ppf(0.975, free)
    if error <= 0:
        return float(value <= 0)
    return float(t.sf(value / error, free))


def nulls_named(judged: Judgement) -> str:
    """The null models that claims were held against, in words."""
    return judged.named(judged.nulls)


def where_found(judged: Judgement, noun: str = "layer") -> str:
    """Where a claim holds, where its other side does, and where that cannot be told: an end of a sentence."""
    parts = [f"at {judged.at(judged.found, noun)}"] if judged.found else []
    if judged.undecided:
        parts.append(judged.doubt)
    return listing(parts)


def range_of(group: Group, rows: Sequence[str], name: str, **where: Any) -> str:
    """Their range in words."""
    return spread(group.values(rows, name, **where) or [0.0])


def how_many(some: Sequence[str], rows: Sequence[str]) -> str:
    """How many of the layers: "2 of 7 layers"."""
    return out_of(some, rows, "layer")
