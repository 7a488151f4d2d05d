"""Which rows of a decoder count: not zero, drawn, and no copy of an earlier one."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from saegeom_data import lazy
from saegeom_data.metrics._shared.directions import COPY
from saegeom_data.metrics._statistics.moments import pieces, scratch_bytes
from saegeom_data.metrics._statistics.unit_rows import row_norms
from saegeom_data.metrics.nulls.streams import stream
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr

# Share of the median distance to the nearest other row, under which a row is a near copy.
NEAR = 0.01
# Random axes on which rows are compared, and other rows that a row is compared with.
_AXES = 16
_OTHERS = 8


def distinct_rows(
    decoder: xr.DataArray, *, by: Literal["direction", "row"] = "direction", drawn: Array | None = None
) -> xr.Dataset:
    """Find the rows that count, in one pass.

    Rows x and y are copies if |x / |x| - y / |y|| < 1e-7 (``COPY``) and, ``by`` row, also |ln |x| - ln |y|| is; so are
    rows that a chain of copies links. Distances are those on 16 fixed random axes, which are right to about 20 percent.

    Parameters
    ----------
    decoder
        Rows (features, hidden).
    by
        ``"direction"`` where norms do not matter, ``"row"`` where they do.
    drawn
        Indices of the rows that are measured; all by default.

    Returns
    -------
    xarray.Dataset
        ``representative`` (features): the first copy of each row, the row itself if it is distinct, -1 if it is zero or
        not drawn. ``is_kept`` (features): rows that are their own representative. ``norm`` (features). ``n_kept``;
        ``n_zero``, of all rows; ``n_copies``, rows that an earlier one represents.
    """
    n = decoder.shape[0]
    outputs = {
        "representative": lazy.Result(("features",), (n,), "int64"),
        "is_kept": lazy.Result(("features",), (n,), "bool"),
        "norm": lazy.Result(("features",), (n,)),
        **{name: lazy.Result(dtype="int64") for name in ("n_kept", "n_zero", "n_copies")},
    }
    # Rows on the axes, their sorted copies, the tree and the lists of neighbours.
    places = 8 * (_AXES + 1) * n
    block = scratch_bytes(decoder.shape[1])
    return lazy.rows(
        _describe,
        _join,
        functools.partial(_choose, by=by, drawn=None if drawn is None else tuple(drawn.tolist())),
        decoder,
        outputs=outputs,
        memory=lazy.Memory(task=block, partial=places, finish=5 * places + 16 * (_OTHERS + 1) * n),
        work=lazy.Work(
            products=_AXES * decoder.size,
            passes=60 * decoder.size,
            sorting=3 * lazy.ordering(n),
            steps=600 * n,
            calls=500,
        ),
    )


def count_near_copies(distance: Array) -> int:
    """Rows whose nearest other is nearer than a hundredth of the median; of distances (rows,), inf where there is none.

    Such rows are no copies, but move all that takes logarithms of small distances.

    Examples
    --------
    >>> count_near_copies(np.array([1e-4, 1e-4, 1.0, 1.1, 0.9, np.inf]))
    2
    """
    known = distance[np.isfinite(distance)]
    return int(np.count_nonzero(known < NEAR * np.median(known))) if len(known) else 0


def _describe(start: int, block: Array) -> tuple[Array, Array]:
    """Norms (rows,) of a block (rows, hidden), and coordinates (rows, axes) of its directions on random axes.

    The axes (hidden, axes) have entries of variance 1 / axes, so that squared distances keep their mean.
    """
    norm = row_norms(block)
    axes = stream("copy_axes", 0).standard_normal((block.shape[1], _AXES)) / np.sqrt(_AXES)
    place = np.concatenate([rows @ axes for rows in pieces(block)])
    return norm, np.divide(place, norm[:, None], out=np.zeros_like(place), where=norm[:, None] > 0)


def _join(parts: Sequence[tuple[Array, Array]]) -> tuple[Array, Array]:
    norm, place = zip(*parts, strict=True)
    return np.concatenate(norm), np.concatenate(place)


def _choose(described: tuple[Array, Array], *, by: str, drawn: tuple[int, ...] | None) -> lazy.Arrays:
    """Outputs of :func:`distinct_rows` from norms (rows,) and places (rows, axes) of all rows."""
    norm, place = described
    counts = norm > 0
    if drawn is not None:
        counts &= np.isin(np.arange(len(norm)), drawn)
    candidate = np.flatnonzero(counts)
    place = place[candidate]
    if by == "row":
        # Rows of one direction are copies only if their norms agree as well, to the same share.
        place = np.column_stack([place, np.log(norm[candidate])])
    representative = np.full(len(norm), -1)
    representative[candidate] = candidate[_first_copies(place)]
    is_kept = representative == np.arange(len(norm))
    return {
        "representative": representative,
        "is_kept": is_kept,
        "norm": norm,
        "n_kept": is_kept.sum(),
        "n_zero": (norm == 0).sum(),
        "n_copies": len(candidate) - is_kept.sum(),
    }


def _first_copies(place: Array) -> Array:
    """Index (rows,) of the first row that a chain of distances below ``COPY`` links to each of ``place`` (rows, axes).

    A row is linked to its nearest few: whoever is near enough to many is linked to them through these.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    if not len(place):
        return np.empty(0, np.int64)
    # Equal rows first: a tree cannot part them.
    single, first, same = np.unique(place.astype(np.float32), axis=0, return_index=True, return_inverse=True)
    n, points = len(single), place[first]
    distance, other = cKDTree(points).query(points, k=min(_OTHERS + 1, n), distance_upper_bound=COPY)
    distance, other = distance.reshape(n, -1), other.reshape(n, -1)
    row, column = np.nonzero(np.isfinite(distance))
    links = coo_array((np.ones(len(row)), (row, other[row, column])), shape=(n, n))
    label = connected_components(links, directed=False)[1][same.ravel()]
    _, first_of, group = np.unique(label, return_index=True, return_inverse=True)
    return np.asarray(first_of[group.ravel()])
