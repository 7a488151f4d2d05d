import math
from typing import get_args

import dask
import numpy as np
import pytest

from saegeom_data import lazy
from saegeom_data.errors import ParameterError
from saegeom_data.metrics.brain._shared.affinities import KERNELS, Kind, affinity_matrix
from saegeom_data.metrics.brain._shared.packed_occurrence import packed
from saegeom_data.metrics.brain.affinity import affinity
from saegeom_data.testing import simulate


def reference(kind, both, first, second, total):
    """One pair, in Python's own arithmetic."""
    cells = [
        (both, first, second),
        (first - both, first, total - second),
        (second - both, total - first, second),
        (total - first - second + both, total - first, total - second),
    ]
    (m11, _, _), (m10, _, _), (m01, _, _), (m00, _, _) = cells
    if kind == "simple_matching":
        return (m11 + m00) / total
    if kind == "jaccard":
        return m11 / (m11 + m10 + m01)
    if kind == "dice":
        return 2 * m11 / (first + second)
    if kind == "overlap":
        return m11 / min(first, second)
    if kind == "phi":
        return (m11 * m00 - m10 * m01) / math.sqrt(first * (total - first) * second * (total - second))
    if kind == "npmi":
        return math.log(m11 * total / (first * second)) / -math.log(m11 / total) if m11 else -1.0
    return sum(m / total * math.log(m * total / (a * b)) for m, a, b in cells if m)


@pytest.mark.parametrize("kind", get_args(Kind))
def test_kernel_equals_a_loop(kind):
    sae = simulate.simulate_sae(n_features=12, n_blocks=60, n_lobes=2, function_strength=1.0)
    on = sae.occurrence.values
    got = affinity(sae, kind=kind).affinity.values
    for i in range(12):
        for j in range(12):
            both, first, second = int((on[:, i] & on[:, j]).sum()), int(on[:, i].sum()), int(on[:, j].sum())
            assert got[i, j] == pytest.approx(reference(kind, both, first, second, 60), abs=1e-12)


@pytest.mark.parametrize("kind", get_args(Kind))
# The first count whose product no longer fits int64, and two far beyond.
@pytest.mark.parametrize("n_blocks", [110_218, 3_000_000, 2_000_000_000])
def test_counts_that_overflow_int64_products(kind, n_blocks):
    first, second, both = n_blocks // 2, n_blocks // 2 + 7, n_blocks // 3
    assert first * (n_blocks - first) * second * (n_blocks - second) > 2**63
    got = KERNELS[kind](np.array([[float(both)]]), np.array([[float(first)]]), np.array([[float(second)]]), n_blocks)
    assert got[0, 0] == pytest.approx(reference(kind, both, first, second, n_blocks), rel=1e-12)


@pytest.mark.parametrize("kind", get_args(Kind))
def test_features_never_or_always_on_are_masked_and_counted(kind):
    sae = simulate.simulate_sae(n_features=10, n_blocks=40)
    sae.occurrence.values[:, 2] = False
    sae.occurrence.values[:, 5] = True
    result = affinity(sae.chunk(blocks=9), kind=kind).compute()
    assert (int(result.n_rare), int(result.n_saturated)) == (1, 1)
    assert np.flatnonzero(result.is_masked).tolist() == [2, 5]
    assert np.isnan(result.affinity.values[[2, 5]]).all()
    assert np.isnan(result.affinity.values[:, [2, 5]]).all()
    assert np.isfinite(np.delete(np.delete(result.affinity.values, [2, 5], 0), [2, 5], 1)).all()


def test_all_features_masked_is_reported_and_no_error():
    sae = simulate.simulate_sae(n_features=10, n_blocks=40)
    sae["occurrence"] = sae.occurrence & False
    assert int(affinity(sae).n_rare) == 10


@pytest.mark.parametrize("kind", get_args(Kind))
def test_many_blocks_and_tiles_change_nothing(kind, monkeypatch):
    monkeypatch.setitem(affinity_matrix.__globals__, "_SIDE", 7)
    sae = simulate.simulate_sae(n_features=300, n_blocks=130, n_lobes=2, function_strength=0.5)
    expected = affinity(sae, kind=kind, min_blocks=1)
    with dask.config.set({lazy.BLOCK_BYTES: 256 * 256 * 8}):
        uncomputed = affinity(sae.chunk(blocks=50), kind=kind)
    assert uncomputed.affinity.data.numblocks == (2, 2)
    np.testing.assert_array_equal(uncomputed.affinity.values, expected.affinity.values)
    held = packed(sae.occurrence)
    matrix = affinity_matrix(held.bits.values, 130, kind=kind)
    np.testing.assert_array_equal(matrix, expected.affinity.values)


def test_features_on_or_off_in_few_blocks_are_masked_on_request():
    sae = simulate.simulate_sae(n_features=10, n_blocks=40)
    on = np.zeros((40, 10), bool)
    on[: len(on) // 2] = True
    on[:, 1], on[:, 4] = np.arange(40) < 2, np.arange(40) < 37
    on[:, 7], on[:, 8] = np.arange(40) < 3, np.arange(40) < 38
    sae["occurrence"] = (("blocks", "features"), on)
    result = affinity(sae, min_blocks=3)
    assert np.flatnonzero(result.is_masked).tolist() == [1, 8]
    assert (int(result.n_rare), int(result.n_saturated)) == (1, 1)
    assert np.isnan(result.affinity[1]).all()
    assert np.isnan(result.affinity[:, 8]).all()
    assert np.isfinite(result.affinity[0, 7])


def test_unknown_kind_is_named():
    with pytest.raises(ParameterError, match="affinity: kind: got 'cosine'"):
        affinity(simulate.simulate_sae(n_features=8), kind="cosine")
