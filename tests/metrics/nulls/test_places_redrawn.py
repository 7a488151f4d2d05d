import numpy as np
import pytest
from sklearn.metrics import adjusted_mutual_info_score

from saegeom_data.metrics.brain._shared.partition_measures import PartitionMeasures
from saegeom_data.metrics.brain.lobe_modularity import _surrogates
from saegeom_data.metrics.brain.lobe_modularity._spatial_clusters import angular_similarity


def test_measures_of_permuted_lobes_are_those_of_scikit_learn():
    rng = np.random.default_rng(2)
    lobe, spatial = rng.integers(0, 6, 80), rng.integers(0, 6, 80)
    orders = rng.permuted(np.tile(np.arange(80), (4, 1)), axis=1)
    found = PartitionMeasures(lobe, spatial, rng.integers(0, 80, (2, 100)))(orders)[:, 0]
    expected = [adjusted_mutual_info_score(lobe[order], spatial) for order in orders]
    np.testing.assert_allclose(found, expected, atol=1e-12)


SETTINGS = _surrogates.Settings("phi", (2, 3), "shift", 1, 5, 2, 1, 0)


def test_clouds_have_the_spectrum_and_the_mean_of_the_rows(monkeypatch):
    """The draw's rows are seen where it compares them."""
    seen = []
    monkeypatch.setattr(_surrogates, "angular_similarity", lambda rows: seen.append(rows) or angular_similarity(rows))
    rng = np.random.default_rng(3)
    decoder = rng.standard_normal((150, 8)) * np.arange(8, 0, -1) + 1
    nearest = np.tile(np.arange(1, 6), (150, 1))
    nearest[140:] = -1
    moments = _moments(decoder[:140])
    lobe = np.tile(np.arange(150) % 2, (2, 1))
    chosen, rate = np.arange(20), np.full(20, 3.0)
    affinity = rng.standard_normal((20, 20))
    inputs = (*moments, nearest, lobe, lobe, affinity + affinity.T, rate, chosen)
    draws = [_surrogates.places_draw(*inputs, draw=draw, settings=SETTINGS) for draw in (0, 1, 0)]
    np.testing.assert_array_equal(draws[0]["measures"], draws[2]["measures"])
    assert (draws[0]["mantel"] != draws[1]["mantel"]).all()
    unit = decoder[:140] / np.linalg.norm(decoder[:140], axis=1, keepdims=True)
    spectrum = np.linalg.eigvalsh(np.cov(unit.T))
    for rows in seen:
        assert len(rows) == 140
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1)
        np.testing.assert_allclose(np.linalg.eigvalsh(np.cov(rows.T))[-8:], spectrum, rtol=1e-3)
        assert np.linalg.norm(rows.mean(axis=0)) == pytest.approx(np.linalg.norm(unit.mean(axis=0)), rel=1e-3)


def _moments(decoder):
    from saegeom_data.metrics.brain.lobe_modularity._spatial_clusters import _moments as moments

    found = moments(decoder, np.zeros((len(decoder), 1), int))
    return found["spectrum"], found["principal_mean"]


def test_no_cloud_where_rows_are_too_few():
    rng = np.random.default_rng(4)
    decoder, nearest = rng.standard_normal((12, 30)), np.tile(np.arange(1, 6), (12, 1))
    lobe = np.tile(np.arange(12) % 2, (2, 1))
    inputs = (*_moments(decoder), nearest, lobe, lobe, np.ones((12, 12)), np.ones(12), np.arange(12))
    draw = _surrogates.places_draw(*inputs, draw=0, settings=SETTINGS)
    assert np.isnan(draw["measures"]).all()
    assert np.isnan(draw["mantel"]).all()
