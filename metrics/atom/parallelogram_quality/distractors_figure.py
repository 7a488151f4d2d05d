"""Figure of distractors: what the directions follow that are removed from offsets."""

from __future__ import annotations

from typing import Any

import numpy as np

from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Panel
from saegeom_data.metrics.atom.parallelogram_quality.claims import LENGTH
from saegeom_data.report import draw, theme
from saegeom_data.results.wording import number

_SCOPES = {
    "all": ("over all pairs", theme.BLUE, "circle", -0.6),
    "within_relations": ("within relations", theme.ORANGE, "square", 0.6),
}


def panel(group: Group) -> Panel | None:
    """Correlation of the first component with word length by layer; and of all removed directions at one layer."""
    if not group.has("nuisance_spearman", "direction_share"):
        return None
    row = group.rows[len(group.rows) // 2]
    keys = [(mark, colour, words) for mark, (words, colour, *_) in zip("●■", _SCOPES.values(), strict=True)]
    titles = (
        theme.heading("First principal component : word length", *keys),
        theme.heading(f"Removed directions at {draw.row_name(group, row)}", ("", theme.MUTED, "rank correlation")),
    )
    fig = theme.figure(columns=2, titles=titles, height=420, column_widths=[0.45, 0.55], horizontal_spacing=0.24)
    spoken = []
    for scope, (words, colour, symbol, shift) in _SCOPES.items():
        values = draw.by_row(
            fig,
            group,
            "nuisance_spearman",
            colour,
            low="nuisance_spearman_low",
            high="nuisance_spearman_high",
            symbol=symbol,
            shift=shift,
            where=LENGTH | {"scope": scope},
        )
        spoken.append(f"{words} {draw.spoken(group, values)}")
    draw.layer_axis(fig, group, row=1, col=1)
    fig.update_yaxes(title_text="rank correlation", row=1, col=1)
    unknown = _draw_directions(fig, group, row)
    reading = (
        "Left: how far the direction along which steps differ most follows the difference of word lengths; where it "
        "does, raw steps tell words apart by their length rather than by their meaning (bars are 95 percent "
        "intervals). Right: the first principal components, and the largest directions that LDA drops, each with its "
        f"share of the variance of steps, against all that is known of the words{unknown}."
    )
    alt = "Rank correlation of the first principal component with word length: " + "; ".join(spoken) + "."
    return Panel("word-length", "atom", "What is removed from the steps", fig, alt, reading, (group.name,))


def _draw_directions(fig: Any, group: Group, row: str) -> str:
    """Draw a table of correlations; returns, in words, which variables nothing is known of."""
    import plotly.graph_objects as go

    data = group.data.isel({group.over: group.rows.index(row)})
    values = data["nuisance_spearman"].sel(scope="all").transpose("direction", "nuisance").values
    names = [str(name).replace("_", " ") for name in data["nuisance"].values]
    known = [i for i in range(len(names)) if np.isfinite(values[:, i]).any()]
    labels = [
        f"{theme.safe(str(direction).replace('_', ' ').replace('lda', 'LDA'))} ({share:.1%})"
        for direction, share in zip(data["direction"].values, data["direction_share"].values, strict=True)
    ]
    shown = values[:, known]
    fig.add_trace(
        go.Heatmap(
            z=[theme.plain(line) for line in shown],
            x=[theme.safe(names[i]) for i in known],
            y=labels,
            text=[[number(float(value), 2) for value in line] for line in shown],
            texttemplate="%{text}",
            # Fixed ends, so that white is no correlation whatever the values are.
            zmin=-1,
            zmax=1,
            colorscale=[[0, theme.ORANGE], [0.5, "#ffffff"], [1, theme.BLUE]],
            showscale=False,
            hovertemplate="%{y}, %{x}: %{text}<extra></extra>",
        ),
        row=1,
        col=2,
    )
    fig.update_yaxes(autorange="reversed", showgrid=False, ticks="", row=1, col=2)
    missing = [name for i, name in enumerate(names) if i not in known]
    return f"; the data tells nothing of {', '.join(missing)}, or it is the same for all pairs" if missing else ""
