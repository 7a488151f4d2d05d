"""Clouds of Gaussian principal-component scores that share the covariance, and little else, with the data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saegeom_data.lazy import Work
from saegeom_data.typing import Array

LABEL = "gaussian_scores"


@dataclass(frozen=True)
class Cloud:
    """What surrogates take over from the data.

    ``covariance`` (components, components) is that of the ``n`` rows' scores; ``spectrum`` and
    ``mean`` (hidden,) are those of all rows along the principal axes; ``norm`` (n,) holds the rows' norms in ascending
    order; ``refit`` says whether the axes were fitted to these same rows, so that surrogates must fit their own.
    """

    covariance: Array
    spectrum: Array
    mean: Array
    norm: Array
    refit: bool

    @property
    def components(self) -> int:
        """Number of components."""
        return len(self.covariance)


def gaussian_scores(cloud: Cloud, rng: np.random.Generator) -> Array:
    """Gaussian scores (n, components) given that their sample covariance is that of the data.

    This conditional law is exact and free of the unknown mean and covariance, because left singular vectors of Gaussian
    rows are uniform and independent of the rest; fitting principal components first changes nothing, for the same
    reason.
    """
    return with_covariance(rng.standard_normal((len(cloud.norm), cloud.components)), cloud.covariance)


def covariance_work(n: int, d: int) -> Work:
    """What :func:`with_covariance` of scores (n, d) computes."""
    return Work(products=1.5 * n * d**2 + d**3, passes=80 * n * d, calls=60)


def with_covariance(scores: Array, wanted: Array) -> Array:
    """Centred ``scores`` (n, components) mapped linearly so that their covariance is ``wanted``.

    x becomes x L^-T M' for Cholesky factors L of the scores' own covariance and M of the wanted one, both
    (components, components).
    """
    centred = scores - scores.mean(axis=0)
    own = np.linalg.cholesky(centred.T @ centred / (len(centred) - 1))
    return np.asarray(centred @ (np.linalg.inv(own).T @ np.linalg.cholesky(wanted).T))
