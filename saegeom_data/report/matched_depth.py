"""Whether the SAEs of a result agree in L0 and width, in words; and its trend over depth at equal L0 and width."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from saegeom_data.data import comparability
from saegeom_data.declare.group import Group
from saegeom_data.errors import SaegeomError
from saegeom_data.results.followed import Followed
from saegeom_data.results.wording import interval, listing, number, plural, probability

if TYPE_CHECKING:
    import xarray as xr

WORDS = {"l0": "L0", "width": "width"}
LEVEL = 0.05
# What trends over depth are called where metrics have names.
TREND = "trend over depth"


@dataclass(frozen=True)
class Matching:
    """In which of L0 and width some SAEs agree.

    Attributes
    ----------
    ranges
        Smallest and largest value of each that is known for every SAE.
    differing
        Names of those that differ.
    unknown
        Names of those that are not known for every SAE.
    """

    ranges: dict[str, tuple[float, float]]
    differing: list[str]
    unknown: list[str]

    @property
    def what(self) -> str:
        """What differs, in words; empty if nothing does."""
        return listing([WORDS[name] for name in self.differing])

    @property
    def differences(self) -> str:
        """What differs, with its range."""
        if len(self.differing) == 1:
            return f"{self.what} differs between layers ({self.span(self.differing[0])})"
        ranges = [f"{WORDS[name]} ({self.span(name)})" for name in self.differing]
        return f"{listing(ranges)} differ between layers" if ranges else ""

    @property
    def differ(self) -> str:
        """What differs, with its verb; empty if nothing does."""
        if not self.differing:
            return ""
        return f"{self.what} {'differs' if len(self.differing) == 1 else 'differ'}"

    def span(self, name: str) -> str:
        """The range of L0 or width, or their one value."""
        low, high = self.ranges[name]
        return f"{low:g} to {high:g}" if name in self.differing else f"{low:g}"

    @property
    def line(self) -> str:
        """One sentence for readers of a figure over layers."""
        if self.differing:
            return f"Caution: {self.differences}, which also changes what is drawn here; a figure below adjusts for it."
        if self.unknown:
            unknown = listing([WORDS[name] for name in self.unknown])
            verb = "is" if len(self.unknown) == 1 else "are"
            return (
                f"Caution: {unknown} {verb} not known for every SAE, so differences between layers need not come from "
                "depth."
            )
        same = listing([f"{WORDS[name]} ({self.span(name)})" for name in WORDS])
        return f"All SAEs agree in {same}, so layers can be compared without adjusting."


def matching(group: Group, rows: Sequence[str]) -> Matching:
    """Compare L0 and width of some rows of a group."""
    values = {name: [group.coordinate(row, name) for row in rows] for name in WORDS}
    agree = {name: comparability.matched(name, numbers) for name, numbers in values.items()}
    known = {name: numbers for name, numbers in values.items() if agree[name] is not None and numbers}
    return Matching(
        {name: (min(numbers), max(numbers)) for name, numbers in known.items()},
        [name for name in known if not agree[name]],
        [name for name in values if name not in known],
    )


def matching_line(numbers: Sequence[Followed]) -> str:
    """Say whether the layers of a scale can be compared as they are; empty with fewer than two of them."""
    for number_over_depth in numbers:
        rows = number_over_depth.rows()
        if len(rows) > 1:
            return matching(number_over_depth.group, rows).line
    return ""


def trend_or_reason(numbers: Followed) -> xr.Dataset | str:
    """The trend of a number over depth, or why there is none."""
    try:
        return numbers.trend()
    except SaegeomError as error:
        return error.reason


def believed_p(trend: xr.Dataset, covariate: str) -> float:
    """The p of a partial correlation: by shifts in depth where neighbouring layers have alike L0 and it can be small.

    Which one depends on the layers and their L0 only, not on the values, so that choosing costs nothing.
    """
    p = trend.sel(covariate=covariate)["partial_correlation_p"]
    return float(p.sel(permutation="shifted" if _needs_shifts(trend, covariate) else "free"))


def _needs_shifts(trend: xr.Dataset, covariate: str) -> bool:
    partial = trend.sel(covariate=covariate)
    is_known = bool(np.isfinite(partial["partial_correlation_p"].sel(permutation="shifted")))
    # n SAEs have 2 n - 1 shifts: of few, no p could be small enough.
    reaches = 1 / (2 * int(trend["n_saes"])) <= LEVEL
    return is_known and reaches and bool(partial["covariate_autocorrelation"] > 0)


def correlation_words(trend: xr.Dataset, covariate: str) -> str:
    """A partial correlation with its interval and p."""
    partial = trend.sel(covariate=covariate)
    low, high = (float(partial[f"partial_correlation_{end}"]) for end in ("low", "high"))
    how = " by shifts in depth" if _needs_shifts(trend, covariate) else ""
    return (
        f"partial correlation with {WORDS[covariate]} {number(float(partial['partial_correlation']), 2)} "
        f"{interval(low, high, 2)}, {probability(believed_p(trend, covariate))}{how}"
    )


def fragile_words(followed: Followed, trend: xr.Dataset, covariate: str) -> list[str]:
    """Say on which run of neighbouring layers a partial correlation rests; nothing if it keeps half its size anyway."""
    partial = trend.sel(covariate=covariate)
    whole, p = float(partial["partial_correlation"]), believed_p(trend, covariate)
    # So that less of the correlation is smaller, whichever its sign.
    without = partial["partial_correlation_without"].values * np.sign(whole)
    if not p <= LEVEL or not np.isfinite(without).any() or np.nanmin(without) >= abs(whole) / 2:
        return []
    left_out, place = int(partial["n_left_out"]), int(np.nanargmin(without))
    start = int(np.clip(place - left_out // 2, 0, len(without) - left_out))
    first, last = (layer_name(float(layer)) for layer in partial["layer"].values[[start, start + left_out - 1]])
    run = f"layer {first}" if first == last else f"layers {first} to {last}"
    what, left = WORDS[covariate], number(float(without[place] * np.sign(whole)), 2)
    return [
        f"That the {followed.measure.noun} goes with {what} rests on {run}: without, the partial correlation is "
        f"{left}, so {what} cannot be told from what else is special there."
    ]


def variants_words(followed: Followed, trend: xr.Dataset, which: str = "") -> str:
    """On how many variants of the number the same layer is the extreme; nothing without variants."""
    n = int(trend["n_variants"])
    if not n:
        return ""
    alike = int(trend["n_variants_alike"])
    return f" ({alike} of {plural(n, followed.measure.variant)} agree{which})"


def layer_name(layer: float) -> str:
    """A layer as a reader writes it: the middle of two layers has a decimal."""
    return f"{layer:.0f}" if float(layer).is_integer() else number(layer, 1)
