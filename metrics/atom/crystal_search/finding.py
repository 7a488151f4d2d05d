"""Findings on crystals among features, in words that follow from the numbers whichever way they fall."""

from __future__ import annotations

from collections.abc import Sequence

from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Finding
from saegeom_data.metrics.atom.crystal_search.claims import claims, topic
from saegeom_data.metrics.atom.crystal_search.figure import KINDS, NUISANCES, richest, searched
from saegeom_data.report import draw
from saegeom_data.results.answers import answer, answers
from saegeom_data.results.judgement import Judgement, by_topic, judge
from saegeom_data.results.wording import listing, number, plural, probability, spread

_LISTED = 3
_LEVEL = 0.05


def findings(groups: Sequence[Group]) -> list[Finding]:
    """Whether the dictionaries hold families of crystals, and what the largest follows."""
    group = searched(groups)
    if group is None:
        return []
    topics = by_topic(claims(group))
    judged = {kind: judge(topics.get(topic(kind), [])) for kind in KINDS}
    if not any(judgement.claims for judgement in judged.values()):
        return []
    parts = [
        f"{KINDS[kind][0]} at {judgement.at(judgement.found)}" for kind, judgement in judged.items() if judgement.found
    ]
    first = next(iter(judged.values()))
    if parts:
        headline = f"Pairs of features form families of {listing(parts)}, beyond {first.every}."
    elif doubts := [judgement.doubt for judgement in judged.values() if judgement.doubt]:
        headline = f"Whether features form families of parallelograms or trapezoids is not told: {doubts[0]}."
    else:
        headline = f"No family of parallelograms or trapezoids is beyond {first.every}."
    evidence = [_evidence(group, kind, judgement) for kind, judgement in judged.items() if judgement.claims]
    evidence += _largest(group, judged["parallelogram"].found)
    short = answers(*(answer(judgement, group) for judgement in judged.values()))
    return [Finding("atom", "crystals", headline, " ".join(evidence), short)]


def _evidence(group: Group, kind: str, judgement: Judgement) -> str:
    rows = judgement.rows
    words = KINDS[kind][0].capitalize()
    counts = [group.value(row, "n_families", kind=kind) or 0 for row in judgement.found]
    rate = number(group.parameters.get("false_discovery_rate"), 2)
    scores = [group.value(row, "largest_score", kind=kind) or 0 for row in rows]
    said = [f"{words}: the highest score of a family is {spread(scores, 1)}"]
    if counts:
        # One rule: families are counted only where the highest score is beyond each null, which is the claim.
        families = "1 family has" if set(counts) == {1} else f"{spread(counts, 0)} families have"
        found = f"{families} a false discovery rate of at most {rate} under each null"
        said.append(f"where it is beyond {judgement.every}, {found}")
    for null in judgement.nulls:
        means = [
            mean
            for row in rows
            if (mean := group.value(row, "largest_score_null_mean", kind=kind, null=null.label)) is not None
        ]
        beyond = judgement.at(judgement.beyond(null))
        said.append(f"among {null.words} {spread(means, 1)}, which is exceeded at {beyond}")
    said.append(judgement.p_words)
    said += [words for words in (judgement.doubt, judgement.missing) if words]
    return f"{'; '.join(said)}."


def _largest(group: Group, found: Sequence[str]) -> list[str]:
    """The first family of the layer that has most of those where families are found, and what it follows."""
    if not found:
        return []
    row = richest(group, found)
    data = group.data.isel({group.over: group.rows.index(row)}).sel(kind="parallelogram")
    if not int(data["n_families"]):
        return []
    pairs = data["pair"].values[data["pair_family"].values == 0][:_LISTED].tolist()
    steps = listing([f"{a} to {b}" for a, b in pairs])
    n_pairs, n_features, n_quadruples = (
        int(data[name][0]) for name in ("family_pairs", "family_features", "family_quadruples")
    )
    said = (
        f"At {draw.row_name(group, row)} the family of parallelograms with the highest score has "
        f"{plural(n_pairs, 'pair')} of {plural(n_features, 'feature')}: {n_quadruples} of the "
        f"{int(data['n_quadruples'])} quadruples of the layer. Its best steps are of features {steps}."
    )
    return [said, *_followed(data)]


def _followed(data: object) -> list[str]:
    """Nuisances that rise or fall along the steps of the first family, with p for as many as were looked at."""
    found, known = [], []
    for nuisance, words in NUISANCES.items():
        rise, p = (float(data[name].sel(nuisance=nuisance)[0]) for name in ("nuisance_rise", "nuisance_p"))  # type: ignore[index]
        # NaN, of what was not tested, is not equal to itself.
        if p == p:
            known.append((words, rise, p))
    for words, rise, p in known:
        adjusted = min(1.0, p * len(known))
        if adjusted <= _LEVEL:
            found.append(f"{words} (along {number(50 * (1 + abs(rise)), 0)} percent of them, {probability(adjusted)})")
    if found:
        return [f"Its steps follow {listing(found)}, against values permuted among its features."]
    if not known:
        return []
    names = [words for words, *_ in known]
    if len(names) == 1:
        return [f"Its steps do not follow {names[0]}."]
    return [f"Its steps follow neither {listing(names, 'nor')}."]
