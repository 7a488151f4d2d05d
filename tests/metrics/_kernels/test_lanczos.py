import numpy as np
import pytest
from scipy.sparse import csr_array

from saegeom_data.metrics._kernels import lanczos
from saegeom_data.metrics._kernels.lanczos import are_few, by_lanczos
from saegeom_data.metrics._kernels.lapack import by_lapack
from saegeom_data.metrics._statistics import spectral
from saegeom_data.metrics._statistics.spectral import embed, embed_graph

N = 1040


def noise(n=N, seed=0):
    half = np.random.default_rng(seed).random((n, n))
    return half + half.T


def groups(n_groups, within):
    """Groups alike to each other in all: eigenvalues of what tells them apart are equal."""
    return 1 + np.kron(np.eye(n_groups), within)


AFFINITIES = {
    "noise": noise(),
    "groups": groups(8, np.ones((N // 8, N // 8))) + 0.1 * noise(),
    "groups without noise": groups(8, np.ones((N // 8, N // 8))),
    "equal groups of noise": groups(4, noise(N // 4)),
    "copies": 1 + np.kron(noise(40), np.ones((26, 26))),
    "all alike": np.ones((N, N)),
    "parts": np.kron(np.eye(5), noise(N // 5)),
    "more parts than pairs": np.kron(np.eye(40), noise(N // 40)),
}


def normalised(affinity):
    affinity = affinity.copy()
    np.fill_diagonal(affinity, 0)
    root = np.sqrt(affinity.sum(axis=1))
    return affinity / root[:, None] / root


def ones(affinity):
    """Eigenvectors of eigenvalue 1: the root of degree on each part."""
    off = affinity - np.diag(affinity.diagonal())
    root = np.sqrt(off.sum(axis=1))
    label = spectral._components(off)
    known = np.where(label[:, None] == np.arange(label.max() + 1), root[:, None], 0)
    return known / np.linalg.norm(known, axis=0)


@pytest.mark.parametrize("count", [3, 4, 20])
@pytest.mark.parametrize("name", AFFINITIES)
def test_pairs_are_those_of_lapack_to_rounding(name, count, monkeypatch):
    monkeypatch.setattr(lanczos, "_MOST_PRODUCTS", 10_000)
    matrix = normalised(AFFINITIES[name])
    value, vector = by_lanczos(matrix, count, ones(AFFINITIES[name]))
    np.testing.assert_allclose(value, by_lapack(matrix, count)[0], atol=1e-13)
    np.testing.assert_allclose(matrix @ vector, vector * value, atol=1e-13)
    np.testing.assert_allclose(vector.T @ vector, np.eye(count), atol=1e-12)


@pytest.mark.parametrize("count", [7, 8, 9])
def test_a_copy_that_is_missed_leaves_the_next_eigenvalue_in_its_place(count, monkeypatch):
    monkeypatch.setattr(lanczos, "_MOST_PRODUCTS", 10_000)
    matrix = normalised(AFFINITIES["equal groups of noise"])
    value, vector = by_lanczos(matrix, count, ones(AFFINITIES["equal groups of noise"]))
    np.testing.assert_allclose(matrix @ vector, vector * value, atol=1e-13)
    exact = by_lapack(matrix, count + 8)[0]
    # Of what repeats in each group, three copies are alike.
    assert np.ptp(exact[5:8]) < 1e-14
    np.testing.assert_allclose(value[:5], exact[:5], atol=1e-13)
    assert (np.abs(value[:, None] - exact).min(axis=1) < 1e-13).all()


@pytest.mark.parametrize("name", AFFINITIES)
def test_embeddings_are_those_of_lapack(name, monkeypatch):
    affinity = AFFINITIES[name]
    value, vector = embed(affinity.copy(), 12)
    sparse_value, sparse_vector = embed_graph(csr_array(affinity), 12)
    monkeypatch.setattr(spectral, "are_few", lambda n, count: False)
    expected, theirs = embed(affinity.copy(), 12)
    np.testing.assert_allclose(value, expected, atol=1e-12)
    np.testing.assert_allclose(sparse_value, expected, atol=1e-12)
    # Where eigenvalues stand apart their vectors are the same; signs are set.
    apart = np.concatenate([[False], -np.diff(expected) > 1e-3])
    apart[:-1] &= -np.diff(expected) > 1e-3
    for ours in (vector, sparse_vector):
        np.testing.assert_allclose(ours[:, apart], theirs[:, apart], atol=1e-9)


def test_single_precision_is_decomposed_in_double():
    matrix = normalised(AFFINITIES["groups"])
    value, vector = embed(AFFINITIES["groups"].astype(np.float32), 12)
    assert vector.dtype == np.float32
    np.testing.assert_allclose(value, by_lapack(matrix, 12)[0], atol=1e-6)


@pytest.mark.parametrize("name", ["noise", "groups without noise", "all alike"])
def test_the_same_digits_come_every_time(name):
    # Where a Krylov space is exhausted the iteration goes on from vectors that are drawn.
    matrix, known = normalised(AFFINITIES[name]), ones(AFFINITIES[name])
    first, again = by_lanczos(matrix, 9, known), by_lanczos(matrix, 9, known)
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_does_not_settle_is_left_to_lapack(monkeypatch):
    monkeypatch.setattr(lanczos, "_MOST_PRODUCTS", 40)
    affinity = AFFINITIES["noise"]
    assert by_lanczos(normalised(affinity), 9, ones(affinity)) is None
    value, vector = embed(affinity.copy(), 9)
    np.testing.assert_allclose(value, by_lapack(normalised(affinity), 9)[0], atol=1e-13)
    assert np.isfinite(vector).all()


def test_few_pairs_of_many_rows_are_few():
    assert are_few(1536, 33)
    assert not are_few(1536, 64)
    assert not are_few(1000, 3)
