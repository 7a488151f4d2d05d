"""Finding on whether lobes are places in space, in words that follow from the numbers whichever way they fall."""

from __future__ import annotations

from collections.abc import Sequence

from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Finding
from saegeom_data.metrics.brain._shared.wording import largest_p, lobes_in_words
from saegeom_data.metrics.nulls import fixed_margins, frequency_stratified, label_permutation, places_redrawn
from saegeom_data.results.discoveries import discoveries
from saegeom_data.results.groups import find_group, row_name
from saegeom_data.results.wording import interval, listing, number, out_of, spread

_NULL_WORDS = {
    label_permutation.LABEL: "lobes shuffled among features",
    frequency_stratified.LABEL: "lobes shuffled among features of like firing rate",
    fixed_margins.LABEL: "lobes of occurrence redrawn with the same margins",
    places_redrawn.LABEL: "clusters of Gaussian rows of the same covariance",
}


def findings(groups: Sequence[Group]) -> list[Finding]:
    """Whether lobes agree with places in space, against each null."""
    group = find_group(groups, "lobe_modularity", "ami", "ami_p", published=None)
    finding = None if group is None else _agreement(group)
    return [] if finding is None else [finding]


def _agreement(group: Group) -> Finding | None:
    """Whether lobes agree with clusters in space, against each null and the ceiling."""
    count = int(group.data["n_lobes"].values[0])
    rows = [row for row in group.rows if group.value(row, "ami", n_lobes=count) is not None]
    nulls = [str(null) for null in group.data["null"].values] if "null" in group.data.coords else []
    if not rows or not nulls:
        return None
    clear = {
        null: discoveries({row: group.value(row, "ami_p", null=null, n_lobes=count) for row in rows}) for null in nulls
    }
    # Each null explains something else, so that only what is beyond all of them is called agreement.
    always = [row for row in rows if all(row in clear[null] for null in nulls)]
    sometimes = [row for row in rows if any(row in clear[null] for null in nulls)]
    lobes = lobes_in_words(count).lower()
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
    p_words = f", {largest_p(p)}" if p else ""
    return f"{spread(mean or [0.0])} with {words} (above it at {len(clear)} of {len(rows)}{p_words})"


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
