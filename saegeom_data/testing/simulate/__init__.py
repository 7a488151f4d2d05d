"""Simulated data with planted structure: for anchors, examples, tests, benchmarks and authors of further metrics."""

from __future__ import annotations

from saegeom_data.testing.simulate.activations import write_simulated_activations
from saegeom_data.testing.simulate.crosscoder import simulate_crosscoder
from saegeom_data.testing.simulate.crystals import simulate_crystals
from saegeom_data.testing.simulate.relations import simulate_relations
from saegeom_data.testing.simulate.sae import simulate_sae
from saegeom_data.testing.simulate.stores import simulate_store, write_simulated_store
from saegeom_data.testing.simulate.text import simulate_text
from saegeom_data.testing.simulate.unembedding import simulate_unembedding

__all__ = [
    "simulate_crosscoder",
    "simulate_crystals",
    "simulate_relations",
    "simulate_sae",
    "simulate_store",
    "simulate_text",
    "simulate_unembedding",
    "write_simulated_activations",
    "write_simulated_store",
]
