"""The law of eigenvalues of rows of unequal size against simulation, and the variances behind a spectrum."""

from __future__ import annotations

import numpy as np
import pytest

from saegeom_data.metrics._statistics.covariance_law import (
    expected_eigenvalues,
    grouped,
    upper_quantiles,
    variances_behind,
)
from saegeom_data.metrics.nulls.marchenko_pastur import marchenko_pastur_quantiles


def middle(n: int) -> np.ndarray:
    return (np.arange(n) + 0.5) / n


@pytest.mark.parametrize("gamma", [0.01, 0.3, 0.97, 4.0])
def test_equal_values_have_the_law_of_marchenko_and_pastur(gamma: float) -> None:
    expected = marchenko_pastur_quantiles(200, gamma, 2.5)
    found = upper_quantiles(middle(200), gamma, np.array([2.5]), np.array([1.0]))
    np.testing.assert_allclose(found, expected, atol=5e-4)
    # Rows that are zero are as many rows less, but still counted in the mean.
    with_zeros = upper_quantiles(middle(200), gamma, np.array([2.5, 0.0]), np.array([0.5, 0.5]))
    np.testing.assert_allclose(with_zeros, marchenko_pastur_quantiles(200, 2 * gamma, 1.25), atol=5e-4)


@pytest.mark.parametrize(("n", "hidden", "spread"), [(600, 80, 0.7), (150, 200, 0.7), (600, 80, 1.5)])
def test_unequal_rows_have_the_spectrum_of_simulated_ones(n: int, hidden: int, spread: float) -> None:
    rng = np.random.default_rng(0)
    value = rng.lognormal(0, spread, n)
    spectra = [
        np.linalg.svd(np.sqrt(value)[:, None] * rng.standard_normal((n, hidden)), compute_uv=False) ** 2 / n
        for _ in range(30)
    ]
    found = upper_quantiles(middle(hidden), hidden / n, *grouped(value))
    # The law is one of many rows: the last of few are apart from it by more than their errors.
    inner = slice(2, min(n, hidden) - 30)
    np.testing.assert_allclose(found[inner], np.mean(spectra, axis=0)[inner], rtol=0.03)


@pytest.mark.parametrize(("n", "exponent"), [(300, 1.0), (400, 0.3), (3000, 0.5)])
def test_variances_behind_a_spectrum_are_recovered(n: int, exponent: float) -> None:
    rng = np.random.default_rng(1)
    variance = np.arange(1, 101.0) ** -exponent
    spectra = [
        np.linalg.svd(rng.standard_normal((n, 100)) * np.sqrt(variance), compute_uv=False) ** 2 / n for _ in range(30)
    ]
    mean = np.mean(spectra, axis=0)
    np.testing.assert_allclose(expected_eigenvalues(variance, n)[3:80], mean[3:80], rtol=0.03)
    np.testing.assert_allclose(variances_behind(mean, n)[3:80], variance[3:80], rtol=0.08)


def test_groups_keep_the_mean_and_the_largest() -> None:
    value = np.random.default_rng(2).lognormal(0, 1, 5000)
    mean, share = grouped(value)
    assert len(mean) < 300
    np.testing.assert_allclose([share.sum(), share @ mean], [1, value.mean()])
    np.testing.assert_allclose(mean[:20], np.sort(value)[::-1][:20], rtol=1e-15)
    np.testing.assert_allclose(share @ mean**2, (value**2).mean(), rtol=1e-3)
