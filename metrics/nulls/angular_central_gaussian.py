"""Clouds of principal-component scores of Gaussian rows that are divided to the norms of the data's rows.

For unit rows and a mean of zero this is the angular central Gaussian law, else the projected normal one.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

import numpy as np

from saegeom_data.metrics._statistics.moments import covariance, moments_of
from saegeom_data.metrics._statistics.unit_rows import row_norms
from saegeom_data.metrics.nulls.gaussian_scores import Cloud, with_covariance
from saegeom_data.metrics.nulls.streams import stream
from saegeom_data.typing import Array

LABEL = "angular_central_gaussian"

# The generator of each block of rows.
StreamOf = Callable[[int], np.random.Generator]

_PILOT_ROUNDS = 8
# A round's draws hold about so many rows, which settle a variance to a few percent, and the rounds to less.
_PILOT_ROWS = 4500
_PILOT_DRAWS = 3
# Rows that are drawn, and held, at a time.
ROWS_DRAWN = 2048


def projected_scores(cloud: Cloud, spectrum: Array, stream_of: StreamOf) -> Array:
    """Scores (n, components), with the data's covariance, of Gaussian rows of ``spectrum`` divided to given norms.

    Rows are drawn block by block, twice if axes are fitted to them, so that they are never all in memory.
    """
    d = cloud.components
    if not cloud.refit:
        return with_covariance(
            np.concatenate([rows[:, :d] for rows in _rows(cloud, spectrum, stream_of)]), cloud.covariance
        )
    moments = moments_of(_rows(cloud, spectrum, stream_of), len(spectrum))
    axes = np.linalg.eigh(moments.scatter)[1][:, : -d - 1 : -1]
    scores = np.concatenate([(rows - moments.mean) @ axes for rows in _rows(cloud, spectrum, stream_of)])
    return with_covariance(scores, cloud.covariance)


def projected_spectrum(cloud: Cloud, seed: int) -> Array:
    """Spectrum (hidden,) of Gaussian rows which, after division to the norms, have the data's spectrum on average.

    Taking over the data's own spectrum would spread it twice, by sampling and by division; pilot draws undo both.
    """
    n_draws = min(_PILOT_DRAWS, -(-_PILOT_ROWS // len(cloud.norm)))
    spectrum = cloud.spectrum.copy()
    for pilot in range(_PILOT_ROUNDS):
        streams = [functools.partial(stream, f"{LABEL}_pilot", seed, pilot, draw) for draw in range(n_draws)]
        measured = np.mean([_measured_spectrum(cloud, spectrum, stream_of) for stream_of in streams], axis=0)
        positive = (measured > 0) & (cloud.spectrum > 0)
        ratio = np.divide(cloud.spectrum, measured, out=np.zeros_like(measured), where=positive)
        spectrum = np.sort(spectrum * ratio)[::-1]
    return spectrum


def _rows(cloud: Cloud, spectrum: Array, stream_of: StreamOf) -> Iterator[Array]:
    """Blocks of Gaussian rows along the principal axes, divided to the norms; the same for the same streams.

    Each block (rows, hidden) of g diag(spectrum)^1/2 + mean, g standard normal, has a stream of its own.
    """
    root = np.sqrt(spectrum)
    for block, start in enumerate(range(0, len(cloud.norm), ROWS_DRAWN)):
        norm = cloud.norm[start : start + ROWS_DRAWN]
        rows = stream_of(block).standard_normal((len(norm), len(spectrum)))
        rows *= root
        rows += cloud.mean
        rows *= (norm / row_norms(rows))[:, None]
        yield rows


def _measured_spectrum(cloud: Cloud, spectrum: Array, stream_of: StreamOf) -> Array:
    """Spectrum (hidden,) as the data's was measured: fitted to the rows, descending, or variances along given axes."""
    matrix = covariance(moments_of(_rows(cloud, spectrum, stream_of), len(spectrum)))
    if not cloud.refit:
        return np.asarray(matrix.diagonal())
    return np.maximum(np.linalg.eigvalsh(matrix)[::-1], 0.0)
