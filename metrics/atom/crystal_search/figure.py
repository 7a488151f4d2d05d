"""Figure of crystals: the best family of each layer against both null models, and the families of one layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Panel
from saegeom_data.metrics.nulls import exchanged_offsets, spectrum_matched
from saegeom_data.report import draw, theme
from saegeom_data.results.groups import find_group
from saegeom_data.results.wording import number

KINDS = {
    "parallelogram": ("parallelograms", theme.BLUE, "circle", -0.6),
    "trapezoid": ("trapezoids", theme.ORANGE, "square", 0.6),
}
NUISANCES = {
    "norm": "the norm of the row",
    "firing_rate": "the firing rate",
    "position": "the position in the text",
}
_NULLS = {
    spectrum_matched.LABEL: ("same mean and covariance", "dot"),
    exchanged_offsets.LABEL: ("offsets exchanged", "dash"),
}
_MARKS = {"circle": "●", "square": "■"}


def searched(groups: Sequence[Group]) -> Group | None:
    """The result of a search for crystals."""
    group = find_group(groups, "crystal_search", "n_families", "family_pairs", "largest_score_p", "kind", "null")
    return group if group is not None and group.rows else None


def figures(groups: Sequence[Group]) -> list[Panel]:
    """The highest score by layer, and families by size and agreement."""
    group = searched(groups)
    return [_panel(group)] if group is not None else []


def richest(group: Group, rows: Sequence[str]) -> str:
    """Of some rows, that with the most families of parallelograms, of equals the one with the highest score."""

    def rank(row: str) -> tuple[float, float]:
        return tuple(group.value(row, name, kind="parallelogram") or 0 for name in ("n_families", "largest_score"))  # type: ignore[return-value]

    return max(rows, key=rank)


def _panel(group: Group) -> Panel:
    row = richest(group, group.rows)
    keys = [(_MARKS[symbol], colour, words) for words, colour, symbol, _ in KINDS.values()]
    nulls = [("···" if dash == "dot" else "- -", theme.MUTED, words) for words, dash in _NULLS.values()]
    titles = (
        theme.heading("Highest score of a family", *keys, *nulls),
        theme.heading(f"Families at {draw.row_name(group, row)}", *keys),
    )
    fig = theme.figure(columns=2, titles=titles, height=420, horizontal_spacing=0.12)
    spoken = []
    for kind, (words, colour, symbol, shift) in KINDS.items():
        for null, (_, dash) in _NULLS.items():
            where = {"kind": kind, "null": null}
            draw.by_row(fig, group, "largest_score_null_mean", colour, where=where, symbol=symbol, shift=shift)
            fig.data[-1].update(mode="lines", line={"dash": dash, "width": 1.6, "color": colour})
            fig.data[-1].hovertemplate = "%{customdata[0]}: %{y:.3g}<extra>surrogates</extra>"
        look: dict[str, Any] = {"symbol": symbol, "shift": shift, "where": {"kind": kind}}
        values = draw.by_row(fig, group, "largest_score", colour, **look)
        found = [group.value(name, "n_families", kind=kind) for name in group.rows]
        said = [
            f"{name} {number(score, 1)} ({number(count, 0)} found)"
            for name, score, count in zip(draw.row_names(group), values, found, strict=True)
        ]
        spoken.append(f"Highest score of a family of {words}: {', '.join(said)}.")
        spoken += _families(fig, group, row, kind)
    draw.layer_axis(fig, group, row=1, col=1)
    fig.update_yaxes(title_text="score", rangemode="tozero", row=1, col=1)
    fig.update_xaxes(title_text="best agreement of offsets", row=1, col=2)
    # D2 puts ticks at 2 and 5 too: most families have fewer than ten pairs.
    fig.update_yaxes(title_text="pairs of features", type="log", exponentformat="none", dtick="D2", row=1, col=2)
    rate = number(group.parameters.get("false_discovery_rate"), 2)
    reading = (
        "Pairs of features are a family if the step from one feature to the other is alike: as it is (parallelogram), "
        "or in direction (trapezoid). Its score is high where they are many, or agree as they never do by chance. "
        "Left: the highest score, and the mean of the highest among surrogates of each null model. Right: families by "
        f"size; filled are those beyond both null models at a false discovery rate of {rate}."
    )
    return Panel("crystals", "atom", "Crystals among features", fig, " ".join(spoken), reading, (group.name,))


def _families(fig: Any, group: Group, row: str, kind: str) -> list[str]:
    """Families of one row by best agreement and number of pairs."""
    words, colour, symbol, _ = KINDS[kind]
    data = group.data.isel({group.over: group.rows.index(row)}).sel(kind=kind)
    pairs = data["family_pairs"].values
    if not pairs.any():
        return []
    q = data["family_q"].transpose("null", "family").values
    is_found = np.all(q <= (group.parameters.get("false_discovery_rate") or 0), axis=0)[pairs > 0]
    pairs, agreement = pairs[pairs > 0], data["family_agreement"].values[pairs > 0]
    for state, mark in ((False, f"{symbol}-open"), (True, symbol)):
        chosen = is_found == state
        if chosen.any():
            trace = draw.points(agreement[chosen].tolist(), pairs[chosen].tolist(), colour, symbol=mark)
            trace.update(mode="markers", hovertemplate="%{y} pairs, best %{x:.3g}<extra>" + words + "</extra>")
            fig.add_trace(trace, row=1, col=2)
    largest = int(np.max(pairs))
    return [
        f"At {draw.row_name(group, row)} {int(is_found.sum())} of {len(pairs)} families of {words} that are shown are "
        f"beyond both null models; the largest has {largest} pairs."
    ]
