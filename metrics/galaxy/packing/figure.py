"""Figure of packing: coherence and frame potential over the least that is possible."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Panel
from saegeom_data.metrics.galaxy._shared.directions_figure import (
    BAND,
    MATCHED,
    Number,
    Place,
    Plot,
    Series,
    axes,
    panel,
    said,
    shade_surrogates,
    values_of,
    with_rows,
)
from saegeom_data.report import draw, theme
from saegeom_data.results.groups import find_group

# Where all ratios are below this, an axis needs ticks between 1, 2 and 5.
_NARROW = 5.0


def measured(groups: Sequence[Group]) -> Group | None:
    """The result that is drawn and spoken of."""
    return with_rows(find_group(groups, "packing", "coherence", "coherence_ratio", "coherence_p", "welch_bound"))


def figures(groups: Sequence[Group]) -> list[Panel]:
    """Coherence and frame potential over layers."""
    group = measured(groups)
    if group is None:
        return []
    return [panel("packing", "How tightly are feature directions packed?", group, [_packing(group)])]


def _packing(group: Group) -> Plot:
    keys = (
        ("●", theme.BLUE, "coherence"),
        (BAND, theme.BLUE, "its surrogates"),
        ("■", theme.ORANGE, "frame potential"),
    )
    reading = (
        "mutual coherence, the largest absolute cosine of two features, over the Welch bound, the least that so many "
        "directions allow; and frame potential, the sum of squared cosines, over its least. 1 is the best possible."
    )
    if 0 in values_of(group, "welch_bound"):
        reading += " With no more features than dimensions the Welch bound is 0, and no ratio is drawn."
    return Plot(theme.heading("Packing, over the best possible", *keys), reading, _draw_packing)


def _draw_packing(fig: Any, group: Group, at: Place) -> list[str]:
    mean, sd = _coherence_of_surrogates(group)
    where = {"row": at[0], "col": at[1]}
    fig.update_yaxes(type="log", **where)
    shade_surrogates(fig, group, mean, sd, Series("coherence", "", ""), at)
    coherence = draw.by_row(fig, group, "coherence_ratio", theme.BLUE, at=at)
    potential = draw.by_row(fig, group, "frame_potential_ratio", theme.ORANGE, symbol="square", at=at)
    most = max((value for value in (*coherence, *potential, *mean) if value is not None), default=1.0)
    ticks = [1, 1.2, 1.5, 2, 3, 4, 5] if most < _NARROW else [d * 10**e for e in range(7) for d in (1, 2, 5)]
    fig.update_yaxes(tickvals=ticks, ticktext=ticks, **where)
    fig.add_hline(y=1, line={"color": theme.NULL, "width": 1}, **where)
    axes(fig, group, "ratio to the bound", at)
    return [
        *said("Coherence over the Welch bound", group, coherence),
        *said("Mean of its surrogates", group, mean),
        *said("Frame potential over its bound", group, potential),
    ]


def _coherence_of_surrogates(group: Group) -> tuple[list[Number], list[Number]]:
    """Mean and standard deviation of the coherence of surrogates, over the Welch bound."""
    deviation: list[Number] = [None] * len(group.rows)
    if group.has("coherence_surrogate"):
        draws = group.data["coherence_surrogate"].transpose(group.over, ...).values
        deviation = theme.plain(draws.std(axis=1, ddof=min(1, draws.shape[1] - 1)))
    bounds = values_of(group, "welch_bound")
    mean = values_of(group, "coherence_null_mean", null=MATCHED)
    return _over(mean, bounds), _over(deviation, bounds)


def _over(values: Sequence[Number], bounds: Sequence[Number]) -> list[Number]:
    pairs = zip(values, bounds, strict=True)
    # A bound of 0 has no ratio, and plotly leaves a gap for None.
    return [value / bound if value is not None and bound else None for value, bound in pairs]
