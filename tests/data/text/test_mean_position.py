from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import xarray as xr

from saegeom_data.data.codes import codes_group
from saegeom_data.data.selection import select_sae, select_saes
from saegeom_data.data.text import mean_position as module
from saegeom_data.data.text.mean_position import mean_position
from saegeom_data.errors import DataValueError
from saegeom_data.sample import sample_path
from saegeom_data.testing.checks import raise_if_dask_computes


def case(seed: int = 0, n: int = 60, width: int = 9) -> tuple[np.ndarray, xr.Dataset]:
    rng = np.random.default_rng(seed)
    dense = np.where(rng.random((n, width)) < 0.3, rng.normal(1, 1, (n, width)), 0).astype("float32")
    dense[:, 4] = 0
    text = {"position": ("tokens", np.arange(n) % 17), "is_special": ("tokens", np.arange(n) % 17 == 0)}
    return dense, xr.Dataset(text)


@pytest.mark.parametrize("threshold", [0.0, 1.0])
@pytest.mark.parametrize("chunk", [None, 13])
def test_it_is_the_mean_over_tokens_that_a_feature_fires_on(
    monkeypatch: pytest.MonkeyPatch, threshold: float, chunk: int | None
) -> None:
    monkeypatch.setattr(module, "_ENTRIES_AT_ONCE", 20)
    dense, tokens = case()
    on = (dense > threshold) & ~tokens.is_special.values[:, None]
    expected = [tokens.position.values[fires].mean() if fires.any() else -1 for fires in on.T]
    codes = codes_group(sp.csr_matrix(dense))
    with raise_if_dask_computes():
        found = mean_position(codes, tokens if chunk is None else tokens.chunk(tokens=chunk), threshold=threshold)
    assert found is not None
    np.testing.assert_allclose(found.values, expected)
    assert found.values[4] == -1


def test_tokens_without_positions_have_none() -> None:
    dense, tokens = case()
    assert mean_position(codes_group(dense), tokens.drop_vars("position")) is None


def test_codes_that_are_not_of_these_tokens_are_named() -> None:
    dense, tokens = case()
    with pytest.raises(DataValueError, match="/saes/a/codes: got rows for 59 tokens, expected 60"):
        mean_position(codes_group(dense[1:]), tokens, where="/saes/a/codes")
    codes = codes_group(dense)
    codes["indices"] = codes.indices.where(codes.indices < 8, 12)
    found = mean_position(codes, tokens)
    assert found is not None
    with pytest.raises(DataValueError, match="codes/indices: token [0-9]+ names feature 12, expected 0 to 8"):
        found.compute()


def test_the_sample_has_it_where_it_has_codes() -> None:
    from saegeom_data import open

    with open(sample_path()) as tree:
        found = select_sae(tree, "layer_3").mean_position
        assert found.dims == ("features",)
        known = found.values[found.values >= 0]
        assert 1 <= known.min() < known.max() <= tree["tokens"].position.max()
        assert len(known) < len(found)
        assert sum("mean_position" in sae for sae in select_saes(tree).values()) == 1
