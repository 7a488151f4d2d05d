"""Clouds of principal-component scores of Gaussian rows that are divided to the norms of the data's rows.

For unit rows and a mean of zero this is the angular central Gaussian law, else the projected normal one.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from saegeom_data.lazy import Work, eigen
from saegeom_data.metrics._kernels.lapack import by_lapack
from saegeom_data.metrics._statistics.unit_rows import row_norms
from saegeom_data.metrics.nulls.gaussian_scores import Cloud, covariance_work, with_covariance
from saegeom_data.metrics.nulls.streams import stream
from saegeom_data.typing import Array

LABEL = "angular_central_gaussian"

# The generator of each block of rows.
StreamOf = Callable[[int], np.random.Generator]

# Powers of the ratio that rounds of pilot draws correct a spectrum by. At power 1 a round leaves 0 to 0.6 of an error,
# the more the finer it is. The inverse Chebyshev nodes of 0.4 to 1 leave as little in four rounds as power 1 in eight;
# the largest comes amid the others, and 1 last, so that what a draw is off by is not raised to stay.
_POWERS = (1.23, 2.36, 1.71, 1.02)
# A round's draws hold about so many rows, which settle a variance to a few percent, and the rounds to less.
_PILOT_ROWS = 4500
_PILOT_DRAWS = 3
# Rows that are drawn at a time, from a stream of their own.
ROWS_DRAWN = 2048
# Usual and most steps of block Krylov iteration, and the least size of a block: three axes for five that are wanted.
_USUAL_STEPS, _STEPS = 5, 7
_LEAST_BLOCK = 16
# Up to so many dimensions for each axis wanted, LAPACK finds all axes in less time than the iteration takes.
_EXACT_UP_TO = 8
# Where a step explains so much more variance or less, entropies are within 0.02 nats of those on the exact axes.
_GAIN = 0.003
# Share of the longest vector that is rounding.
_NOTHING = 1e-5
# Share of the summed variance below which variances of rows in single precision are rounding.
_UNRESOLVED = 1e-6
# Bits of what rows are drawn with: 4 digits, where pilot draws settle 2.
_BITS = 14


def projected_scores(cloud: Cloud, spectrum: Array, stream_of: StreamOf) -> Array:
    """Scores (n, components), with the data's covariance, of Gaussian rows of ``spectrum`` divided to given norms.

    Axes that are fitted to the rows are exact up to 8 dimensions for each. Beyond they come from Krylov iteration,
    which settles entropies of the scores to a small part of what they differ by from draw to draw. All rows are held,
    in single precision.
    """
    d = cloud.components
    rows = _rows(cloud, spectrum, stream_of)
    if not cloud.refit:
        scores = rows[:, :d].astype(float)
    else:
        rows -= rows.mean(axis=0, dtype=float).astype(np.float32)
        scores = _exact_scores(rows, d) if _is_exact(rows.shape[1], d) else _iterated_scores(rows, d)
    return with_covariance(scores, cloud.covariance)


def projected_bytes(n: int, hidden: int, d: int) -> int:
    """Bytes that :func:`projected_scores` takes for n rows: the rows, and images and bases of the space in work."""
    if _is_exact(hidden, d):
        return 4 * n * hidden + 8 * hidden * (3 * hidden + 3 * d + 64) + 12 * n * d
    size = _block_size(hidden, d)
    spanned = min(hidden, (_STEPS + 1) * size)
    return 4 * (n * hidden + (n + hidden) * spanned + 8 * hidden * size) + 8 * 5 * spanned**2 + 12 * n * d


def _drawing_work(n: int, hidden: int) -> Work:
    """What it takes to draw n rows."""
    return Work(normals=n * hidden, passes=60 * n * hidden, calls=60)


def projected_work(n: int, hidden: int, d: int, *, refit: bool) -> Work:
    """What :func:`projected_scores` of n rows computes, in as many steps of iteration as are usual."""
    drawn = _drawing_work(n, hidden) + covariance_work(n, d)
    if not refit:
        return drawn
    if _is_exact(hidden, d):
        return drawn + Work(products=n * hidden**2 / 4 + n * hidden * d / 2) + 0.5 * eigen(hidden)
    size = spanned = _block_size(hidden, d)
    for _ in range(_USUAL_STEPS):
        spanned = min(hidden, spanned + size)
        # Images and what they come from, their products with all others, and a basis beside those that are known.
        drawn += Work(products=(n * hidden + n * spanned / 2 + 2 * hidden * spanned) * size, calls=100)
        drawn += Work(passes=16 * n * size) + 0.4 * eigen(spanned) + 2 * eigen(size)
    return drawn + eigen(spanned) + Work(products=n * spanned * d / 2)


def spectrum_work(n: int, hidden: int, *, refit: bool) -> Work:
    """What :func:`projected_spectrum` computes for clouds of n rows."""
    of_draw = _drawing_work(n, hidden) + Work(passes=16 * n * hidden, calls=30)
    if refit:
        of_draw += Work(products=n * hidden**2 / 4) + 0.4 * eigen(hidden)
    return len(_POWERS) * min(_PILOT_DRAWS, -(-_PILOT_ROWS // n)) * of_draw


def _rows(cloud: Cloud, spectrum: Array, stream_of: StreamOf) -> Array:
    """Gaussian rows (n, hidden) along the principal axes, divided to the norms.

    g diag(spectrum)^1/2 + mean, g standard normal, block by block, each with a stream of its own. Rows are in units of
    :func:`_unit` and in single precision. Roots and mean are rounded to 14 bits, so that what is given to rounding
    gives the very same rows.
    """
    unit = _unit(cloud)
    fraction, exponent = np.frexp(np.sqrt(spectrum) / unit)
    root = np.ldexp(np.round(np.ldexp(fraction, _BITS)), exponent - _BITS).astype(np.float32)
    mean = np.ldexp(np.round(np.ldexp(cloud.mean / unit, _BITS)), -_BITS).astype(np.float32)
    norm = (cloud.norm / unit).astype(np.float32)
    drawn = np.empty((len(cloud.norm), len(spectrum)), np.float32)
    for block, start in enumerate(range(0, len(drawn), ROWS_DRAWN)):
        rows = drawn[start : start + ROWS_DRAWN]
        stream_of(block).standard_normal(rows.shape, dtype=np.float32, out=rows)
        rows *= root
        rows += mean
        rows *= (norm[start : start + ROWS_DRAWN] / row_norms(rows)).astype(np.float32)[:, None]
    return drawn


def _is_exact(hidden: int, d: int) -> bool:
    """Whether all axes are found, and not the ``d`` leading ones approached."""
    return hidden <= _EXACT_UP_TO * d


def _exact_scores(rows: Array, d: int) -> Array:
    """Scores (n, d) of centred ``rows`` (n, hidden) on their ``d`` leading principal axes: X V, X' X V = V diag(l)."""
    # Products of rows in single precision resolve hardly more than axes in single precision do.
    _, vectors = by_lapack(rows.T @ rows, d, single=True)
    # Their covariance is matched to the last digit afterwards: rounding must not be part of it.
    return np.asarray(rows @ vectors, float)


def _iterated_scores(rows: Array, d: int) -> Array:
    """Scores (n, d) of centred ``rows`` (n, hidden) on about their ``d`` leading principal axes.

    By block Krylov iteration: for the rows X and Q_0 the first columns of the identity, Q_j is an orthonormal
    basis of X' X Q_j-1 less what Q_0 to Q_j-1 span. With K = [Q_0 ... Q_m], scores are X K V for the leading
    eigenvectors V of (X K)' X K. It ends where a step raises the sum of the leading eigenvalues by under 0.3 percent.
    """
    n, hidden = rows.shape
    size = _block_size(hidden, d)
    most = min(hidden, (_STEPS + 1) * size)
    # Transposed: narrow products are faster by a tenth where the long side of the result is in line.
    bases, images = np.empty((most, hidden), np.float32), np.empty((most, n), np.float32)
    products = np.zeros((most, most))
    bases[:size], images[:size] = np.eye(size, hidden), rows[:, :size].T
    start, stop, explained = 0, size, 0.0
    while True:
        # LAPACK reads the lower triangle alone.
        products[start:stop, :stop] = images[start:stop] @ images[:stop].T
        known, explained = explained, float(np.linalg.eigvalsh(products[:stop, :stop])[-d:].sum())
        if stop == most or (stop >= d and explained < (1 + _GAIN) * known):
            break
        basis = _beside(images[start:stop] @ rows, bases[:stop])[: most - stop]
        # Rows span no more than what is there: further steps would add rounding.
        if not len(basis):
            break
        start, stop = stop, stop + len(basis)
        bases[start:stop] = basis
        np.matmul(basis, rows.T, out=images[start:stop])
    _, vectors = np.linalg.eigh(products[:stop, :stop])
    return np.asarray(images[:stop].T @ vectors[:, : -d - 1 : -1].astype(np.float32), float)


def _block_size(hidden: int, d: int) -> int:
    """Columns of a block of Krylov iteration for ``d`` axes."""
    return min(hidden, max(_LEAST_BLOCK, -(-3 * d // 5)))


def _beside(vectors: Array, bases: Array) -> Array:
    """Orthonormal rows (at most size, hidden) that span what ``vectors`` (size, hidden) do beside those of ``bases``.

    Vectors are divided by the roots of the eigenvalues of their products, which leaves out what depends on others.
    """
    scale = np.linalg.norm(vectors, axis=1).max()
    for least in (_NOTHING * scale, 0.5):
        vectors = vectors - (vectors @ bases.T) @ bases
        # Again with what is left, which may be little: of vectors of norm 1 rounding is no part.
        precise = vectors.astype(float)
        square, turn = np.linalg.eigh(precise @ precise.T)
        kept = square > least**2
        vectors = (turn[:, kept] / np.sqrt(square[kept])).T.astype(np.float32) @ vectors
    return np.asarray(vectors)


def projected_spectrum(cloud: Cloud, seed: int) -> Array:
    """Spectrum (hidden,) of Gaussian rows which, after division to the norms, have the data's spectrum on average.

    Taking over the data's own spectrum would spread it twice, by sampling and by division; pilot draws undo both. Rows
    that are fewer than the dimensions leave variances of 0 which say nothing of the law they come from: those
    dimensions get the least variance of the others, since rows with no more dimensions than the data spans would have
    variances that come closer to 0 than the data's do.
    """
    n_draws = min(_PILOT_DRAWS, -(-_PILOT_ROWS // len(cloud.norm)))
    spectrum, rank = cloud.spectrum.copy(), np.count_nonzero(cloud.spectrum)
    is_short = cloud.refit and rank == len(cloud.norm) - 1
    if is_short:
        spectrum[rank:] = spectrum[rank - 1]
    for pilot, power in enumerate(_POWERS):
        streams = [functools.partial(stream, f"{LABEL}_pilot", seed, pilot, draw) for draw in range(n_draws)]
        measured = np.mean([_measured_spectrum(cloud, spectrum, stream_of) for stream_of in streams], axis=0)
        # Of variances that single precision does not resolve there is no ratio, and they make no difference.
        resolved = (measured > _UNRESOLVED * measured.sum()) & (cloud.spectrum > 0)
        ratio = np.divide(cloud.spectrum, measured, out=np.ones_like(measured), where=resolved)
        if is_short:
            ratio[rank:] = ratio[rank - 1]
        # A spectrum that was measured is sorted, so noise of the pilots may not change the order of the one that is
        # drawn from.
        spectrum = np.sort(spectrum * ratio**power)[::-1]
    return spectrum


def _unit(cloud: Cloud) -> float:
    """Root of the summed variance of the data's rows, in whose units single precision neither overflows nor ends."""
    return float(np.sqrt(cloud.spectrum.sum())) or 1.0


def _measured_spectrum(cloud: Cloud, spectrum: Array, stream_of: StreamOf) -> Array:
    """Spectrum (hidden,) as the data's was measured: fitted to the rows, descending, or variances along given axes."""
    rows = _rows(cloud, spectrum, stream_of)
    rows -= rows.mean(axis=0, dtype=float).astype(np.float32)
    scale = _unit(cloud) ** 2 / (len(rows) - 1)
    if not cloud.refit:
        return np.asarray(np.einsum("ij,ij->j", rows, rows, dtype=float) * scale)
    return np.maximum(np.linalg.eigvalsh((rows.T @ rows).astype(float))[::-1], 0.0) * scale
