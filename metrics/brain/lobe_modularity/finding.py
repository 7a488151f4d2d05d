"""Findings of the brain scale, in words that follow from the numbers whichever way they fall."""

from __future__ import annotations

from collections.abc import Sequence

from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Finding
from saegeom_data.metrics.nulls import fixed_margins, frequency_stratified, label_permutation, places_redrawn
from saegeom_data.results.discoveries import discoveries
from saegeom_data.results.document_types import Shares, shares
from saegeom_data.results.groups import find_group, row_name
from saegeom_data.results.wording import interval, listing, number, out_of, probability, spread

_NULL_WORDS = {
    label_permutation.LABEL: "lobes shuffled among features",
    frequency_stratified.LABEL: "lobes shuffled among features of like firing rate",
    fixed_margins.LABEL: "lobes of occurrence redrawn with the same margins",
    places_redrawn.LABEL: "clusters of Gaussian rows of the same covariance",
}
_WORDS = {2: "Two", 3: "Three", 4: "Four"}


def findings(groups: Sequence[Group]) -> list[Finding]:
    """Findings for the groups that are there."""
    found = []
    function = find_group(groups, "lobe_function", "winner_share", "cramers_v", published=None)
    if function is not None:
        found.append(_function(function))
    modularity = find_group(groups, "lobe_modularity", "ami", "ami_p", published=None)
    if modularity is not None:
        found.append(_agreement(modularity))
    communities = find_group(groups, "coactivation_graph", "ami", "n_communities", published=None)
    if communities is not None:
        found.append(_communities(communities))
    return [finding for finding in found if finding is not None]


def _communities(group: Group) -> Finding | None:
    """Whether communities of the co-activation graph are the spectral lobes, measured by how far each comes back."""
    rows = [row for row in group.rows if group.value(row, "half_agreement") is not None]
    counts = [int(count) for count in group.data["n_lobes"].values]
    if not rows or not counts:
        return None
    by_count = {count: [group.value(row, "ami", n_lobes=count) or 0.0 for row in rows] for count in counts}
    count = max(counts, key=lambda one: sum(by_count[one]))
    ceiling = {row: group.value(row, "half_agreement") or 0.0 for row in rows}
    alike = [row for row, ami in zip(rows, by_count[count], strict=True) if ami > ceiling[row] / 2]
    if alike:
        headline = f"Lobes and communities of the co-activation graph are much alike at {out_of(alike, rows, 'layer')}."
    else:
        headline = "Lobes depend on the method: communities of the co-activation graph are others at every layer."
    found = [int(group.value(row, "n_communities") or 0) for row in rows]
    evidence = (
        f"Leiden's algorithm finds {spread(found)} communities, with a modularity of "
        f"{spread([group.value(row, 'modularity') or 0.0 for row in rows])}. Their adjusted mutual information with "
        f"lobes is largest for {count}: {spread(by_count[count])}, where communities of two halves of the documents "
        f"have {spread(list(ceiling.values()))} with each other."
    )
    return Finding("brain", "another method", headline, evidence)


def _function(group: Group) -> Finding | None:
    """Whether the fewest lobes separate code and mathematics from prose, or document types at all."""
    count = int(group.data["n_lobes"].values[0])
    rows = [row for row in group.rows if group.value(row, "cramers_v", n_lobes=count) is not None]
    if not rows:
        return None
    lobes = f"{_WORDS.get(count, count)} lobes"
    split = {row: shares(group, row, count) for row in rows}
    known = {row: one for row, one in split.items() if one is not None}
    if not known:
        return Finding(
            "brain", "document types", _types_headline(group, rows, count, lobes), _association(group, rows, count)
        )
    technical = listing([_word(name) for name in next(iter(known.values())).technical])
    separated = [row for row in _associated(group, rows, count) if row in known and known[row].separates]
    if separated:
        headline = f"{lobes} separate {technical} from prose at {out_of(separated, rows, 'layer')}."
    else:
        headline = f"{lobes} do not separate {technical} from prose at any layer."
    won = list(known.values())
    evidence = (
        f"In documents that did not serve to find the lobes, the lobe that wins most of {technical} wins "
        f"{_percent([one.technical_mean for one in won])} of their blocks and "
        f"{_percent([one.prose_mean for one in won])} of those of the other types (means over "
        f"types){_failures(known, separated)}. "
    )
    return Finding("brain", "code and mathematics", headline, evidence + _association(group, rows, count))


def _types_headline(group: Group, rows: Sequence[str], count: int, lobes: str) -> str:
    clear = _associated(group, rows, count)
    if clear:
        return f"{lobes} tell document types apart at {out_of(clear, rows, 'layer')}."
    return f"{lobes} do not tell document types apart at any layer."


def _associated(group: Group, rows: Sequence[str], count: int) -> list[str]:
    """Rows in which the winning lobe goes with the document type."""
    return discoveries({row: group.value(row, "cramers_v_p", n_lobes=count) for row in rows})


def _failures(known: dict[str, Shares], separated: Sequence[str]) -> str:
    """Which types are on the wrong side where lobes do not separate."""
    wrong = set()
    for row, one in known.items():
        if row not in separated:
            wrong |= {_word(name) for name, share in one.technical.items() if share <= 0.5}
            wrong |= {_word(name) for name, share in one.prose.items() if share >= 0.5}
    return f"; where the split fails, it fails on {listing(sorted(wrong))}" if wrong else ""


def _association(group: Group, rows: Sequence[str], count: int) -> str:
    values = {row: group.value(row, "cramers_v", n_lobes=count) or 0.0 for row in rows}
    top = max(rows, key=values.__getitem__)
    low, high = (group.value(top, f"cramers_v_{end}", n_lobes=count) for end in ("low", "high"))
    null = [value for row in rows if (value := group.value(row, "cramers_v_null_mean", n_lobes=count)) is not None]
    p = [value for row in rows if (value := group.value(row, "cramers_v_p", n_lobes=count)) is not None]
    at_top = (
        f" (largest at {row_name(group, top)}: {number(values[top])} {interval(low, high)})" if low is not None else ""
    )
    chance = f", against {spread(null)} with types shuffled among documents" if null else ""
    found = spread(list(values.values()))
    behind = f" ({_largest(p)[2:]})" if p else ""
    return f"Cramér's V of winning lobe and document type is {found}{at_top}{chance}{behind}."


def _agreement(group: Group) -> Finding | None:
    """Whether lobes agree with clusters in space, against each null and the ceiling."""
    count = int(group.data["n_lobes"].values[0])
    rows = [row for row in group.rows if group.value(row, "ami", n_lobes=count) is not None]
    nulls = [str(one) for one in group.data["null"].values] if "null" in group.data.coords else []
    if not rows or not nulls:
        return None
    clear = {
        null: discoveries({row: group.value(row, "ami_p", null=null, n_lobes=count) for row in rows}) for null in nulls
    }
    always = [row for row in rows if all(row in clear[null] for null in nulls)]
    sometimes = [row for row in rows if any(row in clear[null] for null in nulls)]
    lobes = f"{_WORDS.get(count, str(count)).lower()} lobes"
    if always:
        headline = f"The {lobes} are also places in space at {out_of(always, rows, 'layer')}, beyond every null."
    elif sometimes:
        some = out_of(sometimes, rows, "layer")
        headline = f"The {lobes} agree with places in space at {some}, but nowhere beyond every null."
    else:
        headline = f"The {lobes} do not agree with places in space at any layer."
    values = {row: group.value(row, "ami", n_lobes=count) or 0.0 for row in rows}
    top = max(rows, key=values.__getitem__)
    low, high = (group.value(top, f"ami_{end}", n_lobes=count) for end in ("low", "high"))
    evidence = (
        f"Adjusted mutual information of lobes and clusters of decoder rows is {spread(list(values.values()))} "
        f"(largest at {row_name(group, top)}: {number(values[top])} {interval(low, high)}), against "
        f"{listing([_against(group, rows, null, count, clear[null]) for null in nulls])}."
        f"{_ceiling(group, rows, count)}{_mantel(group, rows)}"
    )
    return Finding("brain", "geometry and function", headline, evidence)


def _against(group: Group, rows: Sequence[str], null: str, count: int, clear: Sequence[str]) -> str:
    mean = [value for row in rows if (value := group.value(row, "ami_null_mean", null=null, n_lobes=count)) is not None]
    p = [value for row in rows if (value := group.value(row, "ami_p", null=null, n_lobes=count)) is not None]
    words = _NULL_WORDS.get(null, null.replace("_", " "))
    return f"{spread(mean or [0.0])} with {words} (above it at {len(clear)} of {len(rows)}{_largest(p)})"


def _ceiling(group: Group, rows: Sequence[str], count: int) -> str:
    known = [value for row in rows if (value := group.value(row, "ami_split_half", n_lobes=count)) is not None]
    return (
        f" Lobes found on two halves of the documents agree with each other at {spread(known)}, which is the ceiling."
        if known
        else ""
    )


def _mantel(group: Group, rows: Sequence[str]) -> str:
    plain = [value for row in rows if (value := group.value(row, "mantel")) is not None]
    given = [value for row in rows if (value := group.value(row, "mantel_partial")) is not None]
    if not plain or not given:
        return ""
    return (
        f" Over pairs of features, affinity and cosine have a rank correlation of {spread(plain)}, and of "
        f"{spread(given)} given firing rates."
    )


def _largest(p: Sequence[float]) -> str:
    if not p:
        return ""
    return f", {probability(max(p))}" if len(p) == 1 else f", largest {probability(max(p))}"


def _percent(values: Sequence[float]) -> str:
    low, high = f"{min(values):.0%}", f"{max(values):.0%}"
    return low if low == high else f"{low} to {high}"


def _word(name: str) -> str:
    return name.replace("_", " ")
