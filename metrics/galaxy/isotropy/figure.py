"""Figure of isotropy: whether directions share all axes evenly, and prefer none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Panel
from saegeom_data.metrics.galaxy._shared.directions_figure import (
    Place,
    Plot,
    axes,
    panel,
    reference,
    said,
    with_rows,
)
from saegeom_data.report import draw, theme
from saegeom_data.results.groups import find_group


def measured(groups: Sequence[Group]) -> Group | None:
    """The result that is drawn and spoken of."""
    return with_rows(find_group(groups, "isotropy", "mean_cosine", "mean_resultant", "iso_score"))


def figures(groups: Sequence[Group]) -> list[Panel]:
    """IsoScore, mean direction and mean cosine over layers."""
    group = measured(groups)
    if group is None:
        return []
    title = "How evenly do feature directions share the space?"
    # Its nulls are exact laws, so that there are no surrogates to tell of.
    return [panel("isotropy", title, group, [_isotropy()], tells_surrogates=False)]


def _isotropy() -> Plot:
    keys = [("●", theme.BLUE, "IsoScore"), ("╌", theme.NULL, "if uniform")]
    keys += [("■", theme.ORANGE, "mean direction"), ("◆", theme.PURPLE, "mean cosine")]
    reading = (
        "IsoScore is 1 if all axes vary alike; the dashed line is what as many uniform directions reach. Norm of the "
        "mean direction and mean cosine (with its 95 percent interval) are near 0 if no direction is preferred."
    )
    return Plot(theme.heading("Isotropy", *keys), reading, _draw_isotropy)


def _draw_isotropy(fig: Any, group: Group, at: Place) -> list[str]:
    null = reference(fig, group, "iso_score_null", at)
    score = draw.by_row(fig, group, "iso_score", theme.BLUE, at=at)
    resultant = draw.by_row(fig, group, "mean_resultant", theme.ORANGE, symbol="square", at=at)
    ends: dict[str, Any] = {"low": "mean_cosine_low", "high": "mean_cosine_high"}
    cosine = draw.by_row(fig, group, "mean_cosine", theme.PURPLE, symbol="diamond", at=at, **ends)
    fig.update_yaxes(rangemode="tozero", row=at[0], col=at[1])
    axes(fig, group, "score, norm or cosine", at)
    return [
        *said("IsoScore", group, score),
        *said("Of uniform directions", group, null),
        *said("Norm of the mean direction", group, resultant),
        *said("Mean cosine", group, cosine),
    ]
