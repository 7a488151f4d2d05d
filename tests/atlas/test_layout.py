from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from sklearn.manifold import trustworthiness as of_all_pairs

from saegeom_data.atlas import layout
from saegeom_data.testing.simulate import simulate_sae


def _decoder(rows: np.ndarray) -> xr.DataArray:
    return xr.DataArray(rows, dims=("features", "hidden"), name="decoder")


@pytest.mark.parametrize("noise", [0.05, 0.5, 50.0])
def test_trustworthiness_is_that_of_all_pairs(noise: float) -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(300, 6))
    position = rows[:, :2] / np.linalg.norm(rows, axis=1, keepdims=True) + noise * rng.normal(size=(300, 2))
    expected = of_all_pairs(rows, position, n_neighbors=12, metric="cosine")
    assert layout.trustworthiness(_decoder(rows), position) == pytest.approx(expected, abs=2e-3)
    assert layout.trustworthiness(_decoder(rows).chunk(features=37), position) == pytest.approx(expected, abs=2e-3)


def test_positions_at_random_have_half() -> None:
    rng = np.random.default_rng(1)
    found = layout.trustworthiness(_decoder(rng.normal(size=(3000, 8))), rng.normal(size=(3000, 2)))
    assert found == pytest.approx(0.5, abs=0.02)


def test_features_off_the_map_are_left_out() -> None:
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(60, 4))
    position = rng.normal(size=(60, 2))
    off = np.arange(60) % 3 == 0
    held = np.where(off[:, None], np.nan, position)
    expected = layout.trustworthiness(_decoder(rows[~off]), position[~off])
    assert layout.trustworthiness(_decoder(rows), held) == pytest.approx(expected)


def test_a_wide_sae_is_laid_out_in_part_and_the_rest_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Copies of one direction go to one place, and rows of zero norm nowhere."""
    monkeypatch.setattr(layout, "MOST_LAID_OUT", 40)
    rng = np.random.default_rng(3)
    rows = np.repeat(rng.normal(size=(40, 8)), 3, axis=0) + 1e-4 * rng.normal(size=(120, 8))
    rows[7] = 0
    found = layout.laid_out(xr.Dataset({"decoder": _decoder(rows)}))
    assert np.isnan(found.position[7]).all()
    assert np.isfinite(np.delete(found.position, 7, axis=0)).all()
    assert "40 features" in found.words
    copies = found.position[np.arange(60, 117).reshape(-1, 3)]
    extent = np.ptp(np.nan_to_num(found.position), axis=0).max()
    assert np.median(np.ptp(copies, axis=1).max(axis=1)) < 0.05 * extent


def test_few_features_have_places_too() -> None:
    found = layout.laid_out(simulate_sae(n_features=5))
    assert found.position.shape == (5, 2)
    assert np.isfinite(found.position).all()
    assert layout.trustworthiness(simulate_sae(n_features=5).decoder, found.position) is None
