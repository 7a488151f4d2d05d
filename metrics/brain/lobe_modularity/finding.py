"""Findings on whether lobes are places in space, in words that follow from claims whichever way they fall."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from saegeom_data.declare.claim import Claim, Null
from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Finding
from saegeom_data.metrics.brain._shared.wording import lobes_in_words
from saegeom_data.metrics.brain.lobe_modularity.claims import (
    AGREEMENT,
    PAIRS,
    PAIRS_GIVEN_RATES,
    POSITIONS,
    WITHIN_TYPES,
    claims,
    farthest,
    fewest,
)
from saegeom_data.results.answers import answer, answers
from saegeom_data.results.groups import find_group
from saegeom_data.results.judgement import Judgement, by_topic, judge, values_and_largest
from saegeom_data.results.wording import listing, spread


def findings(groups: Sequence[Group]) -> list[Finding]:
    """Whether lobes agree with places in space, and whether places tell lobes."""
    group = find_group(groups, "lobe_modularity", "ami", "ami_any_p", published=None)
    if group is None:
        return []
    judged = {topic: judge(of_topic) for topic, of_topic in by_topic(claims(group)).items()}
    made = [_agreement(group, judged), _positions(group, judged)]
    return [finding for finding in made if finding is not None]


def verdict(judged: Judgement, holds: str, fails: str, whether: str) -> str:
    """The sentence of a topic: what holds where, what holds nowhere, or that it cannot be told yet."""
    if judged.found:
        return f"{holds} at {judged.at(judged.found)}, beyond {judged.every}."
    if judged.undecided:
        return f"{whether} cannot be told yet."
    return f"{fails} at {judged.anywhere} beyond {judged.every}."


def _agreement(group: Group, judged: Mapping[str, Judgement]) -> Finding | None:
    """Agreement of lobes and clusters over all numbers of lobes, as it is and within document types."""
    found = judged[AGREEMENT]
    if not found.claims:
        return None
    headline = verdict(
        found,
        "Lobes are also places in space",
        "Lobes are not places in space",
        "Whether lobes are also places in space",
    )
    counts = [int(count) for count in group.data["n_lobes"].values]
    many = f"{min(counts)} to {max(counts)}" if len(counts) > 1 else str(counts[0])
    evidence = (
        f"Over {many} lobes, taken together, adjusted mutual information with as many clusters of decoder rows exceeds "
        f"that of {_beyond(found)} ({found.p_words}); where it is farthest above "
        f"it is {values_and_largest(group, found.claims)}.{_asides(found)}{_corrected(group, found)}"
        f"{_within(judged[WITHIN_TYPES])}"
    )
    short = answers(answer(found, group, null=0.0))
    return Finding("brain", "geometry and function", headline, evidence, short)


def _beyond(judged: Judgement) -> str:
    """Each null model that was run, with how many rows are beyond it alone."""
    return listing([f"{null.words} at {judged.at(judged.beyond(null))}" for null in _run(judged)])


def _run(judged: Judgement) -> list[Null]:
    """Null models that were run at some row."""
    return list(dict.fromkeys(test.null for claim in judged.claims for test in claim.run))


def _asides(judged: Judgement) -> str:
    """Which null models were not run, and where draws are too few to tell."""
    words = [part for part in (judged.missing, judged.doubt) if part]
    return "".join(f" {part[0].upper()}{part[1:]}." for part in words)


def _corrected(group: Group, judged: Judgement) -> str:
    """The same over how reliable lobes and clusters are, and what these are."""
    at = {claim.row: farthest(group, claim.row) for claim in judged.claims}
    values = {
        name: [value for row, count in at.items() if (value := group.value(row, name, n_lobes=count)) is not None]
        for name in ("ami_corrected", "ami_split_half", "spatial_seed_agreement")
    }
    if not all(values.values()):
        return ""
    return (
        f" Lobes of two halves of the documents agree at {spread(values['ami_split_half'])} and clusters from other "
        f"starts at {spread(values['spatial_seed_agreement'])}; over the root of both it is at most "
        f"{spread(values['ami_corrected'])}, where 1 would be one grouping seen through such noise."
    )


def _within(judged: Judgement) -> str:
    """The same for lobes of what document types leave of firing."""
    if not judged.claims:
        return ""
    value = spread([claim.value or 0.0 for claim in judged.claims])
    words = verdict(judged, "it holds", "it does not hold", "whether it holds")
    return f" Within document types {words[:-1]} ({value}; {judged.p_words}).{_asides(judged)}"


def _positions(group: Group, judged: Mapping[str, Judgement]) -> Finding | None:
    """Whether a feature's lobe can be told from its place, and whether pairs that fire together lie together."""
    found = judged[POSITIONS]
    if not found.claims:
        return None
    headline = verdict(
        found,
        "A feature's lobe can be told from its place",
        "A feature's lobe cannot be told from its place",
        "Whether a feature's lobe can be told from its place",
    )
    lobes = lobes_in_words(fewest(group)).lower()
    evidence = (
        f"Balanced accuracy for {lobes} is {spread([claim.value or 0.0 for claim in found.claims])} where "
        f"{listing([f'{null.words} give {_mean(found.claims, null)}' for null in _run(found)])} ({found.p_words})."
        f"{_asides(found)}{_pairs(judged[PAIRS], judged[PAIRS_GIVEN_RATES])}"
    )
    short = answers(answer(found, group), answer(judged[PAIRS_GIVEN_RATES], group))
    return Finding("brain", "lobes from places", headline, evidence, short)


def _mean(claims_: Sequence[Claim], null: Null) -> str:
    means = [test.mean for claim in claims_ for test in claim.run if test.null == null and test.mean is not None]
    return spread(means) if means else "no mean"


def _pairs(plain: Judgement, given: Judgement) -> str:
    """The rank correlation of affinity with cosine over pairs of features."""
    parts = []
    for judged, after in ((plain, ""), (given, " given firing rates")):
        if judged.claims:
            value = spread([claim.value or 0.0 for claim in judged.claims])
            parts.append(f"{value}{after}, beyond {judged.every} at {judged.at(judged.found)} ({judged.p_words})")
    if not parts:
        return ""
    return f" Over pairs of features, affinity and cosine have a rank correlation of {', and of '.join(parts)}."
