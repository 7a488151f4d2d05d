"""The look of all figures: one template, and one palette that colour-blind readers can tell apart."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from functools import cache
from typing import Any

INK = "#1f2933"
MUTED = "#66727f"
GRID = "#e8ebee"
NULL = "#8a94a0"
# Okabe and Ito's palette, darkened where it would be faint on white.
BLUE, ORANGE, GREEN, PURPLE, SKY, YELLOW, RED = (
    "#0072b2",
    "#d55e00",
    "#00876a",
    "#b0578d",
    "#4aa3d8",
    "#b8860b",
    "#8b1e3f",
)
CATEGORIES = (BLUE, ORANGE, GREEN, PURPLE, SKY, YELLOW, RED, "#555555")
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
# Viridis without its yellow end, which is faint on white.
_SEQUENCE = ("#440154", "#46327e", "#365c8d", "#277f8e", "#1fa187", "#4ac16d", "#9fb92a")


def safe(label: Any, longest: int = 60) -> str:
    """Escape a label that comes from data: plotly reads markup in its texts, and must find none in it.

    Examples
    --------
    >>> safe("<b>code</b>")
    '&lt;b&gt;code&lt;/b&gt;'
    """
    text = str(label)
    text = text if len(text) <= longest else text[: longest - 1] + "…"
    # A zero-width space keeps "%{...}" from being read as one of plotly's templates.
    return html.escape(text).replace("%{", "%\u200b{")


def translucent(colour: str, alpha: float) -> str:
    """Return a ``#rrggbb`` colour with an alpha.

    Examples
    --------
    >>> translucent("#0072b2", 0.2)
    'rgba(0, 114, 178, 0.2)'
    """
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {alpha:g})"


def sequence(n: int) -> list[str]:
    """Return n colours from dark to light, for ordered things such as layers.

    Examples
    --------
    >>> len(sequence(12))
    12
    """
    from plotly.colors import sample_colorscale

    scale = [[i / (len(_SEQUENCE) - 1), colour] for i, colour in enumerate(_SEQUENCE)]
    # The ends of a scale need two layers; a single one takes its middle.
    places = [0.5] if n == 1 else [i / (n - 1) for i in range(n)]
    return [str(colour) for colour in sample_colorscale(scale, places)]


def figure(*, rows: int = 1, columns: int = 1, titles: Sequence[str] = (), height: int = 400, **layout: Any) -> Any:
    """Return an empty figure in the house style; further keywords go to plotly's ``make_subplots``."""
    from plotly.subplots import make_subplots

    fig = make_subplots(rows=rows, cols=columns, subplot_titles=list(titles) or None, **layout)
    fig.update_layout(
        template=_template(), height=height, margin={"l": 70, "r": 20, "t": 66 if titles else 24, "b": 60}
    )
    _left_titles(fig)
    return fig


@cache
def _template() -> Any:
    """Return the house style as a template: plotly sets it ten times as fast as it updates every axis by itself."""
    from plotly.graph_objs.layout import Template

    line = {"showline": True, "linecolor": "#b8c0c8", "ticks": "outside", "tickcolor": "#b8c0c8", "ticklen": 4}
    muted = {"size": 13, "color": MUTED}
    return Template(
        layout={
            "font": {"family": FONT, "size": 13, "color": INK},
            "paper_bgcolor": "white",
            "plot_bgcolor": "white",
            "colorway": list(CATEGORIES),
            "hovermode": "closest",
            "hoverlabel": {"bgcolor": "white", "bordercolor": GRID, "font": {"family": FONT, "size": 12, "color": INK}},
            "legend": {
                "orientation": "h",
                "yref": "container",
                "y": 0.01,
                "yanchor": "bottom",
                "x": 0,
                "font": {"size": 12},
            },
            "bargap": 0.28,
            "xaxis": {"showgrid": False, "zeroline": False, "title": {"standoff": 10, "font": muted}} | line,
            "yaxis": {"showgrid": True, "gridcolor": GRID, "zeroline": False, "title": {"standoff": 8, "font": muted}}
            | line,
        }
    )


def heading(title: str, *keys: tuple[str, str, str]) -> str:
    """Return a panel's title with a key beneath it: each entry a mark, a colour and a text, in place of a legend.

    Texts that come from data must be escaped by the caller.
    """
    marks = "   ".join(f'<span style="color:{colour}">{mark} {text}</span>' for mark, colour, text in keys)
    return f"<b>{title}</b>" + (f'<br><span style="font-size:12px">{marks}</span>' if marks else "")


def _left_titles(fig: Any) -> None:
    """Put the titles of panels at their left edges, where their keys begin too."""
    axes = list(fig.select_xaxes())
    # Not strict: a figure may have more panels than titles.
    for title, axis in zip(fig.layout.annotations, axes, strict=False):
        title.update(x=axis.domain[0], xanchor="left", align="left", font={"size": 14, "color": INK}, yshift=6)


def plain(values: Any) -> list[float | None]:
    """Return numbers as JSON has them: None for what is not finite, and no more digits than a figure shows."""
    # JSON has no NaN: a browser would refuse all figures of the page.
    return [float(f"{value:.5g}") if math.isfinite(value) else None for value in values]
