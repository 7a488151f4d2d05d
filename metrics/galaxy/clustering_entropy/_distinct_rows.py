"""Which rows of a matrix count: not zero, drawn, and not an exact copy of an earlier one."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from saegeom_data import lazy
from saegeom_data.metrics._statistics.unit_rows import row_norms
from saegeom_data.metrics.nulls.streams import stream
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr


_DIGEST_BYTES = 16


def distinct_rows(decoder: xr.DataArray, *, n_samples: int, merge_copies: bool, seed: int) -> xr.Dataset:
    """Find the rows that count, in one pass.

    ``is_kept`` (features) marks rows of non-zero norm that were drawn (all if ``n_samples`` is all) and are no exact
    copy of an earlier one, unless copies are kept; ``norm`` (features); the counts ``n_kept``, ``n_zero`` (among all
    rows) and ``n_copies`` (among those drawn).
    """

    n = decoder.shape[0]
    outputs = {
        "is_kept": lazy.Result(("features",), (n,), "bool"),
        "norm": lazy.Result(("features",), (n,)),
        **{name: lazy.Result(dtype="int64") for name in ("n_kept", "n_zero", "n_copies")},
    }
    finalize = functools.partial(_choose, n_samples=n_samples, merge_copies=merge_copies, seed=seed)
    memory = lazy.Memory(task=decoder.dtype.itemsize * decoder.shape[1], partial=40 * n, finish=100 * n)
    return lazy.rows(_describe, _join, finalize, decoder, outputs=outputs, memory=memory)


def _describe(start: int, block: Array) -> tuple[Array, Array]:
    """Norms (rows,) and digests (rows,) of a block (rows, hidden); equal rows have equal digests."""
    norm = row_norms(block)
    digest = np.empty(len(block), f"V{_DIGEST_BYTES}")
    for index, row in enumerate(block):
        # Adding 0 makes one zero of both, so that equal rows have equal bytes.
        digest[index] = hashlib.blake2b((row + 0).tobytes(), digest_size=_DIGEST_BYTES).digest()
    return norm, digest


def _join(parts: Sequence[tuple[Array, Array]]) -> tuple[Array, Array]:
    norm, digest = zip(*parts, strict=True)
    return np.concatenate(norm), np.concatenate(digest)


def _choose(described: tuple[Array, Array], *, n_samples: int, merge_copies: bool, seed: int) -> lazy.Arrays:
    """Masks (features,) and counts from the norms and digests of all rows."""
    norm, digest = described
    drawn = np.ones(len(norm), dtype=bool)
    if n_samples < len(norm):
        drawn[:] = False
        drawn[stream("drawn_rows", seed).choice(len(norm), n_samples, replace=False)] = True
    candidate = np.flatnonzero(drawn & (norm > 0))
    # Digests of 128 bits differ where rows do, for all practical purposes, and rows need not be held.
    first = candidate[np.unique(digest[candidate], return_index=True)[1]]
    is_kept = np.zeros(len(norm), dtype=bool)
    is_kept[first if merge_copies else candidate] = True
    return {
        "is_kept": is_kept,
        "norm": norm,
        "n_kept": is_kept.sum(),
        "n_zero": (norm == 0).sum(),
        "n_copies": len(candidate) - len(first),
    }
