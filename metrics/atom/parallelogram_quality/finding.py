"""Findings on parallelograms, in words that follow from the numbers whichever way they fall."""

from __future__ import annotations

from collections.abc import Sequence

from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Finding
from saegeom_data.metrics.atom._word_pairs.wording import largest_p
from saegeom_data.metrics.atom.parallelogram_quality import distractors_finding
from saegeom_data.results.groups import find_group
from saegeom_data.results.wording import interval, listing, number, out_of, spread

_SCORES = {
    "parallelogram_residual": "the gap that is left open",
    "offset_consistency": "the cosine between offsets",
    "analogy_accuracy": "the share of analogies answered right",
}


_HELD_OUT = {"hold_out": "pairs"}


def findings(groups: Sequence[Group]) -> list[Finding]:
    """What held-out LDA does to relations and parallelograms, and what the distractors are."""
    group = find_group(groups, "parallelogram_quality", "silhouette", "improvement", published=None)
    if group is None:
        return []
    published = find_group(groups, "parallelogram_quality", "silhouette_published_by_directions", published=True)
    found = [_separation(group, published), _parallelograms(group), _new_relations(group)]
    found += [distractors_finding.word_length(group), distractors_finding.removed(group)]
    return [finding for finding in found if finding is not None]


def _separation(group: Group, published: Group | None) -> Finding | None:
    """Whether held-out LDA tells relations apart, by the silhouette against its null."""
    where = _HELD_OUT | {"view": "lda", "score": "silhouette"}
    rows = [row for row in group.rows if group.value(row, "improvement", **where) is not None]
    if not rows:
        return None
    better, worse = _changed(group, rows, "silhouette")
    if better and worse:
        gain, loss = (out_of(some, rows, "layer") for some in (better, worse))
        headline = f"Held-out LDA tells relations apart better at {gain} and worse at {loss}."
    elif better or worse:
        way, some = ("better", better) if better else ("worse", worse)
        headline = f"Held-out LDA tells relations apart {way} at {out_of(some, rows, 'layer')}."
    else:
        headline = "Held-out LDA does not tell relations apart better or worse, beyond its uncertainty, at any layer."
    best = max(rows, key=lambda row: group.value(row, "improvement", **where) or 0)
    low, high = (group.value(best, f"improvement_{end}", **where) for end in ("low", "high"))
    gains = [group.value(row, "improvement", **where) or 0 for row in rows]
    evidence = (
        f"The silhouette of relations is {_range(group, rows, 'raw')} before and {_range(group, rows, 'lda')} after "
        f"LDA, on word pairs that it was not fitted on; beyond chance this is a change of {spread(gains)}, and the "
        f"largest is {number(group.value(best, 'improvement', **where))} {interval(low, high)}. With relations "
        f"shuffled, the silhouette after LDA is {_null(group, rows)} ({largest_p(group, rows, where)})."
    )
    return Finding("atom", "held-out LDA", headline, evidence + _in_sample(published, group))


def _parallelograms(group: Group) -> Finding | None:
    """Whether held-out LDA improves the parallelograms within relations, score by score."""
    scores = [name for name in _SCORES if group.has(name)]
    rows = [row for row in group.rows if all(_gain(group, row, name) is not None for name in scores)]
    if not rows or not scores:
        return None
    changed = {name: _changed(group, rows, name) for name in scores}
    # At every layer: among many scores and layers some would do by chance.
    helped = [name for name in scores if len(changed[name][0]) == len(rows)]
    harmed = [name for name in scores if len(changed[name][1]) == len(rows)]
    where = out_of(rows, rows, "layer")
    if len(helped) == len(scores):
        headline = f"Parallelograms get better by every score at {where}."
    elif helped or harmed:
        parts = [f"better by {_words(helped)}"] if helped else []
        parts += [f"worse by {_words(harmed)}"] if harmed else []
        headline = f"Parallelograms get {listing(parts)} at {where}."
    else:
        headline = "Parallelograms get neither better nor worse at every layer by any score."
    evidence = "; ".join(_change(group, rows, name, *changed[name]) for name in scores)
    return Finding("atom", "parallelograms", headline, f"On held-out word pairs, {evidence}.")


def _words(scores: Sequence[str]) -> str:
    return listing([_SCORES[name] for name in scores])


def _change(group: Group, rows: Sequence[str], name: str, better: Sequence[str], worse: Sequence[str]) -> str:
    before, after = _range(group, rows, "raw", name), _range(group, rows, "lda", name)
    gains = [value for row in rows if (value := _gain(group, row, name)) is not None]
    p = largest_p(group, rows, _HELD_OUT | {"view": "lda", "score": name})
    return (
        f"{_SCORES[name]} is {before} before and {after} after LDA (against chance: a gain of {spread(gains)}, with an "
        f"interval above 0 at {len(better)} and below 0 at {len(worse)} of {len(rows)}; after LDA {p})"
    )


def _changed(group: Group, rows: Sequence[str], score: str) -> tuple[list[str], list[str]]:
    """Rows where the interval of a score's improvement lies above 0, and where it lies below."""
    low = {row: group.value(row, "improvement_low", view="lda", score=score, **_HELD_OUT) for row in rows}
    high = {row: group.value(row, "improvement_high", view="lda", score=score, **_HELD_OUT) for row in rows}
    # Without an interval a layer counts on neither side.
    return [row for row, end in low.items() if (end or 0) > 0], [row for row, end in high.items() if (end or 0) < 0]


def _gain(group: Group, row: str, score: str) -> float | None:
    return group.value(row, "improvement", view="lda", score=score, **_HELD_OUT)


def _new_relations(group: Group) -> Finding | None:
    """Whether directions learnt on some relations are good for others, where relations were held out."""
    where = {"hold_out": "relations", "view": "lda"}
    rows = [row for row in group.rows if group.value(row, "improvement", **where, score="silhouette") is not None]
    if not rows:
        return None
    parts, helped = [], []
    for name, words in {"silhouette": "the silhouette", **_SCORES}.items():
        gains, low, high = (
            {row: group.value(row, f"improvement{end}", **where, score=name) or 0.0 for row in rows}
            for end in ("", "_low", "_high")
        )
        better, worse = [row for row in rows if low[row] > 0], [row for row in rows if high[row] < 0]
        helped += [words] if len(better) == len(rows) else []
        parts.append(
            f"{words} gains {spread(list(gains.values()))} beyond chance (interval above 0 at {len(better)}, below at "
            f"{len(worse)} of {len(rows)})"
        )
    where_it_does = out_of(rows, rows, "layer")
    headline = (
        f"Directions learnt on other relations improve {listing(helped)} of new ones at {where_it_does}."
        if helped
        else "Directions learnt on other relations improve new ones at every layer by no score."
    )
    evidence = (
        f"For relations of which LDA saw no pair, {'; '.join(parts)}; intervals are over pairs of these relations."
    )
    return Finding("atom", "held-out relations", headline, evidence)


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
    values = [group.value(row, score, view=view, **_HELD_OUT) for row in rows]
    return spread([value for value in values if value is not None])


def _null(group: Group, rows: Sequence[str]) -> str:
    values = [group.value(row, "null_mean", view="lda", score="silhouette", **_HELD_OUT) for row in rows]
    return spread([value for value in values if value is not None] or [0.0])
