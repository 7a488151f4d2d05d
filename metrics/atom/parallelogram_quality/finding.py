"""Findings on parallelograms, in words that follow from the numbers whichever way they fall."""

from __future__ import annotations

from collections.abc import Sequence

from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Finding
from saegeom_data.metrics.atom._word_pairs.wording import nulls_named, range_of
from saegeom_data.metrics.atom.parallelogram_quality import claims, distractors_finding
from saegeom_data.metrics.atom.parallelogram_quality.claims import HELD_OUT, SCORES
from saegeom_data.metrics.nulls import label_permutation, offsets_redealt
from saegeom_data.results.answers import answer, answers
from saegeom_data.results.groups import find_group
from saegeom_data.results.judgement import Judgement, judge, values_and_largest
from saegeom_data.results.wording import listing, out_of, spread


def findings(groups: Sequence[Group]) -> list[Finding]:
    """What offsets of relations have in common, what held-out LDA does to them, and what the distractors are."""
    group = find_group(groups, "parallelogram_quality", "silhouette", "improvement", published=None)
    if group is None:
        return []
    published = find_group(groups, "parallelogram_quality", "silhouette_published_by_directions", published=True)
    found = [_separation(group, published), _parallelograms(group), _analogies(group), _pairing(group)]
    found += [_new_relations(group), distractors_finding.word_length(group), distractors_finding.removed(group)]
    return [finding for finding in found if finding is not None]


def _separation(group: Group, published: Group | None) -> Finding | None:
    """Whether held-out LDA tells relations apart, and better than offsets as they are."""
    changed = judge(claims.changes(group, "silhouette"))
    if not changed.rows:
        return None
    apart = judge(claims.separated(group))
    parts = [f"{way} at {changed.at(rows)}" for way, rows in _ways(changed) if rows]
    headline = (
        f"Held-out LDA tells relations apart {' and '.join(parts)}."
        if parts
        else "Held-out LDA does not tell relations apart better or worse, beyond its uncertainty, at "
        f"{changed.anywhere}."
    )
    evidence = (
        f"The silhouette of relations is {_range(group, changed.rows, 'raw')} before and "
        f"{_range(group, changed.rows, 'lda')} after LDA, on word pairs that it was not fitted on: a change of "
        f"{values_and_largest(group, changed.claims)}. {_beyond_nulls(group, changed.rows, 'silhouette')} "
        f"After LDA relations are apart beyond {nulls_named(apart)} at {apart.at(apart.found)} ({apart.p_words})."
    )
    short = answers(answer(changed, group, null=0.0))
    return Finding("atom", "held-out LDA", headline, evidence + _doubt(apart) + _in_sample(published, group), short)


def _parallelograms(group: Group) -> Finding | None:
    """Whether offsets of a relation are parallel, and whether held-out LDA betters them, score by score."""
    scores = [name for name in SCORES if group.has(name)]
    changed = {name: judge(claims.changes(group, name)) for name in scores}
    parallel = judge(claims.parallel(group))
    if not scores or not all(judged.rows for judged in changed.values()) or not parallel.rows:
        return None
    rows = changed[scores[0]].rows
    # At every layer: among many scores and layers some would do by chance.
    helped = [name for name in scores if len(changed[name].found) == len(rows)]
    harmed = [name for name in scores if len(changed[name].opposite) == len(rows)]
    if len(helped) == len(scores):
        after = f"LDA betters them by every score at {out_of(rows, rows, 'layer')}."
    elif helped or harmed:
        parts = [f"betters them by {_words(helped)}"] if helped else []
        parts += [f"worsens them by {_words(harmed)}"] if harmed else []
        after = f"LDA {listing(parts)} at {out_of(rows, rows, 'layer')}."
    else:
        after = "LDA makes them neither better nor worse at every layer by any score."
    common = f"at {parallel.at(parallel.found)}" if parallel.found else "nowhere"
    headline = f"Offsets of a relation point the same way {common}, beyond {nulls_named(parallel)}; {after}"
    cosine = range_of(group, parallel.rows, "offset_consistency", view="raw", **HELD_OUT)
    evidence = (
        f"On held-out word pairs the mean cosine between two offsets of a relation is {cosine} as they are "
        f"({parallel.p_words}); {'; '.join(_change(group, name, changed[name]) for name in scores)}."
    )
    short = answers(answer(parallel, group), *(answer(changed[name], group, null=0.0) for name in scores))
    return Finding("atom", "parallelograms", headline, evidence + _doubt(parallel), short)


def _analogies(group: Group) -> Finding | None:
    """Whether the offset of another pair of the relation helps to answer analogies."""
    judged = judge(claims.analogies(group))
    if not judged.rows:
        return None
    raw = HELD_OUT | {"view": "raw"}
    right = {
        name: range_of(group, judged.rows, f"analogy_accuracy{name}", **raw)
        for name in ("", "_without_offset", "_other_relation")
    }
    more = f"answers more analogies than no offset and than that of another relation at {judged.at(judged.found)}"
    headline = (
        f"The offset of a pair of the same relation {more}."
        if judged.found
        else "The offset of a pair of the same relation answers no more analogies than no offset, or that of another "
        f"relation, at {judged.anywhere}."
    )
    evidence = (
        f"Of analogies a : b = c : ? among held-out words as they are, 3CosAdd answers {right['']}, the word nearest "
        f"to c, with no offset, {right['_without_offset']}, and the offset of a pair of another relation "
        f"{right['_other_relation']}: over the better of these a gain of {values_and_largest(group, judged.claims)}; "
        f"tested against {nulls_named(judged)} ({judged.p_words})."
    )
    lda = [group.value(row, "analogy_gain", view="lda", **HELD_OUT) for row in judged.rows]
    known = [value for value in lda if value is not None]
    if known:
        after = range_of(group, judged.rows, "analogy_accuracy", view="lda", **HELD_OUT)
        evidence += f" After LDA it answers {after}, {spread(known)} more than the better baseline there."
    short = answers(answer(judged, group, null=0.0))
    return Finding("atom", "analogies", headline, evidence + _doubt(judged), short)


def _pairing(group: Group) -> Finding | None:
    """Whether it matters which target of a relation a source is paired with."""
    judged = judge(claims.pairing(group))
    if not judged.rows:
        return None
    headline = (
        f"Which target of its relation a source is paired with matters to offsets at {judged.at(judged.found)}."
        if judged.found
        else f"Which target of its relation a source is paired with does not show in offsets at {judged.anywhere}."
    )
    area = range_of(group, judged.rows, "pairing_consistency", view="raw", **HELD_OUT)
    evidence = (
        f"A cosine between two true offsets is above one between offsets of shuffled targets in {area} of cases, where "
        f"0.5 is no matter of pairing ({judged.p_words} with targets shuffled within relations). This tests pairing "
        "alone: targets that lie near their own sources give it without any offset in common."
    )
    short = answers(answer(judged, group))
    return Finding("atom", "pairing", headline, evidence + _doubt(judged), short)


def _ways(judged: Judgement) -> tuple[tuple[str, list[str]], tuple[str, list[str]]]:
    return ("better", judged.found), ("worse", judged.opposite)


def _doubt(judged: Judgement) -> str:
    """A sentence on what more draws would tell; empty if nothing."""
    return f" {judged.doubt[0].upper()}{judged.doubt[1:]}." if judged.doubt else ""


def _words(scores: Sequence[str]) -> str:
    return listing([SCORES[name] for name in scores])


def _beyond_nulls(group: Group, rows: Sequence[str], score: str, hold_out: str = "pairs") -> str:
    """A sentence that sets a change beside those of the nulls, so that the two ways to count a gain add up."""
    where = {"hold_out": hold_out, "view": "lda", "score": score}
    shuffled, redealt = (
        range_of(group, rows, "improvement_above_null", null=null, **where)
        for null in (label_permutation.LABEL, offsets_redealt.LABEL)
    )
    return (
        f"Less what LDA fitted anew does to shuffled relations the change is {shuffled}, and less what it does to "
        f"redealt offsets {redealt}."
    )


def _change(group: Group, name: str, judged: Judgement) -> str:
    before, after = _range(group, judged.rows, "raw", name), _range(group, judged.rows, "lda", name)
    where = HELD_OUT | {"view": "lda", "score": name}
    gains = {
        null: range_of(group, judged.rows, "improvement_above_null", null=null, **where)
        for null in (label_permutation.LABEL, offsets_redealt.LABEL)
    }
    return (
        f"{SCORES[name]} is {before} before and {after} after LDA (a gain of {gains[label_permutation.LABEL]} beyond "
        f"that of shuffled relations, {gains[offsets_redealt.LABEL]} beyond that of redealt offsets; better "
        f"both in itself and beyond them at {len(judged.found)}, worse at {len(judged.opposite)} of {len(judged.rows)})"
    )


def _new_relations(group: Group) -> Finding | None:
    """Whether directions learnt on some relations are good for others, where relations were held out."""
    judged = {name: judge(claims.changes(group, name, "relations")) for name in ("silhouette", *SCORES)}
    rows = judged["silhouette"].rows
    if not rows:
        return None
    words = {"silhouette": "the silhouette", **SCORES}
    helped = [words[name] for name, found in judged.items() if len(found.found) == len(rows)]
    where = {"hold_out": "relations", "view": "lda", "null": label_permutation.LABEL}
    parts = [
        f"{words[name]} gains {range_of(group, rows, 'improvement_above_null', score=name, **where)} (above 0 at "
        f"{len(found.found)}, below at {len(found.opposite)} of {len(rows)})"
        for name, found in judged.items()
    ]
    headline = (
        f"Directions learnt on other relations improve {listing(helped)} of new ones at {out_of(rows, rows, 'layer')}."
        if helped
        else "Directions learnt on other relations improve new ones at every layer by no score."
    )
    evidence = (
        f"For relations of which LDA saw no pair, beyond what it does to shuffled relations, {'; '.join(parts)}; "
        "intervals are over pairs of these relations."
    )
    short = answers(*(answer(found, group, null=0.0, subject="of relations it never saw") for found in judged.values()))
    return Finding("atom", "held-out relations", headline, evidence, short)


def _in_sample(published: Group | None, group: Group) -> str:
    """The published score beside the held-out one, at the same number of directions."""
    if published is None:
        return ""
    values = []
    for row in published.rows:
        directions = group.value(row, "headline_directions") if row in group.rows else None
        value = published.value(row, "silhouette_published_by_directions", directions=directions)
        values += [value] if value is not None else []
    if not values:
        return ""
    return f" Scored on the very pairs that LDA was fitted on, as published, it would read {spread(values)}."


def _range(group: Group, rows: Sequence[str], view: str, score: str = "silhouette") -> str:
    return range_of(group, rows, score, view=view, **HELD_OUT)
