"""Affinities that are multiplied with and never made, against the matrix of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr

from saegeom_data.metrics._kernels.bits import pack
from saegeom_data.metrics._statistics import spectral
from saegeom_data.metrics._statistics.spectral import cluster, embed
from saegeom_data.metrics.brain._shared import find_lobes
from saegeom_data.metrics.brain._shared.affinities import affinity_matrix
from saegeom_data.metrics.brain._shared.correlations import ShiftedPhi, embed_shifted_phi
from saegeom_data.metrics.brain.lobes import lobes
from saegeom_data.testing.checks import assert_equal
from saegeom_data.testing.simulate import simulate_sae


def planted(n: int = 700, n_blocks: int = 500) -> np.ndarray:
    """Bits of features in four lobes, each on in more blocks of its own topic; none is on in no or in all blocks."""
    rng = np.random.default_rng(0)
    rate = rng.uniform(0.05, 0.3, n)
    boost = np.where(rng.integers(0, 4, n) == rng.integers(0, 4, n_blocks)[:, None], 2.5, 1.0)
    on = rng.random((n_blocks, n)) < rate * boost
    assert ((on.sum(axis=0) > 0) & (on.sum(axis=0) < n_blocks)).all()
    return pack(on)


def dense(bits: np.ndarray, n_blocks: int) -> np.ndarray:
    """1 + phi, as the dense way makes it."""
    return affinity_matrix(bits, n_blocks, kind="phi") + 1


@pytest.fixture
def blocks_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spectral, "_DENSE_UP_TO", 10)


def test_products_are_those_of_the_matrix() -> None:
    bits = planted()
    matrix = dense(bits, 500)
    np.fill_diagonal(matrix, 0)
    columns = np.random.default_rng(1).standard_normal((700, 5))
    np.testing.assert_allclose(ShiftedPhi(bits, 500) @ columns, matrix @ columns, rtol=0, atol=1e-10)


def test_eigenpairs_are_those_of_the_matrix(blocks_only: None) -> None:
    bits = planted()
    value, vector = embed_shifted_phi(bits, 500, 9)
    expected, theirs = embed(dense(bits, 500), 9)
    np.testing.assert_allclose(value, expected, rtol=0, atol=1e-6 * np.ptp(expected[1:]))
    np.testing.assert_allclose(vector[:, :4], theirs[:, :4], rtol=0, atol=1e-5 * np.abs(theirs[:, :4]).max())


def embedded(bits: np.ndarray, n_blocks: int, monkeypatch: pytest.MonkeyPatch, most: int) -> tuple[np.ndarray, ...]:
    """Eigenvalues and lobes for 2 and 3, of which more than ``most`` features need no matrix."""
    monkeypatch.setattr(find_lobes, "_MATRIX_UP_TO", most)
    found = find_lobes.embed_bits(
        bits, np.array([0, bits.shape[1]]), np.array([n_blocks]), which=None, kind="phi", n_components=5,
        min_blocks=1, shift="shift",
    )  # fmt: skip
    labels, _ = cluster(found["embedding"], found["eigenvalue"], (2, 3), 3, 0)
    return found["eigenvalue"], labels


# Features with a complement have no affinity to it: all alike, one that has none to any, and two parts.
@pytest.mark.parametrize("n_opposite", [0, 1, 2300])
# In double precision, and in single.
@pytest.mark.parametrize("n", [2600, 4700])
def test_features_and_their_complements_are_parts(n: int, n_opposite: int, monkeypatch: pytest.MonkeyPatch) -> None:
    fires = np.random.default_rng(0).random(129) < 0.37
    on = np.repeat(fires[:, None], n, axis=1)
    on[:, 7 : 7 + n_opposite] ^= True
    value, labels = embedded(pack(on), 129, monkeypatch, 100)
    expected, theirs = embedded(pack(on), 129, monkeypatch, 16_384)
    np.testing.assert_allclose(value, expected, rtol=0, atol=1e-6)
    assert (value <= 1).all()
    # Two parts are two lobes, and nothing else is.
    assert (labels[0] >= 0).any() == (n_opposite == 2300)
    assert (labels[1] == -1).all()
    np.testing.assert_array_equal(labels, theirs)


def both_ways(monkeypatch: pytest.MonkeyPatch, sae: xr.Dataset, **given: Any) -> tuple[xr.Dataset, xr.Dataset]:
    """Lobes by the matrix, and without it."""
    found = [lobes(sae, **given).compute()]
    monkeypatch.setattr(find_lobes, "_MATRIX_UP_TO", 100)
    monkeypatch.setattr(find_lobes, "affinity_matrix", None)
    found.append(lobes(sae, **given).compute())
    return found[0], found[1]


def test_lobes_of_wide_dictionaries_need_no_matrix(blocks_only: None, monkeypatch: pytest.MonkeyPatch) -> None:
    sae = simulate_sae(n_features=400, n_lobes=4, function_strength=0.7, n_blocks=600)
    ours, theirs = both_ways(monkeypatch, sae, n_lobes=(2, 4), n_seeds=3)
    assert float(theirs.seed_agreement.sel(n_lobes=4)) == 1
    assert_equal(ours[["lobe"]], theirs[["lobe"]])
    np.testing.assert_allclose(
        ours.eigenvalue, theirs.eigenvalue, rtol=0, atol=1e-4 * np.ptp(theirs.eigenvalue.values[1:])
    )


def test_few_features_that_fire_leave_a_matrix_that_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    sae = simulate_sae(n_features=400, n_lobes=4, function_strength=0.7, n_blocks=600)
    silent = sae.assign(occurrence=sae.occurrence & (xr.DataArray(np.arange(400), dims="features") % 4 == 0))
    monkeypatch.setattr(find_lobes, "_MATRIX_UP_TO", 100)
    found = lobes(silent, n_lobes=(2,), n_seeds=3).compute()
    monkeypatch.setattr(find_lobes, "_MATRIX_UP_TO", 16_384)
    assert_equal(found, lobes(silent, n_lobes=(2,), n_seeds=3).compute())


@pytest.mark.parametrize("given", [{"kind": "jaccard"}, {"phi_shift": "clip"}, {"kind": "npmi"}])
def test_affinities_that_are_no_products_are_made(given: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(find_lobes, "_MATRIX_UP_TO", 10)
    monkeypatch.setattr(find_lobes, "embed_shifted_phi", None)
    sae = simulate_sae(n_features=80, n_lobes=2, function_strength=0.9)
    assert lobes(sae, n_lobes=(2,), n_seeds=2, **given).lobe.max() == 1
