"""Directions, their neighbours and moments."""

import functools

import dask
import numpy as np
import pytest
import xarray as xr
from decoder_rows import decoder, gaussian_rows, unit_rows
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from saegeom_data.errors import ParameterError
from saegeom_data.lazy import find_stages
from saegeom_data.metrics._shared import directions
from saegeom_data.metrics.galaxy.hubness import hubness
from saegeom_data.metrics.galaxy.intrinsic_dimension import intrinsic_dimension
from saegeom_data.metrics.galaxy.neighbour_angle import neighbour_angle
from saegeom_data.metrics.galaxy.packing import packing
from saegeom_data.testing.checks import assert_equal, raise_if_dask_computes
from saegeom_data.testing.simulate import simulate_sae


def rows_with_gaps():
    rows = gaussian_rows(0, 90, 6, 1.0)
    rows[[0, 17, 18, 50, 89]] = 0
    return rows


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_directions_are_unit_rows_in_double_precision(dtype):
    rows = rows_with_gaps().astype(dtype)
    found, used = directions.directions(rows)
    assert found.dtype == np.float64
    np.testing.assert_array_equal(used, np.flatnonzero(rows.any(axis=1)))
    expected = rows[used].astype(float)
    np.testing.assert_allclose(found, expected / np.linalg.norm(expected, axis=1)[:, None], rtol=1e-14)


def expected_neighbours(rows, k):
    used = np.flatnonzero(rows.any(axis=1))
    unit = rows[used] / np.linalg.norm(rows[used], axis=1)[:, None]
    distance, index = np.full((len(rows), k), np.inf), np.full((len(rows), k), -1)
    most = min(k, len(used) - 1)
    near = NearestNeighbors(n_neighbors=most, algorithm="brute").fit(unit)
    distance[used, :most], index[used, :most] = (found[:, :most] for found in near.kneighbors())
    index[used, :most] = used[index[used, :most]]
    return xr.Dataset({"distance": (("features", "order"), distance), "neighbour": (("features", "order"), index)})


@settings(max_examples=10)
@given(data=st.data())
def test_neighbours_are_exact_for_any_chunks_and_blocks(data):
    rows = rows_with_gaps()
    chunked = decoder(rows).chunk(features=data.draw(st.integers(1, 90)), hidden=data.draw(st.integers(1, 6)))
    with dask.config.set({"saegeom_data.block_bytes": data.draw(st.integers(1, 95)) * 48}):
        with raise_if_dask_computes():
            uncomputed = directions.direction_neighbours(chunked, 3)
        found = uncomputed.compute()
    expected = expected_neighbours(rows, 32)
    np.testing.assert_array_equal(found.neighbour, expected.neighbour)
    np.testing.assert_allclose(found.distance, expected.distance, rtol=1e-7)


@pytest.mark.parametrize("size", [1, 5, 20])
def test_rows_that_differ_in_length_only_are_copies(size):
    rows = gaussian_rows(0, 20, 6)
    rows[13] = 5.1 * rows[2]
    rows[14] = -rows[2]
    with dask.config.set({"saegeom_data.block_bytes": size * 48}):
        found = directions.direction_neighbours(decoder(rows), 1)
    assert found.neighbour.values[[2, 13], 0].tolist() == [13, 2]
    assert found.distance.values[[2, 13], 0].max() < 1e-15
    assert found.neighbour.values[2, 18] == 14
    assert found.distance.values[2, 18] == pytest.approx(2)


def test_cosines_follow_from_distances():
    rows = unit_rows(1, 60, 5)
    found = directions.direction_neighbours(decoder(rows), 1)
    cosine = (rows @ rows.T)[np.arange(60)[:, None], found.neighbour]
    np.testing.assert_allclose(1 - found.distance**2 / 2, cosine, atol=1e-14)


@pytest.mark.parametrize("chunk", [None, 3])
@pytest.mark.parametrize("n_used", [0, 1, 5])
def test_rows_without_enough_others_have_fewer_neighbours(n_used, chunk):
    rows = np.zeros((12, 4))
    rows[2 : 2 + n_used] = gaussian_rows(0, n_used, 4)
    array = decoder(rows) if chunk is None else decoder(rows).chunk(features=chunk)
    with dask.config.set({"saegeom_data.block_bytes": 3 * 32}):
        found = directions.direction_neighbours(array, 40).compute()
    count = (found.neighbour.values >= 0).sum(axis=1)
    np.testing.assert_array_equal(count, [max(n_used - 1, 0) if 2 <= row < 2 + n_used else 0 for row in range(12)])
    np.testing.assert_array_equal(np.isfinite(found.distance), found.neighbour >= 0)


def test_metrics_of_one_run_share_the_pass_over_pairs_and_the_surrogates():
    sae = simulate_sae(n_features=520, n_hidden=8).assign_attrs(path="/saes/one").chunk(features=200)
    metrics = (neighbour_angle, intrinsic_dimension, hubness, packing)
    uncomputed = [metric(sae, n_surrogates=5) for metric in metrics]
    graph = functools.reduce(lambda left, right: left | right, (dict(result.__dask_graph__()) for result in uncomputed))
    functions = [stage.function for stage in find_stages(graph).values()]
    # Of more features than lists of hubs hold all others of.
    # Plain and centred directions: those of the data in one pass each, whatever the number of metrics.
    assert functions.count("directions._within") == 2
    assert functions.count("directions._unit_moments") == 1
    # Two batches of surrogates for each of two nulls.
    assert functions.count("surrogates._drawn_statistics") == 4
    assert_equal(dask.compute(uncomputed[2])[0], hubness(sae.compute(), n_surrogates=5))


def test_drawn_rows_are_some_of_all():
    rows = decoder(gaussian_rows(0, 50, 3)).chunk(features=7)
    index = directions.drawn_index(50, 20, 3)
    assert (np.diff(index) > 0).all()
    assert len(index) == 20
    np.testing.assert_array_equal(directions.drawn_rows(rows, 20, 3), rows[index])
    assert directions.drawn_rows(rows, None, 3) is rows
    for n_samples in (0, 51):
        with pytest.raises(ParameterError, match=f"packing: n_samples: got {n_samples}, expected 1 to 50"):
            directions.check_rows("packing", 50, n_samples, 0)
    with pytest.raises(ParameterError, match="hubness: k: got 20, expected at most 19"):
        directions.check_rows("hubness", 50, 20, 20)


def test_moments_are_those_of_directions():
    rows = rows_with_gaps()
    found = directions.direction_moments(decoder(rows).chunk(features=13)).compute()
    unit = rows[rows.any(axis=1)] / np.linalg.norm(rows[rows.any(axis=1)], axis=1)[:, None]
    spectrum, vectors = np.linalg.eigh(np.cov(unit, rowvar=False))
    assert found.n_used == len(unit) == 85
    np.testing.assert_allclose(found["mean"], unit.mean(axis=0), atol=1e-15)
    np.testing.assert_allclose(found.spectrum, spectrum[::-1], rtol=1e-12)
    np.testing.assert_allclose(found.principal_mean, np.abs(unit.mean(axis=0) @ vectors)[::-1], atol=1e-12)


def test_moments_along_equal_axes_do_not_depend_on_the_basis():
    rows = np.eye(8)[:5] + 0.3
    rotation = np.linalg.qr(gaussian_rows(1, 8, 8))[0]
    moments, turned_moments = (directions.direction_moments(decoder(turned)) for turned in (rows, rows @ rotation))
    for name in ("spectrum", "principal_mean"):
        np.testing.assert_allclose(moments[name], turned_moments[name], atol=1e-12)
