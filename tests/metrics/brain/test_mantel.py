import numpy as np
import pytest
from scipy import stats
from soak import lowest, times

from saegeom_data.metrics._kernels import permutations
from saegeom_data.metrics.brain.lobe_modularity import _mantel, lobe_modularity
from saegeom_data.testing import simulate


def symmetric(rng, n):
    matrix = rng.standard_normal((n, n))
    return matrix + matrix.T


def vectors(rng, n, hidden=6):
    unit = rng.standard_normal((n, hidden))
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    return unit


def pairs(matrix):
    return matrix[np.tril_indices(len(matrix), -1)]


def reference(affinity, cosine, rate):
    """Spearman's correlation, and that of what least squares on the covariates leaves of both ranks."""
    first, second = stats.rankdata(pairs(affinity)), stats.rankdata(pairs(cosine))
    log_rate = np.log(rate)
    total = pairs(log_rate[:, None] + log_rate)
    apart = pairs(np.abs(log_rate[:, None] - log_rate))
    design = np.stack([np.ones_like(total), total, apart, total**2, apart**2, total * apart], axis=1)
    left = [ranks - design @ np.linalg.lstsq(design, ranks, rcond=None)[0] for ranks in (first, second)]
    return [stats.spearmanr(first, second).statistic, np.corrcoef(*left)[0, 1]]


@pytest.fixture
def planted():
    rng = np.random.default_rng(0)
    unit, rate = vectors(rng, 40), rng.integers(1, 60, 40).astype(float)
    # Rounded to one digit, so that many pairs tie and ranks must be shared.
    affinity = np.round(unit @ unit.T + 0.3 * symmetric(rng, 40) + 0.004 * np.add.outer(rate, rate), 1)
    return affinity, unit @ unit.T, rate


def test_values_are_those_of_scipy(planted):
    np.testing.assert_allclose(_mantel.mantel_correlations(*planted), reference(*planted), atol=1e-10)
    np.testing.assert_allclose(_mantel.mantel_values(*planted, seed=0)["value"][0], reference(*planted), atol=1e-10)


def test_interval_takes_ranks_anew_without_each_group(planted, monkeypatch):
    seen = []
    monkeypatch.setattr(_mantel, "jackknife_interval", lambda value, left_out: seen.append(left_out) or (value, value))
    _mantel.mantel_values(*planted, seed=3)
    groups = _mantel.balanced_groups(40, 20, np.random.default_rng([3, 3, 1]))
    for group in (0, 11):
        keep = groups != group
        affinity, cosine, rate = planted
        # The covariates' scale is that of all features, which changes nothing: they are a basis.
        expected = reference(affinity[keep][:, keep], cosine[keep][:, keep], rate[keep])
        np.testing.assert_allclose(seen[0][:, group], expected, atol=1e-10)


def test_products_are_those_of_permuted_matrices():
    rng = np.random.default_rng(1)
    fixed, moved = (np.stack([symmetric(rng, 25) for _ in range(2)], axis=-1).astype(np.float32) for _ in range(2))
    orders = rng.permuted(np.tile(np.arange(25), (7, 1)), axis=1)
    sums = permutations.pair_products(orders, fixed, moved)
    for order, found in zip(orders, sums, strict=True):
        permuted = moved[np.ix_(order, order)].astype(float)
        np.testing.assert_allclose(found, [pairs(fixed[..., k]) @ pairs(permuted[..., k]) for k in range(2)], rtol=1e-5)


def null(affinity, cosine, rate, name="label_permutation", seed=0, n_permutations=99, n_strata=None, n_features=None):
    n_features = np.asarray(len(rate) if n_features is None else n_features)
    options = {"null": name, "n_permutations": n_permutations, "n_strata": n_strata, "seed": seed}
    return _mantel.mantel_null(affinity, cosine, rate, n_features, **options)["summary"]


def test_planted_agreement_is_found(planted):
    for name in ("label_permutation", "frequency_stratified"):
        plain, given = null(*planted, name)[2]
        assert plain == pytest.approx(0.01)
        # Of what rates leave there is no null by permutation among all features.
        assert np.isnan(given) if name == "label_permutation" else given == pytest.approx(0.01)


@pytest.mark.statistical
@pytest.mark.parametrize("name", ["label_permutation", "frequency_stratified"])
def test_p_is_uniform_and_intervals_cover_without_agreement(name):
    p, covered = [], []
    for seed in range(times(20, 100)):
        rng = np.random.default_rng([seed, 1])
        affinity, cosine = (rows @ rows.T for rows in (vectors(rng, 40), vectors(rng, 40)))
        rate = rng.integers(1, 200, 40).astype(float)
        p.append(null(affinity, cosine, rate, name, seed)[2])
        if name == "label_permutation":
            _, low, high = _mantel.mantel_values(affinity, cosine, rate, seed=seed)["value"]
            covered.append((low <= 0) & (high >= 0))
    for column in np.transpose(p)[: 1 if name == "label_permutation" else 2]:
        assert stats.kstest(column, "uniform").pvalue > 0.01
    if covered:
        assert np.mean(covered, axis=0).min() >= lowest(0.88, len(covered))


def by_rate(seed):
    """Affinity and cosine both follow the product of two features' firing rates, and nothing else ties them."""
    rng = np.random.default_rng([seed, 2])
    rate = np.exp(rng.uniform(1, 6, 120))
    standing = (np.log(rate) - 3.5) / 1.5
    product = np.outer(standing, standing)
    return product + 0.5 * symmetric(rng, 120), np.tanh(product) + 0.5 * symmetric(rng, 120), rate


def test_only_what_knows_the_firing_rates_sees_through_them():
    plain, given = [], []
    for seed in range(12):
        data = by_rate(seed)
        assert null(*data)[2, 0] == 0.01
        assert _mantel.mantel_correlations(*data)[0] > 0.2
        assert abs(_mantel.mantel_correlations(*data)[1]) < 0.1
        plain.append(null(*data, "frequency_stratified")[2, 0])
        given.append(null(*data, "frequency_stratified")[2, 1])
    assert np.median(plain) > 0.1
    assert stats.kstest(given, "uniform").pvalue > 0.01


def test_constant_sides_have_no_correlation():
    rng = np.random.default_rng(4)
    cosine, rate = symmetric(rng, 12), rng.integers(1, 9, 12).astype(float)
    assert np.isnan(_mantel.mantel_correlations(np.ones((12, 12)), cosine, rate)).all()
    assert np.isnan(null(np.ones((12, 12)), cosine, rate)).all()
    plain, partial = _mantel.mantel_correlations(np.add.outer(rate, rate), cosine, np.exp(rate))
    assert np.isfinite([plain, partial]).all()
    assert np.isfinite(_mantel.mantel_correlations(symmetric(rng, 12), cosine, np.full(12, 3.0))).all()


def test_padding_is_no_feature(planted):
    padded = [np.pad(values, (0, 5), constant_values=np.nan) for values in planted]
    np.testing.assert_array_equal(_mantel.mantel_correlations(*padded), _mantel.mantel_correlations(*planted))
    np.testing.assert_array_equal(null(*padded), null(*planted))


def test_strata_of_a_subset_are_as_large_as_those_of_all(planted, monkeypatch):
    seen = []
    monkeypatch.setattr(_mantel, "strata", lambda name, rate, n: seen.append(n) or np.zeros(len(rate), int))
    for n_strata, n_features in ((None, 40), (10, 40), (10, 400), (2, 4000)):
        null(*planted, n_strata=n_strata, n_features=n_features)
    # One stratum for each 5 features by default, else as many as the subset's share of them.
    assert seen == [8, 10, 1, 1]


def test_pairs_are_of_a_seeded_subset():
    sae = simulate.simulate_sae(n_features=60, n_blocks=60, n_lobes=2, function_strength=0.8)
    options = {"n_lobes": (2,), "n_permutations": 5, "n_redraws": 0, "n_folds": 2, "n_seeds": 1, "min_blocks": 1}
    few, other = (lobe_modularity(sae, n_mantel_features=24, seed=seed, **options) for seed in (0, 1))
    assert int(few.n_features_mantel) == 24
    assert float(few.mantel) != float(other.mantel)
    assert int(lobe_modularity(sae, **options).n_features_mantel) == int(few.n_features_used) == 60
