"""What every registered metric must do, generated from its declaration: a new metric gets these tests for free."""

from __future__ import annotations

import pytest

from saegeom_data.declare import registry
from saegeom_data.testing import Check, metric_checks

# In order of metrics: tests of one metric that run in one process share its results.
CHECKS = [check for name in registry.list_metrics() for check in metric_checks(registry.get_metric(name))]


@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_metric(check: Check) -> None:
    check()
