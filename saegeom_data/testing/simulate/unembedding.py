"""Decoder rows beside an unembedding, some of which point at tokens."""

from __future__ import annotations

import numpy as np
import xarray as xr


def simulate_unembedding(
    *,
    n_features: int = 60,
    n_hidden: int = 16,
    n_tokens: int = 90,
    strength: float = 0.0,
    vocabulary: bool = True,
    seed: int = 0,
) -> xr.Dataset:
    """Simulate an SAE and the unembedding of its model: feature i points at the token ``i % n_tokens``.

    Parameters
    ----------
    n_features, n_hidden, n_tokens
        Sizes.
    strength
        In [0, 1]: 1 makes decoder rows those of their tokens over their norm, 0 plants nothing.
    vocabulary
        Whether texts of tokens are given.
    seed
        Seed of all draws.

    Returns
    -------
    xarray.Dataset
        ``decoder`` (features, hidden), ``unembedding`` (unembedded_tokens, hidden) and ``vocabulary_token``
        (vocabulary_tokens); coordinates site, layer, width, l0.

    Examples
    --------
    >>> simulate_unembedding(n_tokens=9).unembedding.shape
    (9, 16)
    """
    rng = np.random.default_rng(seed)
    unembedding = rng.standard_normal((n_tokens, n_hidden))
    # Of one norm, so that no token comes first for its norm alone.
    unembedding /= np.linalg.norm(unembedding, axis=1, keepdims=True)
    free = rng.standard_normal((n_features, n_hidden))
    free /= np.linalg.norm(free, axis=1, keepdims=True)
    decoder = strength * unembedding[np.arange(n_features) % n_tokens] + (1 - strength) * free
    found = xr.Dataset(
        {
            "decoder": (("features", "hidden"), decoder / np.linalg.norm(decoder, axis=1, keepdims=True)),
            "unembedding": (("unembedded_tokens", "hidden"), unembedding),
        },
        coords={"site": "hidden_state_0", "layer": 0, "width": n_features, "l0": 8.0},
        attrs={"model": "simulated", "architecture": "topk", "decoder_norm": "unit"},
    )
    words = np.array([f" word{index}" for index in range(n_tokens)], object)
    return found.assign(vocabulary_token=("vocabulary_tokens", words)) if vocabulary else found
