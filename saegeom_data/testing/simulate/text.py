"""A text with the codes of features, some of which fire on one token."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import xarray as xr

from saegeom_data.data.codes import codes_group


def simulate_text(
    *,
    n_features: int = 24,
    n_documents: int = 30,
    length: int = 40,
    n_words: int = 50,
    rate: float = 0.06,
    strength: float = 0.0,
    vocabulary: bool = True,
    seed: int = 0,
) -> xr.Dataset:
    """Simulate a text and codes: feature i fires on some tokens of any kind, and on the token ``i % n_words``.

    Documents are of two types by turns, and each begins with a special token. How often words and features are there
    differs from document to document.

    Parameters
    ----------
    n_features, n_documents, length, n_words
        Sizes; ``length`` counts tokens of a document.
    rate
        Mean share of tokens that a feature fires on, whatever they are.
    strength
        In [0, 1]: probability that feature i fires on its own token; 0 plants nothing.
    vocabulary
        Whether texts of tokens are given.
    seed
        Seed of all draws.

    Returns
    -------
    xarray.Dataset
        ``data`` and ``indices`` (nonzeros), ``indptr`` (row_bounds), ``token_id``, ``token_document``,
        ``token_position``, ``token_is_special`` (tokens), ``type_of_document`` (documents), ``vocabulary_token``
        (vocabulary_tokens), and a decoder, which every SAE has.

    Examples
    --------
    >>> dict(simulate_text(n_documents=4, length=10).sizes)["tokens"]
    40
    """
    rng = np.random.default_rng(seed)
    n_tokens = n_documents * length
    document = np.repeat(np.arange(n_documents), length)
    position = np.tile(np.arange(length), n_documents)
    taste = rng.dirichlet(np.full(n_words, 0.5), n_documents)
    token = np.concatenate([rng.choice(n_words, length, p=taste[each]) for each in range(n_documents)])
    special = position == 0
    token[special] = n_words
    busy = rng.gamma(2.0, 0.5, (n_documents, n_features))
    fires = rng.random((n_tokens, n_features)) < rate * busy[document]
    fires |= (token[:, None] == np.arange(n_features) % n_words) & (rng.random((n_tokens, n_features)) < strength)
    codes = codes_group(sp.csr_matrix(np.where(fires, rng.gamma(2.0, 1.0, fires.shape), 0.0)))
    decoder = rng.standard_normal((n_features, 8))
    types = np.array([f"type {each % 2}" for each in range(n_documents)], dtype=object)
    found = xr.Dataset(
        {
            "decoder": (("features", "hidden"), decoder / np.linalg.norm(decoder, axis=1, keepdims=True)),
            "data": codes.data,
            "indices": codes.indices,
            "indptr": codes.indptr.assign_attrs(shape=codes.attrs["shape"]),
            "token_id": ("tokens", token.astype("int32")),
            "token_document": ("tokens", document.astype("int32")),
            "token_position": ("tokens", position.astype("int32")),
            "token_is_special": ("tokens", special),
            "type_of_document": ("documents", types),
        },
        coords={"site": "hidden_state_0", "layer": 0, "width": n_features, "l0": 8.0},
        attrs={
            "model": "simulated",
            "architecture": "topk",
            "decoder_norm": "unit",
            "text_types": ["type 0", "type 1"],
        },
    )
    words = [*(f" word{index}" for index in range(n_words)), "[CLS]"]
    return found.assign(vocabulary_token=("vocabulary_tokens", np.array(words, object))) if vocabulary else found
