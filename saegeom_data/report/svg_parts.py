"""Pieces of a figure that is drawn as SVG: marks, texts with their markup, and colours."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape, unescape
from itertools import pairwise
from typing import Any

from saegeom_data.report import theme
from saegeom_data.report.figure_data import values_of

LINE_HEIGHT = 16
# Outlines of marks of size 2 about the origin.
_SYMBOLS = {
    "square": "M-.9-.9h1.8v1.8h-1.8z",
    "diamond": "M0-1.2L1.2 0 0 1.2-1.2 0z",
    "triangle-up": "M0-1.1L1.1.9H-1.1z",
    "triangle-down": "M0 1.1L1.1-.9H-1.1z",
    "x": "M-.9-.9L.9.9M.9-.9L-.9.9",
    "cross": "M-1.1 0H1.1M0-1.1V1.1",
    "line-ew": "M-1.3 0H1.3",
    "star": "M0-1.3L.3-.4 1.2-.4.5.2.8 1.1 0 .6-.8 1.1-.5.2-1.2-.4-.3-.4z",
    "hourglass": "M-1-1H1L-1 1H1z",
}
# Lines, without an inside that could be filled.
_STROKED = ("x", "cross", "line-ew")

# Tags of plotly's markup that are not known are left out, never written.
_TAG = re.compile(r"(<[^>]*>)")
_NAMED = {"white": "#ffffff", "black": "#000000"}


def mark(x: float, y: float, size: float, symbol: Any, colour: str, opacity: str = "") -> str:
    """A mark about a point."""
    shape = str(symbol).removesuffix("-open")
    is_open = str(symbol).endswith("-open") or shape in _STROKED
    look = f'fill="none" stroke="{colour}" stroke-width="1.5"' if is_open else f'fill="{colour}"'
    if shape not in _SYMBOLS:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size / 2:g}" {look}{opacity}/>'
    # Strokes keep their width, whatever the size of the mark.
    return (
        f'<path d="{_SYMBOLS[shape]}" transform="translate({x:.1f} {y:.1f}) scale({size / 2:g})" '
        f'vector-effect="non-scaling-stroke" {look}{opacity}/>'
    )


def text_of(
    x: float, y: float, markup: str, *, anchor: str = "start", size: float = 13, colour: str = "", turn: float = 0
) -> str:
    """A text of plotly's markup: lines, bold parts, and parts in a colour or size of their own.

    Examples
    --------
    >>> text_of(0, 0, "<b>a</b> &lt; <i>b</i>").split("</tspan>")[1]
    '<tspan> &lt; b'
    """
    spans = [_line(line, x, place) for place, line in enumerate(re.split(r"<br\s*/?>", markup))]
    look = f' fill="{colour_of(colour)}"' if colour else ""
    look += f' transform="rotate({turn:g} {x:.1f} {y:.1f})"' if turn else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size:g}"{look}>{"".join(spans)}</text>'


def _line(line: str, x: float, place: int) -> str:
    """The parts of one line; each after the first begins anew below."""
    looks: list[str] = []
    parts: list[tuple[str, str]] = []
    for piece in _TAG.split(line):
        if piece.startswith("</"):
            looks = looks[:-1]
        elif piece.startswith("<"):
            looks = [*looks, _look(piece)]
        elif piece:
            # Without the space of no width, which only keeps plotly from reading a template.
            text = escape(unescape(piece).replace("\u200b", ""), quote=False)
            # Blanks between the entries of a key would be drawn as one.
            parts.append(("".join(looks), text.replace("   ", "\u00a0\u00a0 ")))
    joined: list[tuple[str, str]] = []
    for look, text in parts:
        if joined and joined[-1][0] == look:
            joined[-1] = (look, joined[-1][1] + text)
        else:
            joined.append((look, text))
    begin = f' x="{x:.1f}" dy="{LINE_HEIGHT}"' if place else ""
    return "".join(
        f"<tspan{begin if i == 0 else ''}{look}>{text}</tspan>" for i, (look, text) in enumerate(joined or [("", "")])
    )


def _look(tag: str) -> str:
    if re.match(r"<b\b", tag):
        return ' font-weight="700"'
    colour = re.search(r"color:\s*(#[0-9a-fA-F]{6})", tag)
    size = re.search(r"font-size:\s*(\d+)px", tag)
    return (f' fill="{colour.group(1)}"' if colour else "") + (f' font-size="{size.group(1)}"' if size else "")


def colour_of(colour: Any) -> str:
    """A colour as SVG has it; one that is none of plotly's forms becomes that of text."""
    text = str(colour)
    if re.fullmatch(r"#[0-9a-fA-F]{6}|#[0-9a-fA-F]{3}|rgba?\([\d., %]+\)|[a-z]+", text):
        return text
    return theme.INK


def rgb_of(colour: str) -> tuple[float, ...]:
    """Red, green and blue of a colour, each from 0 to 255."""
    text = _NAMED.get(colour, colour)
    if re.fullmatch(r"#[0-9a-fA-F]{6}", text):
        return tuple(float(int(text[i : i + 2], 16)) for i in (1, 3, 5))
    found = [float(part) for part in re.findall(r"[\d.]+", text)[:3]]
    return tuple(found) if len(found) == 3 else (128.0, 128.0, 128.0)


def on_scale(scale: Any, share: float) -> tuple[float, ...]:
    """Red, green and blue at a share of a scale of colours, by straight lines between its colours."""
    stops = [(float(at), rgb_of(str(colour))) for at, colour in scale or ((0, "#f4f6f8"), (1, "#123a6b"))]
    share = min(max(share, stops[0][0]), stops[-1][0])
    for (left, dark), (right, light) in pairwise(stops):
        if share <= right:
            part = (share - left) / ((right - left) or 1.0)
            return tuple(a + part * (b - a) for a, b in zip(dark, light, strict=True))
    return stops[-1][1]


def hex_of(colour: tuple[float, ...]) -> str:
    """A colour from its parts, 0 to 255."""
    return "#" + "".join(f"{round(part):02x}" for part in colour)


def first(value: Any) -> str:
    """The colour itself, or the first of several; empty where there is none."""
    if isinstance(value, str):
        return value
    several = [entry for entry in values_of(value) if isinstance(entry, str)]
    return several[0] if several else ""


def runs(places: Sequence[tuple[float | None, float | None]]) -> list[list[tuple[float, float]]]:
    """Points that follow each other, broken where one is missing."""
    found: list[list[tuple[float, float]]] = [[]]
    for a, b in places:
        if a is None or b is None:
            found.append([])
        else:
            found[-1].append((a, b))
    return [run for run in found if run]
