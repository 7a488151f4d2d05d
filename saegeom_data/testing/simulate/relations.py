"""Word pairs with planted offsets."""

from __future__ import annotations

import numpy as np
import xarray as xr


def simulate_relations(
    *,
    n_relations: int = 4,
    n_pairs: int = 30,
    n_hidden: int = 24,
    offset_strength: float = 1.0,
    noise: float = 0.1,
    distractor_strength: float = 0.0,
    seed: int = 0,
) -> xr.Dataset:
    """Simulate word pairs whose offsets are a vector of their relation, plus distractors and noise.

    Parameters
    ----------
    n_relations, n_pairs, n_hidden
        Sizes; ``n_pairs`` is that of each relation.
    offset_strength
        Norm of each relation's own offset; 0 plants no parallelogram.
    noise
        Standard deviation of the noise on each coordinate of an offset.
    distractor_strength
        Standard deviation of a distractor along one direction shared by all relations, which follows the difference of
        word lengths.
    seed
        Seed of all draws.

    Returns
    -------
    xarray.Dataset
        ``relation``, ``source``, ``target``, ``length_difference`` over pairs; ``source_activation`` and
        ``target_activation`` over pairs and hidden.

    Examples
    --------
    >>> dict(simulate_relations(n_relations=2, n_pairs=5).sizes)
    {'pairs': 10, 'hidden': 24}
    """
    rng = np.random.default_rng(seed)
    n = n_relations * n_pairs
    label = np.repeat(np.arange(n_relations), n_pairs)
    vectors = rng.standard_normal((n_relations, n_hidden))
    vectors *= offset_strength / np.linalg.norm(vectors, axis=1, keepdims=True)
    direction = rng.standard_normal(n_hidden)
    direction /= np.linalg.norm(direction)
    length = rng.integers(-6, 7, n)
    sources = rng.standard_normal((n, n_hidden))
    offsets = vectors[label] + noise * rng.standard_normal((n, n_hidden))
    # One direction for all relations, like a nuisance that no relation is about.
    offsets += distractor_strength * (length / length.std())[:, None] * direction
    words = [f"source{i}" for i in range(n)]
    return xr.Dataset(
        {
            "relation": ("pairs", np.array([f"relation {relation}" for relation in label], dtype=object)),
            "source": ("pairs", np.array(words, dtype=object)),
            "target": ("pairs", np.array([f"target{i}" for i in range(n)], dtype=object)),
            "length_difference": ("pairs", length),
            "source_activation": (("pairs", "hidden"), sources),
            "target_activation": (("pairs", "hidden"), sources + offsets),
        },
        coords={"site": "hidden_state_0", "layer": 0},
        attrs={"model": "simulated", "relations": sorted(f"relation {relation}" for relation in range(n_relations))},
    )
