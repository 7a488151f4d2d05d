"""Findings on what is left of trends over depth once SAEs that differ in L0 or width are adjusted for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from saegeom_data.declare.presentation import Finding
from saegeom_data.report.matched_depth import (
    LEVEL,
    TREND,
    WORDS,
    believed_p,
    correlation_words,
    fragile_words,
    layer_name,
    matching,
    trend_or_reason,
    variants_words,
)
from saegeom_data.results.followed import Followed
from saegeom_data.results.wording import interval, number, probability

if TYPE_CHECKING:
    import xarray as xr


def findings(numbers: Sequence[Followed]) -> list[Finding]:
    """Findings on what is followed over depth; none where SAEs agree."""
    found = (_at_equal(followed) for followed in numbers)
    return [replace(finding, source=TREND) for finding in found if finding is not None]


def _at_equal(followed: Followed) -> Finding | None:
    rows = followed.rows()
    found = matching(followed.group, rows)
    if not rows or not found.differing:
        return None
    topic = f"{followed.measure.noun} at equal {found.what}"
    trend = trend_or_reason(followed)
    if isinstance(trend, str):
        headline = f"For the {followed.measure.noun}, depth cannot be told from {found.what}."
        return Finding(
            followed.group.scale, topic, headline, f"{found.differences}, and this cannot be adjusted for: {trend}."
        )
    parts = [_association(followed, trend, name) for name in trend.attrs["adjusted_for"]]
    return Finding(
        followed.group.scale, topic, _headline(followed, trend, found.what), " ".join([*parts, _curve(followed, trend)])
    )


def _headline(followed: Followed, trend: xr.Dataset, what: str) -> str:
    p = trend["depth_p"].sel(trend="quadratic")
    has_trend, had_trend = (bool(p.sel(adjustment=adjustment) <= LEVEL) for adjustment in ("adjusted", "raw"))
    if not has_trend:
        unadjusted = "though it has one" if had_trend else "nor has it one"
        return (
            f"Adjusted to equal {what}, the {followed.measure.noun} has no clear trend over depth, "
            f"{unadjusted} unadjusted."
        )
    # In words, so that layers that read alike are not told apart.
    before, after = (
        layer_name(float(trend["extreme_layer"].sel(adjustment=adjustment))) for adjustment in ("raw", "adjusted")
    )
    variants = variants_words(followed, trend, " unadjusted" if before != after else "")
    as_before = "as it is unadjusted" if before == after else f"rather than at layer {before}"
    return f"Adjusted to equal {what}, {followed.measure.subject} at layer {after}, {as_before}{variants}."


def _association(followed: Followed, trend: xr.Dataset, covariate: str) -> str:
    """Whether L0 or width goes with the number at equal depth."""
    what = WORDS[covariate]
    if believed_p(trend, covariate) <= LEVEL:
        direction = (
            followed.measure.more
            if trend["partial_correlation"].sel(covariate=covariate) > 0
            else followed.measure.less
        )
        claim = f"At equal depth, larger {what} goes with {direction}"
    else:
        claim = f"At equal depth, no link of the {followed.measure.noun} with {what} can be told from chance"
    return " ".join([f"{claim} ({correlation_words(trend, covariate)}).", *fragile_words(followed, trend, covariate)])


def _curve(followed: Followed, trend: xr.Dataset) -> str:
    raw, adjusted = (_extreme(trend, adjustment) for adjustment in ("raw", "adjusted"))
    strength = trend["depth_correlation"].sel(trend="quadratic")
    p = trend["depth_p"].sel(trend="quadratic")
    fits = [
        f"{number(float(strength.sel(adjustment=adjustment)), 2)} ({probability(float(p.sel(adjustment=adjustment)))})"
        for adjustment in ("raw", "adjusted")
    ]
    return (
        f"A quadratic curve over depth is {followed.measure.extreme} at layer {raw} unadjusted and {adjusted} "
        f"adjusted; its multiple correlation with the {followed.measure.noun} is {fits[0]} and {fits[1]}."
    )


def _extreme(trend: xr.Dataset, adjustment: str) -> str:
    curve = trend.sel(adjustment=adjustment)
    low, high = (float(curve[f"curve_extreme_layer_{end}"]) for end in ("low", "high"))
    return f"{number(float(curve['curve_extreme_layer']), 1)} {interval(low, high, 1)}"
