"""Surrogate clouds of principal-component scores that share the covariance, and little else, with the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

_PILOT_ROUNDS = 8
_PILOT_DRAWS = 3


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
    return _with_covariance(rng.standard_normal((len(cloud.norm), cloud.components)), cloud.covariance)


def projected_scores(cloud: Cloud, spectrum: Array, rng: np.random.Generator) -> Array:
    """Scores (n, components), with the data's covariance, of Gaussian rows of ``spectrum`` divided to given norms."""
    rows = _projected_rows(cloud, spectrum, rng)
    if not cloud.refit:
        return _with_covariance(rows[:, : cloud.components], cloud.covariance)
    rows -= rows.mean(axis=0)
    vectors = np.linalg.eigh(rows.T @ rows)[1]
    scores = rows @ vectors[:, : -cloud.components - 1 : -1]
    return _with_covariance(scores, cloud.covariance)


def projected_spectrum(cloud: Cloud, seed: int) -> Array:
    """Spectrum (hidden,) of Gaussian rows which, after division to the norms, have the data's spectrum on average.

    Taking over the data's own spectrum would spread it twice, by sampling and by division; pilot draws undo both.
    """
    spectrum = cloud.spectrum.copy()
    for index in range(_PILOT_ROUNDS):
        draws = (
            _measured_spectrum(cloud, _projected_rows(cloud, spectrum, np.random.default_rng((seed, 3, index, draw))))
            for draw in range(_PILOT_DRAWS)
        )
        measured = np.mean(list(draws), axis=0)
        positive = (measured > 0) & (cloud.spectrum > 0)
        ratio = np.divide(cloud.spectrum, measured, out=np.zeros_like(measured), where=positive)
        spectrum = np.sort(spectrum * ratio)[::-1]
    return spectrum


def _projected_rows(cloud: Cloud, spectrum: Array, rng: np.random.Generator) -> Array:
    rows = rng.standard_normal((len(cloud.norm), len(spectrum)))
    rows *= np.sqrt(spectrum)
    rows += cloud.mean
    rows *= (cloud.norm / np.sqrt(np.einsum("ij,ij->i", rows, rows)))[:, None]
    return np.asarray(rows)


def _measured_spectrum(cloud: Cloud, rows: Array) -> Array:
    """Spectrum as the data's was measured: fitted to the rows, or variances along given axes."""
    if not cloud.refit:
        return np.asarray(rows.var(axis=0, ddof=1))
    rows = rows - rows.mean(axis=0)
    return np.maximum(np.linalg.eigvalsh(rows.T @ rows)[::-1] / (len(rows) - 1), 0.0)


def _with_covariance(scores: Array, covariance: Array) -> Array:
    """Centred ``scores`` mapped linearly so that their covariance is ``covariance``."""
    centred = scores - scores.mean(axis=0)
    own = np.linalg.cholesky(centred.T @ centred / (len(centred) - 1))
    return np.asarray(centred @ (np.linalg.inv(own).T @ np.linalg.cholesky(covariance).T))
