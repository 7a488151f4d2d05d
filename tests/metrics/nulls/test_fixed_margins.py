from collections import Counter

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import binom, chi2
from soak import times

from saegeom_data.metrics._kernels.bits import pack
from saegeom_data.metrics._statistics.p_values import tail
from saegeom_data.metrics.nulls import fixed_margins


def simulated(seed, n_blocks, n_features):
    """Independent firing at unequal rates in blocks of unequal activity (blocks, features)."""
    rng = np.random.default_rng(seed)
    logit = rng.standard_normal((n_blocks, 1)) + rng.uniform(-5, 1, n_features)
    return rng.random((n_blocks, n_features)) < expit(logit)


def unpacked(bits, n_blocks):
    on = np.unpackbits(bits.view(np.uint8), axis=1, bitorder="little")
    assert not on[:, n_blocks:].any()
    return on[:, :n_blocks].T


def traded(on, *key):
    """Occurrence (blocks, features) after trades."""
    return unpacked(fixed_margins.traded(pack(on), np.random.default_rng(key)), len(on))


@pytest.mark.parametrize("shape", [(300, 121), (90, 250), (700, 2), (30, 1), (20, 0)])
def test_margins_are_kept_exactly(shape):
    on = simulated(1, *shape)
    drawn = traded(on, 0)
    for axis in (0, 1):
        np.testing.assert_array_equal(drawn.sum(axis=axis), on.sum(axis=axis))
    assert shape[1] < 2 or (drawn != on).any()


def test_margins_that_leave_no_choice_leave_all_as_it_is():
    nested = np.arange(12)[:, None] > np.arange(9)
    np.testing.assert_array_equal(traded(nested, 0), nested)


def test_every_arrangement_is_as_likely():
    """Of 3 x 3 with two on in each row and column there are six arrangements."""
    on = np.array([[1, 1, 0], [1, 0, 1], [0, 1, 1]], bool)
    n = 1200
    found = Counter(traded(on, seed).tobytes() for seed in range(n))
    assert len(found) == 6
    assert sum((count - n / 6) ** 2 for count in found.values()) / (n / 6) < chi2.isf(1e-4, 5)


@pytest.mark.parametrize("n_features", [60, 400])
def test_nothing_is_left_of_planted_lobes(n_features):
    """Squares of correlations are those of arrangements after many times as many rounds."""
    rng = np.random.default_rng(3)
    lobe, kind = np.arange(n_features) % 2, np.arange(200) // 3 % 2
    on = rng.random((200, n_features)) < np.where(kind[:, None] == lobe, 0.5, 0.03)

    def squares(occurrence):
        return (np.corrcoef(occurrence.T) ** 2).sum()

    far = on
    for seed in range(5):
        far = traded(far, 1, seed)
    mixed = np.array([squares(traded(far, 2, seed)) for seed in range(12)])
    near = np.array([squares(traded(on, 3, seed)) for seed in range(12)])
    assert squares(on) > 3 * mixed.mean()
    assert abs(near.mean() - mixed.mean()) < 4 * np.hypot(near.std(), mixed.std()) / np.sqrt(12)


@pytest.mark.statistical
@pytest.mark.parametrize("n_rounds", [None, 1])
def test_p_is_uniform_where_features_fire_independently(n_rounds, monkeypatch):
    """Also after one round, where draws are still much like the data: they are as far from it as from each other."""
    if n_rounds:
        monkeypatch.setattr(fixed_margins, "n_rounds", lambda n_features: n_rounds)

    def squares(bits):
        both = (bits.T.astype(float) @ bits)[np.triu_indices(bits.shape[1], 1)]
        return (both**2).sum()

    n, p = times(100, 2000), []
    for seed in range(n):
        on = simulated(seed, 40, 12)
        common = traded(on, seed, 0)
        draws = np.array([squares(traded(common, seed, draw)) for draw in range(1, 10)])
        p.append(float(tail(squares(on.astype(int)), draws)))
    for level in (0.1, 0.2, 0.5):
        low, high = binom.ppf([1e-4, 1 - 1e-4], n, level)
        assert low <= sum(value <= level + 1e-9 for value in p) <= high


def test_masked_features_are_never_on_and_take_no_part():
    on = simulated(4, 80, 30)
    masked = np.arange(30) % 7 == 0
    drawn = unpacked(fixed_margins.traded_live(pack(on), masked, np.random.default_rng(0)), 80)
    assert not drawn[:, masked].any()
    np.testing.assert_array_equal(drawn[:, ~masked].sum(axis=1), on[:, ~masked].sum(axis=1))


def test_bits_that_are_no_block_change_nothing():
    """Where these lie follows how the data is chunked."""
    on = simulated(5, 100, 20)
    apart = np.concatenate([pack(on[:30]), pack(on[30:]), np.zeros((20, 3), np.uint64)], axis=1)
    drawn = fixed_margins.traded(apart, np.random.default_rng(7))
    joined = np.concatenate([unpacked(drawn[:, :1], 30), unpacked(drawn[:, 1:], 70)])
    np.testing.assert_array_equal(joined, traded(on, 7))


def test_same_stream_same_draw():
    on = simulated(6, 70, 25)
    np.testing.assert_array_equal(traded(on, 0, 4), traded(on, 0, 4))
    assert (traded(on, 0, 4) != traded(on, 0, 5)).any()
