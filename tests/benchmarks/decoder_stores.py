"""Decoders that benchmarks measure: random rows of a stated spectrum, in memory and as stores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from case import Array

from saegeom_data.data import write


def unit_rows(n: int, hidden: int, seed: int = 0, exponent: float = 0.5) -> Array:
    """Unit rows with a power-law spectrum, in single precision, as decoders have them."""
    rng = np.random.default_rng(seed)
    scale = (np.arange(1, hidden + 1) ** (-exponent / 2)).astype(np.float32)
    rows = np.empty((n, hidden), np.float32)
    for start in range(0, n, 4096):
        block = rng.standard_normal((min(4096, n - start), hidden), dtype=np.float32) * scale
        rows[start : start + len(block)] = block / np.linalg.norm(block, axis=1, keepdims=True)
    return rows


def write_store(path: Path, *, n_saes: int, n: int, hidden: int) -> Path:
    """A store of SAEs with decoders alone, written SAE by SAE."""
    import xarray as xr

    with write.staged(path) as folder:
        attrs = {"format_version": 1, "title": "Benchmark", "license": "CC0-1.0"}
        write.write_group(folder, "/", xr.Dataset(attrs=attrs))
        for index in range(n_saes):
            decoder = xr.Dataset(
                {"decoder": (("features", "hidden"), unit_rows(n, hidden, index))},
                coords={"layer": index, "l0": 64.0, "width": n, "site": f"layer {index}"},
                attrs={"model": "simulated", "architecture": "simulated", "decoder_norm": "unit"},
            )
            write.write_group(folder, f"/saes/layer_{index}/features", decoder)
    return path
