"""One SAE with a planted spectrum and planted lobes."""

from __future__ import annotations

import numpy as np
import xarray as xr


def simulate_sae(
    *,
    n_features: int = 200,
    n_hidden: int = 24,
    n_blocks: int = 150,
    spectrum_exponent: float = 0.0,
    n_lobes: int = 1,
    geometry_strength: float = 0.0,
    function_strength: float = 0.0,
    layer: int = 0,
    seed: int = 0,
) -> xr.Dataset:
    """Simulate one SAE: unit decoder rows with a planted spectrum and lobes, and the blocks its features fire in.

    Parameters
    ----------
    n_features, n_hidden, n_blocks
        Sizes.
    spectrum_exponent
        Coordinate r of the Gaussian rows has variance r ** -spectrum_exponent before rows are normalised; 0 is
        isotropic.
    n_lobes
        Number of planted lobes. Feature i is of lobe ``true_lobe[i]``, which the result carries for reference.
    geometry_strength
        How far the rows of a lobe are moved along the lobe's own direction, in units of the rows' norm.
    function_strength
        In [0, 1]: 0 fires all features independently, 1 fires features only in blocks of their lobe's document type.
    layer
        Layer coordinate.
    seed
        Seed of all draws.

    Returns
    -------
    xarray.Dataset
        ``decoder`` (features, hidden), ``occurrence`` (blocks, features), ``document`` and ``document_type`` (blocks),
        ``true_lobe`` (features); coordinates site, layer, width, l0.

    Examples
    --------
    >>> simulate_sae(n_features=50, n_hidden=8).decoder.shape
    (50, 8)
    """
    rng = np.random.default_rng(seed)
    scale = np.arange(1, n_hidden + 1) ** (-spectrum_exponent / 2)
    decoder = rng.standard_normal((n_features, n_hidden)) * scale
    decoder /= np.linalg.norm(decoder, axis=1, keepdims=True)
    true_lobe = rng.permutation(np.arange(n_features) % n_lobes)
    directions = rng.standard_normal((n_lobes, n_hidden))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    decoder += geometry_strength * directions[true_lobe]
    # Moving rows has changed their norms, which are 1 in the SAEs that this stands for.
    decoder /= np.linalg.norm(decoder, axis=1, keepdims=True)
    # Blocks of a document are of one type, so that permuting blocks and permuting documents differ.
    document = np.arange(n_blocks) // 3
    block_lobe = document % n_lobes
    rate = rng.uniform(0.1, 0.4, n_features)
    same = block_lobe[:, None] == true_lobe[None, :]
    # The two factors have a mean of 1 for two lobes, so that lobes do not change how often features fire.
    boost = np.where(same, 1 + function_strength, 1 - function_strength)
    fires = rng.random((n_blocks, n_features)) < rate * boost
    return xr.Dataset(
        {
            "decoder": (("features", "hidden"), decoder),
            "occurrence": (("blocks", "features"), fires),
            "document": ("blocks", document.astype("int32")),
            "document_type": ("blocks", np.array([f"type {lobe}" for lobe in block_lobe], dtype=object)),
            "true_lobe": ("features", true_lobe),
        },
        coords={"site": f"hidden_state_{layer}", "layer": layer, "width": n_features, "l0": 8.0},
        attrs={
            "model": "simulated",
            "architecture": "topk",
            "decoder_norm": "unit",
            "document_types": [f"type {lobe}" for lobe in range(min(n_lobes, int(document.max()) + 1))],
        },
    )
