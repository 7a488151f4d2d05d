"""How partitions are found and measured, alike for the data and for every draw of a null."""

from __future__ import annotations

from dataclasses import dataclass

from saegeom_data.metrics._statistics.spectral import n_components
from saegeom_data.metrics.brain._shared.affinities import Kind
from saegeom_data.metrics.brain._shared.find_lobes import SIGNED, PhiShift


@dataclass(frozen=True)
class Settings:
    """How partitions are found and measured."""

    kind: Kind
    n_lobes: tuple[int, ...]
    phi_shift: PhiShift
    min_blocks: int
    n_neighbours: int
    n_folds: int
    n_seeds: int
    seed: int

    @property
    def shift(self) -> PhiShift | None:
        """How affinities are made non-negative, where they can be negative."""
        return self.phi_shift if self.kind in SIGNED else None

    def n_components(self, n_features: int) -> int:
        """Eigenvectors to find of so many features; no other metric looks at those of draws."""
        return n_components(self.n_lobes, n_features, is_shared=False)
