"""Figure of what is left of a trend over depth once it is adjusted for SAEs that differ in L0 or width."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Panel
from saegeom_data.report import theme
from saegeom_data.report.draw import points
from saegeom_data.report.matched_depth import (
    TREND,
    WORDS,
    Matching,
    correlation_words,
    fragile_words,
    layer_name,
    matching,
    trend_or_reason,
)
from saegeom_data.results.followed import Followed
from saegeom_data.results.wording import listing, number

if TYPE_CHECKING:
    import xarray as xr

_CURVE_POINTS = 61
_AXES = {"l0": "L0", "width": "width (features)"}


def panels(numbers: Sequence[Followed]) -> list[Panel]:
    """Draw each number as it is and adjusted, one panel for each scale; none where SAEs agree."""
    scales = dict.fromkeys(followed.group.scale for followed in numbers)
    found = (_panel(scale, [followed for followed in numbers if followed.group.scale == scale]) for scale in scales)
    return [panel for panel in found if panel is not None]


def panel_id(scale: str) -> str:
    """Anchor of the panel of a scale."""
    return f"matching-{scale}"


def _panel(scale: str, numbers: Sequence[Followed]) -> Panel | None:
    differing = [
        followed for followed in numbers if followed.rows() and matching(followed.group, followed.rows()).differing
    ]
    if not differing:
        return None
    found = matching(differing[0].group, differing[0].rows())
    trends = {followed.key: trend for followed in differing if not isinstance(trend := trend_or_reason(followed), str)}
    drawn = [followed for followed in differing if followed.key in trends]
    fig, alt, reading = _trends(drawn, trends) if drawn else _values(differing, found)
    caution = f"Caution: {found.differences}, and SAEs of another {found.what} have another geometry at equal depth."
    uses = tuple(followed.group.name for followed in differing)
    title = f"Caution: these SAEs differ in {found.what}"
    return Panel(panel_id(scale), scale, title, fig, alt, f"{caution} {reading}", uses, TREND)


def _trends(drawn: Sequence[Followed], trends: Mapping[tuple[str, str], xr.Dataset]) -> tuple[Any, str, str]:
    """Raw and adjusted values over depth, beside what depth leaves of them against L0 or width."""
    titles = [title for followed in drawn for title in _titles(followed, trends[followed.key])]
    fig = theme.figure(
        rows=len(drawn),
        columns=2,
        titles=titles,
        height=410 * len(drawn),
        column_widths=[0.57, 0.43],
        horizontal_spacing=0.12,
        vertical_spacing=0.2,
    )
    for row, followed in enumerate(drawn, 1):
        _draw_depth(fig, followed, trends[followed.key], row)
        _draw_covariate(fig, followed, trends[followed.key], row)
    names = trends[drawn[0].key].attrs["adjusted_for"]
    what = WORDS[names[0]]
    equal = listing([WORDS[name] for name in names])
    reading = [
        f"Left: values as they are, and adjusted to equal {equal}, with the curves fitted to them; bars are 95 percent "
        f"intervals of the adjustment. Right: what the curve over depth leaves of each value, against {what}; the more "
        f"the line slants, the more {what} matters at equal depth.",
        *(part for followed in drawn for part in _fragile(followed, trends[followed.key])),
    ]
    return fig, " ".join(_spoken(followed, trends[followed.key]) for followed in drawn), " ".join(reading)


def _titles(followed: Followed, trend: xr.Dataset) -> list[str]:
    covariate = trend.attrs["adjusted_for"][0]
    correlation = number(float(trend["partial_correlation"].sel(covariate=covariate)), 2)
    keys = (("○", theme.MUTED, "unadjusted"), ("●", theme.BLUE, f"adjusted to {_reference(trend)}"))
    return [
        theme.heading(f"{followed.measure.noun.capitalize()} over depth", *keys),
        theme.heading("At equal depth", ("●", theme.ORANGE, f"partial correlation {correlation}")),
    ]


def _reference(trend: xr.Dataset) -> str:
    names = trend.attrs["adjusted_for"]
    return " and ".join(f"{WORDS[name]} {_size(float(trend[f'reference_{name}']))}" for name in names)


def _size(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _draw_depth(fig: Any, followed: Followed, trend: xr.Dataset, row: int) -> None:
    import plotly.graph_objects as go

    layers = trend["layer"].values.tolist()
    looks = {"raw": (theme.MUTED, "circle-open", "dot"), "adjusted": (theme.BLUE, "circle", "solid")}
    for name, (colour, symbol, dash) in looks.items():
        values = trend["value"].sel(adjustment=name).values.tolist()
        low, high = ([], []) if name == "raw" else (trend[f"adjusted_{end}"].values.tolist() for end in ("low", "high"))
        marks = points(layers, theme.plain(values), colour, low=low, high=high, symbol=symbol, lines=False)
        words = [f"{theme.safe(sae)}: {number(value)} {name}" for sae, value in zip(_names(trend), values, strict=True)]
        marks.update(customdata=words, hovertemplate="%{customdata}<extra></extra>")
        fig.add_trace(marks, row=row, col=1)
        powers = trend["depth_coefficient"].sel(adjustment=name, trend="quadratic").values
        at = np.linspace(min(layers), max(layers), _CURVE_POINTS)
        line = {"color": colour, "width": 1.6, "dash": dash}
        # polyval takes the highest power first.
        curve = theme.plain(np.polyval(powers[::-1], at))
        fig.add_trace(
            go.Scatter(x=at.tolist(), y=curve, mode="lines", line=line, hoverinfo="skip", showlegend=False),
            row=row,
            col=1,
        )
    fig.update_xaxes(title_text="layer", row=row, col=1)
    fig.update_yaxes(title_text=followed.measure.axis, row=row, col=1)


def _draw_covariate(fig: Any, followed: Followed, trend: xr.Dataset, row: int) -> None:
    """Partial residuals: adjusted values less their curve, with the fitted effect of the covariate put back."""
    import plotly.graph_objects as go

    covariate = trend.attrs["adjusted_for"][0]
    # The first covariate alone is drawn: with two of them a plane would be needed.
    x = trend[covariate].values.astype(float)
    effect = float(trend["covariate_coefficient"].sel(covariate=covariate))
    line = effect * np.log(x / float(trend[f"reference_{covariate}"]))
    adjusted = trend["value"].sel(adjustment="adjusted") - trend["fitted"].sel(adjustment="adjusted", trend="quadratic")
    marks = points(x.tolist(), theme.plain(adjusted.values + line), theme.ORANGE, lines=False)
    words = [
        f"{theme.safe(sae)}, layer {layer_name(layer)}"
        for sae, layer in zip(_names(trend), _layers(trend), strict=True)
    ]
    marks.update(customdata=words, hovertemplate="%{customdata}<br>%{x:.4g}: %{y:.3g}<extra></extra>")
    fig.add_trace(marks, row=row, col=2)
    # A line is drawn through points in their order, and L0 need not grow with depth.
    order = np.argsort(x)
    look = {"color": theme.INK, "width": 1.2}
    fig.add_trace(
        go.Scatter(x=x[order].tolist(), y=theme.plain(line[order]), mode="lines", line=look, hoverinfo="skip",
                   showlegend=False),
        row=row,
        col=2,
    )  # fmt: skip
    _covariate_axis(fig, covariate, x, row=row, col=2)
    fig.update_yaxes(title_text=f"{followed.measure.noun} less its curve", row=row, col=2)


def _covariate_axis(fig: Any, covariate: str, x: Any, **where: Any) -> None:
    """A logarithmic axis with a few ticks at round numbers within the data; a plain one where a value has no log."""
    fig.update_xaxes(title_text=_AXES[covariate], **where)
    if x.min() <= 0:
        return
    ticks = np.unique([float(f"{value:.2g}") for value in np.geomspace(x.min(), x.max(), 5)])
    words = [f"{tick:g}" for tick in ticks]
    fig.update_xaxes(type="log", tickmode="array", tickvals=ticks.tolist(), ticktext=words, **where)


def _values(differing: Sequence[Followed], found: Matching) -> tuple[Any, str, str]:
    """Values against L0 or width, with the layers as labels, where too little is known to adjust them."""
    covariate = found.differing[0]
    what = WORDS[covariate]
    titles = [theme.heading(f"{followed.measure.noun.capitalize()} against {what}") for followed in differing]
    fig = theme.figure(rows=len(differing), titles=titles, height=380 * len(differing), vertical_spacing=0.2)
    spoken = []
    for row, followed in enumerate(differing, 1):
        saes = followed.rows()
        x = [float(followed.group.coordinate(sae, covariate)) for sae in saes]
        y = followed.data[followed.measure.output].values[[followed.group.rows.index(sae) for sae in saes]]
        marks = points(x, theme.plain(y), theme.ORANGE, lines=False)
        labels = [_label(followed.group, sae) for sae in saes]
        marks.update(text=labels, mode="markers+text", textposition="top center", cliponaxis=False)
        marks.update(hovertemplate="%{text}<br>%{x:.4g}: %{y:.3g}<extra></extra>")
        fig.add_trace(marks, row=row, col=1)
        _covariate_axis(fig, covariate, np.array(x), row=row, col=1)
        fig.update_yaxes(title_text=followed.measure.axis, row=row, col=1)
        pairs = [f"{label} {number(float(value))} at {at:g}" for label, value, at in zip(labels, y, x, strict=True)]
        spoken.append(f"{followed.measure.noun.capitalize()} against {what}: {', '.join(pairs)}.")
    reason = trend_or_reason(differing[0])
    reading = f"Values are drawn against {what}, with their layers beside them. They cannot be adjusted: {reason}."
    return fig, " ".join(spoken), reading


def _label(group: Group, sae: str) -> str:
    layer = group.coordinate(sae, "layer")
    return theme.safe(sae, 24) if layer is None else f"layer {layer_name(float(layer))}"


def _spoken(followed: Followed, trend: xr.Dataset) -> str:
    raw, adjusted = (trend["value"].sel(adjustment=name).values for name in ("raw", "adjusted"))
    pairs = [
        f"layer {layer_name(layer)} {number(float(before))}, {number(float(after))}"
        for layer, before, after in zip(_layers(trend), raw, adjusted, strict=True)
    ]
    return (
        f"{followed.measure.noun.capitalize()} as it is, and adjusted to {_reference(trend)}: {'; '.join(pairs)}. "
        f"{'; '.join(correlation_words(trend, name) for name in trend.attrs['adjusted_for'])}."
    )


def _fragile(followed: Followed, trend: xr.Dataset) -> list[str]:
    return [part for name in trend.attrs["adjusted_for"] for part in fragile_words(followed, trend, name)]


def _names(trend: xr.Dataset) -> list[str]:
    return [str(sae) for sae in trend["sae"].values]


def _layers(trend: xr.Dataset) -> list[float]:
    return [float(layer) for layer in trend["layer"].values]
