"""Simulated decoder rows: clouds for which null models hold, planted structure, and clouds that mislead."""

from __future__ import annotations

import numpy as np
import xarray as xr

Rows = np.ndarray

N, HIDDEN = 100, 12


def _sae(rows: Rows) -> xr.Dataset:
    return xr.Dataset({"decoder": (("features", "hidden"), rows)})


def _unit(rows: Rows) -> Rows:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def _rng(seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, 16])


def _scales(hidden: int, exponent: float) -> Rows:
    """Standard deviations (hidden,) of coordinates with variances r ** -exponent."""
    return np.arange(1, hidden + 1) ** (-exponent / 2)


def uniform(seed: int, n: int = N, hidden: int = HIDDEN) -> xr.Dataset:
    """Directions that are uniform on the sphere."""
    return _sae(_unit(_rng(seed).standard_normal((n, hidden))))


def gaussian(seed: int, n: int = N, hidden: int = HIDDEN, exponent: float = 1.0) -> xr.Dataset:
    """Gaussian rows whose covariance has eigenvalues r ** -exponent, on no special axes."""
    rng = _rng(seed)
    axes = np.linalg.qr(rng.standard_normal((hidden, hidden)))[0]
    return _sae((rng.standard_normal((n, hidden)) * _scales(hidden, exponent)) @ axes)


def unit_gaussian(seed: int, n: int = N, hidden: int = HIDDEN, exponent: float = 1.0) -> xr.Dataset:
    """The same Gaussian rows divided to norm 1."""
    return _sae(_unit(gaussian(seed, n, hidden, exponent).decoder.values))


def lognormal_norms(seed: int, n: int = N, hidden: int = HIDDEN) -> xr.Dataset:
    """Uniform directions with log-normal norms of parameter 0.7."""
    norm = np.random.default_rng([seed, 17]).lognormal(0, 0.7, (n, 1))
    return _sae(uniform(seed, n, hidden).decoder.values * norm)


def student(seed: int, n: int = N, hidden: int = HIDDEN) -> xr.Dataset:
    """Independent coordinates of Student's t with 3 degrees of freedom."""
    return _sae(_rng(seed).standard_t(3, (n, hidden)))


def student_on_axes(seed: int, n: int = N, hidden: int = HIDDEN) -> xr.Dataset:
    """The same with variances that differ, so that principal axes are the axes of independence."""
    return _sae(student(seed, n, hidden).decoder.values * _scales(hidden, 2.0))


def cauchy(seed: int, n: int = N, hidden: int = HIDDEN) -> xr.Dataset:
    """Independent Cauchy coordinates."""
    return _sae(_rng(seed).standard_cauchy((n, hidden)))


def laplace(seed: int, n: int = N, hidden: int = HIDDEN) -> xr.Dataset:
    """Independent Laplace coordinates."""
    return _sae(_rng(seed).laplace(size=(n, hidden)))


def families(seed: int, n: int = N, hidden: int = HIDDEN) -> xr.Dataset:
    """Families of ten near copies of uniform directions."""
    rng = _rng(seed)
    centres = _unit(rng.standard_normal((n // 10, hidden)))
    return _sae(_unit(np.repeat(centres, 10, axis=0) + 0.1 * rng.standard_normal((n // 10 * 10, hidden))))


def copies(seed: int, n: int = N, hidden: int = HIDDEN) -> xr.Dataset:
    """Uniform directions of which a third are exact copies of another third."""
    rows = uniform(seed, n, hidden).decoder.values
    rows[: n // 3] = rows[n // 3 : 2 * (n // 3)]
    return _sae(rows)


def plus_minus(seed: int, n: int = N, hidden: int = HIDDEN) -> xr.Dataset:
    """Uniform directions, each with its opposite."""
    rows = uniform(seed, n // 2, hidden).decoder.values
    return _sae(np.concatenate([rows, -rows]))


def position_axis(seed: int, n: int = N, hidden: int = HIDDEN) -> xr.Dataset:
    """Uniform directions moved along one common axis by positions that are uniform."""
    rng = _rng(seed)
    rows = _unit(rng.standard_normal((n, hidden)))
    rows[:, 0] += rng.uniform(-2, 2, n)
    return _sae(_unit(rows))


def clusters_on_axis(
    seed: int, n: int = N, hidden: int = HIDDEN, around: float = 0.3, along: float = 0.4
) -> xr.Dataset:
    """Unrelated clusters of ten whose members scatter ``around`` in all, and ``along`` one axis that all share."""
    rng = _rng(seed)
    rows = np.repeat(_unit(rng.standard_normal((n // 10, hidden))), 10, axis=0)
    rows = rows + around / np.sqrt(hidden) * rng.standard_normal(rows.shape)
    rows[:, 0] += along * rng.standard_normal(len(rows))
    return _sae(_unit(rows))


def tight_clusters_on_axis(seed: int, n: int = N, hidden: int = HIDDEN) -> xr.Dataset:
    """The same clusters with little but the axis."""
    return clusters_on_axis(seed, n, hidden, around=0.1, along=0.7)


def clusters(seed: int, n: int = N, hidden: int = HIDDEN) -> xr.Dataset:
    """Five Gaussian clusters, whose centres are the same in every seed."""
    centres = 3 * _unit(_rng(0).standard_normal((5, hidden)))
    return _sae(centres[np.arange(n) % 5] + 0.5 * np.random.default_rng([seed, 19]).standard_normal((n, hidden)))


def curve(seed: int, n: int = N, hidden: int = HIDDEN) -> xr.Dataset:
    """Points of a closed curve that winds through all dimensions: cosine and sine of every multiple of one angle."""
    angle = 2 * np.pi * _rng(seed).random((n, 1)) * np.arange(1, hidden // 2 + 1)
    return _sae(_unit(np.concatenate([np.cos(angle), np.sin(angle)], axis=1)))


def core(seed: int, n: int = N, hidden: int = HIDDEN) -> xr.Dataset:
    """Directions around one mean, some near it and some far: those near it are neighbours of very many."""
    rng = _rng(seed)
    rows = rng.lognormal(0, 1, (n, 1)) * rng.standard_normal((n, hidden)) / np.sqrt(hidden)
    rows[:, 0] += 1.0
    return _sae(_unit(rows))


def near_copies(seed: int, n: int = N, hidden: int = HIDDEN) -> xr.Dataset:
    """Uniform directions, five of which have a near copy."""
    rows = uniform(seed, n, hidden).decoder.values
    rows[:5] = rows[5:10] + 0.1 * np.random.default_rng([seed, 18]).standard_normal((5, hidden)) / np.sqrt(hidden)
    return _sae(_unit(rows))


def around_a_mean(seed: int, n: int = N, hidden: int = HIDDEN) -> xr.Dataset:
    """Directions drawn to one side."""
    rows = _rng(seed).standard_normal((n, hidden))
    rows[:, 0] += 1.0
    return _sae(_unit(rows))


def alike(seed: int, n: int = N, hidden: int = HIDDEN) -> xr.Dataset:
    """One direction for all rows."""
    return _sae(np.repeat(uniform(seed, 1, hidden).decoder.values, n, axis=0))


# What may mislead a metric of decoder rows, by the words of the table.
ODD = {
    "t3 coordinates, independent": student,
    "Cauchy coordinates, independent": cauchy,
    "Laplace coordinates, independent": laplace,
    "families of ten near copies": families,
    "a third exact copies": copies,
    "plus-minus pairs": plus_minus,
    "log-normal norms": lognormal_norms,
    "one common position axis": position_axis,
    "clusters with one common noise axis": clusters_on_axis,
    "tight clusters along one common axis": tight_clusters_on_axis,
    "all features alike": alike,
}
