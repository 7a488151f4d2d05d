"""Contexts of features against a search of the whole text, and on a text in which each feature has its own word."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import xarray as xr

from saegeom_data.metrics.brain.feature_examples import feature_examples
from saegeom_data.testing.checks import assert_equal, rechunk
from saegeom_data.testing.simulate import simulate_text


def dense(sae: xr.Dataset) -> np.ndarray:
    codes = sp.csr_matrix((sae.data.values, sae.indices.values, sae.indptr.values), shape=sae.indptr.attrs["shape"])
    return np.where(sae.token_is_special.values[:, None], 0, codes.toarray())


def test_the_strongest_are_those_of_a_search_of_the_whole_text() -> None:
    sae = simulate_text(strength=0.5, seed=3)
    # Equal activations, of which the first in the text counts.
    sae["data"] = sae.data.round(0) + 1
    found = feature_examples(sae, n_top=5, quantiles=[], n_before=2, n_after=1)
    codes, document = dense(sae), sae.token_document.values
    for feature in range(sae.indptr.attrs["shape"][1]):
        best: list[int] = []
        for token in np.lexsort((np.arange(len(codes)), -codes[:, feature])):
            if codes[token, feature] > 0 and document[token] not in document[best]:
                best.append(int(token))
        best = best[:5]
        assert found.token[feature].values[: len(best)].tolist() == best
        np.testing.assert_array_equal(found.activation[feature].values[: len(best)], codes[best, feature])
        for example, token in enumerate(best):
            around = np.arange(token - 2, token + 2)
            inside = (around >= 0) & (around < len(codes))
            inside[inside] &= document[around[inside]] == document[token]
            expected = np.where(inside, sae.token_id.values[np.where(inside, around, 0)], -1)
            np.testing.assert_array_equal(found.context_token_id[feature, example], expected)


def test_quantiles_are_those_of_all_activations_where_the_sample_holds_them() -> None:
    sae = simulate_text(rate=0.02, seed=1)
    found = feature_examples(sae, n_top=1, quantiles=[1.0, 0.5, 0.0], n_per_quantile=1, n_sampled=1000)
    codes = dense(sae)
    for feature in range(codes.shape[1]):
        fired = np.sort(codes[codes[:, feature] > 0, feature])
        expected = [fired[-1], fired[int(np.rint((len(fired) - 1) / 2))], fired[0]]
        np.testing.assert_array_equal(found.activation[feature].values[1:], expected)
    assert found["quantile"].values.tolist() == [1.0, 1.0, 0.5, 0.0]


def test_a_sample_is_even() -> None:
    """Of thousands of tokens on which a feature fires, a sample holds as many of each part of them."""
    sae = simulate_text(n_features=1, n_documents=20, length=1000, rate=1.0, vocabulary=False)
    sae["data"] = sae.data * 0 + np.arange(sae.sizes["nonzeros"], dtype=float) + 1
    found = feature_examples(sae, n_top=1, quantiles=np.linspace(0, 1, 64).tolist(), n_per_quantile=1, n_sampled=640)
    place = np.sort(found.activation.values[0, 1:]) / sae.sizes["nonzeros"]
    # The largest distance of 640 even places from the diagonal exceeds 1.95 / sqrt(640) once in a thousand times.
    assert np.abs(place - np.linspace(0, 1, 64)).max() < 1.95 / np.sqrt(640)


def test_texts_join_and_chunks_change_nothing() -> None:
    sae = simulate_text(strength=1.0, rate=0.0, n_documents=12)
    found = feature_examples(sae, n_top=2, quantiles=[0.5], n_per_quantile=1, n_before=1, n_after=1)
    assert set(found.text.values[7].tolist()) == {" word7"}
    before = found.context_token_id[7, 0, 0].item()
    assert found.text_before[7, 0].item() == sae.vocabulary_token.values[before]
    assert set(found.type_of_example.values[7].tolist()) <= {"type 0", "type 1"}
    chunked = feature_examples(
        rechunk(sae, {"tokens": 7, "nonzeros": 11, "row_bounds": 13}),
        n_top=2, quantiles=[0.5], n_per_quantile=1, n_before=1, n_after=1,
    )  # fmt: skip
    assert_equal(chunked.compute(), found)
