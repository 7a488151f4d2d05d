"""What every registered metric must do, generated from its declaration: a new metric gets these tests for free."""

from __future__ import annotations

import pytest
from soak import SOAK

from saegeom_data.declare import registry
from saegeom_data.testing import Check, metric_checks

# In order of metrics: tests of one metric that run in one process share its results.
CHECKS = [check for name in registry.list_metrics() for check in metric_checks(registry.get_metric(name))]
if not SOAK:
    # One of the random chunkings for each metric, in turn: the smallest chunks and those of a store come beside it.
    _N_CHUNKINGS = 3
    _KEPT = {
        (name, f"equals eager in random chunks {place % _N_CHUNKINGS}")
        for place, name in enumerate(registry.list_metrics())
    }
    CHECKS = [
        check
        for check in CHECKS
        if not check.name.startswith("equals eager in random chunks") or (check.metric, check.name) in _KEPT
    ]


@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_metric(check: Check) -> None:
    check()
