import math
from typing import get_args

import numpy as np
import pytest
import xarray as xr

from saegeom_data import testing
from saegeom_data.errors import ParameterError
from saegeom_data.metrics.affinity import Kind, affinity, affinity_of


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


def counts_of(both, n_blocks):
    both = np.asarray(both)
    return xr.Dataset(
        {
            "n_blocks_both": (("features", "features_other"), both.astype("int32")),
            "n_blocks_active": ("features", both.diagonal().astype("int32")),
            "n_blocks": ((), np.int64(n_blocks)),
        }
    )


@pytest.mark.parametrize("kind", get_args(Kind))
def test_kernel_equals_a_loop(kind):
    sae = testing.simulate_sae(n_features=12, n_blocks=60, n_lobes=2, function_strength=1.0)
    on = sae.occurrence.values
    got = affinity(sae, kind=kind).affinity.values
    for i in range(12):
        for j in range(12):
            both, first, second = int((on[:, i] & on[:, j]).sum()), int(on[:, i].sum()), int(on[:, j].sum())
            assert got[i, j] == pytest.approx(reference(kind, both, first, second, 60), abs=1e-12)


@pytest.mark.parametrize("kind", get_args(Kind))
@pytest.mark.parametrize("n_blocks", [110_218, 3_000_000, 2_000_000_000])
def test_counts_that_overflow_int64_products(kind, n_blocks):
    first, second, both = n_blocks // 2, n_blocks // 2 + 7, n_blocks // 3
    assert first * (n_blocks - first) * second * (n_blocks - second) > 2**63
    got = affinity_of(counts_of([[first, both], [both, second]], n_blocks), kind=kind).affinity.values
    assert got[0, 1] == pytest.approx(reference(kind, both, first, second, n_blocks), rel=1e-12)
    assert got[0, 1] == got[1, 0]


@pytest.mark.parametrize("kind", get_args(Kind))
def test_features_never_or_always_on_are_masked_and_counted(kind):
    sae = testing.simulate_sae(n_features=10, n_blocks=40)
    sae.occurrence.values[:, 2] = False
    sae.occurrence.values[:, 5] = True
    result = affinity(sae.chunk(blocks=9), kind=kind).compute()
    assert int(result.n_masked) == 2
    assert np.flatnonzero(result.is_masked).tolist() == [2, 5]
    assert np.isnan(result.affinity.values[[2, 5]]).all()
    assert np.isnan(result.affinity.values[:, [2, 5]]).all()
    assert np.isfinite(np.delete(np.delete(result.affinity.values, [2, 5], 0), [2, 5], 1)).all()


def test_all_features_masked_is_reported_and_no_error():
    sae = testing.simulate_sae(n_features=10, n_blocks=40)
    sae["occurrence"] = sae.occurrence & False
    assert int(affinity(sae).n_masked) == 10


def test_unknown_kind_is_named():
    with pytest.raises(ParameterError, match="affinity: kind: got 'cosine'"):
        affinity(testing.simulate_sae(n_features=8), kind="cosine")
