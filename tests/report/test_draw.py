"""Marks of figures stay within what the values can be."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from saegeom_data.declare.group import Group
from saegeom_data.report import draw, theme


def test_a_null_reaches_no_farther_than_values_can() -> None:
    low, high = draw.around([0.1, 0.9, None], [0.2, 0.1, 0.1], bounds=(0, 1))
    assert (low, high) == ([0.0, 0.7, None], [0.5, 1.0, None])
    low, high = draw.around([0.1], [0.2])
    assert (low, high) == ([0.1 - 0.4], [0.5])


def test_a_figure_of_many_rows_asks_each_for_its_layer_a_few_times(monkeypatch: pytest.MonkeyPatch) -> None:
    n, asked = 300, []
    coordinate = Group.coordinate

    def counted(group: Group, row: str, name: str) -> object:
        asked.append(row)
        return coordinate(group, row, name)

    monkeypatch.setattr(Group, "coordinate", counted)
    coords = {"sae": [f"layer_{layer}" for layer in range(n)], "layer": ("sae", np.arange(n))}
    group = Group("spread", "isotropy", "galaxy", {}, xr.Dataset({"spread": ("sae", np.arange(n) / n)}, coords))
    values = draw.by_row(theme.figure(), group, "spread", theme.MUTED)
    assert draw.spoken(group, values).endswith(", layer 299 0.997")
    assert len(asked) <= 5 * n
