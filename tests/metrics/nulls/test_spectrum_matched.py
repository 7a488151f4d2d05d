"""Clouds of given moments are drawn in the memory that their rows take."""

from __future__ import annotations

import tracemalloc

import numpy as np

from saegeom_data.metrics.nulls.spectrum_matched import matched_rows


def test_a_cloud_is_drawn_without_a_second_array_of_its_size() -> None:
    spectrum = 1 / np.arange(1, 65.0)
    spectrum /= spectrum.sum()
    matched_rows(500, spectrum, np.zeros(64), np.random.default_rng(0))
    tracemalloc.start()
    rows = matched_rows(40_000, spectrum, np.zeros(64), np.random.default_rng(0))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rows is not None
    # Drawn at once, rows took three times as much.
    assert rows.nbytes < peak < 1.5 * rows.nbytes
