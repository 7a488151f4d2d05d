"""Figures of lobes and what they do, at one layer and at all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Panel
from saegeom_data.metrics.brain.lobe_function import length_figure, map_figure
from saegeom_data.metrics.brain.lobe_function._outputs import BY_NAME
from saegeom_data.metrics.brain.lobe_function._type_shares import lobe_of, winner_shares
from saegeom_data.metrics.nulls import frequency_stratified
from saegeom_data.report import draw, theme
from saegeom_data.results.groups import find_group

_MOST_NUMBERS = 20
_TEXT_WORDS = ", and of lobes of word pieces on the blocks whose text is known: what the text tells without any model"
_UNTRAINED_WORDS = ", and of lobes of an untrained SAE of the same activations"


def figures(groups: Sequence[Group]) -> list[Panel]:
    """Lobes of one layer and what they do, on a map of the features if there is one; types by layer and by length."""
    function = find_group(groups, "lobe_function", "winner_share", "lobe", published=None)
    if function is None or "n_lobes" not in function.data.coords:
        return []
    places = find_group(groups, "feature_map", "position", published=None)
    by_layer = [_by_layer(function)] if len(function.rows) > 1 else []
    return [map_figure.panel(function, places), *by_layer, *length_figure.panels(function)]


def _by_layer(function: Group) -> Panel:
    """Winner shares of the fewest lobes at every layer as a heat map, beside Cramér's V."""
    count = int(function.data["n_lobes"].values[0])
    names = [str(name) for name in function.data["document_type"].values]
    anchor = names[0].replace("_", " ")
    keys = [("●", theme.BLUE, "lobes"), ("■", theme.NULL, "lobes shuffled")]
    has_text = any(function.value(row, "cramers_v_word_pieces", n_lobes=count) is not None for row in function.rows)
    if has_text:
        keys.append(("▲", theme.GREEN, "word pieces"))
    has_untrained = _has_untrained(function, count)
    if has_untrained:
        keys.append(("◆", theme.ORANGE, "untrained SAE"))
    titles = (
        theme.heading("Blocks won by the lobe of " + theme.safe(anchor, 40)),
        theme.heading("Lobe and document type", *keys),
    )
    height = max(380, 170 + 26 * len(names))
    fig = theme.figure(columns=2, titles=titles, height=height, column_widths=[0.55, 0.45], horizontal_spacing=0.11)
    table = np.array(
        [winner_shares(function, row, count)[0][lobe_of(function, row, count, 0)] for row in function.rows]
    )
    _draw_heat(fig, function, table.T, names)
    values = _draw_association(fig, function, count)
    draw.layer_axis(fig, function, row=1, col=1)
    draw.layer_axis(fig, function, row=1, col=2)
    fig.update_yaxes(title_text="Cramér's V", rangemode="tozero", row=1, col=2)
    fig.update_layout(margin_l=190)
    reading = (
        f"Left: for {count} lobes, how much of each document type goes to the lobe that wins most of {anchor}; types "
        "of one shade go together. Right: how strongly winning lobe and document type go together, from 0 to 1, with "
        "95 % intervals, beside the same of lobes shuffled among features of like firing rate"
        f"{_TEXT_WORDS if has_text else ''}{_UNTRAINED_WORDS if has_untrained else ''}."
    )
    alt = f"Cramér's V of {count} lobes and document types: {draw.spoken(function, values)}."
    return Panel("lobe-types", "brain", "Lobes and document types at every layer", fig, alt, reading, (function.name,))


def _draw_association(fig: Any, function: Group, count: int) -> list[float | None]:
    """Cramér's V of lobes and of word pieces by layer, above that of lobes shuffled among features."""
    at = {"n_lobes": count}
    null = at | {"null": frequency_stratified.LABEL}
    mean, sd = (
        [function.value(row, f"cramers_v_null_{moment}", **null) for row in function.rows] for moment in ("mean", "sd")
    )
    draw.band(fig, function, *draw.around(mean, sd, bounds=BY_NAME["cramers_v"].bounds), theme.NULL, at=(1, 2))
    draw.by_row(fig, function, "cramers_v_word_pieces", theme.GREEN, symbol="triangle-up", at=(1, 2), where=at)
    if _has_untrained(function, count):
        draw.by_row(fig, function, "cramers_v_untrained", theme.ORANGE, symbol="diamond", at=(1, 2), where=at)
    return draw.by_row(
        fig, function, "cramers_v", theme.BLUE, low="cramers_v_low", high="cramers_v_high", at=(1, 2), where=at
    )


def _has_untrained(function: Group, count: int) -> bool:
    """Whether any layer has an untrained SAE beside it."""
    return any(function.value(row, "cramers_v_untrained", n_lobes=count) is not None for row in function.rows)


def _draw_heat(fig: Any, function: Group, table: Any, names: Sequence[str]) -> None:
    import plotly.graph_objects as go

    # Types of like share lie together, whatever order the store has them in.
    order = np.argsort(np.nan_to_num(table.mean(axis=1)), kind="stable")
    places, _ = draw.along(function)
    values = [theme.plain(table[i]) for i in order]
    fig.add_trace(
        go.Heatmap(
            x=[str(place) for place in places],
            y=[theme.safe(names[i].replace("_", " "), 24) for i in order],
            z=values,
            zmin=0,
            zmax=1,
            colorscale=[[0, "#f4f6f8"], [0.5, "#9db8d6"], [1, "#123a6b"]],
            xgap=2,
            ygap=2,
            showscale=False,
            **_numbers(values if len(places) <= _MOST_NUMBERS else []),
            hovertemplate="%{y}, %{x}: %{z:.1%} of blocks<extra></extra>",
        ),
        row=1,
        col=1,
    )
    fig.update_yaxes(showgrid=False, showline=False, ticklen=6, tickcolor="white", row=1, col=1)


def _numbers(values: Sequence[Sequence[float | None]]) -> dict[str, Any]:
    """Percents in the cells; in narrow ones they would run into each other, where shade and pointer tell them."""
    if not values:
        return {}
    text = [["" if value is None else f"{100 * value:.0f}" for value in line] for line in values]
    return {"text": text, "texttemplate": "%{text}", "textfont": {"size": 11}}
