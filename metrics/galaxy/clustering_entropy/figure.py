"""Figure of clustering: calibrated negentropy beside what the published estimator gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Panel
from saegeom_data.metrics.nulls import angular_central_gaussian, gaussian_scores, shuffled_components
from saegeom_data.report import draw, theme
from saegeom_data.results.groups import find_group

# What white noise gives by the published procedure at the paper's size: 5000 unit rows in 2304 dimensions.
WHITE_NOISE_PUBLISHED = 362.6
# The null whose rows have the norms of the data's.
NORM_KEEPING = angular_central_gaussian.LABEL
_NULLS = {
    gaussian_scores.LABEL: ("Gaussian, same covariance", theme.BLUE, "circle", -0.6),
    angular_central_gaussian.LABEL: ("the same with the rows' norms", theme.ORANGE, "square", 0.0),
    shuffled_components.LABEL: ("shuffled components", theme.PURPLE, "diamond", 0.6),
}


def first_k(group: Group) -> int:
    """The order of neighbours that is drawn and spoken of: the first one computed."""
    return int(group.data["k"].values[0])


def nulls_of(group: Group) -> list[str]:
    """Names of the nulls that were run."""
    return [str(null) for null in group.data["null"].values]


def is_published(group: Group) -> bool:
    """Whether a result is of the published estimator."""
    return group.parameters.get("estimator") == "published"


def calibrated(groups: Sequence[Group]) -> Group | None:
    """The result with the calibrated estimator."""
    return find_group(groups, "clustering_entropy", "negentropy", "null_sd")


def published(groups: Sequence[Group]) -> Group | None:
    """The result with the published estimator."""
    return find_group(groups, "clustering_entropy", "negentropy_uncalibrated", published=True)


def figures(groups: Sequence[Group]) -> list[Panel]:
    """Negentropy over layers by the estimators that were run."""
    right, wrong = calibrated(groups), published(groups)
    return [_panel(right, wrong)] if right is not None or wrong is not None else []


def _panel(right: Group | None, wrong: Group | None) -> Panel:
    titles = []
    if right is not None:
        titles.append(theme.heading("Calibrated negentropy", *_keys(right)))
    if wrong is not None:
        titles.append(theme.heading("As published", ("●", theme.PURPLE, "data"), ("╌", theme.NULL, "white noise")))
    widths = [0.64, 0.36] if len(titles) == 2 else [1.0]
    fig = theme.figure(columns=len(titles), titles=titles, height=420, column_widths=widths, horizontal_spacing=0.13)
    spoken = [*_draw_calibrated(fig, right), *_draw_published(fig, wrong, len(titles))]
    uses = tuple(group.name for group in (right, wrong) if group is not None)
    return Panel("clustering", "galaxy", "Is the cloud clustered?", fig, " ".join(spoken), _reading(right, wrong), uses)


def _reading(right: Group | None, wrong: Group | None) -> str:
    reading = []
    if right is not None:
        reading.append(
            f"{'Left: h' if wrong is not None else 'H'}ow much less random the cloud is than surrogates made like "
            "it, in nats; surrogates themselves stay within the shaded bands (two standard deviations). Above all "
            "bands it is neither Gaussian nor made of independent components; clusters are claimed where close pairs "
            "say so too."
        )
    if wrong is not None:
        reading.append(
            f"{'Right: t' if right is not None else 'T'}he published estimator, which draws rows with replacement and "
            f"so measures the copies it makes: white noise at the paper's own size gives {WHITE_NOISE_PUBLISHED} "
            "(dashed), so the height of this curve is no sign of clustering."
        )
    return " ".join(reading)


def _keys(group: Group) -> list[tuple[str, str, str]]:
    marks = {"circle": "●", "square": "■", "diamond": "◆"}
    there = nulls_of(group)
    return [
        (marks[symbol], colour, f"against {words}")
        for null, (words, colour, symbol, _) in _NULLS.items()
        if null in there
    ]


def _draw_calibrated(fig: Any, group: Group | None) -> list[str]:
    if group is None:
        return []
    k, spoken = first_k(group), []
    there = nulls_of(group)
    for null, (words, colour, symbol, shift) in _NULLS.items():
        if null not in there:
            continue
        where = {"null": null, "k": k}
        sd = [group.value(row, "null_sd", **where) for row in group.rows]
        draw.band(fig, group, *draw.around([0.0] * len(sd), sd), colour)
        values = draw.by_row(
            fig,
            group,
            "negentropy",
            colour,
            low="negentropy_low",
            high="negentropy_high",
            symbol=symbol,
            shift=shift,
            units="nats",
            where=where,
        )
        spoken.append(f"Calibrated negentropy against {words}: {draw.spoken(group, values, 'nats')}.")
    fig.update_yaxes(title_text="negentropy (nats)", row=1, col=1)
    # 0 is the mean of surrogates, as their bias is taken off.
    fig.add_hline(y=0, line={"color": theme.NULL, "width": 1}, row=1, col=1)
    draw.layer_axis(fig, group, row=1, col=1)
    return spoken


def _draw_published(fig: Any, group: Group | None, column: int) -> list[str]:
    if group is None:
        return []
    at = (1, column)
    values = draw.by_row(
        fig, group, "negentropy_uncalibrated", theme.PURPLE, at=at, units="nats", where={"k": first_k(group)}
    )
    fig.add_hline(y=WHITE_NOISE_PUBLISHED, line={"color": theme.NULL, "width": 2, "dash": "dash"}, row=1, col=column)
    fig.update_yaxes(title_text="published estimate (nats)", row=1, col=column)
    draw.layer_axis(fig, group, row=1, col=column)
    return [f"Published estimator: {draw.spoken(group, values, 'nats')}."]
