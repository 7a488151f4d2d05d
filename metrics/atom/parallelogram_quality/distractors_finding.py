"""Findings about distractors: what the largest direction of the steps follows, and what is removed from them."""

from __future__ import annotations

from saegeom_data.declare.answer import Answer
from saegeom_data.declare.claim import Claim
from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Finding
from saegeom_data.metrics.atom.parallelogram_quality import claims
from saegeom_data.metrics.atom.parallelogram_quality.claims import DROPPED, LENGTH
from saegeom_data.results.answers import answer, answers
from saegeom_data.results.judgement import Judgement, judge, values_and_largest
from saegeom_data.results.wording import listing, number, out_of, probability, spread

# A rank correlation of this size would be worth naming.
_LARGE = 0.2


def word_length(group: Group) -> Finding | None:
    """Whether the first principal component follows word length, over all pairs and within relations."""
    judged = judge(claims.follows(group, LENGTH, "all"))
    if not judged.rows:
        return None
    subject = "the first principal component of the steps"
    open_to_both = [claim.row for claim in judged.claims if claim.row not in judged.found and _allows_both(claim)]
    if judged.found:
        size = spread([claim.value or 0.0 for claim in judged.claims if claim.row in judged.found], 2)
        headline = f"{subject.capitalize()} follows word length at {judged.at(judged.found)} (|r| {size})."
    elif open_to_both:
        headline = (
            f"Whether {subject} follows word length cannot be told at {judged.at(open_to_both)}: intervals allow no "
            f"correlation and one of {number(_LARGE, 1)}."
        )
    else:
        headline = f"{subject.capitalize()} does not follow word length at {judged.anywhere}."
    # An axis is turned so that this correlation is positive: the largest is the strongest.
    evidence = (
        f"Its rank correlation with the difference of word lengths has a size of "
        f"{values_and_largest(group, judged.claims, 2)}, against {judged.named(judged.nulls)} ({judged.p_words})"
    )
    within = judge(claims.follows(group, LENGTH, "within_relations"))
    short = answers(answer(judged, group, null=0.0, is_open=bool(open_to_both)))
    return Finding("atom", "word length", headline, evidence + _within(within) + ".", short)


def _allows_both(claim: Claim) -> bool:
    """Whether an interval holds no correlation and a large one."""
    return claim.low is None or claim.high is None or (claim.low <= 0 and max(claim.high, -claim.low) >= _LARGE)


def _within(judged: Judgement) -> str:
    """The same within relations; empty where nothing is known."""
    if not judged.rows:
        return ""
    values = [claim.value or 0.0 for claim in judged.claims]
    where = f"at {judged.at(judged.found)}" if judged.found else "at no layer"
    doubt = f"; {judged.doubt}" if judged.doubt else ""
    return (
        f"; within relations it is {spread(values, 2)}, beyond {judged.named(judged.nulls)} {where} "
        f"({judged.p_words}{doubt})"
    )


def removed(group: Group) -> Finding | None:
    """What LDA drops: its share of the steps, and which variables the largest dropped direction follows."""
    rows = [row for row in group.rows if group.value(row, "lda_kept_share") is not None]
    rows = [row for row in rows if group.value(row, "direction_share", **DROPPED) is not None]
    if not rows:
        return None
    found = {name: judge(claims.follows(group, at, "all")) for name, at in _variables(group).items()}
    places: dict[str, list[str]] = {}
    for name, judged in found.items():
        if judged.found:
            places.setdefault(out_of(judged.found, rows, "layer"), []).append(name)
    named = [f"{listing(names)} at {place}" for place, names in places.items()]
    known_of = f" of the words ({listing(list(found))})" if found else " of the words"
    follows = listing(named) if named else f"nothing that is known{known_of}"
    headline = f"The largest direction that LDA drops follows {follows}."
    kept = [group.value(row, "lda_kept_share") or 0 for row in rows]
    share = [group.value(row, "direction_share", **DROPPED) or 0 for row in rows]
    explained = [group.value(row, "nuisances_r2", **DROPPED, scope="all") for row in rows]
    known = [value for value in explained if value is not None]
    evidence = (
        f"LDA keeps {spread(kept)} of the variance of the steps; of the rest, the largest direction has "
        f"{spread(share)} of all variance"
    )
    if known:
        p = [group.value(row, "nuisances_r2_p", **DROPPED, scope="all") for row in rows]
        largest = probability(max(value for value in p if value is not None))
        null = listing(sorted({null.words for judged in found.values() for null in judged.nulls}))
        evidence += (
            f", and what is known of the words explains {spread(known)} of its ranks (largest {largest}, {null})"
        )
    short = answers(*(answer(judged, group, null=0.0) for judged in found.values() if judged.found))
    short = short or answers(*(answer(judged, group, null=0.0) for judged in found.values() if judged.undecided))
    if found and not short:
        short = (Answer(headline, "not shown"),)
    return Finding("atom", "what LDA removes", headline, evidence + ".", short)


def _variables(group: Group) -> dict[str, dict[str, str]]:
    """Nuisance variables that something is known of, with where their values stand."""
    if "nuisance" not in group.data.coords:
        return {}
    places = {
        str(name).replace("_", " "): DROPPED | {"nuisance": str(name), "scope": "all"}
        for name in group.data["nuisance"].values
    }
    return {
        name: at
        for name, at in places.items()
        if any(group.value(row, "nuisance_spearman_p", **at) is not None for row in group.rows)
    }
