"""Rows of decoders that metrics of directions are tried on."""

import numpy as np
import xarray as xr


def gaussian_rows(seed, n, hidden, exponent=0.0, shift=0.0):
    """Gaussian rows whose variances fall by a power law, about a mean of ``shift`` times the length of the scales."""
    scale = np.arange(1, hidden + 1.0) ** (-exponent / 2)
    mean = np.zeros(hidden)
    mean[hidden // 2] = shift * np.linalg.norm(scale)
    return np.random.default_rng(seed).standard_normal((n, hidden)) * scale + mean


def unit_rows(seed, n, hidden, exponent=0.0, shift=0.0):
    """The same divided to norm 1."""
    rows = gaussian_rows(seed, n, hidden, exponent, shift)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def decoder(rows):
    """Rows as the variable ``decoder``."""
    return xr.DataArray(rows, dims=("features", "hidden"), name="decoder")
