"""Numbers of a figure as a table: one row for each mark, so that any figure can be drawn again elsewhere."""

from __future__ import annotations

import base64
import csv
import html
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

COLUMNS = ("panel", "series", "kind", "x", "y", "z", "low", "high", "label")


def csv_of(figure: Any) -> str:
    """Return the numbers of a plotly figure as CSV.

    Parameters
    ----------
    figure
        A plotly figure of marks, lines, bars and heatmaps; other traces give the arrays that they have.

    Returns
    -------
    str
        A line for each mark: panel (number, from the top left), series (its name in the legend), kind of trace, x, y, z
        (value of a cell of a heatmap), low and high (ends of its error bar), label. Empty where there is none.

    Examples
    --------
    >>> import plotly.graph_objects as go
    >>> error = {"array": [0.5], "arrayminus": [0.25]}
    >>> print(csv_of(go.Figure(go.Scatter(x=[0], y=[1.5], error_y=error, name="slope"))))
    panel,series,kind,x,y,z,low,high,label
    1,slope,scatter,0,1.5,,1.25,2.0,
    <BLANKLINE>
    """
    return table_of(json.loads(figure.to_json()))


def table_of(spec: Mapping[str, Any]) -> str:
    """The same of plotly's JSON of a figure."""
    text = io.StringIO()
    # One newline on every system, so that equal figures give equal files.
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for trace in spec["data"]:
        writer.writerows([_cell(value) for value in row] for row in _rows(trace))
    return text.getvalue()


def values_of(array: Any) -> list[Any]:
    """Entries of an array of plotly's JSON, which holds long ones of numbers in base 64."""
    if isinstance(array, Mapping) and "bdata" in array:
        values = np.frombuffer(base64.b64decode(array["bdata"]), dtype=np.dtype(array["dtype"]))
        shape = array.get("shape")
        shaped = values.reshape([int(part) for part in str(shape).split(",")]) if shape else values
        return [_finite(value) for value in shaped.tolist()]
    return list(array) if isinstance(array, Sequence) and not isinstance(array, str) else []


def _finite(value: Any) -> Any:
    """The same number or row of numbers, with None for what is not finite."""
    if isinstance(value, list):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def bars_of(trace: Mapping[str, Any]) -> list[tuple[int, float, float]]:
    """Places of values that have an error bar, with its ends."""
    error, values = trace.get("error_y") or {}, values_of(trace.get("y"))
    up = values_of(error.get("array"))
    down = values_of(error.get("arrayminus")) or up
    return [
        (i, value - below, value + above)
        for i, (value, below, above) in enumerate(zip(values, down, up, strict=False))
        if None not in (value, below, above)
    ]


def plain_text(text: Any) -> str:
    """A text of a figure without its markup."""
    return html.unescape(re.sub(r"<[^>]*>", " ", str(text or ""))).replace("\u200b", "").strip()


def _rows(trace: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    kind, name = trace.get("type", "scatter"), plain_text(trace.get("name"))
    # Axes are called x, x2, x3: what follows the letter is the number of the panel, and the first has none.
    first = (str(trace.get("xaxis", "x"))[1:] or "1", name, kind)
    x, y, z = (values_of(trace.get(axis)) for axis in "xyz")
    if z and values_of(z[0]):
        for i, row in enumerate(z):
            cells = enumerate(values_of(row))
            yield from ((*first, _at(x, j, j), _at(y, i, i), value, None, None, None) for j, value in cells)
        return
    texts = values_of(trace.get("text"))
    bars = {i: (low, high) for i, low, high in bars_of(trace)}
    for i in range(max(len(x), len(y), len(z))):
        yield (*first, _at(x, i, i), _at(y, i), _at(z, i), *bars.get(i, (None, None)), plain_text(_at(texts, i)))


def _at(values: Sequence[Any], place: int, otherwise: Any = None) -> Any:
    return values[place] if place < len(values) else otherwise


def _cell(value: Any) -> Any:
    """Text without markup, and none that a spreadsheet would run as a formula."""
    if not isinstance(value, str):
        return value
    text = plain_text(value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
