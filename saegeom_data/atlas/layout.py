"""Where features lie on the map: as results have it, or laid out anew; and how far that may be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from saegeom_data.atlas.facts import Layout
from saegeom_data.lazy import row_block_size
from saegeom_data.metrics._statistics.unit_rows import unit_rows
from saegeom_data.typing import Array

if TYPE_CHECKING:
    from collections.abc import Iterator

    import xarray as xr

# t-SNE takes two seconds for each thousand features; of a wider SAE it lays out as many, and the others go beside them.
MOST_LAID_OUT = 16_384
# Features laid out that each other feature is placed among.
_AMONG = 3
# Features whose neighbours on the map are looked at, and how many neighbours of each.
N_TESTED = 1000
N_NEIGHBOURS = 12


def laid_out(sae: xr.Dataset) -> Layout:
    """Lay the features of an SAE out by :func:`saegeom_data.metrics.brain.feature_map`.

    Of more than 16,384 features as many, evenly spaced by index, are laid out. Each other one is put at the mean of the
    three of these that point most nearly its way, weighed by 1 / (1 - cos)^2. Rows are read block by block.
    """
    from saegeom_data.metrics.brain.feature_map import feature_map

    n, hidden = sae.decoder.shape
    if hidden < 2 or n < 8:
        return Layout(spiral(n), "There are too few features or dimensions for a map: features stand by their index.")
    index = np.arange(n) if n <= MOST_LAID_OUT else np.linspace(0, n - 1, MOST_LAID_OUT).astype(np.int64)
    chosen = sae[["decoder"]] if len(index) == n else sae[["decoder"]].isel(features=index)
    # t-SNE refuses a perplexity that is not below the number of points.
    perplexity = min(30.0, (len(index) - 1) / 3)
    found = feature_map(chosen, method="tsne", perplexity=perplexity).position.values
    words = "t-SNE of the directions of decoder rows"
    if len(index) == n:
        return Layout(found, f"{words}.")
    position = _placed(sae.decoder, index, found)
    return Layout(position, f"{words} of {len(index):,} features, the others put among those nearest to them.")


def spiral(n: int) -> Array:
    """Positions (n, 2) evenly spread over a disc, from its middle outwards (Vogel's spiral)."""
    turn = np.arange(n) * np.pi * (3 - np.sqrt(5))
    return np.asarray(np.sqrt(np.arange(n) + 0.5)[:, None] * np.column_stack([np.cos(turn), np.sin(turn)]))


def _placed(decoder: xr.DataArray, index: Array, position: Array) -> Array:
    """Positions (features, 2) of all rows, given those of the rows ``index``; NaN for rows of zero norm."""
    usable = np.isfinite(position).all(axis=1)
    index, position = index[usable], position[usable]
    near = _unit(decoder.isel(features=index).values)
    result = np.full((len(decoder), 2), np.nan)
    for start, rows in _blocks(decoder, 4 * len(index)):
        unit = _unit(rows)
        cosine = unit @ near.T
        best = np.argpartition(-cosine, _AMONG - 1, axis=1)[:, :_AMONG]
        # A little more than 1: two features of one direction would divide by zero.
        weight = 1 / (1.0001 - np.take_along_axis(cosine, best, axis=1)) ** 2
        mean = (weight[:, :, None] * position[best]).sum(axis=1) / weight.sum(axis=1, keepdims=True)
        mean[~unit.any(axis=1)] = np.nan
        result[start : start + len(rows)] = mean
    result[index] = position
    return result


def _unit(rows: Array) -> Array:
    """Rows of unit norm in single precision; zero rows stay zero."""
    return np.asarray(unit_rows(rows), np.float32)


def _blocks(decoder: xr.DataArray, more_bytes: int) -> Iterator[tuple[int, Array]]:
    """Rows of a decoder in memory some at a time, given what each row takes beside itself."""
    n, hidden = decoder.shape
    size = min(row_block_size(n, 12 * hidden + more_bytes), 4096)
    for start in range(0, n, size):
        yield start, decoder[start : start + size].values


def trustworthiness(decoder: xr.DataArray, position: Array, n_neighbours: int = N_NEIGHBOURS) -> float | None:
    r"""Share to which neighbours on the map are neighbours by the cosine of decoder rows.

    .. math:: T = 1 - \frac{2}{m k (2n - 3k - 1)} \sum_{i} \sum_{j \in U_i} (r(i, j) - k)

    over m features i of n; U_i are those of the k nearest of i on the map that are not among the k nearest by cosine,
    and r(i, j) is the rank of j among all others by cosine. 1 is a map that brings together nothing that is apart;
    positions at random give 0.5.

    Parameters
    ----------
    decoder
        (features, hidden), lazy or not. It is read twice, block by block.
    position
        (features, 2); features off the map are left out.
    n_neighbours
        k; a quarter of the features where these are few.

    Returns
    -------
    float or None
        T over 1,000 features, evenly spaced by index; None for fewer than 8 features.

    References
    ----------
    Venna and Kaski 2001; as in scikit-learn, which ranks all pairs.

    Examples
    --------
    >>> import xarray as xr
    >>> rows = np.random.default_rng(0).normal(size=(200, 2))
    >>> rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    >>> trustworthiness(xr.DataArray(rows, dims=("features", "hidden")), rows)
    1.0
    """
    from scipy.spatial import KDTree

    used = np.flatnonzero(np.isfinite(position).all(axis=1))
    n = len(used)
    k = min(n_neighbours, n // 4)
    if n < 8:
        return None
    tested = used[np.unique(np.linspace(0, n - 1, min(n, N_TESTED)).astype(np.int64))]
    # One more than k, as each feature is among the nearest of itself.
    _, found = KDTree(position[used]).query(position[tested], k=k + 1)
    nearest = used[_without_itself(found, np.searchsorted(used, tested))]
    own = _unit(decoder.isel(features=tested).values)
    cosine = _cosines(decoder, own, nearest)
    # Ranks from 1: how many others are nearer, of those on the map.
    rank = np.ones(nearest.shape, np.int64)
    on_map = np.zeros(len(decoder), bool)
    on_map[used] = True
    for start, rows in _blocks(decoder, 4 * len(tested)):
        kept = np.flatnonzero(on_map[start : start + len(rows)])
        block = own @ _unit(rows[kept]).T
        # No feature is an other of its own.
        block[tested[:, None] == start + kept] = -np.inf
        for column in range(k):
            rank[:, column] += (block > cosine[:, column, None] + _ROUNDING).sum(axis=1)
    penalty = np.maximum(rank - k, 0).sum()
    return float(1 - 2 * penalty / (len(tested) * k * (2 * n - 3 * k - 1)))


# Two products of the same rows in single precision may differ by so much.
_ROUNDING = 1e-6


def _without_itself(found: Array, own: Array) -> Array:
    """Lists (rows, k) of lists (rows, k + 1): without the row itself, or without the last where it is not listed."""
    is_own = found == own[:, None]
    is_own[~is_own.any(axis=1), -1] = True
    return np.asarray(found[~is_own].reshape(len(found), -1))


def _cosines(decoder: xr.DataArray, own: Array, nearest: Array) -> Array:
    """Cosines (tested, k) of rows ``own`` with the rows of the decoder that ``nearest`` names, read some at a time."""
    result = np.empty(nearest.shape, np.float32)
    for start, rows in _blocks(decoder, 0):
        row, column = np.nonzero((nearest >= start) & (nearest < start + len(rows)))
        if len(row):
            unit = _unit(rows)
            result[row, column] = (own[row] * unit[nearest[row, column] - start]).sum(axis=1)
    return result


def method_words(parameters: dict[str, Any]) -> str:
    """How results say that their map was made."""
    method = parameters.get("method", "tsne")
    named = {"tsne": "t-SNE", "pca": "The first two principal components"}.get(str(method), str(method))
    return f"{named} of the directions of decoder rows, from the results."
