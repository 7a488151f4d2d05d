import numpy as np
import pytest

from saegeom_data.metrics._kernels import permutations
from saegeom_data.metrics._statistics.agreement import contingency


@pytest.mark.parametrize(("n_labels", "n_others"), [(2, 2), (5, 40), (1, 3)])
def test_sums_of_permuted_partitions_are_those_of_their_tables(n_labels, n_others):
    rng = np.random.default_rng(1)
    labels, others = (rng.integers(0, n, 60).astype(np.int32) for n in (n_labels, n_others))
    edges = rng.integers(0, 60, (2, 150))
    degree = np.bincount(edges.ravel(), minlength=60)
    orders = rng.permuted(np.tile(np.arange(60), (5, 1)), axis=1)
    count = np.arange(61)
    gain = np.append(0.0, np.diff(count * np.log(np.maximum(count, 1))))
    sums = permutations.partition_sums(orders, labels, others, n_labels, n_others, edges, degree, gain)
    for order, found in zip(orders, sums, strict=True):
        permuted = labels[order]
        table = contingency(permuted, others, (n_labels, n_others))
        inside = (permuted[edges[0]] == permuted[edges[1]]).sum()
        squares = (np.bincount(permuted, degree) ** 2).sum()
        np.testing.assert_allclose(found, [(table * np.log(np.maximum(table, 1))).sum(), inside, squares], rtol=1e-13)
