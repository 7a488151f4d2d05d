"""Logits of features: ranked as a plain sort of the whole product does, in any groups and pieces, and p by chance."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy.stats import kstest
from soak import times

from saegeom_data.data import schema
from saegeom_data.data.selection import Selection
from saegeom_data.declare.group import Group
from saegeom_data.errors import DataValueError
from saegeom_data.metrics.brain import feature_logits as module
from saegeom_data.metrics.brain.feature_logits import _ranked, feature_logits
from saegeom_data.metrics.brain.feature_logits.finding import findings
from saegeom_data.results.feature_names import FeatureNames
from saegeom_data.testing.checks import assert_equal, rechunk
from saegeom_data.testing.simulate import simulate_store, simulate_unembedding


def test_tokens_logits_and_z_are_those_of_a_sort_of_the_whole_product() -> None:
    sae = simulate_unembedding(n_features=40, n_tokens=70, seed=3)
    found = feature_logits(sae, n_ranks=5)
    logits = sae.decoder.values @ sae.unembedding.values.T
    order = np.argsort(-logits, axis=1)
    np.testing.assert_array_equal(found.token_raised, order[:, :5])
    np.testing.assert_array_equal(found.token_lowered, order[:, :-6:-1])
    np.testing.assert_allclose(found.logit_raised, np.take_along_axis(logits, order[:, :5], 1), rtol=1e-6)
    z = (logits - logits.mean(axis=1, keepdims=True)) / logits.std(axis=1, keepdims=True)
    np.testing.assert_allclose(found.z_raised, z.max(axis=1))
    np.testing.assert_allclose(found.z_lowered, -z.min(axis=1))
    assert found.text_lowered[4, 2].item() == f" word{order[4, -3]}"


def test_groups_and_tiles_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    sae = simulate_unembedding(n_features=40, n_tokens=70, seed=3)
    # Copies, whose logits are equal: those of the first tokens are listed.
    sae["unembedding"] = sae.unembedding[np.arange(70) % 30].variable
    expected = feature_logits(sae)
    assert (expected.token_raised[:, 0] < 30).all()
    monkeypatch.setattr(module, "_GROUP_BYTES", 8 * 16 * 7)
    monkeypatch.setattr(_ranked, "_TILE", 40)
    monkeypatch.setattr(_ranked, "_TOKENS", 11)
    assert_equal(feature_logits(rechunk(sae, {"unembedded_tokens": 13, "features": 9})).compute(), expected)


def test_planted_tokens_come_first_and_name_their_features() -> None:
    sae = simulate_unembedding(n_features=50, strength=0.9, seed=1)
    found = feature_logits(sae)
    np.testing.assert_array_equal(found.token_raised[:, 0], np.arange(50))
    assert (found.q_raised < 0.05).all()
    data = found.expand_dims(sae=["layer_0"])
    group = Group("feature_logits", "feature_logits", "brain", {}, data)
    name = FeatureNames([group], "layer_0").name(7, n_tokens=1)
    assert name == "feature 7 (raises “word7”)"
    (said,) = findings([group])
    assert said.headline.startswith("100 % of features raise the logit of some token farther than random directions do")


@pytest.mark.statistical
def test_p_of_directions_without_tokens_is_uniform() -> None:
    for seed in range(times(2, 40)):
        p = feature_logits(simulate_unembedding(n_features=400, seed=seed), n_ranks=1, n_directions=399).p_raised
        # Features share the drawn directions, so that p of all of them move together by as much as p of one.
        assert kstest(p.values, "uniform").statistic < 0.2


def test_zero_rows_and_equal_tokens_have_no_tokens() -> None:
    sae = simulate_unembedding(n_features=4)
    sae["decoder"] = sae.decoder * np.array([1.0, 0.0, 1.0, 1.0])[:, None]
    found = feature_logits(sae)
    assert (found.token_raised[1] == -1).all()
    assert np.isnan(found.p_raised[1])
    assert np.isfinite(found.q_raised[[0, 2, 3]]).all()
    equal = sae.assign(unembedding=(sae.unembedding.dims, np.ones(sae.unembedding.shape)))
    assert (feature_logits(equal).token_lowered == -1).all()
    with pytest.raises(DataValueError, match="logits beyond 1e30"):
        feature_logits(sae.assign(decoder=sae.decoder * 1e20, unembedding=sae.unembedding * 1e20))


def test_an_sae_of_other_dimensions_has_no_unembedding() -> None:
    tree = simulate_store(n_saes=1, n_features=20, n_hidden=6)
    name = schema.unembedding.name
    for hidden, is_there in ((6, True), (8, False)):
        rows = xr.Dataset({name: (schema.unembedding.dims, np.ones((5, hidden)))})
        tree[name] = xr.DataTree(rows)
        assert (name in Selection(tree).sae("layer_0", {"decoder", name})) is is_there
