"""Findings on slopes of spectra, in words that follow from the numbers whichever way they fall."""

from __future__ import annotations

from collections.abc import Sequence

from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Finding
from saegeom_data.report.matched_depth import Matching, matching
from saegeom_data.results.discoveries import discoveries
from saegeom_data.results.groups import find_group
from saegeom_data.results.wording import interval, listing, number, out_of, plural, probability, spread


def findings(groups: Sequence[Group]) -> list[Finding]:
    """Whether the slope is steepest in the middle, and how it compares with isotropic noise."""
    slopes = find_group(groups, "eigenvalue_slope", "slope")
    if slopes is None:
        return []
    found = (_steepest(slopes), _against_noise(slopes))
    return [finding for finding in found if finding is not None]


def _steepest(group: Group) -> Finding | None:
    """Whether the slope is steepest in the middle third of the layers."""
    rows = _by_layer(group, "slope")
    if len(rows) < 3:
        return None
    middle = rows[len(rows) // 3 : len(rows) - len(rows) // 3]
    outer = [row for row in rows if row not in middle]
    steepest = min(rows, key=lambda row: _known(group, row, "slope"))
    is_middle = steepest in middle
    # Compared with the best of the other part: that it exceeds some layer there shows little.
    rival = min(outer if is_middle else middle, key=lambda row: _known(group, row, "slope"))
    difference, low, high = _difference(group, steepest, rival)
    layer = group.coordinate(steepest, "layer")
    if is_middle:
        headline = f"The spectrum is steepest in a middle layer, layer {layer}"
    else:
        headline = f"The spectrum is not steepest in the middle layers but at layer {layer}"
    found = matching(group, rows)
    doubts = ["its lead is no larger than its uncertainty"] if high is not None and high >= 0 else []
    doubts += [f"{found.differ} between layers"] if found.differing else []
    headline += f", though {' and '.join(doubts)}" if doubts else ""
    third = f"{group.coordinate(middle[0], 'layer')} to {group.coordinate(middle[-1], 'layer')}"
    # Under exchangeable layers each is as likely to be the steepest: the chance of a middle one is their share.
    share = len(middle) / len(rows)
    evidence = (
        f"{_matched(found)} its slope is {_slope(group, steepest)}, against {_slope(group, rival)} at layer "
        f"{group.coordinate(rival, 'layer')}, the steepest {'outside' if is_middle else 'inside'} the middle third "
        f"(layers {third}): a difference of "
        f"{number(difference)}{f' {interval(low, high)}' if low is not None else ''}. If depth did not matter, the "
        f"steepest layer would be a middle one with p = {share:.2f}."
    )
    return Finding("galaxy", "steepest layer", headline + ".", evidence)


def _against_noise(group: Group) -> Finding | None:
    """How slopes compare with the Marchenko-Pastur law."""
    rows = [row for row in group.rows if None not in (group.value(row, "slope"), group.value(row, "slope_null"))]
    if not rows:
        return None
    excess = {row: _known(group, row, "slope") - _known(group, row, "slope_null") for row in rows}
    clear = discoveries({row: group.value(row, "slope_p") for row in rows})
    steeper = [row for row in clear if excess[row] < 0]
    flatter = [row for row in clear if excess[row] > 0]
    parts = []
    if steeper:
        parts.append(f"steeper than that of isotropic noise at {out_of(steeper, rows, 'layer')}")
    if flatter:
        parts.append(f"flatter than that of isotropic noise at {out_of(flatter, rows, 'layer')}")
    if parts:
        headline = f"The spectrum is {listing(parts)}."
    else:
        headline = f"The spectrum cannot be told from that of isotropic noise at any of {plural(len(rows), 'layer')}."
    worst = max((group.value(row, "slope_p") for row in rows), key=lambda p: -1 if p is None else p)
    evidence = (
        f"Slopes are {spread([_known(group, row, 'slope') for row in rows])}; the Marchenko-Pastur law, which needs no "
        f"simulation, gives {spread([_known(group, row, 'slope_null') for row in rows])} for rows of the same number "
        f"and size. The difference is {spread(list(excess.values()))}"
        + (f" (jackknife t-test, largest {probability(worst)})." if worst is not None else ".")
    )
    return Finding("galaxy", "slope against noise", headline, evidence)


def _by_layer(group: Group, name: str) -> list[str]:
    rows = [
        row for row in group.rows if group.value(row, name) is not None and group.coordinate(row, "layer") is not None
    ]
    layers = {group.coordinate(row, "layer") for row in rows}
    # With several SAEs of one layer there is no order, and no middle.
    return sorted(rows, key=lambda row: group.coordinate(row, "layer")) if len(layers) == len(rows) else []


def _known(group: Group, row: str, name: str) -> float:
    value = group.value(row, name)
    if value is None:
        raise ValueError(f"{group.name}/{name}: no value for {row}")
    return value


def _difference(group: Group, row: str, other: str) -> tuple[float, float | None, float | None]:
    """Difference of two slopes; their SAEs are independent, so half-widths of their intervals add in squares."""
    difference = _known(group, row, "slope") - _known(group, other, "slope")
    ends = [(group.value(sae, "slope_low"), group.value(sae, "slope_high")) for sae in (row, other)]
    if any(low is None or high is None for low, high in ends):
        return difference, None, None
    half = sum(((high - low) / 2) ** 2 for low, high in ends if low is not None and high is not None) ** 0.5
    return difference, difference - half, difference + half


def _slope(group: Group, row: str) -> str:
    low, high = group.value(row, "slope_low"), group.value(row, "slope_high")
    return number(group.value(row, "slope")) + (
        f" {interval(low, high)}" if low is not None and high is not None else ""
    )


def _matched(found: Matching) -> str:
    if found.differing:
        return f"{found.differences}, so this may come from {found.what} rather than depth:"
    if "l0" in found.unknown:
        return "With L0 not known for every SAE,"
    return f"At matched L0 ({found.span('l0')})"
