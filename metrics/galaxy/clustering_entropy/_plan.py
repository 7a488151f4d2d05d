"""What a call of the metric asks for, and what of it the data can serve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saegeom_data.metrics._statistics.entropy import gaussian_entropy
from saegeom_data.metrics.nulls import angular_central_gaussian, gaussian_scores, shuffled_components
from saegeom_data.typing import Array

NULLS = (gaussian_scores.LABEL, angular_central_gaussian.LABEL, shuffled_components.LABEL)


@dataclass(frozen=True)
class Plan:
    """Parameters as resolved against the shape of the data; ``components`` begins with the headline's."""

    components: tuple[int, ...]
    k: tuple[int, ...]
    n_surrogates: int
    n_samples: int
    n_subsamples: int
    seed: int
    n_features: int

    @property
    def refit(self) -> bool:
        """Whether principal axes are fitted to the very rows whose distances are measured."""
        return self.n_samples == self.n_features

    @property
    def sizes(self) -> dict[str, int]:
        """Sizes of the dims of the estimates."""
        return {
            "null": len(NULLS),
            "components": len(self.components),
            "k": len(self.k),
            "surrogate": self.n_surrogates,
        }

    def usable(self, covariance: Array, n_rows: int) -> list[int]:
        """Places in ``components`` that so many rows with this covariance of their scores can serve."""
        if n_rows <= max(self.k) or not np.isfinite(covariance).all():
            return []
        return [
            place
            for place, d in enumerate(self.components)
            if n_rows >= d + 2 and np.isfinite(gaussian_entropy(covariance[:d, :d]))
        ]
