"""Untrained SAEs beside ready ones: random unit directions of the same number, of which as many are on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from saegeom_data.data import group_kinds, schema
from saegeom_data.declare.seeds import own_seed
from saegeom_data.errors import DataValueError, ParameterError
from saegeom_data.harvest.saes.ready import ReadySae

_HOW = "random unit rows, encoder and decoder alike"
# What is said of an SAE as a checkpoint, and not of where it reads and how its input is prepared.
_KEPT = (
    "model",
    "input_centring",
    "input_normalisation",
    "input_scale",
    *(place.name for place in group_kinds.PLACES),
)


def untrained_saes(saes: Mapping[str, ReadySae]) -> dict[str, ReadySae]:
    """Untrained SAEs by the names of the SAEs that they are held against.

    Each is a TopK SAE of the same width whose k is the L0 of the other, rounded. It reads what the other reads, less
    the decoder's bias, which is near the mean: else the mean would choose the same directions everywhere.

    Raises
    ------
    ParameterError
        If the L0 of an SAE is not known.
    DataValueError
        If an SAE has no encoder of one place.
    """
    return {name: _untrained(name, sae) for name, sae in saes.items()}


def _untrained(name: str, sae: ReadySae) -> ReadySae:
    features = sae.opened.features
    l0 = float(features.coords["l0"]) if "l0" in features.coords else math.nan
    if not (math.isfinite(l0) and l0 > 0):
        raise ParameterError(
            f"untrained: {name}: got L0 {l0:g}, expected more than 0, as many random directions are on; give l0"
            " under saes"
        )
    if schema.SITES in features.sizes or "encoder" not in features:
        raise DataValueError(f"untrained: {name}: expected an SAE that writes to one site; leave untrained out")
    n, hidden = features.encoder.shape
    k = min(max(round(l0), 1), n)
    # By name, so that the SAEs of a suite do not share their random directions.
    seed = own_seed(0, f"/untrained/{name}")
    rows = np.random.default_rng(seed).standard_normal((n, hidden), dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    # A transcoder's bias is of another place than the one that it reads.
    centred = "decoder_bias" in features and "transcoder" not in str(features.attrs.get("architecture"))
    arrays: dict[str, Any] = {
        "decoder": (("features", "hidden"), rows),
        "encoder": (("features", "hidden"), rows),
        "encoder_bias": ("features", np.zeros(n, np.float32)),
        **({"decoder_bias": features["decoder_bias"].variable} if centred else {}),
    }
    coords = {coord: features.coords[coord].variable for coord in ("site", "layer", "width")}
    attrs = {key: features.attrs[key] for key in _KEPT if key in features.attrs} | {
        group_kinds.untrained.name: _HOW,
        "architecture": "topk",
        "activation_function": "topk",
        "k": k,
        "seed": seed,
        "decoder_norm": "unit",
        "source_dtype": "float32",
        "subtracts_decoder_bias": centred,
    }
    made = xr.Dataset(arrays, coords=coords | {"l0": float(k)}, attrs=attrs)
    return ReadySae(replace(sae.opened, features=made), sae.entry)
