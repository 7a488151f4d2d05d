"""At which positions of its sequence each feature fires on average, from codes, for what may merely follow position."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from saegeom_data import lazy
from saegeom_data.data.codes import codes_pieces, known_features
from saegeom_data.data.occurrence import checked_width
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr

# Entries that a task holds at a time.
_ENTRIES_AT_ONCE = 2**20


def mean_position(
    codes: xr.Dataset, tokens: xr.Dataset, *, threshold: float = 0.0, where: str = "codes"
) -> xr.DataArray | None:
    """Mean of the positions at which each feature fires (features,); -1 for a feature that never does.

    Parameters
    ----------
    codes
        The CSR group of an SAE, one row per token.
    tokens
        ``position`` and ``is_special`` (tokens). On special tokens no feature fires.
    threshold
        Activation above which a feature fires, in the units of the codes.
    where
        Path of the codes, by which errors name them.

    Returns
    -------
    xarray.DataArray or None
        Lazy: codes are read as it is computed, by the chunks of ``position`` and at most a million entries at a time.
        None where the store does not say at which positions its tokens are.

    Raises
    ------
    DataValueError
        If tokens and codes differ in number or, when computed, if an entry names no feature.

    Examples
    --------
    >>> import xarray as xr
    >>> from saegeom_data.data.codes import codes_group
    >>> codes = codes_group(np.array([[0, 2.0], [1, 0], [0, 1]], dtype="float32"))
    >>> text = {"position": ("tokens", [0, 1, 2]), "is_special": ("tokens", [True, False, False])}
    >>> mean_position(codes, xr.Dataset(text)).values.tolist()
    [1.0, 2.0]
    """
    if "position" not in tokens or "is_special" not in tokens:
        return None
    n_features = checked_width(codes, tokens.sizes["tokens"], where)
    # Tasks carry the codes as lazy arrays and read their own rows: as inputs of the step they
    # would be read by every task.
    chunked = codes[["data", "indices", "indptr"]].chunk().assign_attrs(codes.attrs)
    # Never read at once, however small: whoever selects an SAE may not want it.
    text = tokens[["position", "is_special"]].chunk()
    sums, n_entries = 2 * 8 * n_features, codes.sizes["nonzeros"]
    found: xr.DataArray = lazy.rows(
        partial(_summed, codes=chunked, threshold=float(threshold), where=where),
        _added,
        _mean,
        text.position,
        text.is_special,
        outputs={"mean_position": lazy.Result(("features",), (n_features,))},
        memory=lazy.Memory(task=64 * _ENTRIES_AT_ONCE + 3 * sums, partial=sums, finish=2 * sums),
        work=lazy.Work(passes=8 * n_entries, steps=10 * n_entries, calls=200 + n_entries / 1000),
    )["mean_position"]
    return found


def _summed(
    start: int, position: Array, is_special: Array, *, codes: xr.Dataset, threshold: float, where: str
) -> Array:
    """Sum of positions and number of tokens (2, features) at which features fire, of tokens from ``start`` on."""
    n_features = int(codes.attrs["shape"][1])
    found = np.zeros((2, n_features))
    for piece in codes_pieces(codes, start, start + len(position), _ENTRIES_AT_ONCE, where):
        row = np.repeat(np.arange(len(piece.bounds) - 1), np.diff(piece.bounds)) + (piece.start - start)
        on = (piece.data > threshold) & ~is_special[row]
        # Checked before the mask, so that whether an entry is refused does not depend on a threshold.
        feature = known_features(piece, n_features, where)[on]
        found[0] += np.bincount(feature, weights=position[row[on]], minlength=n_features)
        found[1] += np.bincount(feature, minlength=n_features)
    return found


def _added(parts: Sequence[Array]) -> Array:
    return np.asarray(np.sum(parts, axis=0))


def _mean(sums: Array) -> lazy.Arrays:
    # Metrics refuse NaN in what they are given.
    return {"mean_position": np.divide(sums[0], sums[1], out=np.full(sums.shape[1], -1.0), where=sums[1] > 0)}
