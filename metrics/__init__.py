"""Declared metrics, one a file."""

from __future__ import annotations

from .affinity import affinity
from .clustering_entropy import clustering_entropy
from .cooccurrence import cooccurrence
from .eigenvalue_slope import eigenvalue_slope
from .feature_map import feature_map
from .lobe_function import lobe_function
from .lobe_modularity import lobe_modularity
from .lobes import lobes
from .parallelogram_quality import parallelogram_quality

__all__ = [
    "affinity",
    "clustering_entropy",
    "cooccurrence",
    "eigenvalue_slope",
    "feature_map",
    "lobe_function",
    "lobe_modularity",
    "lobes",
    "parallelogram_quality",
]
