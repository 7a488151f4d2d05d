"""Declarations of metrics and of how they are shown, and the registry that finds them by name."""

from __future__ import annotations

from saegeom_data.declare.claim import Claim, Null, NullTest
from saegeom_data.declare.metric import Anchor, Metric, metric
from saegeom_data.declare.output import Output
from saegeom_data.declare.registry import get_metric, list_metrics

__all__ = ["Anchor", "Claim", "Metric", "Null", "NullTest", "Output", "get_metric", "list_metrics", "metric"]
