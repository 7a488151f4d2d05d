from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from saegeom_data.atlas.near import LEAST_BLOCKS, firing_and_nearest, nearest_by_cosine
from saegeom_data.data.selection import select_sae
from saegeom_data.testing.simulate import simulate_store


@pytest.fixture(scope="module")
def sae() -> xr.Dataset:
    return select_sae(simulate_store(), "layer_0")


def test_neighbours_by_cosine_are_those_of_all_pairs(sae: xr.Dataset) -> None:
    rows = sae.decoder.values.astype(float)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    cosine = rows @ rows.T
    np.fill_diagonal(cosine, -np.inf)
    for decoder in (sae.decoder, sae.decoder.chunk(features=13)):
        found = nearest_by_cosine(decoder, 4)
        np.testing.assert_allclose(found.value, -np.sort(-cosine, axis=1)[:, :4], atol=1e-6)
        np.testing.assert_allclose(np.take_along_axis(cosine, found.index, axis=1), found.value, atol=1e-6)


def test_more_neighbours_than_others_are_none(sae: xr.Dataset) -> None:
    found = nearest_by_cosine(sae.decoder[:3], 4)
    assert (found.index[:, 2:] == -1).all()
    assert (found.value[:, 2:] == 0).all()


def test_features_that_fire_together_are_those_of_largest_correlation(sae: xr.Dataset) -> None:
    occurrence, types = sae.occurrence.values, sae.document_type.values
    firing, near = firing_and_nearest(sae.chunk(blocks=17), 3)
    np.testing.assert_array_equal(
        firing.active,
        [[occurrence[types == name, i].sum() for i in range(occurrence.shape[1])] for name in firing.types],
    )
    assert [int((types == name).sum()) for name in firing.types] == firing.blocks.tolist()
    assert near is not None
    active = occurrence.sum(axis=0)
    usable = (active >= LEAST_BLOCKS) & (len(occurrence) - active >= LEAST_BLOCKS)
    with np.errstate(invalid="ignore", divide="ignore"):
        phi = np.corrcoef(occurrence.T.astype(float))
    phi[~usable], phi[:, ~usable] = 0, 0
    np.fill_diagonal(phi, 0)
    np.testing.assert_allclose(near.value, np.maximum(-np.sort(-phi, axis=1)[:, :3], 0), atol=1e-9)
    row, column = np.nonzero(near.index >= 0)
    np.testing.assert_allclose(phi[row, near.index[row, column]], near.value[row, column], atol=1e-9)
    assert (near.index[~usable] == -1).all()


def test_without_neighbours_firing_is_counted_alone(sae: xr.Dataset) -> None:
    firing, near = firing_and_nearest(sae, 0)
    assert near is None
    assert firing.active.sum() == sae.occurrence.values.sum()
