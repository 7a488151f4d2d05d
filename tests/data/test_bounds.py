"""Bounds and indices are checked block by block, with the same words whatever the blocks."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from saegeom_data.data import bounds
from saegeom_data.data.bounds import bounds_problems, index_problems


@pytest.mark.parametrize("at_once", [1, 2, 3, 100])
@pytest.mark.parametrize(
    ("values", "is_right"),
    [([0, 2, 2, 5], True), ([0], False), ([], False), ([1, 5], False), ([0, 4], False), ([0, 3, 2, 5], False)],
)
def test_bounds_rise_whatever_the_blocks(
    values: list[int], is_right: bool, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "_VALUES_AT_ONCE", at_once)
    found = list(bounds_problems(xr.DataArray(np.array(values, int)), 5, "labels", "/a", "import them again"))
    assert (not found) is is_right


@pytest.mark.parametrize("at_once", [1, 2, 100])
def test_all_indices_outside_are_counted_and_the_first_named(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "_VALUES_AT_ONCE", at_once)
    (found,) = index_problems(xr.DataArray([0, 1, 2, -1, 1]), 2, "label", "/a", "import them again")
    assert str(found) == "/a: 2 outside 0 to 1, the first is that of label 2; import them again"
