"""Declared metrics, one a file."""

from __future__ import annotations

from .affinity import affinity
from .clustering_entropy import clustering_entropy
from .coactivation_graph import coactivation_graph
from .cooccurrence import cooccurrence
from .cooccurrence_by_type import cooccurrence_by_type
from .crystal_search import crystal_search
from .eigenvalue_slope import eigenvalue_slope
from .feature_map import feature_map
from .function_vectors import function_vectors
from .hubness import hubness
from .intrinsic_dimension import intrinsic_dimension
from .isotropy import isotropy
from .lobe_function import lobe_function
from .lobe_modularity import lobe_modularity
from .lobes import lobes
from .neighbour_angle import neighbour_angle
from .packing import packing
from .parallelogram_quality import parallelogram_quality

__all__ = [
    "affinity",
    "clustering_entropy",
    "coactivation_graph",
    "cooccurrence",
    "cooccurrence_by_type",
    "crystal_search",
    "eigenvalue_slope",
    "feature_map",
    "function_vectors",
    "hubness",
    "intrinsic_dimension",
    "isotropy",
    "lobe_function",
    "lobe_modularity",
    "lobes",
    "neighbour_angle",
    "packing",
    "parallelogram_quality",
]
