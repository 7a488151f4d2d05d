"""Marks of figures stay within what the values can be."""

from __future__ import annotations

from saegeom_data.report import draw


def test_a_null_reaches_no_farther_than_values_can() -> None:
    low, high = draw.around([0.1, 0.9, None], [0.2, 0.1, 0.1], bounds=(0, 1))
    assert (low, high) == ([0.0, 0.7, None], [0.5, 1.0, None])
    low, high = draw.around([0.1], [0.2])
    assert (low, high) == ([0.1 - 0.4], [0.5])
