"""Declared metrics, one a file."""

from __future__ import annotations

from saegeom_data.metrics.atom.crystal_search import crystal_search
from saegeom_data.metrics.atom.function_vectors import function_vectors
from saegeom_data.metrics.atom.parallelogram_quality import parallelogram_quality
from saegeom_data.metrics.brain.affinity import affinity
from saegeom_data.metrics.brain.coactivation_graph import coactivation_graph
from saegeom_data.metrics.brain.cooccurrence import cooccurrence
from saegeom_data.metrics.brain.cooccurrence_by_type import cooccurrence_by_type
from saegeom_data.metrics.brain.feature_examples import feature_examples
from saegeom_data.metrics.brain.feature_map import feature_map
from saegeom_data.metrics.brain.feature_tokens import feature_tokens
from saegeom_data.metrics.brain.lobe_function import lobe_function
from saegeom_data.metrics.brain.lobe_modularity import lobe_modularity
from saegeom_data.metrics.brain.lobes import lobes
from saegeom_data.metrics.galaxy.clustering_entropy import clustering_entropy
from saegeom_data.metrics.galaxy.eigenvalue_slope import eigenvalue_slope
from saegeom_data.metrics.galaxy.hubness import hubness
from saegeom_data.metrics.galaxy.intrinsic_dimension import intrinsic_dimension
from saegeom_data.metrics.galaxy.isotropy import isotropy
from saegeom_data.metrics.galaxy.neighbour_angle import neighbour_angle
from saegeom_data.metrics.galaxy.packing import packing

__all__ = [
    "affinity",
    "clustering_entropy",
    "coactivation_graph",
    "cooccurrence",
    "cooccurrence_by_type",
    "crystal_search",
    "eigenvalue_slope",
    "feature_examples",
    "feature_map",
    "feature_tokens",
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
