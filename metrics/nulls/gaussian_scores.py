"""Surrogate clouds of principal-component scores that share the covariance, and little else, with the data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from saegeom_data.metrics._statistics.moments import covariance, moments_of
from saegeom_data.typing import Array

Key = tuple[int, ...]

_PILOT_ROUNDS = 8
# A round's draws hold about so many rows, which settle a variance to a few percent, and the rounds to less.
_PILOT_ROWS = 4500
_PILOT_DRAWS = 3
# Rows that are drawn, and held, at a time.
ROWS_DRAWN = 2048


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


def projected_scores(cloud: Cloud, spectrum: Array, key: Key) -> Array:
    """Scores (n, components), with the data's covariance, of Gaussian rows of ``spectrum`` divided to given norms.

    Rows are drawn block by block, twice if axes are fitted to them, so that they are never all in memory.
    """
    d = cloud.components
    if not cloud.refit:
        return with_covariance(np.concatenate([rows[:, :d] for rows in _rows(cloud, spectrum, key)]), cloud.covariance)
    moments = moments_of(_rows(cloud, spectrum, key), len(spectrum))
    axes = np.linalg.eigh(moments.scatter)[1][:, : -d - 1 : -1]
    scores = np.concatenate([(rows - moments.mean) @ axes for rows in _rows(cloud, spectrum, key)])
    return with_covariance(scores, cloud.covariance)


def projected_spectrum(cloud: Cloud, seed: int) -> Array:
    """Spectrum (hidden,) of Gaussian rows which, after division to the norms, have the data's spectrum on average.

    Taking over the data's own spectrum would spread it twice, by sampling and by division; pilot draws undo both.
    """
    n_draws = min(_PILOT_DRAWS, -(-_PILOT_ROWS // len(cloud.norm)))
    spectrum = cloud.spectrum.copy()
    for index in range(_PILOT_ROUNDS):
        draws = (_measured_spectrum(cloud, spectrum, (seed, 3, index, draw)) for draw in range(n_draws))
        measured = np.mean(list(draws), axis=0)
        positive = (measured > 0) & (cloud.spectrum > 0)
        ratio = np.divide(cloud.spectrum, measured, out=np.zeros_like(measured), where=positive)
        spectrum = np.sort(spectrum * ratio)[::-1]
    return spectrum


def _rows(cloud: Cloud, spectrum: Array, key: Key) -> Iterator[Array]:
    """Blocks of Gaussian rows along the principal axes, divided to the norms; the same for the same key."""
    root = np.sqrt(spectrum)
    for index, start in enumerate(range(0, len(cloud.norm), ROWS_DRAWN)):
        norm = cloud.norm[start : start + ROWS_DRAWN]
        rows = np.random.default_rng((*key, index)).standard_normal((len(norm), len(spectrum)))
        rows *= root
        rows += cloud.mean
        rows *= (norm / np.sqrt(np.einsum("ij,ij->i", rows, rows)))[:, None]
        yield rows


def _measured_spectrum(cloud: Cloud, spectrum: Array, key: Key) -> Array:
    """Spectrum as the data's was measured: fitted to the rows, or variances along given axes."""
    matrix = covariance(moments_of(_rows(cloud, spectrum, key), len(spectrum)))
    if not cloud.refit:
        return np.asarray(matrix.diagonal())
    return np.maximum(np.linalg.eigvalsh(matrix)[::-1], 0.0)


def with_covariance(scores: Array, wanted: Array) -> Array:
    """Centred ``scores`` mapped linearly so that their covariance is ``wanted``."""
    centred = scores - scores.mean(axis=0)
    own = np.linalg.cholesky(centred.T @ centred / (len(centred) - 1))
    return np.asarray(centred @ (np.linalg.inv(own).T @ np.linalg.cholesky(wanted).T))
