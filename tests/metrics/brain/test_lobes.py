import numpy as np
import pytest
from scipy.stats import fisher_exact
from sklearn.cluster import SpectralClustering
from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score

from saegeom_data.errors import DataValueError, ParameterError
from saegeom_data.metrics import affinity, coactivation_graph, cooccurrence, lobe_function, lobe_modularity, lobes
from saegeom_data.metrics._statistics import spectral
from saegeom_data.metrics._statistics.agreement import adjusted_rand_index
from saegeom_data.metrics.brain._shared import affinities
from saegeom_data.metrics.brain._shared.document_halves import document_halves
from saegeom_data.metrics.brain._shared.packed_occurrence import packed, packed_halves
from saegeom_data.testing import simulate


def normalised_cut(weights, labels):
    weights = weights - np.diag(weights.diagonal())
    inside = [labels == label for label in np.unique(labels)]
    return sum(weights[np.ix_(members, ~members)].sum() / weights[members].sum() for members in inside)


def sklearn_labels(weights, count):
    model = SpectralClustering(count, affinity="precomputed", random_state=42, n_init=10)
    return model.fit_predict(weights - np.diag(weights.diagonal()) + np.eye(len(weights)))


@pytest.mark.parametrize("phi_shift", ["shift", "clip"])
@pytest.mark.parametrize("n_lobes", [2, 5])
def test_planted_lobes_are_recovered(n_lobes, phi_shift):
    sae = simulate.simulate_sae(n_features=100, n_blocks=300, n_lobes=n_lobes, function_strength=0.9)
    found = lobes(sae, n_lobes=(n_lobes,), phi_shift=phi_shift)
    assert adjusted_mutual_info_score(sae.true_lobe, found.lobe[0]) == pytest.approx(1)
    assert float(found.seed_agreement[0]) == pytest.approx(1)
    assert int(np.argmax(found.eigenvalue.values[:-1] - found.eigenvalue.values[1:])) + 1 in (1, n_lobes)
    assert float(found.eigenvalue[0]) == pytest.approx(1)


def test_planted_partition_is_that_of_scikit_learn():
    sae = simulate.simulate_sae(n_features=120, n_blocks=400, n_lobes=4, function_strength=0.8)
    weights = affinity(sae).affinity.values + 1
    assert adjusted_rand_score(lobes(sae, n_lobes=(4,)).lobe[0], sklearn_labels(weights, 4)) > 0.99


@pytest.fixture(scope="module")
def of_many_counts():
    """An SAE whose lobes are not plain to see, and its lobes for several counts."""
    sae = simulate.simulate_sae(n_features=160, n_blocks=200, n_lobes=3, function_strength=0.3)
    return sae, lobes(sae, n_lobes=(2, 3, 4, 8, 16))


@pytest.mark.parametrize("n_lobes", [2, 3, 4, 8, 16])
def test_normalised_cut_is_within_one_percent_of_scikit_learn(of_many_counts, n_lobes):
    sae, found = of_many_counts
    weights = affinity(sae).affinity.values + 1
    ours = normalised_cut(weights, found.lobe.sel(n_lobes=n_lobes).values)
    assert ours <= 1.01 * normalised_cut(weights, sklearn_labels(weights, n_lobes))


def test_a_count_does_not_depend_on_the_other_counts(of_many_counts):
    sae, among = of_many_counts
    np.testing.assert_array_equal(lobes(sae, n_lobes=(3,)).lobe[0], among.lobe.sel(n_lobes=3))


def test_labels_descend_by_size_and_masked_features_get_minus_one():
    sae = simulate.simulate_sae(n_features=100, n_lobes=3, function_strength=0.5)
    sae.occurrence.values[:, 7] = False
    labels = lobes(sae, n_lobes=(4,)).lobe.values[0]
    assert np.flatnonzero(labels < 0).tolist() == [7]
    sizes = np.bincount(np.delete(labels, 7))
    assert sizes.tolist() == sorted(sizes, reverse=True)
    assert spectral.by_size(np.array([5, 2, 2, 9])).tolist() == [1, 0, 0, 2]


def test_counts_by_default_go_to_an_eighth_of_the_features():
    assert lobes(simulate.simulate_sae(n_features=70), n_seeds=1).n_lobes.values.tolist() == [2, 3, 4, 8]


@pytest.mark.parametrize("labels", [([0, 0, 1, 1], [1, 1, 0, 0]), ([0, 1, 2, 0], [0, 0, 1, 1]), ([0, 0, 0], [0, 0, 0])])
def test_rand_index_is_that_of_scikit_learn(labels):
    first, second = map(np.array, labels)
    assert adjusted_rand_index(first, second, 3) == pytest.approx(adjusted_rand_score(first, second))


@pytest.mark.parametrize(
    ("n_lobes", "message"),
    [
        ((14,), "n_lobes: got 14, expected 2 to 10, an eighth of 80 features"),
        ((1,), "got 1"),
        ((2, 2), "different"),
        ((), "one or more"),
    ],
)
def test_counts_out_of_range_are_named(n_lobes, message):
    with pytest.raises(ParameterError, match=message):
        lobes(simulate.simulate_sae(n_features=80), n_lobes=n_lobes)


def test_too_few_features_for_any_lobes_are_named():
    with pytest.raises(ParameterError, match="n_lobes: got 15 features, expected at least 16"):
        lobes(simulate.simulate_sae(n_features=15))


@pytest.mark.parametrize("n_silent", [80, 78])
def test_too_few_live_features_are_an_error(n_silent):
    sae = simulate.simulate_sae(n_features=80)
    sae.occurrence.values[:, :n_silent] = True
    with pytest.raises(DataValueError, match=f"got {80 - n_silent} on in min_blocks blocks or more"):
        lobes(sae.chunk(blocks=20), n_lobes=(2,)).compute()


def firing(pattern, n_features=80):
    """Every feature fires as one of the columns of ``pattern`` (blocks, columns)."""
    sae = simulate.simulate_sae(n_features=n_features, n_blocks=len(pattern))
    return sae.assign(occurrence=sae.occurrence.copy(data=pattern[:, np.arange(n_features) % pattern.shape[1]]))


@pytest.mark.parametrize("kind", ["phi", "jaccard", "mutual_information"])
@pytest.mark.parametrize("n_neighbours", [None, 8])
def test_features_that_all_fire_alike_give_no_lobes(kind, n_neighbours):
    sae = firing(np.arange(40)[:, None] % 2 == 0)
    found = lobes(sae, n_lobes=(2, 8), kind=kind, n_neighbours=n_neighbours)
    np.testing.assert_allclose(found.eigengap, 0, atol=1e-12)
    assert (found.lobe == -1).all()
    assert np.isnan(found.seed_agreement).all()
    assert np.isnan(found.half_agreement).all()


def test_features_that_fire_in_three_ways_give_three_lobes_and_not_four():
    sae = firing(np.random.default_rng(0).random((60, 3)) < 0.4)
    found = lobes(sae, n_lobes=(3, 4))
    assert sorted(np.unique(found.lobe[0], return_counts=True)[1]) == [26, 27, 27]
    assert (found.lobe[1] == -1).all()
    assert np.isfinite(found.half_agreement[0])
    assert np.isnan(found.half_agreement[1])


def test_rare_features_that_share_a_block_are_no_lobe():
    sae = simulate.simulate_sae(n_features=100, n_blocks=240, n_lobes=2, function_strength=0.9)
    sae.occurrence.values[:, :3] = np.arange(240)[:, None] == 7
    rare = lobes(sae, n_lobes=(3,), phi_shift="clip", min_blocks=1).lobe.values[0]
    assert len(np.unique(rare[:3])) == 1
    assert np.count_nonzero(rare == rare[0]) == 3
    assert (lobes(sae, n_lobes=(3,), phi_shift="clip").lobe.values[0, :3] == -1).all()


@pytest.mark.parametrize(("n_blocks", "n_features"), [(120, 100), (3773, 1536), (150_000, 16_384)])
def test_two_features_on_in_the_least_number_of_blocks_are_significant(n_blocks, n_features):
    m = affinities.least_blocks(n_blocks, n_features)
    n_pairs = n_features * (n_features - 1) / 2
    by_number = [
        fisher_exact([[on, 0], [0, n_blocks - on]], alternative="greater").pvalue * n_pairs for on in (m - 1, m)
    ]
    assert by_number[1] <= 0.05 < by_number[0]


def test_halves_without_a_feature_in_common_have_no_agreement():
    sae = simulate.simulate_sae(n_features=80, n_blocks=240, n_lobes=2, function_strength=0.5)
    half = document_halves(sae).values
    for index in (0, 1):
        # Of the features, the first forty are on in one half alone.
        sae.occurrence.values[np.ix_(half == index, np.arange(80) // 40 == index)] = False
    found = lobes(sae, n_lobes=(2,))
    assert np.isnan(found.half_agreement).all()
    assert (found.lobe >= 0).all()


def test_a_half_in_which_hardly_any_feature_fires_is_no_error():
    sae = simulate.simulate_sae(n_features=80, n_blocks=240, n_lobes=2, function_strength=0.5)
    sae.occurrence.values[document_halves(sae).values == 1, 3:] = False
    assert np.isnan(lobes(sae.chunk(blocks=50), n_lobes=(2,)).compute().half_agreement).all()


def test_types_of_documents_may_be_unknown():
    sae = simulate.simulate_sae(n_features=80, n_blocks=240, n_lobes=2, function_strength=0.5)
    without = lobes(sae.drop_vars("document_type"), n_lobes=(2,))
    np.testing.assert_array_equal(without.lobe, lobes(sae, n_lobes=(2,)).lobe)
    assert np.isfinite(without.half_agreement).all()


def test_siblings_pack_the_blocks_once():
    sae = simulate.simulate_sae(n_features=80, n_lobes=2).chunk(blocks=40)
    for packing, metrics in (
        (packed(sae.occurrence), (cooccurrence, affinity)),
        (packed_halves(sae), (lobes, lobe_modularity, lobe_function, coactivation_graph)),
    ):
        tasks = set(packing.bits.__dask_graph__())
        for metric in metrics:
            assert tasks <= set(metric(sae, **metric.quick).__dask_graph__()), metric.name
