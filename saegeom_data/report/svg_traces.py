"""Traces of a figure that is drawn as SVG: lines and marks, bars, heatmaps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from saegeom_data.report import theme
from saegeom_data.report.figure_data import bars_of, values_of
from saegeom_data.report.svg_axes import Axis
from saegeom_data.report.svg_parts import colour_of, first, hex_of, mark, on_scale, runs, text_of

DASHES = {"dash": "9 6", "dot": "2 4", "dashdot": "9 4 2 4", "longdash": "14 6"}


def stacked_on(data: Sequence[Mapping[str, Any]], trace: Mapping[str, Any]) -> dict[Any, float]:
    """Sum of the bars of ``data`` in the panel of a trace, at each place along its axis."""
    axes = ("y", "x") if trace.get("orientation") == "h" else ("x", "y")
    sums: dict[Any, float] = {}
    for other in data:
        if other.get("type") == "bar" and other.get("xaxis", "x") == trace.get("xaxis", "x"):
            for name, size in zip(*(values_of(other.get(axis)) for axis in axes), strict=False):
                sums[name] = sums.get(name, 0.0) + (size or 0.0)
    return sums


def _scatter(trace: Mapping[str, Any], _: Any, x: Axis, y: Axis) -> Iterator[str]:
    xs, ys = values_of(trace.get("x")), values_of(trace.get("y"))
    places = [(x.at(a), y.at(b)) for a, b in zip(xs, ys, strict=False)]
    line, marker = trace.get("line") or {}, trace.get("marker") or {}
    opacity = f' opacity="{trace["opacity"]:g}"' if "opacity" in trace else ""
    # What plotly does where a trace does not say it.
    mode = trace.get("mode", "lines+markers" if len(xs) < 20 else "lines")
    parts = runs(places)
    if trace.get("fill") == "toself":
        path = "".join(f"M{'L'.join(f'{a:.1f} {b:.1f}' for a, b in run)}Z" for run in parts)
        yield f'<path d="{path}" fill="{colour_of(trace.get("fillcolor"))}" stroke="none"{opacity}/>'
    colour = line.get("color") or first(marker.get("color")) or theme.BLUE
    if "lines" in mode and line.get("width") != 0:
        path = "".join(f"M{'L'.join(f'{a:.1f} {b:.1f}' for a, b in run)}" for run in parts)
        dash = DASHES.get(line.get("dash", ""), "")
        look = f' stroke-dasharray="{dash}"' if dash else ""
        ink = f'stroke="{colour_of(colour)}" stroke-width="{line.get("width", 2):g}"'
        yield f'<path d="{path}" fill="none" {ink}{look}{opacity}/>'
    for i, low, high in bars_of(trace):
        place, bottom, top = x.at(xs[i]), y.at(low), y.at(high)
        if place is not None and bottom is not None and top is not None:
            bar = f"M{place:.1f} {bottom:.1f}V{top:.1f}M{place - 4:.1f} {bottom:.1f}h8M{place - 4:.1f} {top:.1f}h8"
            ink = colour_of((trace.get("error_y") or {}).get("color") or colour)
            yield f'<path d="{bar}" fill="none" stroke="{ink}" stroke-width="1.6"/>'
    if "markers" in mode:
        yield from _marks(marker, places, colour, opacity)
    if "text" in mode:
        yield from _labels(trace, places)


def _marks(marker: Mapping[str, Any], places: Sequence[tuple[Any, Any]], colour: str, opacity: str) -> Iterator[str]:
    colours, sizes = values_of(marker.get("color")), values_of(marker.get("size"))
    symbols = values_of(marker.get("symbol"))
    opacity = f' opacity="{marker["opacity"]:g}"' if isinstance(marker.get("opacity"), int | float) else opacity
    for i, (a, b) in enumerate(places):
        if a is None or b is None:
            continue
        ink = colour_of(colours[i] if i < len(colours) else marker.get("color") or colour)
        size = float(sizes[i] if i < len(sizes) else marker.get("size") or 6)
        yield mark(a, b, size, symbols[i] if i < len(symbols) else marker.get("symbol", "circle"), ink, opacity)


def _labels(trace: Mapping[str, Any], places: Sequence[tuple[Any, Any]]) -> Iterator[str]:
    font, position = trace.get("textfont") or {}, str(trace.get("textposition", "middle center"))
    anchor = "start" if "right" in position else "end" if "left" in position else "middle"
    down = -9 if "top" in position else 14 if "bottom" in position else 4
    for text, (a, b) in zip(values_of(trace.get("text")), places, strict=False):
        if text and a is not None and b is not None:
            yield text_of(
                a, b + down, str(text), anchor=anchor, size=font.get("size", 12), colour=font.get("color", "")
            )


def _bar(trace: Mapping[str, Any], data: Sequence[Mapping[str, Any]], x: Axis, y: Axis) -> Iterator[str]:
    """Bars, each stacked on those of the traces before it."""
    is_flat = trace.get("orientation") == "h"
    along, up = (y, x) if is_flat else (x, y)
    names, sizes = (values_of(trace.get(axis)) for axis in (("y", "x") if is_flat else ("x", "y")))
    # By identity: two traces may hold equal numbers.
    before = stacked_on(data[: next(i for i, each in enumerate(data) if each is trace)], trace)
    # What the template's bargap leaves of a place.
    thick = 0.72 * abs(along.end - along.start) / max(len(along.categories), 1)
    colour = colour_of(first((trace.get("marker") or {}).get("color")) or theme.BLUE)
    texts = values_of(trace.get("text"))
    for i, (name, size) in enumerate(zip(names, sizes, strict=False)):
        middle, low = along.at(name), up.at(before.get(name, 0.0))
        high = None if size is None else up.at(before.get(name, 0.0) + size)
        if middle is None or low is None or high is None:
            continue
        start, length = min(low, high), abs(high - low)
        box = (start, middle - thick / 2, length, thick) if is_flat else (middle - thick / 2, start, thick, length)
        yield f'<rect x="{box[0]:.1f}" y="{box[1]:.1f}" width="{box[2]:.1f}" height="{box[3]:.1f}" fill="{colour}"/>'
        if i < len(texts) and texts[i]:
            font = trace.get("insidetextfont") or {"color": "white", "size": 11}
            place = (box[0] + box[2] / 2, box[1] + box[3] / 2 + 4)
            yield text_of(*place, str(texts[i]), anchor="middle", size=font["size"], colour=font["color"])


def _heatmap(trace: Mapping[str, Any], _: Any, x: Axis, y: Axis) -> Iterator[str]:
    rows = [values_of(row) for row in values_of(trace.get("z"))]
    known = [value for row in rows for value in row if value is not None] or [0.0]
    low, high = trace.get("zmin", min(known)), trace.get("zmax", max(known))
    n_x, n_y = max((len(row) for row in rows), default=1), max(len(rows), 1)
    wide, tall = abs(x.end - x.start) / n_x, abs(y.end - y.start) / n_y
    texts = [values_of(row) for row in values_of(trace.get("text"))] if trace.get("texttemplate") else []
    xs = values_of(trace.get("x")) or list(range(n_x))
    ys = values_of(trace.get("y")) or list(range(n_y))
    for i, row in enumerate(rows):
        for j, value in enumerate(row):
            a, b = x.at(xs[j]), y.at(ys[i])
            if value is None or a is None or b is None:
                continue
            # All cells alike have no range: they take the lowest colour.
            share = (value - low) / ((high - low) or 1.0)
            fill = on_scale(trace.get("colorscale"), share)
            box = (
                f'x="{a - wide / 2 + 1:.1f}" y="{b - tall / 2 + 1:.1f}" width="{wide - 2:.1f}" height="{tall - 2:.1f}"'
            )
            yield f'<rect {box} fill="{hex_of(fill)}"/>'
            if i < len(texts) and j < len(texts[i]) and texts[i][j]:
                # Of three channels up to 255: on a dark cell ink could not be read.
                ink = "white" if sum(fill) < 330 else theme.INK
                yield text_of(a, b + 4, str(texts[i][j]), anchor="middle", size=11, colour=ink)


Trace = Mapping[str, Any]
KINDS: dict[str, Callable[[Trace, Sequence[Trace], Axis, Axis], Iterator[str]]] = {
    "scatter": _scatter,
    "bar": _bar,
    "heatmap": _heatmap,
}
