"""Simulated word pairs: relations with and without an offset, and pairs that mislead."""

from __future__ import annotations

import numpy as np
import xarray as xr

from saegeom_data.testing import simulate_relations

SIZES = {"n_relations": 4, "n_pairs": 20, "n_hidden": 12}

# simulate_relations seeds its generator with the seed alone.
_APART = 10_000
# Vectors of relations are the same in every seed, since it is pairs that intervals are about.
_RELATIONS = np.random.default_rng(23).standard_normal((SIZES["n_relations"], SIZES["n_hidden"]))
_COMMON = np.random.default_rng(26).standard_normal(SIZES["n_hidden"])


def _of_each_pair(vectors: np.ndarray) -> np.ndarray:
    """Vectors (pairs, hidden) of the relation that each pair belongs to."""
    return np.repeat(vectors, SIZES["n_pairs"], axis=0)


def no_offset(seed: int) -> xr.Dataset:
    """Targets near their own sources, without an offset of the relation."""
    return simulate_relations(**SIZES, offset_strength=0, noise=1.0, seed=_APART + seed)


def planted(seed: int) -> xr.Dataset:
    """Relations with offsets of norm 4, as far as words lie from each other, and noise of 1 on each coordinate."""
    pairs = no_offset(seed)
    vectors = 4 * _RELATIONS / np.linalg.norm(_RELATIONS, axis=1, keepdims=True)
    return pairs.assign(target_activation=pairs.target_activation + _of_each_pair(vectors))


def unpaired(seed: int) -> xr.Dataset:
    """Targets around the place of their relation, whatever their sources."""
    pairs = no_offset(seed)
    noise = np.random.default_rng([seed, 23]).standard_normal(pairs.target_activation.shape)
    return pairs.assign(target_activation=(("pairs", "hidden"), _of_each_pair(_RELATIONS) + noise))


def _with_offsets(pairs: xr.Dataset, offsets: np.ndarray) -> xr.Dataset:
    return pairs.assign(target_activation=(("pairs", "hidden"), pairs.source_activation.values + offsets))


def heavy_tailed(seed: int) -> xr.Dataset:
    """No offset; differences of independent Cauchy coordinates."""
    pairs = no_offset(seed)
    rng = np.random.default_rng([seed, 24])
    return _with_offsets(pairs, 0.1 * rng.standard_cauchy(pairs.source_activation.shape))


def families(seed: int) -> xr.Dataset:
    """No offset; sources of a relation are two families of ten near copies, and so are their targets."""
    pairs = no_offset(seed)
    rng = np.random.default_rng([seed, 25])
    n, hidden = pairs.source_activation.shape
    ends = np.repeat(rng.standard_normal((n // 10, 2, hidden)), 10, axis=0) + 0.1 * rng.standard_normal((n, 2, hidden))
    dims = ("pairs", "hidden")
    return pairs.assign(source_activation=(dims, ends[:, 0]), target_activation=(dims, ends[:, 1]))


def one_offset(seed: int) -> xr.Dataset:
    """One offset that all relations share."""
    pairs = no_offset(seed)
    return pairs.assign(target_activation=pairs.target_activation + _COMMON)


def distractor(seed: int) -> xr.Dataset:
    """No offset; differences follow the word lengths along one direction."""
    return simulate_relations(**SIZES, offset_strength=0, noise=1.0, distractor_strength=2.0, seed=_APART + seed)


def places(seed: int) -> xr.Dataset:
    """No offset; the words of each relation lie in a place of their own."""
    pairs = no_offset(seed)
    moved = 3 * _of_each_pair(_RELATIONS)
    return pairs.assign({name: pairs[name] + moved for name in ("source_activation", "target_activation")})


ODD = {
    "no offset, targets near their sources": no_offset,
    "no offset, Cauchy differences": heavy_tailed,
    "no offset, families of ten near copies": families,
    "no offset, one distractor of word length": distractor,
    "no offset, relations in places of their own": places,
    "one offset that all relations share": one_offset,
}
