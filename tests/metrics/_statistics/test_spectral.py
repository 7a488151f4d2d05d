import tracemalloc

import numpy as np
import pytest
from scipy.sparse import block_diag, csr_array
from sklearn.cluster import KMeans, SpectralClustering
from sklearn.metrics import adjusted_rand_score

from saegeom_data.errors import DataValueError
from saegeom_data.metrics._kernels import eigenpairs
from saegeom_data.metrics._kernels.eigenpairs import leading_eigenpairs
from saegeom_data.metrics._statistics import agreement, k_means, spectral
from saegeom_data.metrics._statistics.spectral import (
    cluster,
    cluster_bytes,
    embed,
    embed_bytes,
    embed_graph,
    graph_bytes,
    normalised_cut,
)
from saegeom_data.testing import simulate

N = 400
RNG = np.random.default_rng(0)


def random_affinity(n=N, seed=0):
    half = np.random.default_rng(seed).random((n, n))
    return half + half.T


def phi_affinity(n=N, n_lobes=6, n_blocks=900, strength=0.5):
    fires = simulate.simulate_sae(n_features=n, n_blocks=n_blocks, n_lobes=n_lobes, function_strength=strength)
    return np.corrcoef(fires.occurrence.values.T.astype(float)) + 1


def lobes_without_noise():
    lobe = np.arange(N) % 5
    return np.where(lobe[:, None] == lobe, 1.0, 0.1)


def low_rank():
    factor = np.random.default_rng(3).random((N, 7))
    return factor @ factor.T


def in_parts(*sizes):
    return np.asarray(block_diag([random_affinity(size, size) for size in sizes]).todense())


def with_isolated():
    affinity = random_affinity()
    affinity[[3, 200]] = affinity[:, [3, 200]] = 0
    return affinity


def nearest(n=N, neighbours=12):
    """Each member's largest affinities, from either side."""
    affinity = phi_affinity(n) - 1
    np.fill_diagonal(affinity, 0)
    kept = np.where(affinity >= np.sort(affinity, axis=1)[:, [-neighbours]], affinity, 0)
    return csr_array(np.maximum(kept, kept.T))


AFFINITIES = {
    "random": random_affinity(),
    "planted": phi_affinity(),
    "without noise": lobes_without_noise(),
    "of low rank": low_rank(),
    "in parts": in_parts(200, 150, 50),
    "with isolated members": with_isolated(),
    "of nearest": nearest().toarray(),
    "of nothing but equals": np.ones((N, N)),
}


@pytest.fixture
def blocks_only(monkeypatch):
    # Matrices of a test are so small that LAPACK would be asked for all eigenpairs.
    monkeypatch.setattr(spectral, "_DENSE_UP_TO", 10)
    # So that there are several panels.
    monkeypatch.setattr(eigenpairs, "_ROWS", 64)


def reference(affinity):
    """The normalised affinity of members that have any, their degrees, and all its eigenvalues."""
    weights = affinity - np.diag(affinity.diagonal())
    live = weights.sum(axis=1) > 0
    weights = weights[live][:, live]
    degree = weights.sum(axis=1)
    matrix = weights / np.sqrt(degree[:, None] * degree)
    return matrix, degree, live, np.linalg.eigvalsh(matrix)[::-1]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", AFFINITIES)
def test_eigenpairs_are_those_of_lapack(name, dtype, blocks_only):
    affinity, count = AFFINITIES[name], 20
    value, embedding = embed(affinity.astype(dtype), count)
    matrix, degree, live, expected = reference(affinity)
    assert embedding.dtype == dtype
    assert np.isnan(embedding[~live]).all()
    vector = embedding[live].astype(float) * np.sqrt(degree)[:, None]
    spread = expected[:count] - expected[-1]
    rounding = 50 * np.finfo(dtype).eps
    np.testing.assert_allclose(vector.T @ vector, np.eye(count), atol=rounding)
    residual = np.linalg.norm(matrix @ vector - vector * value, axis=0)
    assert (residual <= 6e-3 * spread + rounding).all()
    assert (np.abs(value - expected[:count]) <= 5e-4 * spread + rounding).all()
    apart = expected[:count] - expected[count - 1] > spread / 2
    assert (np.abs(value - expected[:count])[apart] <= 1e-6 * spread[apart] + rounding).all()
    assert (np.diff(value) <= rounding).all()


def test_subspace_of_planted_lobes_is_that_of_lapack(blocks_only, monkeypatch):
    affinity = phi_affinity()
    value, ours = embed(affinity.copy(), 20)
    monkeypatch.setattr(spectral, "_DENSE_UP_TO", N)
    expected, theirs = embed(affinity.copy(), 20)
    np.testing.assert_allclose(value[:6], expected[:6], rtol=1e-9)
    np.testing.assert_allclose(ours[:, :6], theirs[:, :6], atol=1e-6 * np.abs(theirs).max())


@pytest.mark.parametrize("sparse", [False, True])
def test_result_does_not_depend_on_the_number_of_threads(sparse, blocks_only, monkeypatch):
    results = []
    for n_cores in (1, 3):
        monkeypatch.setattr("dask.system.CPU_COUNT", n_cores)
        value, vector = embed_graph(nearest(), 16) if sparse else embed(phi_affinity().astype(np.float32), 16)
        results.append((value, vector, *cluster(vector, value, (2, 8), 3, 0)))
    for alone, threaded in zip(*results, strict=True):
        np.testing.assert_array_equal(alone, threaded)


def test_sparse_and_dense_agree(blocks_only):
    graph = nearest()
    value, vector = embed_graph(graph, 20)
    dense_value, dense_vector = embed(graph.toarray(), 20)
    np.testing.assert_allclose(value, dense_value, rtol=1e-6)
    np.testing.assert_allclose(vector[:, :4], dense_vector[:, :4], atol=1e-6 * np.abs(vector).max())


def test_small_graphs_are_as_their_dense_forms():
    affinity = nearest().toarray().astype(np.float32)
    affinity[5] = affinity[:, 5] = 0
    graph = csr_array(affinity)
    value, vector = embed_graph(graph, 20)
    dense_value, dense_vector = embed(graph.toarray(), 20)
    assert vector.dtype == np.float32
    assert np.isnan(vector[5]).all()
    np.testing.assert_allclose(value, dense_value, atol=1e-6)
    np.testing.assert_allclose(vector[:, :6], dense_vector[:, :6], atol=1e-4 * np.nanmax(np.abs(vector)))


@pytest.mark.parametrize("count", [2, 3, 12])
def test_parts_without_connection_have_eigenvalue_one_each(count, blocks_only):
    affinity = in_parts(60, 200, 140)
    for value, vector in (embed(affinity.copy(), count), embed_graph(csr_array(affinity), count)):
        np.testing.assert_allclose(value[:3], np.ones(min(count, 3)), atol=1e-12)
        assert (value[3:] < 0.99).all()
        heaviest = [slice(60, 260), slice(260, 400), slice(0, 60)]
        for column, members in zip(vector.T[:3], heaviest, strict=False):
            assert column[members].std() < 1e-9 * column[members].mean()
            assert np.abs(np.delete(column, np.r_[members])).max() < 1e-9 * column[members].mean()


def test_members_without_affinity_are_in_no_cluster(blocks_only):
    affinity = phi_affinity()
    gone = np.array([0, 17, N - 1])
    kept = np.delete(np.arange(N), gone)
    alone = embed(affinity[np.ix_(kept, kept)], 12)
    affinity[gone] = affinity[:, gone] = 0
    value, vector = embed(affinity, 12)
    np.testing.assert_allclose(value, alone[0], rtol=1e-9)
    np.testing.assert_allclose(vector[kept], alone[1], atol=1e-6 * np.abs(alone[1]).max())
    assert np.flatnonzero(cluster(vector, value, (6,), 2, 0)[0][0] < 0).tolist() == gone.tolist()


def test_nothing_but_isolated_members_give_no_eigenvalue():
    value, vector = embed(np.eye(30), 4)
    assert value.shape == (0,)
    assert vector.shape == (30, 0)


def test_repeated_eigenvalues_are_found_in_full():
    # A block finds 16 copies of the first, and as many further values as are wanted in place of the other copies.
    diagonal = np.concatenate([np.full(24, 1.0), np.linspace(0.9, 0.3, 14), np.linspace(0.05, 0, 562)])
    assert eigenpairs.sizes(30)[0] == 16
    found = leading_eigenpairs(lambda block: diagonal[:, None] * block, 600, 30, dtype=np.dtype(float))
    np.testing.assert_allclose(found.value, diagonal[:30], atol=1e-6)


def test_residuals_are_as_stated():
    matrix = phi_affinity() / N
    pairs = leading_eigenpairs(lambda block: matrix @ block, N, 20, dtype=np.dtype(float))
    residual = np.linalg.norm(matrix @ pairs.vector - pairs.vector * pairs.value, axis=0)
    np.testing.assert_allclose(residual, pairs.residual, atol=1e-12)


def test_eigenpairs_that_do_not_converge_are_an_error(blocks_only, monkeypatch):
    monkeypatch.setattr(eigenpairs, "_MOST_CYCLES", 1)
    with pytest.raises(DataValueError, match="of 20 eigenvectors that have not converged after 1 restarts"):
        embed(phi_affinity(), 20)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_affinities_that_are_not_finite_are_an_error(bad):
    affinity = phi_affinity()
    affinity[3, 5] = affinity[5, 3] = bad
    with pytest.raises(DataValueError, match="affinity: got values that are not finite"):
        embed(affinity, 4)


def test_graphs_that_are_not_symmetric_are_an_error():
    graph = nearest().tolil()
    graph[3, 5] += 0.1
    with pytest.raises(DataValueError, match="expected a symmetric graph"):
        embed_graph(csr_array(graph), 4)


def traced(stated, count):
    """What numpy allocates of it: LAPACK's copy, result and work space of the projected problem do not show."""
    return stated - 8 * 4 * eigenpairs.sizes(count)[2] ** 2


def peak_bytes(function, *arguments):
    tracemalloc.start()
    function(*arguments)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


@pytest.mark.parametrize(("n", "count", "itemsize"), [(800, 50, 4), (800, 20, 8), (400, 10, 8)])
def test_memory_is_as_stated(n, count, itemsize, blocks_only):
    affinity = random_affinity(n).astype(f"f{itemsize}")
    embed(affinity[:100, :100].copy(), 10)
    stated = embed_bytes(n, count, itemsize)
    assert traced(stated, count) / 2 < peak_bytes(embed, affinity, count) < stated


def test_memory_of_k_means_is_as_stated(monkeypatch):
    monkeypatch.setattr("dask.system.CPU_COUNT", 2)
    points = np.random.default_rng(0).standard_normal((4000, 200))
    value = np.linspace(0.9, 0.1, 201)
    cluster(points[:50], value, (2,), 1, 0)
    stated = cluster_bytes(4000, (8, 200), 8)
    assert stated / 2 < peak_bytes(cluster, points, value, (8, 200), 2, 0) < stated


def test_memory_of_graphs_is_as_stated(blocks_only):
    graph = nearest(800)
    embed_graph(nearest(100), 10)
    stated = graph_bytes(800, graph.nnz, 50, 8)
    assert traced(stated, 50) / 2 < peak_bytes(embed_graph, graph, 50) < stated


@pytest.mark.parametrize("count", [2, 4, 8, 16, 32])
def test_normalised_cut_is_within_one_percent_of_scikit_learn(count, blocks_only):
    affinity = phi_affinity(n_blocks=500, strength=0.3)
    value, vector = embed(affinity.astype(np.float32), 33)
    # Starts are random on either side, and differ by more than the sides do: means over some.
    seeds = range(42, 45)
    models = [SpectralClustering(count, affinity="precomputed", random_state=seed) for seed in seeds]
    theirs = np.mean([normalised_cut(affinity, model.fit_predict(affinity)) for model in models])
    ours = np.mean([normalised_cut(affinity, cluster(vector, value, (count,), 10, seed)[0][0]) for seed in seeds])
    assert ours <= 1.01 * theirs
    # Weights are nearly equal, so that any partition cuts about count - 1; what it saves is the stricter test.
    assert ours <= theirs + 0.001


def test_normalised_cut_is_that_of_a_loop():
    affinity = random_affinity(40)
    labels = RNG.integers(-1, 4, 40)
    expected = 0.0
    for label in range(4):
        inside = leaving = 0.0
        for i in np.flatnonzero(labels == label):
            for j in np.flatnonzero(labels >= 0):
                inside += affinity[i, j] * (labels[j] == label and i != j)
                leaving += affinity[i, j] * (labels[j] != label)
        expected += leaving / (leaving + inside)
    assert normalised_cut(affinity, labels) == pytest.approx(expected, rel=1e-12)


def separated(n_clusters, d, n=1500, seed=0):
    rng = np.random.default_rng(seed)
    true = rng.choice(n_clusters, n, p=(share := 1 / np.arange(1, n_clusters + 1)) / share.sum())
    centre = rng.standard_normal((n_clusters, d))
    return true, centre[true] + 0.02 * rng.standard_normal((n, d))


@pytest.mark.parametrize(("n_clusters", "d"), [(5, 3), (30, 200)])
def test_separated_clusters_are_found_as_by_scikit_learn(n_clusters, d):
    true, points = separated(n_clusters, d)
    starts = k_means.partitions_from_starts(points, n_clusters, 5, 0)
    assert adjusted_rand_score(starts[0], true) == 1
    assert adjusted_rand_score(starts[0], KMeans(n_clusters, n_init=5, random_state=0).fit_predict(points)) == 1
    assert 0.9 < agreement.mean_rand_index(starts) <= 1


@pytest.mark.parametrize("count", [3, 40])
def test_inertia_in_noise_is_that_of_scikit_learn(count):
    points = np.random.default_rng(1).standard_normal((1200, 80)).astype(np.float32)
    labels = k_means.partitions_from_starts(points, count, 4, 0)[0]
    inertia = sum(
        ((points[labels == label] - points[labels == label].mean(axis=0)) ** 2).sum() for label in range(count)
    )
    assert inertia < 1.005 * KMeans(count, n_init=4, random_state=0).fit(points).inertia_


def test_clusters_do_not_depend_on_the_unit_of_points():
    points = separated(6, 5)[1]
    expected = k_means.partitions_from_starts(points, 6, 3, 0)
    for unit in (1e-30, 1e30):
        np.testing.assert_array_equal(k_means.partitions_from_starts(unit * points, 6, 3, 0), expected)


def test_distinct_points_are_counted_across_all_coordinates():
    points = np.repeat(np.random.default_rng(0).standard_normal((20, 100)), 30, axis=0)
    points[:, 7] = 0
    assert len(np.unique(k_means.partitions_from_starts(points, 20, 2, 0)[0])) == 20
    assert not k_means.are_fewer(points, 20)
    assert k_means.are_fewer(points, 21)
    assert k_means.are_fewer(np.zeros((50, 3)), 2)


def constant_off_diagonal(n):
    return np.ones((n, n))


def copies(*sizes):
    """Affinity of members that are alike within each group of these sizes."""
    label = np.repeat(np.arange(len(sizes)), sizes)
    return np.where(label[:, None] == label, 2.0, 1.0)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n", [60, 400, 5000])
def test_members_that_are_all_alike_have_no_clusters(n, dtype, monkeypatch):
    if n > 4096:
        # As if of 5,000 members, whose matrix is in single precision; the eigenvalues need fewer.
        dtype, size = np.float32, 300
    else:
        size = n
    value, vector = embed(constant_off_diagonal(size).astype(dtype), 33)
    embedding = np.full((n, 33), np.nan)
    embedding[:size] = vector
    for count in (2, 16):
        labels, agreements = cluster(embedding, value, (count,), 3, 0)
        assert (labels == -1).all()
        assert np.isnan(agreements).all()


def test_there_are_no_more_clusters_than_members_that_differ():
    value, vector = embed(copies(30, 20, 14), 33)
    labels, agreements = cluster(vector, value, (2, 3, 4, 8), 3, 0)
    assert [len(np.unique(row)) for row in labels] == [2, 3, 1, 1]
    assert np.isnan(agreements).tolist() == [False, False, True, True]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_noise_has_clusters_all_the_same(dtype):
    """Eigenvalues of noise are close, but by more than rounding."""
    value, vector = embed(random_affinity(400).astype(dtype), 41)
    labels, _ = cluster(vector, value, tuple(range(2, 41)), 1, 0)
    assert (labels >= 0).all()


def test_parts_that_nothing_connects_are_clusters_of_any_number():
    value, vector = embed(in_parts(60, 50, 40, 30), 12)
    labels, _ = cluster(vector, value, (2, 3, 4), 2, 0)
    part = np.repeat(np.arange(4), [60, 50, 40, 30])
    for row in labels:
        assert all(len(np.unique(row[part == index])) == 1 for index in range(4))
