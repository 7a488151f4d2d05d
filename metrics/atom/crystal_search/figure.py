"""Figure of crystals: how many quadruples of features agree, against the same search of surrogates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Panel
from saegeom_data.report import draw, theme
from saegeom_data.results.groups import find_group
from saegeom_data.results.wording import number

KINDS = {
    "parallelogram": ("parallelograms", theme.BLUE, "circle", -0.6),
    "trapezoid": ("trapezoids", theme.ORANGE, "square", 0.6),
}
_MARKS = {"circle": "●", "square": "■"}
# Room on a logarithmic axis for none.
_NONE = 0.03


def searched(groups: Sequence[Group]) -> Group | None:
    """The result of a search for crystals."""
    group = find_group(groups, "crystal_search", "n_crystals", "n_quadruples", "kind", "threshold")
    return group if group is not None and group.rows else None


def figures(groups: Sequence[Group]) -> list[Panel]:
    """Crystals found by layer, and quadruples by how well they agree."""
    group = searched(groups)
    return [_panel(group)] if group is not None else []


def _panel(group: Group) -> Panel:
    row = richest(group)
    keys = [(_MARKS[symbol], colour, words) for words, colour, symbol, _ in KINDS.values()]
    titles = (
        theme.heading("Crystals found", *keys),
        theme.heading(f"Quadruples at {draw.row_name(group, row)}", *keys, ("···", theme.MUTED, "surrogates")),
    )
    fig = theme.figure(columns=2, titles=titles, height=420, horizontal_spacing=0.12)
    spoken = []
    for kind, (words, colour, symbol, shift) in KINDS.items():
        look: dict[str, Any] = {"symbol": symbol, "shift": shift, "where": {"kind": kind}}
        values = draw.by_row(fig, group, "n_crystals", colour, **look)
        fig.data[-1].hovertemplate = "%{customdata[0]}: %{y} " + words + "<extra></extra>"
        said = [f"{draw.row_name(group, name)} {number(n, 0)}" for name, n in zip(group.rows, values, strict=True)]
        spoken.append(f"{words.capitalize()} found: {', '.join(said)}.")
        spoken += _by_agreement(fig, group, row, kind)
    draw.layer_axis(fig, group, row=1, col=1)
    fig.update_yaxes(title_text="crystals", rangemode="tozero", row=1, col=1)
    fig.update_xaxes(title_text="agreement of offsets, at least", row=1, col=2)
    fig.update_yaxes(title_text="quadruples", type="log", exponentformat="none", dtick=1, row=1, col=2)
    rate = group.parameters.get("false_discovery_rate")
    reading = (
        "Four features are a crystal if the step between two of them is the step between the other two: as it is "
        "(parallelogram), or in direction (trapezoid). Left: how many are found"
        f"{f' at a false discovery rate of {number(rate, 2)}' if rate is not None else ''}. Right: how many agree at "
        "least so well, and how many do among directions of the same mean and covariance; a line that ends has none "
        "beyond."
    )
    return Panel("crystals", "atom", "Crystals among features", fig, " ".join(spoken), reading, (group.name,))


def richest(group: Group) -> str:
    """The row with the most crystals, of equals the one with the best agreement."""

    def rank(row: str) -> tuple[float, float]:
        found = sum(group.value(row, "n_crystals", kind=kind) or 0 for kind in KINDS)
        return found, group.value(row, "largest_agreement", kind="parallelogram") or 0

    return max(group.rows, key=rank)


def _by_agreement(fig: Any, group: Group, row: str, kind: str) -> list[str]:
    words, colour, symbol, _ = KINDS[kind]
    thresholds = sorted(float(threshold) for threshold in group.data["threshold"].values)
    data, null = (
        [group.value(row, name, kind=kind, threshold=threshold) for threshold in thresholds]
        for name in ("n_quadruples", "n_quadruples_null_mean")
    )
    line = draw.points(thresholds, _positive(data), colour, symbol=symbol)
    line.update(hovertemplate="at least %{x}: %{y:.4g}<extra>" + words + "</extra>")
    dotted = draw.points(thresholds, _positive(null), colour, symbol=symbol, dash="dot")
    dotted.update(mode="lines", line_width=1.6, hovertemplate="at least %{x}: %{y:.3g}<extra>surrogates</extra>")
    # Surrogates first, so that the data lie on top where the two meet.
    for trace in (dotted, line):
        fig.add_trace(trace, row=1, col=2)
    known = [(threshold, *both) for threshold, *both in zip(thresholds, data, null, strict=True) if None not in both]
    said = [
        f"{number(count, 0)} at {number(threshold, 2)} (surrogates {number(mean, 1)})"
        for threshold, count, mean in known
    ]
    return [f"{words.capitalize()} at {draw.row_name(group, row)} by agreement: {', '.join(said)}."] if said else []


def _positive(values: Sequence[float | None]) -> list[float | None]:
    """Values for a logarithmic axis."""
    return [value if value is not None and value >= _NONE else None for value in values]
