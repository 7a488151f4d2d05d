"""Quantiles of the Marchenko-Pastur law against its density, and against the numbers that are published."""

import numpy as np
import pytest
from scipy import integrate, stats

from saegeom_data.errors import ParameterError
from saegeom_data.metrics.nulls.marchenko_pastur import marchenko_pastur_quantiles


def test_published_shape_has_the_known_null_slope():
    # Shape of the paper's SAEs, whose null slope is quoted in reports.
    quantile = marchenko_pastur_quantiles(2304, 2304 / 65536)
    for first, last, expected in ((11, 150, -0.02761), (1, 100, -0.0160)):
        fit = stats.linregress(np.log10(np.arange(first, last + 1)), np.log10(quantile[first - 1 : last]))
        assert fit.slope == pytest.approx(expected, abs=5e-5)
    np.testing.assert_allclose(quantile[[0, -1]], [1.4102, 0.6602], atol=3e-3)


@pytest.mark.parametrize("gamma", [1e-3, 0.2, 0.97, 1.0, 4.0])
def test_quantiles_hold_their_probability(gamma):
    n, variance = 40, 2.5
    low, high = variance * (1 - np.sqrt(gamma)) ** 2, variance * (1 + np.sqrt(gamma)) ** 2

    def density(x):
        return np.sqrt(max((high - x) * (x - low), 0.0)) / (2 * np.pi * gamma * variance * x)

    quantile = marchenko_pastur_quantiles(n, gamma, variance)
    assert (np.diff(quantile) <= 0).all()
    assert np.count_nonzero(quantile) == round(n * min(1.0, 1 / gamma))
    for rank in np.flatnonzero(quantile)[::5]:
        above = integrate.quad(density, quantile[rank], high, limit=200)[0]
        assert above == pytest.approx((rank + 0.5) / n, abs=1e-6)


@pytest.mark.parametrize(("n", "gamma"), [(0, 0.5), (5, 0.0), (5, -1.0), (5, np.nan)])
def test_quantiles_refuse_impossible_shapes(n, gamma):
    with pytest.raises(ParameterError, match="n_eigenvalues"):
        marchenko_pastur_quantiles(n, gamma)
