"""Whole stores of simulated SAEs: in memory, or on disk and of any size."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from saegeom_data.data import write
from saegeom_data.testing.simulate.crosscoder import simulate_crosscoder
from saegeom_data.testing.simulate.relations import simulate_relations
from saegeom_data.testing.simulate.sae import simulate_sae
from saegeom_data.typing import Array

_BLOCKS_DRAWN = 2048
_NUMBERS_DRAWN = 2**22


def simulate_store(
    *,
    n_saes: int = 2,
    crosscoder_layers: Sequence[int] = (),
    untrained: bool = False,
    seed: int = 0,
    **sizes: Any,
) -> xr.DataTree:
    """Simulate a whole valid store in memory: SAEs, occurrence, documents and word pairs.

    Parameters
    ----------
    n_saes
        Number of SAEs, one per layer.
    crosscoder_layers
        Layers that a further SAE writes to, the crosscoder of :func:`simulate_crosscoder`; none by default.
    untrained
        Whether an untrained SAE, whose features fire independently, stands beside each SAE.
    seed
        Seed of all draws.
    **sizes
        Passed on to :func:`simulate_sae`, and what it takes of them to the crosscoder.

    Examples
    --------
    >>> list(simulate_store(n_saes=2)["saes"].children)
    ['layer_0', 'layer_1']
    """
    groups: dict[str, xr.Dataset] = {
        "/": xr.Dataset(
            attrs={"format_version": 1, "kind": "dataset", "title": "Simulated store", "license": "CC0-1.0"}
        )
    }
    relations = simulate_relations(seed=seed)
    words = ["relation", "source", "target", "length_difference"]
    groups["/relations"] = relations[words].drop_vars(["site", "layer"]).drop_attrs()
    for layer in range(n_saes):
        sae = simulate_sae(layer=layer, seed=seed + layer, **({"n_lobes": 2, "function_strength": 0.8} | sizes))
        name = f"/saes/layer_{layer}"
        groups[f"{name}/features"] = sae[["decoder"]]
        occurrence = sae[["occurrence", "document", "document_type"]].drop_vars(["site", "layer", "width", "l0"])
        groups[f"{name}/occurrence"] = occurrence.drop_attrs().assign_attrs(threshold=0.0, block_length=256)
        if untrained:
            groups |= _untrained(sae, f"/untrained/layer_{layer}", seed + layer)
        at_site = relations.drop_vars(words).assign_coords(site=f"hidden_state_{layer}", layer=layer)
        groups[f"/relations/hidden_state_{layer}"] = at_site
    if crosscoder_layers:
        shared = {name: sizes[name] for name in ("n_features", "n_hidden", "n_blocks") if name in sizes}
        crosscoder = simulate_crosscoder(layers=crosscoder_layers, seed=seed, **shared)
        groups["/saes/crosscoder/features"] = crosscoder[["decoder"]].assign_coords(crosscoder.coords)
        fired = crosscoder[["occurrence", "document", "document_type"]].drop_vars(["width", "l0"])
        groups["/saes/crosscoder/occurrence"] = fired.drop_attrs().assign_attrs(threshold=0.0, block_length=256)
        sae = crosscoder
    n_documents = int(sae.document.max()) + 1
    groups["/documents"] = xr.Dataset(
        {
            "document_id": ("documents", np.array([f"document {i}" for i in range(n_documents)], dtype=object)),
            "document_type": ("documents", sae.document_type.values[::3]),
        }
    )
    return xr.DataTree.from_dict(groups)


def _untrained(sae: xr.Dataset, path: str, seed: int) -> dict[str, xr.Dataset]:
    """Groups of an untrained SAE beside one: random unit rows, and features that fire independently at its rate."""
    rng = np.random.default_rng([seed, 71])
    rows = rng.standard_normal(sae.decoder.shape)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    features = sae[["decoder"]].assign(decoder=(sae.decoder.dims, rows))
    fires = rng.random(sae.occurrence.shape) < float(sae.occurrence.mean())
    occurrence = sae[["document", "document_type"]].assign(occurrence=(sae.occurrence.dims, fires))
    attrs = {"threshold": 0.0, "block_length": 256}
    return {
        f"{path}/features": features.assign_attrs(untrained="random unit rows, simulated"),
        f"{path}/occurrence": occurrence.drop_vars(["site", "layer", "width", "l0"]).drop_attrs().assign_attrs(attrs),
    }


def write_simulated_store(
    path: str | os.PathLike[str],
    *,
    n_features: int,
    n_hidden: int,
    n_blocks: int,
    n_lobes: int = 8,
    density: float = 0.08,
    geometry_strength: float = 0.5,
    function_strength: float = 0.8,
    seed: int = 0,
) -> None:
    """Write a store of one SAE of any size: what it holds of the blocks in memory is a few thousand at a time.

    Parameters
    ----------
    path
        The store to make.
    n_features, n_hidden, n_blocks, n_lobes, geometry_strength, function_strength
        As in :func:`simulate_sae`. Each lobe has a document type, and documents are of three blocks.
    density
        Mean share of blocks in which a feature is on. Rates are log-normal with a standard deviation of 1 in their
        logarithm, at most 0.9: as with real SAEs, most features are rare and some fire nearly always.
    seed
        Seed of all draws.

    Raises
    ------
    TargetExistsError
        If ``path`` exists.

    Examples
    --------
    >>> import saegeom_data, tempfile
    >>> path = tempfile.mkdtemp() + "/simulated.zarr"
    >>> write_simulated_store(path, n_features=40, n_hidden=8, n_blocks=90)
    >>> saegeom_data.open(path)["saes/layer_0/occurrence/occurrence"].shape
    (90, 40)
    """
    import dask.array as da

    rng = np.random.default_rng([seed, 0])
    true_lobe = rng.permutation(np.arange(n_features) % n_lobes)
    directions = rng.standard_normal((n_lobes, n_hidden), dtype=np.float32)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    decoder = rng.standard_normal((n_features, n_hidden), dtype=np.float32)
    decoder /= np.linalg.norm(decoder, axis=1, keepdims=True)
    decoder += np.float32(geometry_strength) * directions[true_lobe]
    decoder /= np.linalg.norm(decoder, axis=1, keepdims=True)
    rate = np.exp(rng.standard_normal(n_features))
    # A feature is on more often in the blocks of its own lobe, which are one in n_lobes.
    own, other = (1 + sign * function_strength for sign in (1, -1))
    mean = own / n_lobes + other * (1 - 1 / n_lobes)
    # Divided by what the lobes' boost adds on average, so that density holds whatever the strength.
    rate = np.minimum(rate * density / (rate.mean() * mean), 0.9 / own)
    document = np.arange(n_blocks) // 3
    block_lobe = document % n_lobes
    types = np.array([f"type {lobe}" for lobe in range(n_lobes)], dtype=object)

    def fires(block_info: Any = None) -> Array:
        """Occurrence (stop - start, features): uniform draws below the rate, which is higher in a lobe's own blocks."""
        start, stop = block_info[None]["array-location"][0]
        rng, found = np.random.default_rng([seed, 1, start]), np.empty((stop - start, n_features), bool)
        # Some blocks at a time, as draws and rates take 30 times as much as what is kept.
        step = max(1, _NUMBERS_DRAWN // n_features)
        for first in range(start, stop, step):
            same = block_lobe[first : min(first + step, stop), None] == true_lobe
            threshold = (rate * np.where(same, own, other)).astype(np.float32)
            draws = rng.random(threshold.shape, dtype=np.float32)
            np.less(draws, threshold, out=found[first - start : first - start + len(draws)])
        return found

    chunks = ((*[_BLOCKS_DRAWN] * (n_blocks // _BLOCKS_DRAWN), n_blocks % _BLOCKS_DRAWN), (n_features,))
    rows = tuple(size for size in chunks[0] if size)
    occurrence = da.map_blocks(fires, chunks=(rows, chunks[1]), dtype=bool, meta=np.empty((0, 0), bool))
    root = {"format_version": 1, "kind": "dataset", "title": "Simulated store", "license": "CC0-1.0"}
    with write.staged(path) as folder:
        write.write_group(folder, "/", xr.Dataset(attrs=root))
        features = xr.Dataset(
            {"decoder": (("features", "hidden"), decoder)},
            coords={"site": "hidden_state_0", "layer": 0, "width": n_features, "l0": density * n_features},
            attrs={"model": "simulated", "architecture": "simulated", "decoder_norm": "unit"},
        )
        write.write_group(folder, "saes/layer_0/features", features)
        fired = xr.Dataset(
            {
                "occurrence": (("blocks", "features"), occurrence),
                "document": ("blocks", document.astype("int32")),
                "document_type": ("blocks", types[block_lobe]),
            },
            attrs={"threshold": 0.0, "block_length": 256},
        )
        write.write_group(folder, "saes/layer_0/occurrence", fired)
