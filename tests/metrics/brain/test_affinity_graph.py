from __future__ import annotations

import dask
import numpy as np
import pytest

from saegeom_data import lazy
from saegeom_data.errors import DataValueError, ParameterError
from saegeom_data.metrics import affinity, coactivation_graph, lobes
from saegeom_data.metrics.brain._shared.affinity_graph import affinity_graph, strongest_affinities
from saegeom_data.metrics.brain._shared.packed_occurrence import packed_halves
from saegeom_data.testing import simulate


def planted(**sizes):
    return simulate.simulate_sae(
        **({"n_features": 150, "n_blocks": 210, "n_lobes": 3, "function_strength": 0.7} | sizes)
    )


def by_sorting(values, k):
    """Indices and values of the k largest positive affinities of each row, equal ones by index."""
    values = np.where(np.isfinite(values), values, -1.0)
    np.fill_diagonal(values, -1)
    index = np.argsort(-values, axis=1, kind="stable")[:, :k]
    largest = np.take_along_axis(values, index, axis=1)
    return np.where(largest > 0, index, -1), np.maximum(largest, 0)


@pytest.mark.parametrize("kind", ["phi", "jaccard", "npmi", "simple_matching"])
@pytest.mark.parametrize("chunk", [None, 64])
def test_strongest_affinities_are_those_of_the_whole_matrix(kind, chunk):
    sae = planted()
    sae.occurrence.values[:, 4], sae.occurrence.values[:, 9] = False, True
    neighbour, value = by_sorting(affinity(sae, kind=kind).affinity.values.copy(), 7)
    # Blocks of 32 features, so that tiles cross.
    with dask.config.set({lazy.BLOCK_BYTES: 32 * 8 * 5}):
        held = packed_halves(sae if chunk is None else sae.chunk(blocks=chunk))
        found = strongest_affinities(held, kind=kind, n_neighbours=7, min_blocks=1).compute()
    np.testing.assert_array_equal(found.neighbour, neighbour)
    np.testing.assert_allclose(found.affinity, value, rtol=1e-12)
    assert np.flatnonzero(found.is_masked).tolist() == [4, 9]


def test_one_half_counts_its_own_documents_alone():
    sae = planted()
    held = packed_halves(sae)
    half = np.asarray(held.n_blocks)
    for which in (0, 1):
        found = strongest_affinities(held, which=which, kind="phi", n_neighbours=5, min_blocks=1)
        from saegeom_data.metrics.brain._shared.document_halves import document_halves

        own = sae.isel(blocks=np.flatnonzero(document_halves(sae).values == which))
        assert own.sizes["blocks"] == half[which]
        neighbour, value = by_sorting(affinity(own).affinity.values.copy(), 5)
        np.testing.assert_array_equal(found.neighbour, neighbour)
        np.testing.assert_allclose(found.affinity, value, rtol=1e-12)


def test_graph_is_symmetric_and_keeps_an_edge_that_either_end_chose():
    value, neighbour = np.array([[0.5], [0.0], [0.9]]), np.array([[1], [-1], [1]])
    graph = affinity_graph(value, neighbour).toarray()
    np.testing.assert_array_equal(graph, [[0, 0.5, 0], [0.5, 0, 0.9], [0, 0.9, 0]])


def test_lobes_of_the_sparse_graph_are_the_planted_ones():
    sae = planted(n_features=180, n_blocks=600)
    found = lobes(sae, n_lobes=(3,), n_neighbours=12)
    assert found.half_agreement.item() > 0.95
    table = np.zeros((3, 3))
    np.add.at(table, (found.lobe.values[0], sae.true_lobe.values), 1)
    assert table.max(axis=1).sum() >= 176
    assert (table.argmax(axis=1) != np.roll(table.argmax(axis=1), 1)).all()


def test_features_without_an_edge_have_no_lobe():
    sae = planted(n_blocks=600)
    sae.occurrence.values[:, 11] = np.arange(600) == 5
    sae.occurrence.values[5] = np.arange(150) == 11
    assert lobes(sae, n_lobes=(3,), n_neighbours=8).lobe.values[0, 11] == -1
    assert coactivation_graph(sae, n_lobes=(3,), n_permutations=9, n_redraws=0, n_seeds=2).community[11] == -1


def test_a_higher_resolution_gives_more_communities():
    options = {"n_lobes": (2,), "n_permutations": 9, "n_redraws": 0, "n_seeds": 2}
    few, many = (coactivation_graph(planted(), resolution=r, **options) for r in (1.0, 4.0))
    assert int(few.n_communities) == 3 < int(many.n_communities)


def test_features_that_never_fire_together_are_an_error():
    sae = planted(n_features=40, n_blocks=120)
    sae["occurrence"] = sae.occurrence.copy(data=np.arange(120)[:, None] % 40 == np.arange(40))
    with pytest.raises(DataValueError, match="no two features of positive affinity"):
        coactivation_graph(sae, n_lobes=(2,), n_redraws=0)


def test_more_neighbours_than_features_are_named():
    with pytest.raises(ParameterError, match="n_neighbours: got 150, expected at most 149"):
        coactivation_graph(planted(), n_neighbours=150)
