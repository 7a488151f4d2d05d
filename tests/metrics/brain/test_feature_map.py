import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.metrics import silhouette_score

from saegeom_data.errors import DataValueError, ParameterError
from saegeom_data.metrics.brain.feature_map import feature_map
from saegeom_data.testing import checks
from saegeom_data.testing.simulate import simulate_sae


def simulate(**sizes):
    return simulate_sae(**({"n_features": 90, "n_hidden": 12, "n_lobes": 3, "geometry_strength": 3.0} | sizes))


def test_pca_is_that_of_scikit_learn_up_to_sign():
    sae = simulate()
    got = feature_map(sae, method="pca").position.values
    expected = PCA(2).fit_transform(sae.decoder.values)
    np.testing.assert_allclose(np.abs(got), np.abs(expected), atol=1e-10)


def test_pca_ignores_the_norms_of_rows():
    sae = simulate()
    scaled = sae.assign(decoder=sae.decoder * np.arange(1, 91)[:, None])
    np.testing.assert_allclose(feature_map(scaled, method="pca").position, feature_map(sae, method="pca").position)


def test_tsne_shows_planted_lobes_and_repeats_itself():
    sae = simulate()
    first, lazy = feature_map(sae, perplexity=10), feature_map(sae.chunk(features=20), perplexity=10).compute()
    checks.assert_equal(lazy, first)
    assert silhouette_score(first.position.values, sae.true_lobe) > 0.5


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_rows_of_zero_norm_are_left_off(method):
    sae = simulate()
    sae.decoder.values[[2, 5]] = 0
    result = feature_map(sae, method=method, perplexity=10)
    assert int(result.n_features_dropped) == 2
    assert np.flatnonzero(np.isnan(result.position.values).any(axis=1)).tolist() == [2, 5]


@pytest.mark.parametrize(("perplexity", "message"), [(90, "expected less than 90"), (0, "perplexity: got 0")])
def test_perplexity_out_of_range_is_named(perplexity, message):
    with pytest.raises(ParameterError, match=message):
        feature_map(simulate(), perplexity=perplexity)


def dead_but(kept):
    sae = simulate()
    return sae.assign(decoder=sae.decoder * (np.arange(sae.sizes["features"]) < kept)[:, None])


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_what_cannot_be_laid_out_is_refused(method):
    with pytest.raises(DataValueError, match="^decoder: got 1 hidden dimensions, expected at least 2"):
        feature_map(simulate().isel(hidden=slice(1)), method=method, perplexity=10)
    for kept in (0, 1):
        with pytest.raises(DataValueError, match=f"^decoder: got {kept} rows that are not zero, expected at least 2"):
            feature_map(dead_but(kept).chunk(features=20), method=method, perplexity=10).compute()
    assert np.isfinite(feature_map(dead_but(2), method=method, perplexity=10).position.values[:2]).all()


def test_rows_of_one_direction_have_a_map_by_pca_alone():
    sae = simulate()
    sae.decoder.values[:] = 2 * sae.decoder.values[0]
    with pytest.raises(DataValueError, match="^decoder: got rows that all point one way, .*use method: pca"):
        feature_map(sae, perplexity=10)
    assert np.ptp(feature_map(sae, method="pca").position.values) < 1e-12
