"""Negentropy of decoder rows: calibration on noise, power on clusters, and the published artefact on noise."""

from functools import cache

import numpy as np
import pytest
import xarray as xr
from decoder_rows import gaussian_rows, unit_rows
from scipy import special, stats
from scipy.spatial.distance import cdist
from soak import SOAK, over_deviation, times

from saegeom_data.errors import DataValueError, ParameterError
from saegeom_data.metrics._statistics.entropy import gaussian_entropy, neighbour_entropy, published_entropies
from saegeom_data.metrics.galaxy.clustering_entropy import clustering_entropy
from saegeom_data.metrics.galaxy.clustering_entropy._close_pairs import close_pairs
from saegeom_data.metrics.galaxy.clustering_entropy.figure import WHITE_NOISE_PUBLISHED
from saegeom_data.metrics.nulls import angular_central_gaussian, gaussian_scores, shuffled_components
from saegeom_data.metrics.nulls.angular_central_gaussian import projected_scores
from saegeom_data.metrics.nulls.gaussian_scores import Cloud
from saegeom_data.testing.checks import assert_equal

# p is a multiple of 1 / 40, which 5 and 10 percent are too.
LABELS = [gaussian_scores.LABEL, angular_central_gaussian.LABEL, shuffled_components.LABEL]
SMALL = {"n_components": 8, "n_surrogates": 39, "n_subsamples": 10}


def dataset(rows):
    return xr.Dataset({"decoder": (("features", "hidden"), rows)})


def clustered_rows(seed, n, hidden, separation):
    centre = np.random.default_rng(0).standard_normal((6, hidden))
    return gaussian_rows(seed, n, hidden) + separation * centre[np.arange(n) % 6]


def test_entropy_follows_its_formula():
    rows, k = gaussian_rows(3, 120, 5, 1.0), (1, 3, 6)
    distances = np.sort(cdist(rows, rows), axis=1)
    expected = [
        special.digamma(120)
        - special.digamma(order)
        + 2.5 * np.log(np.pi)
        - special.gammaln(3.5)
        + 5 * np.log(distances[:, order]).mean()
        for order in k
    ]
    np.testing.assert_allclose(neighbour_entropy(rows, k), expected, rtol=1e-12)


def test_entropy_of_a_plane_gaussian_is_found():
    rows = gaussian_rows(4, 4000, 2) * [1.0, 5.0]
    expected = stats.multivariate_normal(cov=np.diag([1.0, 25.0])).entropy()
    assert neighbour_entropy(rows, (3,))[0] == pytest.approx(expected, abs=0.06)
    assert gaussian_entropy(np.diag([1.0, 25.0])) == pytest.approx(expected, rel=1e-12)


def test_results_follow_from_scores_and_surrogates():
    rows = gaussian_rows(0, 100, 8, 1.0) + 0.3
    result = clustering_entropy(dataset(rows), **SMALL, k=(1, 3))
    raw = gaussian_entropy(np.cov(rows, rowvar=False)) - neighbour_entropy(rows, (1, 3))
    np.testing.assert_allclose(result.negentropy_uncalibrated, raw, rtol=1e-9)
    null = result.negentropy_surrogate
    np.testing.assert_allclose(result.null_mean, null.mean("surrogate"))
    np.testing.assert_allclose(result.null_sd, null.std("surrogate", ddof=1))
    negentropy = (result.negentropy_uncalibrated - result.null_mean).transpose("null", "k")
    np.testing.assert_allclose(result.negentropy, negentropy)
    larger = (null >= result.negentropy_uncalibrated).sum("surrogate")
    np.testing.assert_array_equal(result.p, (larger.transpose("null", "k") + 1) / 40)
    assert result.k.values.tolist() == [1, 3]
    assert result["null"].values.tolist() == LABELS
    draws = result.close_pairs_surrogate
    np.testing.assert_allclose(result.close_pairs_null_mean, draws.mean("surrogate"))
    np.testing.assert_allclose(result.close_pairs_excess, result.close_pairs / draws.mean("surrogate") - 1)
    np.testing.assert_array_equal(result.close_pairs_p, ((draws >= result.close_pairs).sum("surrogate") + 1) / 40)


def test_close_pairs_are_counted_as_by_hand():
    rows = gaussian_rows(0, 700, 5)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    cosine = (unit @ unit.T)[np.triu_indices(700, 1)]
    assert close_pairs(rows, 0.7) == pytest.approx((cosine > 0.7).mean(), abs=1e-5)
    # Norms of rows do not matter, and of many rows some settle the share.
    assert close_pairs(rows * np.random.default_rng(1).uniform(0.1, 9, (700, 1)), 0.7) == close_pairs(rows, 0.7)
    assert close_pairs(gaussian_rows(1, 6000, 5), 0.7) == pytest.approx((cosine > 0.7).mean(), rel=0.1)


def block_stream(block):
    return np.random.default_rng((0, block))


@pytest.mark.parametrize(
    "scores",
    [gaussian_scores.gaussian_scores, lambda cloud, rng: projected_scores(cloud, cloud.spectrum, block_stream)],
)
@pytest.mark.parametrize("refit", [True, False])
def test_surrogates_have_the_covariance_of_the_data(scores, refit):
    covariance = np.cov(gaussian_rows(0, 60, 4, 1.0), rowvar=False)
    cloud = Cloud(covariance, np.arange(6, 0, -1.0), np.full(6, 0.2), np.ones(60), refit)
    drawn = scores(cloud, np.random.default_rng(0))
    assert drawn.shape == (60, 4)
    np.testing.assert_allclose(np.cov(drawn, rowvar=False), covariance, rtol=1e-10, atol=1e-12)


N_SEEDS = times(20, 120)


def p_values(make, null, **parameters):
    results = (clustering_entropy(dataset(make(seed)), **SMALL | parameters, seed=seed) for seed in range(N_SEEDS))
    return np.array([float(result.p.sel(null=null).item()) for result in results])


def assert_uniform(p):
    """Of p-values that are multiples of 1/40: 5 percent of them, give or take chance, are false alarms at 5 percent."""
    jittered = p - np.random.default_rng(0).random(len(p)) / 40
    assert stats.kstest(jittered, "uniform").pvalue > 0.001
    for level in (0.05, 0.1):
        assert (p <= level).sum() <= stats.binom.ppf(0.999, len(p), level)


@pytest.mark.statistical
def test_p_is_uniform_on_gaussian_rows():
    assert_uniform(p_values(lambda seed: 2 + gaussian_rows((11, seed), 120, 12, 1.0), gaussian_scores.LABEL))


@pytest.mark.statistical
def test_p_is_uniform_on_some_of_gaussian_rows():
    assert_uniform(p_values(lambda seed: gaussian_rows((12, seed), 300, 12, 1.0), gaussian_scores.LABEL, n_samples=120))


@pytest.mark.statistical
def test_p_is_uniform_on_unit_rows():
    assert_uniform(p_values(lambda seed: unit_rows((13, seed), 120, 16, 0.5), angular_central_gaussian.LABEL))


def test_unit_rows_are_not_gaussian_where_every_dimension_is_kept():
    result = clustering_entropy(dataset(unit_rows(0, 200, 24)), **SMALL | {"n_components": 24})
    assert result.negentropy.sel(null=gaussian_scores.LABEL).item() < -5 * result.null_sd[0].item()
    assert abs(result.negentropy.sel(null=angular_central_gaussian.LABEL).item()) < 4 * result.null_sd[1].item()


def test_white_noise_is_calibrated_to_zero():
    result = clustering_entropy(dataset(unit_rows(0, 1200, 400)), n_components=100, n_surrogates=15, n_subsamples=5)
    assert abs(result.negentropy_uncalibrated.item()) > 10
    assert abs(result.negentropy.sel(null=angular_central_gaussian.LABEL).item()) < 4 * result.null_sd[1].item() < 1


@pytest.mark.skipif(not SOAK, reason="the paper's own size, for make soak")
def test_published_formula_measures_its_own_resampling_on_white_noise():
    result = clustering_entropy(dataset(unit_rows(0, 5000, 2304)), estimator="published", n_surrogates=1)
    assert result.negentropy_uncalibrated.item() == pytest.approx(WHITE_NOISE_PUBLISHED, abs=3.0)
    assert result.standard_error.item() == pytest.approx(5.1 / np.sqrt(30), rel=0.5)


def test_published_formula_agrees_with_a_plain_reading():
    rows, n, d, k = gaussian_rows(0, 80, 10, 1.0), 80, 4, 2
    standard = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    scores = standard @ np.linalg.svd(standard, full_matrices=False)[2][:d].T
    rng = np.random.default_rng((7, 8))
    expected = []
    for _ in range(30):
        drawn = scores[rng.integers(n, size=n)]
        rho = np.sort(cdist(drawn, drawn), axis=1)[:, k]
        # digamma(k + 1) for k = 2, with Euler's constant in six digits.
        psi = -0.577216 + 1 + 1 / 2
        eigenvalue = np.linalg.eigvalsh(np.cov(drawn, rowvar=False))
        expected.append(d * np.log(rho + 0.01).mean() + np.log(eigenvalue).mean() + np.log(n - 1) - psi)
    gaussian, got = published_entropies(rows, d, (k,), 7)
    np.testing.assert_allclose(got[:, 0], expected, rtol=1e-10)
    log_eigenvalue = np.log(np.linalg.eigvalsh(np.cov(scores, rowvar=False)))
    assert gaussian == pytest.approx(d / 2 * (1 + np.log(2 * np.pi)) + log_eigenvalue.sum() / 2, rel=1e-12)


def test_published_estimator_has_no_null_and_keeps_copies():
    rows = np.vstack([gaussian_rows(0, 100, 12), gaussian_rows(0, 5, 12)])
    result = clustering_entropy(dataset(rows), estimator="published", n_components=6, n_surrogates=3)
    assert result.k.values.tolist() == [1]
    assert (int(result.n_features_used), int(result.n_merged)) == (105, 5)
    for name, values in result.data_vars.items():
        assert np.isnan(values).all() == ("null" in values.dims or name == "close_pairs"), name


def test_negentropy_grows_with_separation():
    results = [
        clustering_entropy(dataset(clustered_rows(0, 300, 12, separation)), **SMALL)
        for separation in (0.0, 1.0, 2.0, 4.0)
    ]
    for null in range(3):
        negentropy = [result.negentropy.values[null, 0] for result in results]
        assert (np.diff(negentropy) > 0.2).all()
        assert (np.diff([result.close_pairs_excess.values[null] for result in results]) > 0.2).all()
        assert negentropy[-1] > 3
        assert all(result.p.values[null, 0] == 1 / 40 for result in results[1:])


def detected(share):
    """Share of 12 draws of 300 unit rows, 8 clusters of which hold ``share`` of the variance, found at 5 percent."""

    def rows(seed):
        centre = np.random.default_rng((15, seed)).standard_normal((8, 24))
        noise = gaussian_rows((16, seed), 300, 24)
        cloud = np.sqrt(1 - share) * noise + np.sqrt(share) * centre[np.arange(300) % 8]
        return cloud / np.linalg.norm(cloud, axis=1, keepdims=True)

    results = [
        clustering_entropy(dataset(rows(seed)), n_components=16, n_surrogates=19, n_subsamples=2, seed=seed)
        for seed in range(12)
    ]
    found = xr.concat(results, "draw").isel(k=0)
    return (found.p <= 0.05).mean("draw").values, found.negentropy.mean("draw").values


@pytest.mark.statistical
def test_power_grows_with_the_share_of_the_variance_that_clusters_hold():
    none, weak, strong = (detected(share) for share in (0.0, 0.2, 0.4))
    # Unit rows are spread less than Gaussian ones, so the first null is the more careful one.
    assert (none[0] <= 0.25).all()
    assert weak[0][1] >= 0.9
    assert (strong[0] == 1).all()
    for null in (0, 1, 2):
        assert none[1][null] < weak[1][null] < strong[1][null]


T_3, LAPLACE, UNIFORM = "t of 3 degrees", "Laplace", "uniform"


@cache
def judged(law):
    """P-values (draws, null, number) of negentropy and close pairs, of independent coordinates or of clusters."""

    def rows(seed):
        rng = np.random.default_rng((17, seed))
        if law == "clusters":
            centre = rng.standard_normal((12, 24))
            return np.sqrt(0.6) * rng.standard_normal((300, 24)) + np.sqrt(0.4) * centre[np.arange(300) % 12]
        draw = {T_3: lambda size: rng.standard_t(3, size), LAPLACE: lambda size: rng.laplace(size=size)}
        return draw.get(law, lambda size: rng.uniform(-1, 1, size))((300, 24))

    results = [
        clustering_entropy(dataset(rows(seed)), n_components=12, n_surrogates=19, n_subsamples=2, seed=seed)
        for seed in range(times(8, 60))
    ]
    return np.array([[result.p.isel(k=0), result.close_pairs_p] for result in results]).transpose(0, 2, 1)


@pytest.mark.statistical
@pytest.mark.parametrize("law", [T_3, LAPLACE, UNIFORM])
def test_independent_coordinates_are_not_clustered(law):
    p = judged(law)
    # Beyond every null by both numbers, as findings claim it.
    assert (p.max(axis=(1, 2)) <= 0.05).sum() <= stats.binom.ppf(0.999, len(p), 0.05)


@pytest.mark.statistical
def test_heavy_tails_are_not_gaussian_and_clusters_are_clustered():
    assert (judged(T_3)[:, 0, 0] <= 0.05).mean() > 0.9
    assert (judged("clusters").max(axis=(1, 2)) <= 0.05).mean() > 0.9


@pytest.mark.statistical
def test_p_is_uniform_over_independent_clouds_of_one_seed():
    # Each SAE of a store has surrogates of its own, so that they do not all err alike.
    rows = [gaussian_rows((18, index), 120, 8, 1.0) for index in range(times(20, 200))]
    saes = [dataset(cloud).assign_attrs(path=f"/saes/layer_{index}") for index, cloud in enumerate(rows)]
    parameters = {"n_components": 6, "n_surrogates": 19, "n_subsamples": 2}
    p = np.array([clustering_entropy(sae, **parameters).p.sel(null=gaussian_scores.LABEL).item() for sae in saes])
    assert stats.kstest(p - np.random.default_rng(0).random(len(p)) / 20, "uniform").pvalue > 0.001
    one, other = (clustering_entropy(sae, **parameters) for sae in (saes[0], saes[0].assign_attrs(path="/saes/other")))
    assert (one.negentropy_surrogate != other.negentropy_surrogate).all()


def test_sweep_gives_what_each_number_of_components_gives_alone():
    rows = unit_rows(0, 150, 20, 0.5)
    swept = clustering_entropy(dataset(rows), **SMALL, component_sweep=(12, 4, 8))
    assert swept.components.values.tolist() == [4, 8, 12]
    for name in ("negentropy", "p"):
        np.testing.assert_array_equal(swept[f"{name}_by_components"].sel(components=8), swept[name])
    # Leading components of the surrogates are surrogates of those components, so the same seed gives the same.
    raw = clustering_entropy(dataset(rows), **SMALL | {"n_components": 12}).negentropy_uncalibrated.item()
    alone = clustering_entropy(dataset(rows), **SMALL | {"n_components": 12}, component_sweep=(4, 8))
    np.testing.assert_allclose(
        alone.negentropy_by_components.sel(components=12), swept.negentropy_by_components.sel(components=12)
    )
    assert alone.negentropy_uncalibrated.item() == raw


def test_sweep_beyond_the_rank_leaves_the_rest():
    rows = gaussian_rows(0, 100, 12)
    rows[:, 6:] = 0.5
    swept = clustering_entropy(dataset(rows), **SMALL | {"n_components": 6}, component_sweep=(3, 9))
    np.testing.assert_array_equal(np.isfinite(swept.negentropy_by_components.isel(null=0, k=0)), [True, True, False])


def test_surrogates_in_blocks_are_surrogates():
    # More rows than are drawn at a time, so that surrogates come in several blocks.
    rows = unit_rows(3, 9000, 12, 1.0)
    result = clustering_entropy(dataset(rows), n_components=6, n_surrogates=9, n_subsamples=2)
    assert abs(result.negentropy.sel(null=angular_central_gaussian.LABEL).item()) < 4 * result.null_sd[1].item()


@pytest.mark.slow
@pytest.mark.statistical
def test_subsampling_error_is_that_of_new_data():
    n_seeds = times(20, 40)
    results = [
        clustering_entropy(dataset(clustered_rows((14, seed), 240, 12, 2.0)), **SMALL | {"n_surrogates": 1})
        for seed in range(n_seeds)
    ]
    deviation = np.std([result.negentropy_uncalibrated.item() for result in results], ddof=1)
    error = np.sqrt(np.mean([result.standard_error.item() ** 2 for result in results]))
    low, high = over_deviation(0.75, 1.6, n_seeds)
    assert low < error / deviation < high


def test_interval_joins_subsampling_and_surrogates():
    result = clustering_entropy(dataset(gaussian_rows(0, 150, 12)), **SMALL)
    error = np.sqrt(result.standard_error**2 + result.null_sd**2 / 39)
    reach = stats.t.ppf(0.975, 9) * error
    np.testing.assert_allclose(result.negentropy_high - result.negentropy, reach.transpose("null", "k"))
    np.testing.assert_allclose(result.negentropy - result.negentropy_low, reach.transpose("null", "k"))


def test_scale_moves_entropies_alone():
    rows = unit_rows(0, 150, 12)
    original, scaled = (clustering_entropy(dataset(factor * rows), **SMALL) for factor in (1.0, 1e-3))
    entropies = ["entropy_knn", "entropy_gaussian"]
    assert_equal(scaled.drop_vars(entropies), original.drop_vars(entropies), relative=1e-8)
    # An entropy of d components moves by d ln s; here d is 8.
    np.testing.assert_allclose((scaled - original)[entropies].to_array(), 8 * np.log(1e-3), rtol=1e-9)


def test_copies_are_merged_and_zero_rows_dropped():
    rows = gaussian_rows(0, 120, 12)
    padded = np.vstack([rows, rows[:7], rows[:2], np.zeros((4, 12))])
    got, expected = clustering_entropy(dataset(padded), **SMALL), clustering_entropy(dataset(rows), **SMALL)
    counts = ["n_features_dropped", "n_merged"]
    assert_equal(got.drop_vars(counts), expected.drop_vars(counts))
    assert (int(got.n_features_used), int(got.n_merged), int(got.n_features_dropped)) == (120, 9, 4)


def test_near_copies_are_counted_and_move_the_nearest_neighbours_alone():
    rows = gaussian_rows(0, 300, 10)
    near = np.r_[rows[:294], rows[:6] + 1e-4 * gaussian_rows(1, 6, 10)]
    k = {"n_components": 10, "k": (1, 3), "n_surrogates": 3, "n_subsamples": 2}
    plain, moved = clustering_entropy(dataset(rows), **k), clustering_entropy(dataset(near), **k)
    assert (int(plain.n_near_copies), int(moved.n_near_copies), int(moved.n_merged)) == (0, 12, 0)
    change = (moved - plain).negentropy_uncalibrated
    assert change.sel(k=1) > 2
    assert abs(change.sel(k=3)) < 0.3
    # Nearer than the rounding of single precision they are copies.
    copies = np.r_[rows[:294], rows[:6] + 1e-8 * gaussian_rows(1, 6, 10)]
    assert int(clustering_entropy(dataset(copies), **k).n_merged) == 6


def test_rows_are_drawn_without_replacement():
    rows = gaussian_rows(0, 200, 12)
    result = clustering_entropy(dataset(rows), **SMALL, n_samples=130)
    assert (int(result.n_features_used), int(result.n_merged)) == (130, 0)
    others = clustering_entropy(dataset(rows), **SMALL, n_samples=130, seed=1)
    assert result.entropy_knn.item() != others.entropy_knn.item()


@pytest.mark.parametrize("estimator", ["calibrated", "published"])
@pytest.mark.parametrize("n_alive", [0, 1, 9])
def test_too_few_rows_leave_a_written_outcome(estimator, n_alive):
    rows = np.zeros((40, 12))
    rows[:n_alive] = gaussian_rows(0, n_alive, 12)
    result = clustering_entropy(dataset(rows), **SMALL, estimator=estimator)
    assert (int(result.n_features_used), int(result.n_features_dropped)) == (n_alive, 40 - n_alive)
    estimates = [name for name in result if not name.startswith("n_")]
    assert np.isnan(result[estimates].to_array()).all()


def test_rows_in_fewer_dimensions_leave_a_written_outcome():
    rows = gaussian_rows(0, 100, 12)
    rows[:, 6:] = 0.5
    assert np.isnan(clustering_entropy(dataset(rows), **SMALL).negentropy).all()
    assert np.isfinite(clustering_entropy(dataset(rows), **SMALL | {"n_components": 6}).negentropy).all()


def test_halves_that_are_too_small_have_no_interval():
    # Halves of 17 rows have 8, too few for 8 components.
    result = clustering_entropy(dataset(gaussian_rows(0, 17, 12)), **SMALL)
    assert np.isnan(result.standard_error).all()
    assert np.isnan(result.negentropy_low).all()
    assert np.isfinite(result.negentropy).all()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_components": 13}, "n_components: got 13, expected 1 to 12, for 50 rows in 12 hidden dimensions"),
        ({"n_components": 12, "n_samples": 13}, "n_components: got 12, expected 1 to 11, for 13 rows"),
        ({"n_components": 0}, "n_components: got 0"),
        ({"n_samples": 2}, "clustering_entropy: got 2 features, expected at least 3"),
        ({"component_sweep": (4, 13)}, "component_sweep: got 13, expected 1 to 12, for 50 rows"),
        ({"n_samples": 51}, "n_samples: got 51, expected 1 to 50, the features"),
        ({"n_samples": 0}, "n_samples: got 0"),
        ({"k": ()}, r"k: got \(\), expected neighbours from 1 to 49"),
        ({"k": (0, 3)}, r"k: got \(0, 3\)"),
        ({"k": (50,)}, r"k: got \(50,\)"),
        ({"n_surrogates": 0}, "n_surrogates: got 0"),
        ({"n_subsamples": 1}, "n_subsamples: got 1"),
        ({"estimator": "publish"}, "estimator: got 'publish'"),
    ],
)
def test_parameters_that_cannot_be_served_are_named_while_building(parameters, message):
    with pytest.raises(ParameterError, match=message):
        clustering_entropy(dataset(gaussian_rows(0, 50, 12)).chunk({"features": 7}), **SMALL | parameters)


def test_missing_values_are_refused():
    rows = gaussian_rows(0, 50, 12)
    rows[3, 4] = np.inf
    with pytest.raises(DataValueError, match="features 3"):
        clustering_entropy(dataset(rows), **SMALL)
