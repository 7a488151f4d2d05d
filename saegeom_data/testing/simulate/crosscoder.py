"""One crosscoder: features that several sites share, with a decoder of its own spectrum at each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from saegeom_data.testing.simulate.sae import simulate_sae


def simulate_crosscoder(
    *,
    layers: Sequence[int] = (0, 1, 2),
    spectrum_exponents: Sequence[float] | None = None,
    shared: float = 0.5,
    n_features: int = 200,
    n_hidden: int = 24,
    n_blocks: int = 150,
    n_lobes: int = 2,
    seed: int = 0,
) -> xr.Dataset:
    """Simulate a crosscoder: the same features at several sites, whose rows have a planted spectrum at each.

    Parameters
    ----------
    layers
        Layer of each site.
    spectrum_exponents
        Coordinate r of the Gaussian rows of a site has variance r ** -exponent before rows are normalised, as in
        :func:`simulate_sae`; 0.5 times the number of the site by default.
    shared
        In [0, 1]: share of the variance that a feature has in common at all sites, before the spectrum is planted.
    n_features, n_hidden, n_blocks, n_lobes
        As in :func:`simulate_sae`, which draws the blocks that features fire in.
    seed
        Seed of all draws.

    Returns
    -------
    xarray.Dataset
        ``decoder`` (features, sites, hidden) of unit rows, with coordinates site and layer (sites), width and l0;
        ``occurrence`` (blocks, features), ``document`` and ``document_type`` (blocks), which are those of all sites.

    Examples
    --------
    >>> simulate_crosscoder(layers=(3, 7), n_features=50, n_hidden=8).decoder.shape
    (50, 2, 8)
    """
    exponents = [index / 2 for index in range(len(layers))] if spectrum_exponents is None else spectrum_exponents
    # Streams of their own, so that occurrence is that of the SAE of this seed.
    rng = np.random.default_rng([seed, 1])
    common = rng.standard_normal((n_features, 1, n_hidden))
    own = rng.standard_normal((n_features, len(layers), n_hidden))
    scales = np.arange(1, n_hidden + 1) ** (-np.asarray(exponents, float)[:, None] / 2)
    decoder = (np.sqrt(shared) * common + np.sqrt(1 - shared) * own) * scales
    decoder /= np.linalg.norm(decoder, axis=-1, keepdims=True)
    sae = simulate_sae(
        n_features=n_features,
        n_hidden=n_hidden,
        n_blocks=n_blocks,
        n_lobes=n_lobes,
        function_strength=0.8,
        seed=seed,
    )
    fired = sae[["occurrence", "document", "document_type"]].drop_vars(["site", "layer"])
    sites = np.array([f"hidden_state_{layer}" for layer in layers], dtype=object)
    return (
        fired.assign(decoder=(("features", "sites", "hidden"), decoder))
        .assign_coords(site=("sites", sites), layer=("sites", np.asarray(layers)))
        .assign_attrs(sae.attrs, architecture="crosscoder")
    )
