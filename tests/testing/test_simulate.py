"""The public simulator: what it plants is there, and it writes stores of any size."""

from __future__ import annotations

import numpy as np
import pytest

import saegeom_data
from saegeom_data.errors import TargetExistsError
from saegeom_data.metrics import lobes
from saegeom_data.testing import simulate


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("simulated") / "written.zarr"
    simulate.write_simulated_store(path, n_features=400, n_hidden=16, n_blocks=4500, n_lobes=4, density=0.05)
    return path


def test_written_store_is_valid_and_has_the_stated_density(written):
    with saegeom_data.open(written) as tree:
        sae = saegeom_data.select_sae(tree, "layer_0")
        rate = sae.occurrence.mean("blocks").values
        assert sae.occurrence.shape == (4500, 400)
        assert rate.mean() == pytest.approx(0.05, rel=0.1)
        # Log-normal with a standard deviation of 1: the median is far below the mean.
        assert np.log(np.median(rate) / rate.mean()) == pytest.approx(-0.5, abs=0.15)
        assert rate.max() <= 0.9
        np.testing.assert_allclose(np.linalg.norm(sae.decoder.values, axis=1), 1, rtol=1e-6)
        assert sae.attrs["document_types"] == [f"type {lobe}" for lobe in range(4)]


def test_planted_lobes_are_found_in_the_written_store(written):
    with saegeom_data.open(written) as tree:
        found = lobes(saegeom_data.select_sae(tree, "layer_0"), n_lobes=(4,), n_seeds=3).compute()
    assert found.half_agreement.item() > 0.9
    assert found.seed_agreement.item() > 0.9


def test_same_seed_same_bytes_and_nothing_is_overwritten(written, tmp_path):
    sizes = {"n_features": 400, "n_hidden": 16, "n_blocks": 4500, "n_lobes": 4, "density": 0.05}
    simulate.write_simulated_store(tmp_path / "again.zarr", **sizes)
    assert saegeom_data.data.manifest_of.root_hash(tmp_path / "again.zarr") == saegeom_data.data.manifest_of.root_hash(
        written
    )
    with pytest.raises(TargetExistsError):
        simulate.write_simulated_store(tmp_path / "again.zarr", **sizes)
