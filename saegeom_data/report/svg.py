"""Draw a figure as SVG without a browser: lines, marks, bars, heatmaps, their axes, keys and legend.

It draws what presentations of this package use. Plotly itself draws only in a browser, and a browser is nothing that a
command can expect on the machine of a run.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from saegeom_data.errors import ParameterError
from saegeom_data.report import theme
from saegeom_data.report.figure_data import bars_of, values_of
from saegeom_data.report.keys import LETTER, fitted, margin_of
from saegeom_data.report.svg_axes import Axis
from saegeom_data.report.svg_parts import LINE_HEIGHT, colour_of, first, mark, text_of
from saegeom_data.report.svg_traces import DASHES, KINDS, stacked_on

# Width of a letter of the legend, and of what stands before each of its entries.
_LETTER, _KEY = LETTER, 34


def svg_of(figure: Any, *, width: int = 1000) -> str:
    """Return a plotly figure as SVG.

    Parameters
    ----------
    figure
        A figure of scatter, bar and heatmap traces.
    width
        Width in pixels; the height is that of the figure.

    Raises
    ------
    ParameterError
        If it holds other traces.

    Examples
    --------
    >>> import plotly.graph_objects as go
    >>> svg_of(go.Figure(go.Scatter(x=[0, 1], y=[1, 2])), width=400)[:60]
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 450'
    """
    spec = json.loads(figure.to_json())
    unknown = sorted({trace.get("type", "scatter") for trace in spec["data"]} - set(KINDS))
    if unknown:
        raise ParameterError(f"figure: got traces of type {', '.join(unknown)}, expected {', '.join(KINDS)}")
    bars = Counter(trace.get("xaxis", "x") for trace in spec["data"] if trace.get("type") == "bar")
    if max(bars.values(), default=0) > 1 and spec["layout"].get("barmode") not in ("stack", "relative"):
        raise ParameterError("figure: got bars beside each other, expected barmode 'stack'")
    layout = spec["layout"] = fitted(spec["layout"], width)
    height = float(layout["height"])
    axes = _axes(spec, width, height)
    drawn = [*_shapes(layout, axes), *_frames(layout, axes)]
    for place, trace in enumerate(spec["data"]):
        if trace.get("visible", True) is True:
            x, y = axes[trace.get("xaxis", "x")], axes[f"y{trace.get('yaxis', 'y')[1:]}"]
            drawn += _clipped(x, y, list(KINDS[trace.get("type", "scatter")](trace, spec["data"], x, y)), place)
    drawn += [*_notes(layout, axes, width, height), *_legend(spec, width, height)]
    size = f'viewBox="0 0 {width} {height:g}" width="{width}" height="{height:g}"'
    look = f'font-family="{escape(theme.FONT, quote=True)}" font-size="13" fill="{theme.INK}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {look}>'
        f'<rect width="{width}" height="{height:g}" fill="white"/>{"".join(drawn)}</svg>\n'
    )


def _axes(spec: Mapping[str, Any], width: float, height: float) -> dict[str, Axis]:
    """All axes by their names in traces: x, x2, y ..."""
    layout, margin = spec["layout"], margin_of(spec["layout"])
    template = layout.get("template", {}).get("layout", {})
    # A figure without traces has axes too.
    names = {trace.get(f"{letter}axis", letter) for trace in spec["data"] for letter in "xy"} | {"x", "y"}
    axes = {}
    for name in sorted(names):
        letter = name[0]
        own = template.get(f"{letter}axis", {}) | layout.get(f"{letter}axis{name[1:]}", {})
        low, high = own.get("domain") or (0.0, 1.0)
        inner = width - margin["l"] - margin["r"] if letter == "x" else height - margin["t"] - margin["b"]
        if letter == "x":
            axes[name] = Axis(own, margin["l"] + inner * low, margin["l"] + inner * high)
        else:
            axes[name] = Axis(own, margin["t"] + inner * (1 - low), margin["t"] + inner * (1 - high))
    for trace in spec["data"]:
        for letter in "xy":
            axis = axes[trace.get(f"{letter}axis", letter)]
            axis.values += values_of(trace.get(letter))
            along = "y" if trace.get("orientation") == "h" else "x"
            axis.is_banded |= trace.get("type") == "heatmap" or (trace.get("type") == "bar" and letter == along)
            if trace.get("type") == "bar" and letter != along:
                # Bars begin at 0, and reach up to the sum of those below them.
                axis.values += [0.0, *stacked_on(spec["data"], trace).values()]
            error = trace.get("error_y") or {}
            if letter == "y" and error:
                axis.values += [end for _, low, high in bars_of(trace) for end in (low, high)]
    return axes


def _clipped(x: Axis, y: Axis, drawn: list[str], place: int) -> Iterator[str]:
    """What is drawn within its panel; bars of one row reach beyond it."""
    left, right = sorted((x.start, x.end))
    top, bottom = sorted((y.start, y.end))
    # Marks at the ends of axes keep their other half.
    box = f'x="{left - 6:.1f}" y="{top - 6:.1f}" width="{right - left + 12:.1f}" height="{bottom - top + 12:.1f}"'
    yield f'<clipPath id="panel-{place}"><rect {box}/></clipPath><g clip-path="url(#panel-{place})">'
    yield from drawn
    yield "</g>"


def _frames(layout: Mapping[str, Any], axes: Mapping[str, Axis]) -> Iterator[str]:
    """Lines, ticks and titles of all axes."""
    for name, axis in axes.items():
        if axis.spec.get("visible") is False:
            continue
        other = axes.get(str(axis.spec.get("anchor") or ("y" if name[0] == "x" else "x")))
        if other is None:
            continue
        yield from _across(axis, other) if name[0] == "x" else _upwards(axis, other)


def _across(axis: Axis, other: Axis) -> Iterator[str]:
    bottom = max(other.start, other.end)
    if axis.spec.get("showline"):
        yield f'<path d="M{axis.start:.1f} {bottom:.1f}H{axis.end:.1f}" stroke="#b8c0c8" fill="none"/>'
    for place, words in axis.ticks():
        yield f'<path d="M{place:.1f} {bottom:.1f}v4" stroke="#b8c0c8"/>'
        yield text_of(place, bottom + 18, words, anchor="middle", size=12)
    if title := (axis.spec.get("title") or {}).get("text"):
        middle = (axis.start + axis.end) / 2
        yield text_of(middle, bottom + 40, str(title), anchor="middle", size=13, colour=theme.MUTED)


def _upwards(axis: Axis, other: Axis) -> Iterator[str]:
    left, right = sorted((other.start, other.end))
    if axis.spec.get("showline"):
        yield f'<path d="M{left:.1f} {axis.start:.1f}V{axis.end:.1f}" stroke="#b8c0c8" fill="none"/>'
    longest = 0
    for place, words in axis.ticks():
        if axis.spec.get("showgrid"):
            yield f'<path d="M{left:.1f} {place:.1f}H{right:.1f}" stroke="{theme.GRID}"/>'
        yield text_of(left - 7, place + 4, words, anchor="end", size=12)
        longest = max(longest, len(words))
    if title := (axis.spec.get("title") or {}).get("text"):
        at = (left - 18 - _LETTER * longest, (axis.start + axis.end) / 2)
        yield text_of(*at, str(title), anchor="middle", size=13, colour=theme.MUTED, turn=-90)


def _shapes(layout: Mapping[str, Any], axes: Mapping[str, Axis]) -> Iterator[str]:
    """Shaded stretches and straight lines."""
    for shape in layout.get("shapes", []):
        x, y = (_ends(shape, letter, axes) for letter in "xy")
        if x is None or y is None:
            continue
        if shape.get("type") == "line":
            line = shape.get("line") or {}
            dash = f' stroke-dasharray="{DASHES[line["dash"]]}"' if line.get("dash") in DASHES else ""
            ink = f'stroke="{colour_of(line.get("color", theme.INK))}" stroke-width="{line.get("width", 2):g}"'
            yield f'<path d="M{x[0]:.1f} {y[0]:.1f}L{x[1]:.1f} {y[1]:.1f}" fill="none" {ink}{dash}/>'
        elif shape.get("type") == "rect":
            box = f'x="{min(x):.1f}" y="{min(y):.1f}" width="{abs(x[1] - x[0]):.1f}" height="{abs(y[1] - y[0]):.1f}"'
            yield f'<rect {box} fill="{colour_of(shape.get("fillcolor", "none"))}"/>'


def _ends(shape: Mapping[str, Any], letter: str, axes: Mapping[str, Axis]) -> tuple[float, float] | None:
    """Places of both ends of a shape along one direction."""
    name, _, domain = str(shape.get(f"{letter}ref", letter)).partition(" ")
    axis = axes.get(name)
    if axis is None:
        return None
    # Written as `x domain`, its places are shares of the axis and no values on it.
    if domain:
        first_end, last_end = (axis.start + (axis.end - axis.start) * float(shape[f"{letter}{i}"]) for i in (0, 1))
        return first_end, last_end
    found = [axis.at(shape[f"{letter}{i}"]) for i in (0, 1)]
    return None if None in found else (float(found[0] or 0.0), float(found[1] or 0.0))


def _notes(layout: Mapping[str, Any], axes: Mapping[str, Axis], width: float, height: float) -> Iterator[str]:
    """Titles of panels with their keys, and other texts."""
    margin = margin_of(layout)
    for note in layout.get("annotations", []):
        x, y = axes.get(str(note.get("xref"))), axes.get(str(note.get("yref")))
        across, down = width - margin["l"] - margin["r"], height - margin["t"] - margin["b"]
        left = margin["l"] + across * note.get("x", 0) if x is None else x.at(note["x"])
        top = height - margin["b"] - down * note.get("y", 0) if y is None else y.at(note["y"])
        if left is None or top is None:
            continue
        lines = str(note.get("text", "")).count("<br>")
        # The last line stands at the place of the note.
        top -= LINE_HEIGHT * lines + float(note.get("yshift", 0)) + 4
        anchor = {"left": "start", "right": "end"}.get(str(note.get("xanchor")), "middle")
        font = note.get("font") or {}
        size, colour = float(font.get("size", 13)), str(font.get("color", ""))
        yield text_of(left, top, str(note.get("text", "")), anchor=anchor, size=size, colour=colour)


def _legend(spec: Mapping[str, Any], width: float, height: float) -> Iterator[str]:
    """Names of lines and marks below the figure, in as many lines as they need."""
    if spec["layout"].get("showlegend") is False:
        return
    named = [trace for trace in spec["data"] if trace.get("showlegend") and trace.get("name")]
    left, right = margin_of(spec["layout"])["l"], width - 20
    rows: list[list[tuple[float, Mapping[str, Any]]]] = [[]]
    place = left
    for trace in named:
        long = _KEY + _LETTER * len(str(trace["name"])) + 14
        if place + long > right and rows[-1]:
            rows.append([])
            place = left
        rows[-1].append((place, trace))
        place += long
    for i, row in enumerate(rows):
        y = height - 12 - 20 * (len(rows) - 1 - i)
        for x, trace in row:
            yield from _entry(x, y, trace)


def _entry(x: float, y: float, trace: Mapping[str, Any]) -> Iterator[str]:
    line, marker, mode = trace.get("line") or {}, trace.get("marker") or {}, str(trace.get("mode", "lines"))
    colour = colour_of(line.get("color") or first(marker.get("color")) or theme.BLUE)
    if "lines" in mode:
        yield f'<path d="M{x:.1f} {y - 4:.1f}h24" stroke="{colour}" stroke-width="2"/>'
    if "markers" in mode:
        yield mark(x + 12, y - 4, 8, marker.get("symbol", "circle"), colour_of(first(marker.get("color")) or colour))
    yield text_of(x + 30, y, str(trace["name"]), size=12)
