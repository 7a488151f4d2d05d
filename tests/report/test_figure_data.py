"""The table of a figure holds every number that is drawn."""

from __future__ import annotations

import csv
import io

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from saegeom_data.report.figure_data import COLUMNS, csv_of


def rows(figure: go.Figure) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(csv_of(figure))))


def test_numbers_of_marks_and_their_bars_come_back() -> None:
    x, y = np.arange(5), np.linspace(0, 1, 5)
    error = {"array": np.full(5, 0.25), "arrayminus": np.full(5, 0.5)}
    fig = make_subplots(cols=2)
    fig.add_trace(go.Scatter(x=x, y=y, error_y=error, name="<b>slope</b>"), row=1, col=2)
    found = rows(fig)
    assert list(found[0]) == list(COLUMNS)
    assert {(row["panel"], row["series"], row["kind"]) for row in found} == {("2", "slope", "scatter")}
    for name, values in {"x": x, "y": y, "low": y - 0.5, "high": y + 0.25}.items():
        np.testing.assert_allclose([float(row[name]) for row in found], values)


def test_cells_of_a_heatmap_have_their_labels() -> None:
    z = np.array([[1.0, np.nan], [3.0, 4.0], [5.0, 6.0]])
    found = rows(go.Figure(go.Heatmap(x=["a", "b"], y=["k", "l", "m"], z=z)))
    assert [(row["x"], row["y"], row["z"]) for row in found][:3] == [
        ("a", "k", "1.0"),
        ("b", "k", ""),
        ("a", "l", "3.0"),
    ]
    assert len(found) == 6


def test_bars_and_gaps_and_labels() -> None:
    fig = go.Figure([go.Bar(x=["a", "b"], y=[1, None], name="share", text=["1 &lt; 2", "none"])])
    assert [(row["kind"], row["y"], row["label"]) for row in rows(fig)] == [("bar", "1", "1 < 2"), ("bar", "", "none")]


def test_no_label_is_run_as_a_formula() -> None:
    (row,) = rows(go.Figure(go.Scatter(x=[0], y=[1], name="=1+1", text=["@x"])))
    assert (row["series"], row["label"]) == ("'=1+1", "'@x")


def test_empty_figures_have_a_heading_only() -> None:
    assert rows(go.Figure(go.Scatter())) == rows(go.Figure()) == []
