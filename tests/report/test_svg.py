"""Figures drawn without a browser: every mark lies where its value belongs, and no label becomes markup."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import numpy as np
import plotly.graph_objects as go
import pytest
from plotly.subplots import make_subplots

from saegeom_data.errors import ParameterError
from saegeom_data.report import theme
from saegeom_data.report.svg import svg_of
from saegeom_data.report.svg_axes import Axis

SVG = "{http://www.w3.org/2000/svg}"


def drawn(figure: go.Figure) -> ET.Element:
    return ET.fromstring(svg_of(figure))


def circles(root: ET.Element) -> np.ndarray:
    return np.array(
        [[float(mark.get("cx", "nan")), float(mark.get("cy", "nan"))] for mark in root.iter(f"{SVG}circle")]
    )


def texts(root: ET.Element) -> list[str]:
    return ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]


def test_marks_lie_on_a_line_where_their_values_do() -> None:
    fig = theme.figure(height=400)
    fig.add_trace(go.Scatter(x=[0, 1, 4], y=[1.0, 2.0, 5.0], mode="markers"))
    x, y = circles(drawn(fig)).T
    assert (x[2] - x[0]) / (x[1] - x[0]) == pytest.approx(4, abs=0.01)
    # Upwards is less in SVG.
    assert (y[2] - y[0]) / (y[1] - y[0]) == pytest.approx(4, abs=0.01)
    assert y[2] < y[0]


def test_a_logarithmic_axis_has_equal_steps_for_equal_ratios() -> None:
    fig = theme.figure()
    fig.add_trace(go.Scatter(x=[1, 10, 100, 0], y=[0, 0, 0, 0], mode="markers"))
    fig.update_xaxes(type="log")
    x = circles(drawn(fig))[:, 0]
    # What has no logarithm is not drawn.
    assert len(x) == 3
    assert x[2] - x[1] == pytest.approx(x[1] - x[0], abs=0.2)
    assert {"1", "10", "100"} <= set(texts(drawn(fig)))


def test_panels_lie_beside_each_other_and_lines_break_at_gaps() -> None:
    fig = make_subplots(cols=2)
    fig.add_trace(go.Scatter(x=[0, 1], y=[0, 1], mode="markers"), row=1, col=1)
    fig.add_trace(go.Scatter(x=[0, 1, 2], y=[0, None, 1], mode="lines+markers"), row=1, col=2)
    found = circles(drawn(fig))
    assert found[:2, 0].max() < found[2:, 0].min()
    line = next(path for path in drawn(fig).iter(f"{SVG}path") if path.get("stroke-width") == "2")
    assert line.get("d", "").count("M") == 2


def test_bars_are_stacked_and_cells_coloured_by_their_value() -> None:
    bars = [go.Bar(x=[0.25, 1.0], y=["a", "b"], orientation="h"), go.Bar(x=[0.75], y=["a"], orientation="h")]
    fig = go.Figure(bars, layout={"barmode": "stack"})
    with pytest.raises(ParameterError, match="bars beside each other"):
        drawn(go.Figure(bars))
    found = [box for box in drawn(fig).iter(f"{SVG}rect") if box.get("fill") == theme.BLUE]
    first, second, third = ([float(box.get(name, "nan")) for name in ("x", "width")] for box in found)
    assert third[0] == pytest.approx(first[0] + first[1], abs=0.2)
    assert third[1] == pytest.approx(3 * first[1], abs=0.3)
    assert second[1] == pytest.approx(4 * first[1], abs=0.4)
    scale = [[0, "#000000"], [1, "#ffffff"]]
    cells = drawn(go.Figure(go.Heatmap(z=[[0, 1], [0.5, None]], colorscale=scale)))
    fills = [box.get("fill") for box in cells.iter(f"{SVG}rect")]
    assert fills[-3:] == ["#000000", "#ffffff", "#808080"]


def test_hostile_labels_stay_text() -> None:
    hostile = "</text><script>alert(1)</script>"
    fig = theme.figure(titles=[theme.heading(theme.safe(hostile))])
    fig.add_trace(go.Scatter(x=[theme.safe(hostile), hostile], y=[1, 2], name=hostile, showlegend=True))
    fig.update_xaxes(title_text=hostile)
    text = svg_of(fig)
    assert "<script" not in text
    assert "script" in "".join(texts(ET.fromstring(text)))
    assert not re.search(r"\son\w+=|href", text)


def test_long_keys_are_broken_into_lines_and_the_figure_grows() -> None:
    def of(words: str) -> ET.Element:
        keys = [("●", theme.BLUE, words), ("■", theme.RED, words)]
        fig = theme.figure(columns=2, titles=[theme.heading("Title", *keys), theme.heading("Other")], height=300)
        fig.add_trace(go.Scatter(x=[0], y=[0]), row=1, col=1)
        return drawn(fig)

    assert of("short").get("height") == "300"
    assert of("words that are far longer than a panel is wide, " * 2).get("height") == "316"


def test_other_traces_are_refused_by_name() -> None:
    with pytest.raises(ParameterError, match="got traces of type scatter3d, expected scatter, bar, heatmap"):
        svg_of(go.Figure(go.Scatter3d()))


def test_same_figure_same_bytes_and_empty_figures_are_drawn() -> None:
    fig = go.Figure(go.Scatter(x=[0, 1], y=[1, 0]))
    assert svg_of(fig) == svg_of(fig)
    assert drawn(go.Figure()).tag == f"{SVG}svg"


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-0.7, -0.2), (361, 365.5), (0, 1e-6), (-3, 12000)])
def test_ticks_are_few_round_and_within(low: float, high: float) -> None:
    axis = Axis({}, 0, 100, [low, high])
    places = [place for place, _ in axis.ticks()]
    assert 3 <= len(places) <= 8
    assert all(0 <= place <= 100 for place in places)
    assert all(len(words) <= 8 for _, words in axis.ticks())
