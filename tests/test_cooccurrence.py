import numpy as np
import pytest

from saegeom_data import testing
from saegeom_data.errors import DataValueError, ValidationError
from saegeom_data.metrics.cooccurrence import cooccurrence


def loop(occurrence):
    n = occurrence.shape[1]
    return np.array([[int((occurrence[:, i] & occurrence[:, j]).sum()) for j in range(n)] for i in range(n)])


@pytest.mark.parametrize("chunks", [None, 1, 7, 90])
def test_counts_equal_a_loop_for_any_chunking(chunks):
    sae = testing.simulate_sae(n_features=12, n_blocks=90, n_lobes=2, function_strength=0.5)
    result = cooccurrence(sae if chunks is None else sae.chunk(blocks=chunks, features=5)).compute()
    np.testing.assert_array_equal(result.n_blocks_both, loop(sae.occurrence.values))
    np.testing.assert_array_equal(result.n_blocks_active, sae.occurrence.values.sum(axis=0))
    assert int(result.n_blocks) == 90
    assert result.n_blocks_both.dtype.kind == "i"


def test_features_never_and_always_on_are_counted_like_others():
    sae = testing.simulate_sae(n_features=8, n_blocks=30)
    sae.occurrence.values[:, 0] = False
    sae.occurrence.values[:, 1] = True
    result = cooccurrence(sae)
    assert result.n_blocks_active.values[:2].tolist() == [0, 30]
    np.testing.assert_array_equal(result.n_blocks_both[1], result.n_blocks_active)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda sae: sae.isel(blocks=slice(0)), DataValueError, "got 0 blocks"),
        (lambda sae: sae.assign(occurrence=sae.occurrence.astype(float)), ValidationError, "expected boolean"),
        (lambda sae: sae.drop_vars("occurrence"), ValidationError, "missing"),
    ],
)
def test_bad_input_is_named(change, error, message):
    with pytest.raises(error, match=message):
        cooccurrence(change(testing.simulate_sae(n_features=8)))
