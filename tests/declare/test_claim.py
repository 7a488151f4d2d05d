"""Seeds of SAEs are their own."""

from __future__ import annotations

import numpy as np

from saegeom_data.data.selection import select_sae
from saegeom_data.declare.seeds import own_seed
from saegeom_data.metrics.galaxy.clustering_entropy import clustering_entropy
from saegeom_data.testing.simulate import simulate_store


def test_surrogates_of_each_sae_are_its_own() -> None:
    tree = simulate_store(n_saes=2)
    first, second = (select_sae(tree, name) for name in ("layer_0", "layer_1"))
    # The same rows under two names differ in nothing but their draws.
    same = first.assign_attrs(path=second.attrs["path"])
    options = {"n_components": 4, "n_surrogates": 5}
    drawn = [clustering_entropy(dataset, **options).compute() for dataset in (first, same)]
    np.testing.assert_array_equal(drawn[0].entropy_knn, drawn[1].entropy_knn)
    assert not np.allclose(drawn[0].negentropy_surrogate, drawn[1].negentropy_surrogate)


def test_a_seed_is_a_function_of_seed_and_path_alone() -> None:
    assert own_seed(0, "/saes/layer_0") == own_seed(0, "/saes/layer_0")
    assert len({own_seed(seed, f"/saes/{name}") for seed in range(10) for name in "abcdef"}) == 60
    assert own_seed(5, None) == 5
