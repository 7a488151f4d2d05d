"""Tokens of features: counted as a plain loop does, planted words found, and p no smaller than chance makes them."""

from __future__ import annotations

from math import comb, log

import numpy as np
import pytest
import scipy.sparse as sp
import xarray as xr
from scipy.stats import binom
from soak import times

from saegeom_data.metrics.brain import feature_tokens as module
from saegeom_data.metrics.brain.feature_tokens import feature_tokens
from saegeom_data.metrics.brain.feature_tokens._association import q_values
from saegeom_data.testing.checks import assert_equal, rechunk
from saegeom_data.testing.simulate import simulate_text


def fired_of(sae: xr.Dataset) -> np.ndarray:
    codes = sp.csr_matrix((sae.data.values, sae.indices.values, sae.indptr.values), shape=sae.indptr.attrs["shape"])
    return np.asarray(codes.toarray() > 0) & ~sae.token_is_special.values[:, None]


def test_counts_odds_and_p_are_those_of_a_plain_loop() -> None:
    sae = simulate_text(n_features=3, n_words=8, n_documents=12, strength=0.6, seed=2)
    found = feature_tokens(sae, n_ranks=8)
    fires, ordinary = fired_of(sae), ~sae.token_is_special.values
    token, document = sae.token_id.values, sae.token_document.values
    for feature in range(3):
        on = fires[:, feature]
        assert found.n_fired[feature] == on.sum()
        assert found.n_documents[feature] == len(set(document[on]))
        listed = found.token_by_odds.values[feature]
        for rank, word in enumerate(listed[listed >= 0]):
            a, f, v, n = ((on & (token == word)).sum(), on.sum(), (token == word).sum(), ordinary.sum())
            odds = log((a + 0.5) * (n - f - v + a + 0.5) / ((f - a + 0.5) * (v - a + 0.5)))
            assert found.log_odds.values[feature, rank] == pytest.approx(odds)
            both, q = 0, []
            for each in range(12):
                here = (document == each) & ordinary
                both += bool((on & (token == word) & here).any())
                v_d, f_d = int((token[here] == word).sum()), int(on[here].sum())
                q.append(1 - comb(int(here.sum()) - v_d, f_d) / comb(int(here.sum()), f_d))
            coins = np.array(q)[np.array(q) > 0]
            assert found.documents_with_both.values[feature, rank] == both
            expected = binom.sf(both - 1, len(coins), coins.mean())
            assert found.p.values[feature, rank] == pytest.approx(expected, rel=1e-6)
        codes = np.zeros(len(token))
        matrix = sp.csr_matrix((sae.data.values, sae.indices.values, sae.indptr.values), sae.indptr.attrs["shape"])
        codes = np.where(ordinary, matrix.toarray()[:, feature], 0)
        means = [codes[token == word].mean() if (token == word).sum() >= 5 else -1 for word in range(8)]
        assert found.token_by_mean.values[feature, 0] == int(np.argmax(means))
        assert found.mean_activation.values[feature, 0] == pytest.approx(max(means))


def test_rates_by_type_and_their_errors_are_those_over_documents() -> None:
    sae = simulate_text(n_features=2, rate=0.2, seed=5)
    found, fires = feature_tokens(sae), fired_of(sae)
    for kind in range(2):
        counts = np.array([fires[sae.token_document == each].sum(axis=0) for each in range(kind, 30, 2)])
        rate = counts.sum(axis=0) / (39 * 15)
        np.testing.assert_allclose(found.type_rate[:, kind], rate)
        error = np.sqrt(15 / 14 * ((counts - 39 * rate) ** 2).sum(axis=0)) / (39 * 15)
        np.testing.assert_allclose(found.type_rate_error[:, kind], error)


def test_planted_words_are_found_and_chunks_and_groups_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    sae = simulate_text(strength=0.9, n_documents=60, seed=1)
    found = feature_tokens(sae, n_ranks=3)
    assert found.token_by_odds[:, 0].values.tolist() == list(range(24))
    assert (found.q[:, 0] < 0.01).all()
    assert found.text_by_odds[7, 0].item() == " word7"
    # Documents lie across chunks, and some chunks within one document.
    chunked = rechunk(sae, {"tokens": 17, "nonzeros": 91, "row_bounds": 100})
    assert_equal(feature_tokens(chunked, n_ranks=3).compute(), found)
    # Documents may stand in any order.
    order = 2 * np.random.default_rng(0).permutation(30)[sae.token_document.values // 2] + sae.token_document % 2
    assert_equal(feature_tokens(sae.assign(token_document=order.astype("int32")), n_ranks=3), found)
    monkeypatch.setattr(module, "_GROUP_BYTES", 24 * sae.sizes["nonzeros"] // 4)
    monkeypatch.setattr("saegeom_data.metrics.brain._shared.fired.ENTRIES_AT_ONCE", 50)
    assert_equal(feature_tokens(sae, n_ranks=3).compute(), found)


@pytest.mark.statistical
def test_p_of_a_pair_is_small_no_more_often_than_by_chance() -> None:
    """Words and features each differ from document to document, and are of nothing else: p of one pair, 5 percent."""
    n = times(40, 2000)
    small = 0
    for seed in range(n):
        sae = simulate_text(n_features=1, n_words=10, n_documents=60, rate=0.03, seed=seed)
        found = feature_tokens(sae, n_ranks=10)
        p = found.p.values[0][found.token_by_odds.values[0] == seed % 10]
        small += bool(len(p) and p[0] <= 0.05)
    assert small <= binom.ppf(1 - 1e-4, n, 0.05)


@pytest.mark.statistical
def test_features_of_topics_have_no_words() -> None:
    """Features that fire on all tokens of some documents alike go with the words of these, and that is no finding."""
    n = times(4, 100)
    false = 0
    for seed in range(n):
        sae = simulate_text(n_features=20, n_documents=40, rate=0.05, seed=1000 + seed)
        false += bool((feature_tokens(sae).q < 0.05).any())
    assert false <= binom.ppf(1 - 1e-4, n, 0.05)


def test_q_values_are_those_of_benjamini_and_hochberg() -> None:
    p = np.array([[0.01, np.nan], [0.02, 0.01], [0.9, 0.03]])
    np.testing.assert_allclose(q_values(p, 10), [[0.05, np.nan], [2 / 30, 0.05], [1.0, 0.075]])
    assert np.isnan(q_values(np.full((1, 2), np.nan), 4)).all()
