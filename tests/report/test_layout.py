"""Figures are laid out for the width that they have, in a report and on the site of the guide."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import pytest
from browser import rendered

from saegeom_data.report import theme
from saegeom_data.report.keys import fitted
from saegeom_data.report.page import asset

KEY = [("●", theme.BLUE, f"the name of line {number}") for number in range(4)]


def two_panels(labels: list[str], *titles: str) -> go.Figure:
    """A figure of two panels, of which the second has words beside its axis."""
    fig = theme.figure(columns=2, titles=titles or (theme.heading("First", *KEY), theme.heading("Second")))
    fig.add_scatter(x=[0, 1], y=[1.0, 2.0], row=1, col=1)
    fig.add_scatter(x=[0] * len(labels), y=labels, row=1, col=2)
    return fig


def laid_out(figure: go.Figure, folder: Path, *widths: int) -> list[dict[str, Any]]:
    """Layouts of a figure at some widths."""
    given = f"const figure = {figure.to_json()};"
    call = f"const found = {list(widths)}.map((width) => laidOut(figure, width).layout);"
    page = folder / "page.html"
    shown = "document.body.textContent = JSON.stringify(found);"
    page.write_text(f"<body><script>{asset('layout.js')}\n{given}\n{call}\n{shown}</script></body>", encoding="utf-8")
    (body,) = re.findall(r"<body>(.*)</body>", rendered(page, folder), flags=re.DOTALL)
    found: list[dict[str, Any]] = json.loads(html.unescape(body.strip()))
    return found


def is_stacked(layout: dict[str, Any]) -> bool:
    return bool(layout["xaxis2"]["domain"] == [0, 1])


def test_a_key_that_is_wider_than_its_panel_is_broken_and_gets_room(tmp_path: Path) -> None:
    figure = two_panels(["a", "b"])
    wide, middle, narrow = laid_out(figure, tmp_path, 1400, 800, 400)
    key = KEY[0][2]
    assert [each["annotations"][0]["text"].count("<br>") for each in (wide, middle, narrow)] == [1, 4, 4]
    assert [is_stacked(each) for each in (wide, middle, narrow)] == [False, False, True]
    assert middle["margin"]["t"] == narrow["margin"]["t"] == wide["margin"]["t"] + 48
    assert middle["height"] == wide["height"] + 48
    # One that Python has broken already is not given room twice.
    broken = fitted(json.loads(figure.to_json())["layout"], 700)
    assert broken["annotations"][0]["text"].count(f'<br><span style="color:{theme.BLUE}">● {key[:-1]}') == 3
    again = go.Figure(figure)
    again.update_layout({name: broken[name] for name in ("annotations", "margin", "height")})
    middle, narrow = laid_out(again, tmp_path, 800, 400)
    assert middle["margin"]["t"] == narrow["margin"]["t"] == broken["margin"]["t"]
    # Panels that stand below each other leave room for the lines of a key between them.
    upper, lower = narrow["yaxis"]["domain"], narrow["yaxis2"]["domain"]
    inner = narrow["height"] - narrow["margin"]["t"] - narrow["margin"]["b"]
    assert (upper[0] - lower[1]) * inner >= 130 + 48 - 1


@pytest.mark.parametrize(
    "figure",
    [
        two_panels(["a label of some thirty letters", "b"], "<b>First</b>", "<b>Second</b>"),
        two_panels(["a"], "<b>A title that is much wider than half of a figure can be</b>", "<b>Second</b>"),
    ],
    ids=["labels", "title"],
)
def test_panels_stand_below_each_other_where_they_would_run_into_each_other(figure: go.Figure, tmp_path: Path) -> None:
    wide, middle = laid_out(figure, tmp_path, 2400, 800)
    assert not is_stacked(wide)
    assert is_stacked(middle)
    assert middle["yaxis2"]["automargin"]
    assert middle["height"] > wide["height"]
