"""Simulated word pairs: relations with and without an offset, and pairs that mislead."""

from __future__ import annotations

import numpy as np
import xarray as xr

from saegeom_data.testing import simulate_relations

SIZES = {"n_relations": 4, "n_pairs": 20, "n_hidden": 12}

# simulate_relations seeds its generator with the seed alone.
_APART = 10_000


def planted(seed: int) -> xr.Dataset:
    """Relations with an offset of norm 4, as far as words lie from each other, and noise of 0.4 on each coordinate."""
    return simulate_relations(**SIZES, offset_strength=4.0, noise=0.4, seed=_APART + seed)


def no_offset(seed: int, noise: float = 0.3) -> xr.Dataset:
    """Targets near their own sources, without an offset of the relation."""
    return simulate_relations(**SIZES, offset_strength=0, noise=noise, seed=_APART + seed)


def unpaired(seed: int) -> xr.Dataset:
    """Targets around the place of their relation, whatever their sources."""
    pairs = no_offset(seed)
    rng = np.random.default_rng([seed, 23])
    n = pairs.sizes["pairs"]
    centres = rng.standard_normal((SIZES["n_relations"], SIZES["n_hidden"]))
    targets = centres[np.arange(n) // SIZES["n_pairs"]] + rng.standard_normal((n, SIZES["n_hidden"]))
    return pairs.assign(target_activation=(("pairs", "hidden"), targets))


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
    offsets = (pairs.target_activation - pairs.source_activation).values
    return _with_offsets(pairs, offsets + np.random.default_rng([seed, 26]).standard_normal(offsets.shape[1]))


def distractor(seed: int) -> xr.Dataset:
    """No offset; differences follow the word lengths along one direction."""
    return simulate_relations(**SIZES, offset_strength=0, noise=0.3, distractor_strength=2.0, seed=_APART + seed)


def places(seed: int) -> xr.Dataset:
    """No offset; the words of each relation lie in a place of their own."""
    pairs = no_offset(seed)
    rng = np.random.default_rng([seed, 27])
    centres = 3 * rng.standard_normal((SIZES["n_relations"], SIZES["n_hidden"]))
    moved = centres[np.arange(pairs.sizes["pairs"]) // SIZES["n_pairs"]]
    return pairs.assign({name: pairs[name] + moved for name in ("source_activation", "target_activation")})


ODD = {
    "no offset, targets near their sources": no_offset,
    "no offset, Cauchy differences": heavy_tailed,
    "no offset, families of ten near copies": families,
    "no offset, one distractor of word length": distractor,
    "no offset, relations in places of their own": places,
    "one offset that all relations share": one_offset,
}
