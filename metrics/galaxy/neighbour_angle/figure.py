"""Figure of nearest neighbours: how close they lie, beside surrogates and the exact law."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Panel
from saegeom_data.metrics.galaxy._shared.directions_figure import (
    BAND,
    UNIFORM,
    Place,
    Plot,
    Series,
    axes,
    draw_series,
    panel,
    reference,
    said,
    with_rows,
)
from saegeom_data.report import theme
from saegeom_data.results.groups import find_group

_NEAREST = Series("mean_cosine", "Mean cosine with the nearest neighbour", "data, 95 % interval", null="null")


def measured(groups: Sequence[Group]) -> Group | None:
    """The result that is drawn and spoken of."""
    return with_rows(find_group(groups, "neighbour_angle", "mean_cosine", "mean_cosine_null", "p"))


def figures(groups: Sequence[Group]) -> list[Panel]:
    """Mean cosine of nearest neighbours over layers."""
    group = measured(groups)
    if group is None:
        return []
    closing = "Bars are 95 percent intervals."
    return [panel("neighbours", "Feature directions and their nearest neighbours", group, [_nearest()], closing)]


def _nearest() -> Plot:
    keys = (_NEAREST.heading, (BAND, theme.BLUE, "surrogates"), ("╌", theme.NULL, "uniform directions"))
    reading = (
        "mean cosine of a feature and the one nearest to it. Above its band, features lie closer together than their "
        "covariance explains; the dashed line is the exact law of uniform directions."
    )
    return Plot(theme.heading("Nearest neighbour", *keys), reading, _draw_nearest)


def _draw_nearest(fig: Any, group: Group, at: Place) -> list[str]:
    uniform = reference(fig, group, "mean_cosine_null", at, null=UNIFORM)
    spoken = draw_series(fig, group, [_NEAREST], at)
    axes(fig, group, "cosine", at)
    return [*spoken, *said("Of uniform directions", group, uniform)]
