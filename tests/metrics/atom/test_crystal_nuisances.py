"""Whether steps of a family follow something plain, by pairs and values alone."""

import itertools

import numpy as np
import pytest
from scipy import stats
from soak import times

from saegeom_data.metrics.atom.crystal_search._nuisances import follows


def test_pairs_of_unknown_values_are_left_out():
    pair = np.array([[0, 1], [2, 3], [4, 5], [6, 7]])
    value = np.array([0.0, 1, 0, 1, np.nan, 1, 0, 1])
    known = np.array([0.0, 1, 0, 1, 0, 1])
    rng = np.random.default_rng
    assert follows(value, pair, rng(0)) == follows(known, np.arange(6).reshape(-1, 2), rng(0))
    assert np.isnan(follows(np.full(8, np.nan), pair, rng(0))).all()


@pytest.mark.statistical
def test_p_of_a_nuisance_is_uniform_where_steps_follow_nothing():
    n = times(60, 1000)
    p = []
    for seed in range(n):
        rng = np.random.default_rng((11, seed))
        # Pairs share features, and values are tied, as counts are.
        pair = np.array([(a, b) for a, b in itertools.combinations(range(12), 2) if (a + b) % 3 == 0])
        p.append(follows(rng.poisson(6, 12).astype(float), pair, rng)[1])
    for level in (0.05, 0.2, 0.5):
        assert np.count_nonzero(np.array(p) <= level) <= stats.binom.ppf(0.999, n, level)
    assert np.mean(p) < 0.7
