"""Benchmarks: a dataset by its root hash, what to measure on it, and the values that anyone should find.

:mod:`.models` holds what a benchmark says, :mod:`.recompute` checks it, and :mod:`.writing` makes one from results.
"""

from __future__ import annotations

from saegeom_data.share.benchmark.models import (
    Benchmark,
    BenchmarkDataset,
    Expectation,
    check_benchmark,
    data_address,
    how_to_get,
    label,
    version_problems,
)
from saegeom_data.share.benchmark.recompute import Checked, as_run, check

__all__ = [
    "Benchmark",
    "BenchmarkDataset",
    "Checked",
    "Expectation",
    "as_run",
    "check",
    "check_benchmark",
    "data_address",
    "how_to_get",
    "label",
    "version_problems",
]
