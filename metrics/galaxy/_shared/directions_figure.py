"""Figures of feature directions: their nearest neighbours, and how evenly all of them share the space."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Panel
from saegeom_data.metrics.nulls import spectrum_matched, uniform_sphere
from saegeom_data.report import draw, theme
from saegeom_data.results.groups import find_group
from saegeom_data.results.wording import number

MATCHED, UNIFORM = spectrum_matched.LABEL, uniform_sphere.LABEL
SIMILARITIES = {"cosine": "cosine", "centred_cosine": "centred cosine"}
_MARKS = {"circle": "●", "square": "■", "diamond": "◆"}
_BAND = "▒"
# Where all ratios are below this, an axis needs ticks between 1, 2 and 5.
_NARROW = 5.0
_Number = float | None
_Place = tuple[int, int]


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
    draw: Callable[[Any, Group, _Place], list[str]]


@dataclass(frozen=True)
class _Series:
    """A variable over layers beside its surrogates, whose mean and deviation are ``name_null`` and ``name_null_sd``."""

    name: str
    words: str
    key: str
    colour: str = theme.BLUE
    symbol: str = "circle"
    shift: float = 0.0
    where: Mapping[str, Any] = field(default_factory=dict)
    null: str = "null_mean"

    @property
    def heading(self) -> tuple[str, str, str]:
        """Its entry in the key of a plot."""
        return _MARKS[self.symbol], self.colour, self.key


def panels(groups: Sequence[Group]) -> list[Panel | None]:
    """Figures for the groups that are there."""
    near, local, listed = nearest(groups), dimension(groups), hubs(groups)
    tight, even = packed(groups), evenness(groups)
    neighbours = [
        [_nearest(near) if near is not None else None, _hubs(listed) if listed is not None else None],
        [_dimension(local), _scales(local)] if local is not None else [],
    ]
    shared = [[_packing(tight) if tight is not None else None, _isotropy(even) if even is not None else None]]
    intervals = "Bars are 95 percent intervals."
    return [
        _panel("neighbours", "Feature directions and their nearest neighbours", neighbours, intervals),
        _panel("evenness", "How evenly do feature directions share the space?", shared),
    ]


def _panel(anchor: str, title: str, grid: Sequence[Sequence[_Plot | None]], closing: str = "") -> Panel | None:
    """Lay out the plots that are there; one alone in its row takes all of it."""
    rows = [plots for line in grid if (plots := [plot for plot in line if plot is not None])]
    if not rows:
        return None
    columns = max(map(len, rows))
    fig = theme.figure(
        rows=len(rows),
        columns=columns,
        titles=[plot.title for plots in rows for plot in plots],
        height=390 * len(rows) + 20,
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
    reading += [closing] if closing else []
    if any(plot.group.metric != "isotropy" for plots in rows for plot in plots):
        reading.append(_surrogates_reading(fig))
    if any(trace.showlegend for trace in fig.data):
        fig.update_layout(margin_b=92)
    return Panel(anchor, "galaxy", title, fig, " ".join(spoken), " ".join(reading), tuple(dict.fromkeys(uses)))


def _position(row: int, column: int, n_rows: int, n_columns: int) -> str:
    vertical = ("top", "bottom")[row - 1] if n_rows > 1 else ""
    horizontal = ("left", "right")[column - 1] if n_columns > 1 else ""
    return f"{vertical} {horizontal}".strip().capitalize()


def _surrogates_reading(fig: Any) -> str:
    """What bands are, if there are any."""
    shaded = [trace for trace in fig.data if trace.fill == "toself"]
    if shaded or any(shape.type == "rect" for shape in fig.layout.shapes):
        return "Shaded bands are surrogates of the same mean and covariance, two standard deviations about their mean."
    return "No surrogates of the same mean and covariance can be drawn here."


def _values(group: Group, name: str, **where: Any) -> list[_Number]:
    return [group.value(row, name, **where) for row in group.rows]


def _said(label: str, group: Group, values: Sequence[_Number]) -> list[str]:
    words = draw.spoken(group, values)
    return [f"{label}: {words}."] if words else []


def _is_one_layer(group: Group) -> bool:
    return len(group.rows) == 1 and draw.along(group)[1] == "layer"


def _by_row(fig: Any, group: Group, name: str, colour: str, *, shift: float = 0.0, **look: Any) -> list[_Number]:
    """As :func:`draw.by_row`, with room between the marks of a single layer, which spans no range to shift by."""
    values = draw.by_row(fig, group, name, colour, shift=shift, **look)
    if _is_one_layer(group):
        fig.data[-1].x = [fig.data[-1].x[0] + shift / 10]
    return values


def _axes(fig: Any, group: Group, title: str, at: _Place) -> None:
    where = {"row": at[0], "col": at[1]}
    fig.update_yaxes(title_text=title, **where)
    draw.layer_axis(fig, group, **where)
    if _is_one_layer(group):
        layer = draw.along(group)[0][0]
        fig.update_xaxes(range=[layer - 1, layer + 1], **where)


def _reference(fig: Any, group: Group, name: str, at: _Place, **where: Any) -> list[_Number]:
    """Draw a dashed line that has no spread."""
    look: dict[str, Any] = {"dash": "dash", "symbol": "line-ew-open", "where": where, "at": at}
    values = draw.by_row(fig, group, name, theme.NULL, **look)
    if len(values) == 1 and values[0] is not None:
        fig.add_hline(y=values[0], line={"color": theme.NULL, "width": 2, "dash": "dash"}, row=at[0], col=at[1])
    return values


def _surrogates(
    fig: Any, group: Group, mean: Sequence[_Number], sd: Sequence[_Number], series: _Series, at: _Place
) -> None:
    """Shade what surrogates give, over the whole width where there is one row."""
    low, high = draw.around(mean, sd)
    known = replace(group, data=group.data.assign(surrogates=(group.over, np.array(mean, dtype=float))))
    colour = theme.translucent(series.colour, 0.6)
    _by_row(fig, known, "surrogates", colour, dash="dot", symbol="line-ew-open", at=at, shift=series.shift)
    if len(group.rows) > 1:
        draw.band(fig, group, low, high, series.colour, at=at)
    elif low[0] is not None:
        fill = theme.translucent(series.colour, 0.22)
        fig.add_hrect(y0=low[0], y1=high[0], fillcolor=fill, line_width=0, layer="below", row=at[0], col=at[1])


def _draw_series(fig: Any, group: Group, series: Sequence[_Series], at: _Place) -> list[str]:
    spoken = []
    for one in series:
        name = f"{one.name}_{one.null}"
        mean = _values(group, name, null=MATCHED, **one.where)
        sd = _values(group, f"{one.name}_null_sd", null=MATCHED, **one.where)
        _surrogates(fig, group, mean, sd, one, at)
        look: dict[str, Any] = {"low": f"{one.name}_low", "high": f"{one.name}_high", "symbol": one.symbol}
        values = _by_row(fig, group, one.name, one.colour, shift=one.shift, at=at, where=one.where, **look)
        spoken += _said(one.words, group, values) + _said("Mean of its surrogates", group, mean)
    return spoken


_NEAREST = _Series("mean_cosine", "Mean cosine with the nearest neighbour", "data, 95 % interval", null="null")


def _nearest(group: Group) -> _Plot:
    keys = (_NEAREST.heading, (_BAND, theme.BLUE, "surrogates"), ("╌", theme.NULL, "uniform directions"))
    reading = (
        "mean cosine of a feature and the one nearest to it. Above its band, features lie closer together than their "
        "covariance explains; the dashed line is the exact law of uniform directions."
    )
    return _Plot(theme.heading("Nearest neighbour", *keys), reading, group, _draw_nearest)


def _draw_nearest(fig: Any, group: Group, at: _Place) -> list[str]:
    uniform = _reference(fig, group, "mean_cosine_null", at, null=UNIFORM)
    spoken = _draw_series(fig, group, [_NEAREST], at)
    _axes(fig, group, "cosine", at)
    return [*spoken, *_said("Of uniform directions", group, uniform)]


def _hub_series(group: Group) -> list[_Series]:
    looks = {"cosine": (theme.BLUE, "circle", -0.6), "centred_cosine": (theme.ORANGE, "square", 0.6)}
    return [
        _Series("skewness", f"Skewness of hubs by {SIMILARITIES[one]}", SIMILARITIES[one], *look, {"similarity": one})
        for one, look in looks.items()
        if one in group.data["similarity"].values
    ]


def _hubs(group: Group) -> _Plot:
    keys = [series.heading for series in _hub_series(group)]
    k = group.parameters.get("k")
    reading = (
        f"skewness of how many others have a feature among their {f'{k} ' if k else ''}nearest; the larger, the more "
        "pronounced are hubs. What centring takes away comes from a mean direction that all features share."
    )
    return _Plot(theme.heading("Hubs", *keys, (_BAND, theme.NULL, "surrogates")), reading, group, _draw_hubs)


def _draw_hubs(fig: Any, group: Group, at: _Place) -> list[str]:
    spoken = _draw_series(fig, group, _hub_series(group), at)
    _axes(fig, group, "skewness of k-occurrence", at)
    return spoken


def _dimension_series(group: Group) -> list[_Series]:
    found = [_Series("two_nn", "Dimension by TwoNN", "TwoNN", shift=-0.6)]
    k = most_neighbours(group)
    if k is not None:
        words, key = "Dimension by maximum likelihood", f"maximum likelihood, {k} neighbours"
        found.append(_Series("maximum_likelihood", words, key, theme.ORANGE, "square", 0.6, {"k": k}))
    return found


def _dimension(group: Group) -> _Plot:
    keys = [series.heading for series in _dimension_series(group)]
    reading = (
        "dimension of the cloud around a feature. Below its band, it is lower than covariance explains, as in clusters "
        "and curves; above about 20, all estimates are too low, those of surrogates too."
    )
    title = theme.heading("Local dimension", *keys, (_BAND, theme.NULL, "surrogates"))
    return _Plot(title, reading, group, _draw_dimension)


def _draw_dimension(fig: Any, group: Group, at: _Place) -> list[str]:
    spoken = _draw_series(fig, group, _dimension_series(group), at)
    _axes(fig, group, "dimension", at)
    return spoken


def _scales(group: Group) -> _Plot | None:
    if not group.has("dimension_by_scale", "scale"):
        return None
    reading = "the same from the distances to neighbours s and 2 s, from near to far; means of surrogates are dotted."
    title = theme.heading("Dimension by scale", ("—", theme.INK, "data"), ("···", theme.INK, "surrogates"))
    return _Plot(title, reading, group, _draw_scales)


def _draw_scales(fig: Any, group: Group, at: _Place) -> list[str]:
    where = {"row": at[0], "col": at[1]}
    scales = [int(one) for one in group.data["scale"].values]
    spoken = []
    for row, colour in zip(group.rows, theme.sequence(len(group.rows)), strict=True):
        values = [group.value(row, "dimension_by_scale", scale=scale) for scale in scales]
        for trace in _scale_traces(group, row, colour, scales, values):
            fig.add_trace(trace, **where)
        known = [(scale, value) for scale, value in zip(scales, values, strict=True) if value is not None]
        ends = [f"{number(value, 1)} at neighbour {scale}" for scale, value in dict.fromkeys((*known[:1], *known[-1:]))]
        spoken += [f"{draw.row_name(group, row)} {' and '.join(ends)}"] if ends else []
    fig.update_xaxes(type="log", title_text="neighbour s (and 2 s)", tickvals=scales, ticktext=scales, **where)
    fig.update_yaxes(title_text="dimension", **where)
    return [f"Dimension by scale: {'; '.join(spoken)}."] if spoken else []


def _scale_traces(
    group: Group, row: str, colour: str, scales: Sequence[int], values: Sequence[_Number]
) -> tuple[Any, Any]:
    """Lines of the data and of surrogates of one row."""
    low, high, null = (
        [group.value(row, f"dimension_by_scale_{end}", scale=scale, null=MATCHED) for scale in scales]
        for end in ("low", "high", "null_mean")
    )
    name = draw.row_name(group, row)
    line = draw.points(scales, values, colour, title=name)
    line.update(customdata=[draw.interval_text(*one) for one in zip(values, low, high, strict=True)], marker_size=6)
    line.update(hovertemplate="neighbour %{x} and twice that<br>%{customdata}<extra>%{fullData.name}</extra>")
    dotted = draw.points(scales, null, colour, dash="dot")
    dotted.update(mode="lines", line_width=1.4, legendgroup=name, hoverinfo="skip")
    return dotted, line


def _packing(group: Group) -> _Plot:
    keys = (
        ("●", theme.BLUE, "coherence"),
        (_BAND, theme.BLUE, "its surrogates"),
        ("■", theme.ORANGE, "frame potential"),
    )
    reading = (
        "mutual coherence, the largest absolute cosine of two features, over the Welch bound, the least that so many "
        "directions allow; and frame potential, the sum of squared cosines, over its least. 1 is the best possible."
    )
    if 0 in _values(group, "welch_bound"):
        reading += " With no more features than dimensions the Welch bound is 0, and no ratio is drawn."
    return _Plot(theme.heading("Packing, over the best possible", *keys), reading, group, _draw_packing)


def _draw_packing(fig: Any, group: Group, at: _Place) -> list[str]:
    mean, sd = _coherence_of_surrogates(group)
    where = {"row": at[0], "col": at[1]}
    fig.update_yaxes(type="log", **where)
    _surrogates(fig, group, mean, sd, _Series("coherence", "", ""), at)
    coherence = _by_row(fig, group, "coherence_ratio", theme.BLUE, at=at)
    potential = _by_row(fig, group, "frame_potential_ratio", theme.ORANGE, symbol="square", at=at)
    most = max((value for value in (*coherence, *potential, *mean) if value is not None), default=1.0)
    ticks = [1, 1.2, 1.5, 2, 3, 4, 5] if most < _NARROW else [d * 10**e for e in range(7) for d in (1, 2, 5)]
    fig.update_yaxes(tickvals=ticks, ticktext=ticks, **where)
    fig.add_hline(y=1, line={"color": theme.NULL, "width": 1}, **where)
    _axes(fig, group, "ratio to the bound", at)
    return [
        *_said("Coherence over the Welch bound", group, coherence),
        *_said("Mean of its surrogates", group, mean),
        *_said("Frame potential over its bound", group, potential),
    ]


def _coherence_of_surrogates(group: Group) -> tuple[list[_Number], list[_Number]]:
    """Mean and standard deviation of the coherence of surrogates, over the Welch bound."""
    deviation: list[_Number] = [None] * len(group.rows)
    if group.has("coherence_surrogate"):
        draws = group.data["coherence_surrogate"].transpose(group.over, ...).values
        deviation = theme.plain(draws.std(axis=1, ddof=min(1, draws.shape[1] - 1)))
    bounds = _values(group, "welch_bound")
    mean = _values(group, "coherence_null_mean", null=MATCHED)
    return _over(mean, bounds), _over(deviation, bounds)


def _over(values: Sequence[_Number], bounds: Sequence[_Number]) -> list[_Number]:
    pairs = zip(values, bounds, strict=True)
    return [value / bound if value is not None and bound else None for value, bound in pairs]


def _isotropy(group: Group) -> _Plot:
    keys = [("●", theme.BLUE, "IsoScore"), ("╌", theme.NULL, "if uniform")]
    keys += [("■", theme.ORANGE, "mean direction"), ("◆", theme.PURPLE, "mean cosine")]
    reading = (
        "IsoScore is 1 if all axes vary alike; the dashed line is what as many uniform directions reach. Norm of the "
        "mean direction and mean cosine (with its 95 percent interval) are near 0 if no direction is preferred."
    )
    return _Plot(theme.heading("Isotropy", *keys), reading, group, _draw_isotropy)


def _draw_isotropy(fig: Any, group: Group, at: _Place) -> list[str]:
    null = _reference(fig, group, "iso_score_null", at)
    score = _by_row(fig, group, "iso_score", theme.BLUE, at=at)
    resultant = _by_row(fig, group, "mean_resultant", theme.ORANGE, symbol="square", at=at)
    ends: dict[str, Any] = {"low": "mean_cosine_low", "high": "mean_cosine_high"}
    cosine = _by_row(fig, group, "mean_cosine", theme.PURPLE, symbol="diamond", at=at, **ends)
    fig.update_yaxes(rangemode="tozero", row=at[0], col=at[1])
    _axes(fig, group, "score, norm or cosine", at)
    return [
        *_said("IsoScore", group, score),
        *_said("Of uniform directions", group, null),
        *_said("Norm of the mean direction", group, resultant),
        *_said("Mean cosine", group, cosine),
    ]
