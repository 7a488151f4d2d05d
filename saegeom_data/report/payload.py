"""What a page carries for its scripts: a library for drawing, figures and their numbers, deflated.

Deflated, the library of the plots that metrics bring is a seventh of the size of all of plotly; browsers inflate it.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Sequence
from typing import Any

from saegeom_data.declare.presentation import Panel
from saegeom_data.report.figure_data import table_of

# Kinds of traces that the bundled part of plotly draws; without a type, a trace is a scatter.
_CARTESIAN = "scatter bar box heatmap histogram histogram2d histogram2dcontour image pie contour scatterternary violin"


def library(panels: Sequence[Panel]) -> str:
    """The library that draws some panels, packed; empty without panels.

    All of plotly, three times as large, is taken only for kinds of plots that the bundled part of it lacks.
    """
    if not panels:
        return ""
    kinds = {trace.type or "scatter" for panel in panels for trace in panel.figure.data}
    return packed(_cartesian() if kinds <= set(_CARTESIAN.split()) else _all_of_plotly())


def figures(panels: Sequence[Panel]) -> str:
    """Figures as plotly's JSON, and the table of the numbers of each as CSV, packed."""
    # By way of plotly's own JSON, which knows how its figures hold arrays.
    specs = {panel.id: json.loads(panel.figure.to_json()) for panel in panels}
    drawn: dict[str, dict[str, Any]] = {name: {"figure": spec, "csv": table_of(spec)} for name, spec in specs.items()}
    # An error here instead of NaN, which is no JSON: a browser would drop every figure of the page.
    return packed(json.dumps(drawn, allow_nan=False, separators=(",", ":")))


def packed(text: str) -> str:
    """Deflate a text and write it in letters that can stand inside a script element.

    Examples
    --------
    >>> packed("<script>").isascii(), "<" in packed("<script>")
    (True, False)
    """
    return base64.b64encode(zlib.compress(text.encode(), 9)).decode("ascii")


def _cartesian() -> str:
    from importlib.resources import files

    return (files("saegeom_data.report") / "plotly-cartesian.min.js").read_text(encoding="utf-8")


def _all_of_plotly() -> str:
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())
