"""A part of the bundled sample that any run takes seconds on: one SAE of fewer features, and word pairs of its site."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from saegeom_data.data import store, write
from saegeom_data.data.codes import codes_group, codes_matrix
from saegeom_data.sample import sample_path

# The SAE of the sample that has codes.
_SAE, _SITE = "layer_3", "hidden_state_3"
_N_TOKENS = 5000


def write_sample_part(target: Path, *, n_features: int | None = None, n_pairs: int | None = None) -> None:
    """Write the first features and word pairs, all by default, and an unembedding of random rows."""
    features, pairs = slice(n_features), slice(n_pairs)
    with store.open(sample_path()) as sample:
        kept = {path: sample[path].to_dataset(inherit=False) for path in ("/", "/documents", "/tokens")}
        for path in ("/relations", f"/relations/{_SITE}"):
            kept[path] = sample[path].to_dataset(inherit=False).isel(pairs=pairs)
        sae = sample[f"/saes/{_SAE}"]
        for name in ("features", "occurrence"):
            few = sae[name].to_dataset(inherit=False).isel(features=features)
            kept[f"/saes/{_SAE}/{name}"] = few.load().assign_coords(width=few.sizes["features"])
        codes = codes_matrix(sae["codes"].to_dataset(inherit=False))
        kept[f"/saes/{_SAE}/codes"] = codes_group(codes[:, features])
        rows = np.random.default_rng(0).standard_normal((_N_TOKENS, sae["features"].sizes["hidden"]))
        unembedding = ("unembedded_tokens", "hidden"), rows.astype(np.float32)
        kept["/unembedding"] = xr.Dataset({"unembedding": unembedding})
        write.write_tree(xr.DataTree.from_dict(kept), target)
