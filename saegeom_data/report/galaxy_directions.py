"""Figures of feature directions: their nearest neighbours, and how evenly all of them share the space."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from saegeom_data.report import draw, theme
from saegeom_data.report.groups import Group, find_group
from saegeom_data.report.parts import Panel
from saegeom_data.report.text import number

MATCHED, UNIFORM = "spectrum_matched", "uniform_sphere"
SIMILARITIES = {
    "cosine": ("cosine", theme.BLUE, "circle", -0.6),
    "centred_cosine": ("centred cosine", theme.ORANGE, "square", 0.6),
}
# Up to this ratio an axis needs ticks between 1, 2 and 5.
_NARROW = 5.0
_BAND = "▒"
Place = tuple[int, int]


def nearest(groups: Sequence[Group]) -> Group | None:
    """The result on nearest neighbours."""
    return _with_rows(find_group(groups, "neighbour_angle", "mean_cosine", "mean_cosine_null", "p"))


def dimension(groups: Sequence[Group]) -> Group | None:
    """The result on local dimension."""
    return _with_rows(find_group(groups, "intrinsic_dimension", "two_nn", "two_nn_null_mean", "two_nn_p"))


def hubs(groups: Sequence[Group]) -> Group | None:
    """The result on hubs."""
    return _with_rows(find_group(groups, "hubness", "skewness", "skewness_null_mean", "skewness_p", "similarity"))


def packed(groups: Sequence[Group]) -> Group | None:
    """The result on packing."""
    return _with_rows(find_group(groups, "packing", "coherence", "coherence_ratio", "coherence_p", "welch_bound"))


def evenness(groups: Sequence[Group]) -> Group | None:
    """The result on isotropy."""
    return _with_rows(find_group(groups, "isotropy", "mean_cosine", "mean_resultant", "iso_score"))


def _with_rows(group: Group | None) -> Group | None:
    return group if group is not None and group.rows else None


def most_neighbours(group: Group) -> int | None:
    """The largest number of neighbours that dimension is estimated from by maximum likelihood."""
    return int(max(group.data["k"].values)) if group.has("maximum_likelihood", "k") and group.data["k"].size else None


@dataclass(frozen=True)
class _Plot:
    """One plot of a figure: ``draw`` gives the sentences for readers who cannot see it."""

    title: str
    reading: str
    group: Group
    draw: Callable[[Any, Group, Place], list[str]]


def panels(groups: Sequence[Group]) -> list[Panel | None]:
    """Figures for the groups that are there."""
    near, local, listed = nearest(groups), dimension(groups), hubs(groups)
    tight, even = packed(groups), evenness(groups)
    neighbours = [
        [_nearest(near) if near else None, _hubs(listed) if listed else None],
        [_dimension(local) if local else None, _scales(local) if local else None],
    ]
    shared = [[_packing(tight) if tight else None, _evenness(even) if even else None]]
    return [
        _panel("neighbours", "Feature directions and their nearest neighbours", neighbours),
        _panel("evenness", "How evenly do feature directions share the space?", shared),
    ]


def _panel(anchor: str, title: str, grid: Sequence[Sequence[_Plot | None]]) -> Panel | None:
    """Lay out the plots that are there; one alone in its row takes all of it."""
    rows = [plots for line in grid if (plots := [plot for plot in line if plot is not None])]
    if not rows:
        return None
    columns = max(map(len, rows))
    fig = theme.figure(
        rows=len(rows),
        columns=columns,
        titles=[plot.title for plots in rows for plot in plots],
        height=390 * len(rows) + 30,
        specs=[[{}] * columns if len(plots) == columns else [{"colspan": columns}, None] for plots in rows],
        horizontal_spacing=0.12,
        vertical_spacing=0.21,
    )
    spoken, reading, uses = [], [], []
    for row, plots in enumerate(rows, 1):
        for column, plot in enumerate(plots, 1):
            spoken += plot.draw(fig, plot.group, (row, column))
            where = _position(row, column, len(rows), len(plots))
            reading.append(f"{where}: {plot.reading}" if where else plot.reading[0].upper() + plot.reading[1:])
            uses.append(plot.group.name)
    reading += _surrogates_reading([plot for plots in rows for plot in plots])
    fig.update_layout(margin_b=92)
    return Panel(anchor, "galaxy", title, fig, " ".join(spoken), " ".join(reading), tuple(dict.fromkeys(uses)))


def _position(row: int, column: int, n_rows: int, n_columns: int) -> str:
    vertical = ("top", "bottom")[row - 1] if n_rows > 1 else ""
    horizontal = ("left", "right")[column - 1] if n_columns > 1 else ""
    return f"{vertical} {horizontal}".strip().capitalize()


def _surrogates_reading(plots: Sequence[_Plot]) -> list[str]:
    with_surrogates = [plot.group for plot in plots if plot.group.metric != "isotropy"]
    if not with_surrogates:
        return []
    mark = "Shaded bands are" if any(len(group.rows) > 1 for group in with_surrogates) else "Horizontal strokes are"
    return [f"{mark} surrogates of the same mean and covariance, two standard deviations about their mean."]


def _surrogates(
    fig: Any,
    group: Group,
    mean: Sequence[float | None],
    sd: Sequence[float | None],
    colour: str,
    *,
    at: Place,
    shift: float = 0.0,
) -> None:
    """Draw what surrogates give: a band over layers, or a bar where a single layer leaves nothing to shade between."""
    low, high = draw.around(mean, sd)
    ends = {"surrogates": mean, "surrogates_low": low, "surrogates_high": high}
    values = {name: (group.over, np.array(one, dtype=float)) for name, one in ends.items()}
    bars = {}
    if len(group.rows) > 1:
        draw.band(fig, group, low, high, colour, at=at)
    else:
        bars = {"low": "surrogates_low", "high": "surrogates_high"}
    draw.by_row(
        fig,
        replace(group, data=group.data.assign(values)),
        "surrogates",
        theme.translucent(colour, 0.6),
        dash="dot",
        symbol="line-ew-open",
        at=at,
        shift=shift,
        **bars,
    )


def _values(group: Group, name: str, **where: Any) -> list[float | None]:
    return [group.value(row, name, **where) for row in group.rows]


def _said(label: str, group: Group, values: Sequence[float | None]) -> list[str]:
    words = draw.spoken(group, values)
    return [f"{label}: {words}."] if words else []


def _nearest(group: Group) -> _Plot:
    keys = [("●", theme.BLUE, "data, 95 % interval"), (_BAND, theme.BLUE, "surrogates")]
    title = theme.heading("Nearest neighbour", *keys, ("╌", theme.NULL, "uniform directions"))
    reading = (
        "the mean cosine of a feature and the feature nearest to it. Above its band, features of a layer lie closer "
        "together than their covariance explains; the dashed line is what independent uniform directions give, by an "
        "exact law."
    )
    return _Plot(title, reading, group, _draw_nearest)


def _draw_nearest(fig: Any, group: Group, at: Place) -> list[str]:
    mean = _values(group, "mean_cosine_null", null=MATCHED)
    _surrogates(fig, group, mean, _values(group, "mean_cosine_null_sd", null=MATCHED), theme.BLUE, at=at)
    look: dict[str, Any] = {"dash": "dash", "symbol": "line-ew-open", "where": {"null": UNIFORM}}
    uniform = draw.by_row(fig, group, "mean_cosine_null", theme.NULL, at=at, **look)
    values = draw.by_row(fig, group, "mean_cosine", theme.BLUE, low="mean_cosine_low", high="mean_cosine_high", at=at)
    fig.update_yaxes(title_text="cosine", row=at[0], col=at[1])
    draw.layer_axis(fig, group, row=at[0], col=at[1])
    return [
        *_said("Mean cosine with the nearest neighbour", group, values),
        *_said("Its mean over surrogates", group, mean),
        *_said("Of uniform directions", group, uniform),
    ]


def _hubs(group: Group) -> _Plot:
    there = [str(one) for one in group.data["similarity"].values]
    marks = {"circle": "●", "square": "■"}
    keys = [(marks[symbol], colour, words) for one, (words, colour, symbol, _) in SIMILARITIES.items() if one in there]
    k = group.parameters.get("k")
    reading = (
        f"skewness of the number of features that have a given one among their {f'{k} ' if k else ''}nearest, with "
        "its 95 percent interval; the larger, the more a few features (hubs) are in the lists of very many others. "
        "What goes away with the centred cosine comes from a mean direction that all features share."
    )
    return _Plot(theme.heading("Hubs", *keys, (_BAND, theme.NULL, "surrogates")), reading, group, _draw_hubs)


def _draw_hubs(fig: Any, group: Group, at: Place) -> list[str]:
    spoken = []
    there = [str(one) for one in group.data["similarity"].values]
    for similarity, (words, colour, symbol, shift) in SIMILARITIES.items():
        if similarity not in there:
            continue
        where = {"similarity": similarity}
        mean, sd = (_values(group, f"skewness_null_{one}", null=MATCHED, **where) for one in ("mean", "sd"))
        _surrogates(fig, group, mean, sd, colour, at=at, shift=shift)
        ends: dict[str, Any] = {"low": "skewness_low", "high": "skewness_high"}
        values = draw.by_row(fig, group, "skewness", colour, **ends, symbol=symbol, at=at, shift=shift, where=where)
        spoken += _said(f"Skewness of hubs by {words}", group, values) + _said("Of surrogates", group, mean)
    fig.update_yaxes(title_text="skewness of k-occurrence", row=at[0], col=at[1])
    draw.layer_axis(fig, group, row=at[0], col=at[1])
    return spoken


def _dimension(group: Group) -> _Plot:
    k = most_neighbours(group)
    keys = [("●", theme.BLUE, "TwoNN")]
    keys += [("■", theme.ORANGE, f"maximum likelihood, {k} neighbours")] if k else []
    reading = (
        "how many dimensions the cloud has around a feature, estimated from distances to its nearest neighbours, with "
        "95 percent intervals. Below its band, a layer has fewer dimensions than its covariance explains, as clusters "
        "and curves have. From about 20 dimensions on, all such estimates are too small, those of surrogates too, and "
        "only the comparison counts."
    )
    title = theme.heading("Local dimension", *keys, (_BAND, theme.NULL, "surrogates"))
    return _Plot(title, reading, group, _draw_dimension)


def _draw_dimension(fig: Any, group: Group, at: Place) -> list[str]:
    spoken = []
    k = most_neighbours(group)
    estimates: list[tuple[str, str, str, str, float, dict[str, Any]]]
    estimates = [("two_nn", "Dimension by TwoNN", theme.BLUE, "circle", -0.6, {})]
    if k:
        name = "Dimension by maximum likelihood"
        estimates.append(("maximum_likelihood", name, theme.ORANGE, "square", 0.6, {"k": k}))
    for name, words, colour, symbol, shift, where in estimates:
        mean, sd = (_values(group, f"{name}_null_{one}", null=MATCHED, **where) for one in ("mean", "sd"))
        _surrogates(fig, group, mean, sd, colour, at=at, shift=shift)
        ends: dict[str, Any] = {"low": f"{name}_low", "high": f"{name}_high"}
        values = draw.by_row(fig, group, name, colour, **ends, symbol=symbol, at=at, shift=shift, where=where)
        spoken += _said(words, group, values) + _said("Of surrogates", group, mean)
    fig.update_yaxes(title_text="dimension", row=at[0], col=at[1])
    draw.layer_axis(fig, group, row=at[0], col=at[1])
    return spoken


def _scales(group: Group) -> _Plot | None:
    if not group.has("dimension_by_scale", "scale"):
        return None
    reading = (
        "the same from the distances to the s-th and the 2 s-th neighbour, so that one looks from closer (left) to "
        "farther (right), a line for each layer; dotted lines are means of surrogates."
    )
    title = theme.heading("Dimension by scale", ("—", theme.INK, "data"), ("···", theme.INK, "surrogates"))
    return _Plot(title, reading, group, _draw_scales)


def _draw_scales(fig: Any, group: Group, at: Place) -> list[str]:
    import plotly.graph_objects as go

    scales = [int(one) for one in group.data["scale"].values]
    spoken = []
    for row, colour in zip(group.rows, theme.sequence(len(group.rows)), strict=True):
        values, low, high, null = (
            [group.value(row, f"dimension_by_scale{end}", scale=scale, null=MATCHED) for scale in scales]
            for end in ("", "_low", "_high", "_null_mean")
        )
        name = draw.row_name(group, row)
        words = [draw.interval_text(*ends) for ends in zip(values, low, high, strict=True)]
        look: dict[str, Any] = {"legendgroup": name, "mode": "lines", "hoverinfo": "skip", "showlegend": False}
        dotted = {"color": colour, "width": 1.4, "dash": "dot"}
        fig.add_trace(go.Scatter(x=scales, y=null, line=dotted, **look), row=at[0], col=at[1])
        trace = draw.points(scales, values, colour, title=name)
        trace.update(customdata=words, marker_size=6)
        trace.update(hovertemplate="neighbour %{x} and twice that<br>%{customdata}<extra>" + name + "</extra>")
        fig.add_trace(trace, row=at[0], col=at[1])
        known = [(scale, value) for scale, value in zip(scales, values, strict=True) if value is not None]
        if known:
            ends_of = [f"{number(value, 1)} at neighbour {scale}" for scale, value in (known[0], known[-1])]
            spoken.append(f"{name} {' and '.join(ends_of)}")
    where = {"row": at[0], "col": at[1]}
    fig.update_xaxes(type="log", title_text="neighbour s (and 2 s)", tickvals=scales, ticktext=scales, **where)
    fig.update_yaxes(title_text="dimension", **where)
    return [f"Dimension by scale: {'; '.join(spoken)}."] if spoken else []


def _packing(group: Group) -> _Plot:
    keys = [("●", theme.BLUE, "coherence"), (_BAND, theme.BLUE, "its surrogates")]
    title = theme.heading("Packing, over the best possible", *keys, ("■", theme.ORANGE, "frame potential"))
    missing = sum(value is None for value in _values(group, "coherence_ratio"))
    reading = (
        "mutual coherence, the largest absolute cosine of two features, over the Welch bound, the least that so many "
        "directions allow; and frame potential, the sum of all squared cosines, over its least. 1 is the best "
        "packing there is."
    )
    if missing:
        reading += " Where there are no more features than dimensions the Welch bound is 0, and no ratio is drawn."
    return _Plot(title, reading, group, _draw_packing)


def _draw_packing(fig: Any, group: Group, at: Place) -> list[str]:
    mean, sd = _coherence_of_surrogates(group)
    _surrogates(fig, group, mean, sd, theme.BLUE, at=at)
    coherence = draw.by_row(fig, group, "coherence_ratio", theme.BLUE, at=at)
    potential = draw.by_row(fig, group, "frame_potential_ratio", theme.ORANGE, symbol="square", at=at)
    where = {"row": at[0], "col": at[1]}
    most = max((value for value in (*coherence, *potential, *mean) if value is not None), default=1.0)
    ticks = [1, 1.2, 1.5, 2, 3, 4, 5] if most <= _NARROW else [d * 10**e for e in range(7) for d in (1, 2, 5)]
    fig.update_yaxes(type="log", title_text="ratio to the bound", tickvals=ticks, ticktext=ticks, **where)
    fig.add_hline(y=1, line={"color": theme.NULL, "width": 1}, **where)
    draw.layer_axis(fig, group, **where)
    return [
        *_said("Coherence over the Welch bound", group, coherence),
        *_said("Of surrogates", group, mean),
        *_said("Frame potential over its bound", group, potential),
    ]


def _coherence_of_surrogates(group: Group) -> tuple[list[float | None], list[float | None]]:
    """Mean and standard deviation of the coherence of surrogates, over the Welch bound."""
    bound = [one or None for one in _values(group, "welch_bound")]
    spread: list[float | None] = [None] * len(bound)
    if group.has("coherence_surrogate"):
        drawn = group.data["coherence_surrogate"].transpose(group.over, ...).values
        spread = [
            float(one) if np.isfinite(one) else None for one in drawn.std(axis=1, ddof=min(1, drawn.shape[1] - 1))
        ]
    mean = _values(group, "coherence_null_mean", null=MATCHED)
    over = [
        [None if one is None or by is None else one / by for one, by in zip(values, bound, strict=True)]
        for values in (mean, spread)
    ]
    return over[0], over[1]


def _evenness(group: Group) -> _Plot:
    keys = [("●", theme.BLUE, "IsoScore"), ("╌", theme.NULL, "of uniform directions")]
    keys += [("■", theme.ORANGE, "mean direction"), ("◆", theme.PURPLE, "mean cosine")]
    reading = (
        "IsoScore is 1 when directions vary as much along every axis, and the dashed line is what as many uniform "
        "directions reach. The norm of the mean direction and the mean cosine of two features (with its 95 percent "
        "interval) are near 0 when no direction is preferred."
    )
    return _Plot(theme.heading("Isotropy", *keys), reading, group, _draw_evenness)


def _draw_evenness(fig: Any, group: Group, at: Place) -> list[str]:
    null = draw.by_row(fig, group, "iso_score_null", theme.NULL, dash="dash", symbol="line-ew-open", at=at)
    score = draw.by_row(fig, group, "iso_score", theme.BLUE, at=at)
    resultant = draw.by_row(fig, group, "mean_resultant", theme.ORANGE, symbol="square", at=at)
    ends: dict[str, Any] = {"low": "mean_cosine_low", "high": "mean_cosine_high"}
    cosine = draw.by_row(fig, group, "mean_cosine", theme.PURPLE, symbol="diamond", at=at, **ends)
    fig.update_yaxes(title_text="0 to 1", rangemode="tozero", row=at[0], col=at[1])
    draw.layer_axis(fig, group, row=at[0], col=at[1])
    return [
        *_said("IsoScore", group, score),
        *_said("Of uniform directions", group, null),
        *_said("Norm of the mean direction", group, resultant),
        *_said("Mean cosine", group, cosine),
    ]
