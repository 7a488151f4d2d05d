"""Simulated data with planted structure, and helpers to test metrics with; public, for authors of further metrics."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import xarray as xr

from saegeom_data.data import write

_BLOCKS_DRAWN = 2048


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
    decoder /= np.linalg.norm(decoder, axis=1, keepdims=True)
    document = np.arange(n_blocks) // 3
    block_lobe = document % n_lobes
    rate = rng.uniform(0.1, 0.4, n_features)
    same = block_lobe[:, None] == true_lobe[None, :]
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
    offsets += distractor_strength * (length / length.std())[:, None] * direction
    words = [f"source{i}" for i in range(n)]
    return xr.Dataset(
        {
            "relation": ("pairs", np.array([f"relation {one}" for one in label], dtype=object)),
            "source": ("pairs", np.array(words, dtype=object)),
            "target": ("pairs", np.array([f"target{i}" for i in range(n)], dtype=object)),
            "length_difference": ("pairs", length),
            "source_activation": (("pairs", "hidden"), sources),
            "target_activation": (("pairs", "hidden"), sources + offsets),
        },
        coords={"site": "hidden_state_0", "layer": 0},
        attrs={"model": "simulated", "relations": sorted(f"relation {one}" for one in range(n_relations))},
    )


def simulate_crystals(
    *,
    n_features: int = 400,
    n_hidden: int = 64,
    n_parallelograms: int = 5,
    n_trapezoids: int = 5,
    noise: float = 0.0,
    spectrum_exponent: float = 0.0,
    seed: int = 0,
) -> xr.Dataset:
    """Simulate random feature directions among which some quadruples form parallelograms and trapezoids.

    Every crystal has corners a, b, c, d of its own on a circle of the unit sphere, with b - a along d - c. The sides
    a b and c d have length 1 (a cosine of 0.5) in a parallelogram, 1 and 0.5 in a trapezoid, and lie 1.2 and 1.4 apart.

    Parameters
    ----------
    n_features, n_hidden
        Sizes.
    n_parallelograms, n_trapezoids
        Crystals planted, four features each.
    noise
        Norm of the Gaussian noise added to each corner, before its norm is made 1 again. It leaves the two sides of a
        parallelogram a cosine of about 1 / (1 + 2 noise ** 2).
    spectrum_exponent
        As in :func:`simulate_sae`, for all features and the planes of crystals.
    seed
        Seed of all draws.

    Returns
    -------
    xarray.Dataset
        ``decoder`` (features, hidden); ``true_corner`` (crystals, place), the features a, b, c, d of each crystal, with
        the coordinate ``kind`` (crystals); coordinates site, layer, width, l0.

    Raises
    ------
    ParameterError
        If crystals need more features than there are, or fewer than three dimensions are given.

    Examples
    --------
    >>> simulate_crystals(n_parallelograms=2, n_trapezoids=1).true_corner.shape
    (3, 4)
    """
    from saegeom_data.errors import ParameterError

    n = n_parallelograms + n_trapezoids
    if 4 * n > n_features:
        raise ParameterError(f"n_features: got {n_features}, expected at least {4 * n}, four for each crystal")
    if n_hidden < 3:
        raise ParameterError(f"n_hidden: got {n_hidden}, expected at least 3, so that crystals have different planes")
    rng = np.random.default_rng(seed)
    scale = np.arange(1, n_hidden + 1) ** (-spectrum_exponent / 2)
    decoder = rng.standard_normal((n_features, n_hidden)) * scale
    decoder /= np.linalg.norm(decoder, axis=1, keepdims=True)
    is_parallelogram = np.arange(n) < n_parallelograms
    side, other_side = np.ones(n), np.where(is_parallelogram, 1.0, 0.5)
    # Orthonormal axes of each crystal: along its sides, across them, and to the centre of its circle. The radius gives
    # all corners of a parallelogram that share no side a cosine of 0.25 in size: near to none, and opposite to none.
    axes = np.linalg.qr(np.swapaxes(rng.standard_normal((n, 3, n_hidden)) * scale, 1, 2))[0]
    along, across, centre = (axes[:, :, column] for column in range(3))
    square = 5 / 8
    height = [np.sqrt(square - length**2 / 4) for length in (side, other_side)]
    corners = np.stack(
        [
            np.sqrt(1 - square) * centre + sign * length[:, None] / 2 * along + way * at[:, None] * across
            for length, at, way in zip((side, other_side), height, (-1, 1), strict=True)
            for sign in (-1, 1)
        ],
        axis=1,
    )
    corners += noise / np.linalg.norm(scale) * scale * rng.standard_normal(corners.shape)
    corners /= np.linalg.norm(corners, axis=2, keepdims=True)
    place = rng.permutation(n_features)[: 4 * n].reshape(n, 4)
    decoder[place] = corners
    kinds = np.where(is_parallelogram, "parallelogram", "trapezoid").astype(object)
    return xr.Dataset(
        {"decoder": (("features", "hidden"), decoder), "true_corner": (("crystals", "place"), place)},
        coords={
            "kind": ("crystals", kinds),
            "site": "hidden_state_0",
            "layer": 0,
            "width": n_features,
            "l0": 8.0,
        },
        attrs={"model": "simulated", "architecture": "topk", "decoder_norm": "unit"},
    )


def simulate_store(*, n_saes: int = 2, seed: int = 0, **sizes: Any) -> xr.DataTree:
    """Simulate a whole valid store in memory: SAEs, occurrence, documents and word pairs.

    Parameters
    ----------
    n_saes
        Number of SAEs, one a layer.
    seed
        Seed of all draws.
    **sizes
        Passed on to :func:`simulate_sae`.

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
        at_site = relations.drop_vars(words).assign_coords(site=f"hidden_state_{layer}", layer=layer)
        groups[f"/relations/hidden_state_{layer}"] = at_site
    n_documents = int(sae.document.max()) + 1
    groups["/documents"] = xr.Dataset(
        {
            "document_id": ("documents", np.array([f"document {i}" for i in range(n_documents)], dtype=object)),
            "document_type": ("documents", sae.document_type.values[::3]),
        }
    )
    return xr.DataTree.from_dict(groups)


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
    rate = np.minimum(rate * density / (rate.mean() * mean), 0.9 / own)
    document = np.arange(n_blocks) // 3
    block_lobe = document % n_lobes
    types = np.array([f"type {lobe}" for lobe in range(n_lobes)], dtype=object)

    def fires(block_info: Any = None) -> np.ndarray[Any, Any]:
        start, stop = block_info[None]["array-location"][0]
        same = block_lobe[start:stop, None] == true_lobe
        threshold = (rate * np.where(same, own, other)).astype(np.float32)
        draws = np.random.default_rng([seed, 1, start]).random(threshold.shape, dtype=np.float32)
        return np.asarray(draws < threshold)

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


def write_simulated_activations(
    path: str | os.PathLike[str],
    *,
    n_tokens: int,
    n_hidden: int,
    n_concepts: int = 32,
    sequence_length: int = 128,
    noise: float = 0.1,
    seed: int = 0,
) -> None:
    """Write a store of activations at one site, of any size, shard by shard.

    An activation is a sum of directions, of which each is on at one token in eight, with an exponential strength, and
    noise; what an SAE should find are the directions. The first token of every sequence is special and a hundred times
    as large.

    Parameters
    ----------
    path
        Folder to make.
    n_tokens, n_hidden, n_concepts
        Sizes.
    sequence_length
        Tokens of a sequence, which is a document too.
    noise
        Standard deviation of the noise on each coordinate.
    seed
        Seed of all draws.

    Examples
    --------
    >>> import saegeom_data, tempfile
    >>> path = tempfile.mkdtemp() + "/activations.zarr"
    >>> write_simulated_activations(path, n_tokens=300, n_hidden=8)
    >>> saegeom_data.open(path)["activations/hidden_state_0/activation"].shape
    (300, 8)
    """
    import dask.array as da

    directions = np.random.default_rng([seed, 0]).standard_normal((n_concepts, n_hidden)).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    position = (np.arange(n_tokens) % sequence_length).astype("int32")
    document = (np.arange(n_tokens) // sequence_length).astype("int32")
    # The same values whatever the size of a shard.
    drawn_together = 4096

    def activations(start: int, stop: int) -> np.ndarray[Any, Any]:
        rng = np.random.default_rng([seed, 1, start])
        strength = rng.standard_exponential((stop - start, n_concepts), dtype=np.float32)
        strength *= rng.random(strength.shape, dtype=np.float32) < 1 / 8
        rows = strength @ directions
        rows += np.float32(noise) * rng.standard_normal(rows.shape, dtype=np.float32)
        rows[position[start:stop] == 0] *= 100
        return np.asarray(rows)

    def shard(block_info: Any = None) -> np.ndarray[Any, Any]:
        first, last = block_info[None]["array-location"][0]
        starts = range(first, last, drawn_together)
        return np.concatenate([activations(start, min(start + drawn_together, n_tokens)) for start in starts])

    size = max(1, write.shard_rows(n_tokens, 4 * n_hidden)[1] // drawn_together) * drawn_together
    rows = tuple(min(size, n_tokens - start) for start in range(0, n_tokens, size))
    lazy = da.map_blocks(shard, chunks=(rows, (n_hidden,)), dtype=np.float32, meta=np.empty((0, 0), np.float32))
    n_documents = int(document[-1]) + 1
    names = np.array([f"document {one}" for one in range(n_documents)], dtype=object)
    with write.staged(path) as folder:
        root = {"format_version": 1, "kind": "dataset", "title": "Simulated activations", "license": "CC0-1.0"}
        write.write_group(folder, "/", xr.Dataset(attrs=root))
        types = np.full(n_documents, "simulated", dtype=object)
        documents = {"document_id": ("documents", names), "document_type": ("documents", types)}
        write.write_group(folder, "documents", xr.Dataset(documents))
        tokens = {
            "token_id": ("tokens", np.zeros(n_tokens, "int32")),
            "document": ("tokens", document),
            "position": ("tokens", position),
            "is_special": ("tokens", position == 0),
        }
        write.write_group(folder, "tokens", xr.Dataset(tokens))
        attrs = {"model": "simulated", "source_dtype": "float32"}
        write.write_group(
            folder, "activations/hidden_state_0", xr.Dataset({"activation": (("tokens", "hidden"), lazy)}, attrs=attrs)
        )
