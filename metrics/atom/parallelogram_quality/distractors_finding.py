"""Findings about distractors: what the largest direction of the steps follows, and what is removed from them."""

from __future__ import annotations

from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Finding
from saegeom_data.metrics.atom._word_pairs.wording import largest_p
from saegeom_data.metrics.atom.parallelogram_quality.distractors_figure import LENGTH
from saegeom_data.results.discoveries import discoveries
from saegeom_data.results.groups import row_name
from saegeom_data.results.wording import interval, listing, number, out_of, spread

_DROPPED = {"direction": "dropped_by_lda_1"}


def word_length(group: Group) -> Finding | None:
    """Whether the first principal component follows word length."""
    where = LENGTH | {"scope": "all"}
    rows = [row for row in group.rows if group.value(row, "nuisance_spearman", **where) is not None]
    if not rows:
        return None
    follows = discoveries({row: group.value(row, "nuisance_spearman_p", **where) for row in rows})
    values = [group.value(row, "nuisance_spearman", **where) or 0 for row in rows]
    if follows:
        size = spread([group.value(row, "nuisance_spearman", **where) or 0 for row in follows], 2)
        where_it_does = out_of(follows, rows, "layer")
        headline = f"The first principal component of the steps follows word length at {where_it_does} (|r| {size})."
    else:
        headline = "The first principal component of the steps does not follow word length at any layer."
    # An axis is turned so that this correlation is positive: the largest is the strongest.
    top = rows[values.index(max(values))]
    low, high = (group.value(top, f"nuisance_spearman_{end}", **where) for end in ("low", "high"))
    evidence = (
        f"Its rank correlation with the difference of word lengths is {spread(values, 2)} in size (largest at "
        f"{row_name(group, top)}: {number(max(values), 2)} {interval(low, high, 2)}), against relations "
        f"that change places and pairs shuffled within them ({largest_p(group, rows, where, 'nuisance_spearman_p')})"
    )
    within = [group.value(row, "nuisance_spearman", **LENGTH, scope="within_relations") for row in rows]
    known = [value for value in within if value is not None]
    return Finding(
        "atom", "word length", headline, evidence + (f"; within relations it is {spread(known, 2)}." if known else ".")
    )


def removed(group: Group) -> Finding | None:
    """What LDA drops: its share of the steps, and which variables the largest dropped direction follows."""
    rows = [row for row in group.rows if group.value(row, "lda_kept_share") is not None]
    rows = [row for row in rows if group.value(row, "direction_share", **_DROPPED) is not None]
    if not rows:
        return None
    found = {
        name: discoveries({row: group.value(row, "nuisance_spearman_p", **at) for row in rows})
        for name, at in _variables(group).items()
    }
    places: dict[str, list[str]] = {}
    for name, some in found.items():
        if some:
            places.setdefault(out_of(some, rows, "layer"), []).append(name)
    named = [f"{listing(names)} at {place}" for place, names in places.items()]
    known_of = f" of the words ({listing(list(found))})" if found else " of the words"
    follows = listing(named) if named else f"nothing that is known{known_of}"
    headline = f"The largest direction that LDA drops follows {follows}."
    kept = [group.value(row, "lda_kept_share") or 0 for row in rows]
    share = [group.value(row, "direction_share", **_DROPPED) or 0 for row in rows]
    explained = [group.value(row, "nuisances_r2", **_DROPPED, scope="all") for row in rows]
    known = [value for value in explained if value is not None]
    evidence = (
        f"LDA keeps {spread(kept)} of the variance of the steps; of the rest, the largest direction has "
        f"{spread(share)} of all variance"
    )
    if known:
        p = largest_p(group, rows, _DROPPED | {"scope": "all"}, "nuisances_r2_p")
        evidence += f", and what is known of the words explains {spread(known)} of its ranks ({p})"
    return Finding("atom", "what LDA removes", headline, evidence + ".")


def _variables(group: Group) -> dict[str, dict[str, str]]:
    """Nuisance variables that something is known of, with where their values stand."""
    if "nuisance" not in group.data.coords:
        return {}
    places = {
        str(name).replace("_", " "): _DROPPED | {"nuisance": str(name), "scope": "all"}
        for name in group.data["nuisance"].values
    }
    return {
        name: at
        for name, at in places.items()
        if any(group.value(row, "nuisance_spearman_p", **at) is not None for row in group.rows)
    }
