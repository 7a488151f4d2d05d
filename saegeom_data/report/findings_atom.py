"""Findings of the atom scale, in words that follow from the numbers whichever way they fall."""

from __future__ import annotations

from collections.abc import Sequence

from saegeom_data.report.groups import Group, find_group
from saegeom_data.report.parts import Finding
from saegeom_data.report.text import interval, number, out_of, probability, spread

_SIGNIFICANT = 0.05


def findings(groups: Sequence[Group]) -> list[Finding]:
    """Findings for the groups that are there."""
    group = find_group(groups, "parallelogram_quality", "silhouette", "improvement", published=None)
    if group is None:
        return []
    published = find_group(groups, "parallelogram_quality", "silhouette_published_by_directions", published=True)
    found = [_improvement(group, published), _word_length(group)]
    return [finding for finding in found if finding is not None]


def _improvement(group: Group, published: Group | None) -> Finding | None:
    """Whether held-out LDA improves the silhouette, against its null."""
    where = {"view": "lda", "score": "silhouette"}
    rows = [row for row in group.rows if group.value(row, "improvement", **where) is not None]
    if not rows:
        return None
    ends = {row: tuple(group.value(row, f"improvement_{end}", **where) for end in ("low", "high")) for row in rows}
    better = [row for row in rows if (ends[row][0] or 0) > 0]
    worse = [row for row in rows if (ends[row][1] or 0) < 0]
    if better and not worse:
        headline = f"Held-out LDA improves parallelograms at {out_of(better, rows, 'layer')}."
    elif worse and not better:
        headline = f"Held-out LDA makes parallelograms worse at {out_of(worse, rows, 'layer')}."
    elif better:
        gain, loss = (out_of(some, rows, "layer") for some in (better, worse))
        headline = f"Held-out LDA improves parallelograms at {gain} and makes them worse at {loss}."
    else:
        headline = "Held-out LDA does not change parallelograms beyond its uncertainty at any layer."
    best = max(rows, key=lambda row: group.value(row, "improvement", **where) or 0)
    low, high = ends[best]
    gains = [group.value(row, "improvement", **where) or 0 for row in rows]
    evidence = (
        f"The silhouette of relations is {_range(group, rows, 'raw')} before and {_range(group, rows, 'lda')} after "
        f"LDA, on word pairs that it was not fitted on; beyond chance this is a change of {spread(gains)}, and the "
        f"largest is {number(group.value(best, 'improvement', **where))} {interval(low, high)}. With relations "
        f"shuffled, the silhouette after LDA is {_null(group, rows)} ({_probabilities(group, rows, where)})."
    )
    return Finding("atom", "held-out LDA", headline, evidence + _in_sample(published, group))


def _word_length(group: Group) -> Finding | None:
    """Whether the first principal component follows word length."""
    where = {"scope": "all"}
    rows = [row for row in group.rows if group.value(row, "length_spearman", **where) is not None]
    if not rows:
        return None
    follows = [row for row in rows if (group.value(row, "length_p", **where) or 1) < _SIGNIFICANT]
    values = [group.value(row, "length_spearman", **where) or 0 for row in rows]
    if follows:
        size = spread([group.value(row, "length_spearman", **where) or 0 for row in follows], 2)
        where_it_does = out_of(follows, rows, "layer")
        headline = f"The first principal component of the steps follows word length at {where_it_does} (|r| {size})."
    else:
        headline = "The first principal component of the steps does not follow word length at any layer."
    top = rows[values.index(max(values))]
    low, high = (group.value(top, f"length_spearman_{end}", **where) for end in ("low", "high"))
    evidence = (
        f"Its rank correlation with the difference of word lengths is {spread(values, 2)} in size (largest at "
        f"{_name(group, top)}: {number(max(values), 2)} {interval(low, high, 2)}), against lengths shuffled among "
        f"pairs ({_probabilities(group, rows, where, 'length_p')})"
    )
    within = [group.value(row, "length_spearman", scope="within_relations") for row in rows]
    known = [value for value in within if value is not None]
    return Finding(
        "atom", "word length", headline, evidence + (f"; within relations it is {spread(known, 2)}." if known else ".")
    )


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


def _range(group: Group, rows: Sequence[str], view: str) -> str:
    values = [group.value(row, "silhouette", view=view) for row in rows]
    return spread([value for value in values if value is not None])


def _null(group: Group, rows: Sequence[str]) -> str:
    values = [group.value(row, "null_mean", view="lda", score="silhouette") for row in rows]
    return spread([value for value in values if value is not None] or [0.0])


def _probabilities(group: Group, rows: Sequence[str], where: dict[str, str], name: str = "p") -> str:
    """The p of one layer, or the largest of several."""
    known = [value for row in rows if (value := group.value(row, name, **where)) is not None]
    if not known:
        return "no p"
    return probability(max(known)) if len(known) == 1 else f"largest {probability(max(known))}"


def _name(group: Group, row: str) -> str:
    layer = group.coordinate(row, "layer")
    return row if layer is None else f"layer {layer}"
