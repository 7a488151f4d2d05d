import dask
import numpy as np
import pytest
import xarray as xr

from saegeom_data import lazy
from saegeom_data.errors import DataValueError, ParameterError, ValidationError
from saegeom_data.metrics.brain.cooccurrence import cooccurrence
from saegeom_data.metrics.brain.cooccurrence_by_type import cooccurrence_by_type
from saegeom_data.testing import simulate


def loop(occurrence):
    n = occurrence.shape[1]
    return np.array([[int((occurrence[:, i] & occurrence[:, j]).sum()) for j in range(n)] for i in range(n)])


@pytest.mark.parametrize("chunks", [None, 1, 7, 90])
def test_counts_equal_a_loop_for_any_chunking(chunks):
    sae = simulate.simulate_sae(n_features=12, n_blocks=90, n_lobes=2, function_strength=0.5)
    result = cooccurrence(sae if chunks is None else sae.chunk(blocks=chunks, features=5)).compute()
    np.testing.assert_array_equal(result.n_blocks_both, loop(sae.occurrence.values))
    np.testing.assert_array_equal(result.n_blocks_active, sae.occurrence.values.sum(axis=0))
    assert int(result.n_blocks) == 90
    assert result.n_blocks_both.dtype.kind == "i"


def test_features_never_and_always_on_are_counted_like_others():
    sae = simulate.simulate_sae(n_features=8, n_blocks=30)
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
        cooccurrence(change(simulate.simulate_sae(n_features=8)))


@pytest.mark.parametrize("chunks", [None, 1, 7, 90])
def test_counts_by_type_equal_a_loop_and_add_up_to_all(chunks):
    sae = simulate.simulate_sae(n_features=12, n_blocks=90, n_lobes=3, function_strength=0.5)
    given = sae if chunks is None else sae.chunk(blocks=chunks, features=5)
    result, every = cooccurrence_by_type(given).compute(), cooccurrence(sae)
    assert result.document_type.values.tolist() == ["type 0", "type 1", "type 2"]
    for kind in result.document_type.values:
        of_type = sae.occurrence.values[sae.document_type.values == kind]
        counts = result.sel(document_type=kind)
        np.testing.assert_array_equal(counts.n_blocks_both, loop(of_type))
        np.testing.assert_array_equal(counts.n_blocks_active, of_type.sum(axis=0))
        assert int(counts.n_blocks) == len(of_type)
    for name in ("n_blocks_both", "n_blocks_active", "n_blocks"):
        np.testing.assert_array_equal(result[name].sum("document_type"), every[name])


def test_a_type_without_blocks_counts_nothing_and_an_unknown_one_is_named():
    sae = simulate.simulate_sae(n_features=8, n_blocks=30, n_lobes=2)
    none = cooccurrence_by_type(sae, document_types=("type 1", "poem", "type 0")).sel(document_type="poem")
    assert not none.n_blocks_both.any()
    assert int(none.n_blocks) == 0
    with pytest.raises(DataValueError, match="document_type: got 'type 1', expected one of"):
        cooccurrence_by_type(sae, document_types=("type 0",))
    with pytest.raises(ParameterError, match="expected different names"):
        cooccurrence_by_type(sae, document_types=("type 0", "type 0"))
    with pytest.raises(ParameterError, match="its types are lazy; name them all"):
        cooccurrence_by_type(sae.drop_attrs().chunk(blocks=10))


def test_counts_by_type_are_written_tile_by_tile(tmp_path):
    sae = simulate.simulate_sae(n_features=1100, n_blocks=70, n_lobes=2)
    with dask.config.set({lazy.BLOCK_BYTES: 2**22}):
        uncomputed = cooccurrence_by_type(sae.chunk(blocks=30))
    assert len(uncomputed.n_blocks_both.chunks[1]) > 1
    uncomputed.to_zarr(tmp_path / "counts.zarr", consolidated=False)
    with xr.open_zarr(tmp_path / "counts.zarr", consolidated=False) as written:
        np.testing.assert_array_equal(written.n_blocks_both, cooccurrence_by_type(sae).n_blocks_both)
