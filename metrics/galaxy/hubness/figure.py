"""Figure of hubs: how pronounced they are, by cosine and by centred cosine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Panel
from saegeom_data.metrics.galaxy._shared.directions_figure import (
    BAND,
    Place,
    Plot,
    Series,
    axes,
    draw_series,
    panel,
    with_rows,
)
from saegeom_data.report import theme
from saegeom_data.results.groups import find_group

SIMILARITIES = {"cosine": "cosine", "centred_cosine": "centred cosine"}


def measured(groups: Sequence[Group]) -> Group | None:
    """The result that is drawn and spoken of."""
    return with_rows(find_group(groups, "hubness", "skewness", "skewness_null_mean", "skewness_p", "similarity"))


def figures(groups: Sequence[Group]) -> list[Panel]:
    """Skewness of k-occurrence over layers."""
    group = measured(groups)
    if group is None:
        return []
    closing = "Bars are 95 percent intervals."
    return [panel("hubs", "Are some features neighbours of very many others?", group, [_hubs(group)], closing)]


def _hub_series(group: Group) -> list[Series]:
    # Moved apart by the shifts, so that the two markers of a layer do not cover each other.
    looks = {"cosine": (theme.BLUE, "circle", -0.6), "centred_cosine": (theme.ORANGE, "square", 0.6)}
    return [
        Series("skewness", f"Skewness of hubs by {SIMILARITIES[name]}", SIMILARITIES[name], *look, {"similarity": name})
        for name, look in looks.items()
        if name in group.data["similarity"].values
    ]


def _hubs(group: Group) -> Plot:
    keys = [series.heading for series in _hub_series(group)]
    k = group.parameters.get("k")
    reading = (
        f"skewness of how many others have a feature among their {f'{k} ' if k else ''}nearest; the larger, the more "
        "pronounced are hubs. What centring takes away comes from a mean direction that all features share."
    )
    return Plot(theme.heading("Hubs", *keys, (BAND, theme.NULL, "surrogates")), reading, _draw_hubs)


def _draw_hubs(fig: Any, group: Group, at: Place) -> list[str]:
    spoken = draw_series(fig, group, _hub_series(group), at)
    axes(fig, group, "skewness of k-occurrence", at)
    return spoken
