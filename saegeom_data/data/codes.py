"""Codes of an SAE: the CSR group of a store to and from scipy, read by rows so that memory stays bounded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from saegeom_data.data.csr import computable, csr_of
from saegeom_data.errors import DataValueError, ParameterError
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import scipy.sparse as sp
    import xarray as xr


# Rows of 16,384 features with 100 active ones take about 3 MB.
_ROWS = 4096


def codes_group(codes: Any) -> xr.Dataset:
    """Turn a matrix of codes into the ``codes`` group of a store.

    Parameters
    ----------
    codes
        Activations over (tokens, features), negative ones too, in any form that :func:`saegeom_data.data.csr.csr_of`
        takes: CSR, CSC, COO and all others of scipy, or a dense array. Rows are sorted by feature, duplicates summed
        and zeros left out. Float16 is stored as float32, which is exact and compresses to nearly the same size: neither
        scipy nor ``anndata`` reads a float16 sparse matrix.

    Returns
    -------
    xarray.Dataset
        ``data`` and ``indices`` over ``nonzeros``, ``indptr`` over ``row_bounds``, with the attributes by which
        ``anndata`` and ``binsparse`` know a CSR matrix. Write it with :func:`saegeom_data.data.write.write_group`.

    Raises
    ------
    ParameterError
        If it is no matrix, the values are not floating point or there are more features than int32 can number.
    DataValueError
        If its indices are not those of its shape, or a value is NaN or infinite.

    Examples
    --------
    >>> import scipy.sparse as sp
    >>> group = codes_group(sp.csr_matrix(np.array([[0.0, 2.0], [0.0, 0.0]], dtype="float32")))
    >>> dict(group.sizes), group.indptr.values.tolist(), group.attrs["shape"]
    ({'nonzeros': 1, 'row_bounds': 3}, [0, 1, 1], [2, 2])
    """
    import xarray as xr

    canonical, source_dtype = csr_of(codes)
    if canonical.shape[1] > np.iinfo(np.int32).max:
        raise ParameterError(f"codes: got {canonical.shape[1]} features, expected fewer than 2**31")
    shape = [int(size) for size in canonical.shape]
    types = {"pointers_to_1": "int64", "indices_1": "int32", "values": str(canonical.dtype)}
    return xr.Dataset(
        {
            "data": ("nonzeros", canonical.data),
            "indices": ("nonzeros", canonical.indices.astype(np.int32)),
            "indptr": ("row_bounds", canonical.indptr.astype(np.int64)),
        },
        attrs={
            "encoding-type": "csr_matrix",
            "encoding-version": "0.1.0",
            "shape": shape,
            "source_dtype": source_dtype,
            "binsparse": {
                "version": "0.1",
                "format": "CSR",
                "shape": shape,
                "number_of_stored_values": int(canonical.nnz),
                "data_types": types,
            },
        },
    )


def codes_of_arrays(data: Any, indices: Any, indptr: Any, shape: tuple[int, int]) -> xr.Dataset:
    """The group that :func:`codes_group` makes, from arrays of a CSR matrix, which may be lazy and are not checked."""
    import scipy.sparse as sp
    import xarray as xr

    # Of an empty matrix of that shape, so that both ways of writing name a CSR matrix alike.
    attrs = codes_group(sp.csr_matrix(shape, dtype=np.float32)).attrs
    attrs["binsparse"] = attrs["binsparse"] | {"number_of_stored_values": int(data.shape[0])}
    return xr.Dataset(
        {"data": ("nonzeros", data), "indices": ("nonzeros", indices), "indptr": ("row_bounds", indptr)}, attrs=attrs
    )


def codes_matrix(codes: xr.Dataset, rows: slice = slice(None)) -> sp.csr_matrix:
    """Read a range of rows of a ``codes`` group; nothing else of it is read.

    Parameters
    ----------
    codes
        The group, lazy or in memory.
    rows
        Range of tokens, without a step.

    Returns
    -------
    scipy.sparse.csr_matrix
        Codes of those tokens over (tokens, features).

    Raises
    ------
    ParameterError
        If ``rows`` is no slice or has a step, or ``codes`` is no group.
    DataValueError
        If the group is not of a CSR matrix, or the row bounds or the feature indices of those rows cannot be those of
        one.

    Examples
    --------
    >>> import scipy.sparse as sp
    >>> group = codes_group(sp.csr_matrix(np.eye(5, dtype="float32")))
    >>> codes_matrix(group, slice(1, 3)).toarray().tolist()
    [[0.0, 1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0, 0.0]]
    """
    import scipy.sparse as sp

    n_tokens, n_features = codes_shape(codes)
    if not isinstance(rows, slice):
        raise ParameterError(f"rows: got {type(rows).__name__}, expected a range of tokens; give slice(start, stop)")
    start, stop, step = rows.indices(n_tokens)
    if step != 1:
        raise ParameterError(f"rows: got step {step}, expected a range without a step")
    # A range that ends before it begins has no rows, as of a list.
    stop = max(start, stop)
    bounds = _row_bounds(codes, start, stop)
    data, indices = _gathered(codes, slice(int(bounds[0]), int(bounds[-1])))
    # Checked here: scipy does not, and its products would read outside their arrays.
    if len(indices) and (indices.min() < 0 or indices.max() >= n_features):
        raise DataValueError(
            f"codes/indices: tokens {start} to {stop} name features from {indices.min()} to {indices.max()},"
            f" expected 0 to {n_features - 1}; fetch the store again"
        )
    return sp.csr_matrix((data, indices, bounds - bounds[0]), shape=(stop - start, n_features))


def codes_shape(codes: xr.Dataset, where: str = "codes") -> tuple[int, int]:
    """Return how many tokens and features a ``codes`` group has, after checking that it is one of a CSR matrix.

    Raises
    ------
    ParameterError
        If it is no Dataset.
    DataValueError
        If its attributes are those of another format, or disagree with the number of row bounds.

    Examples
    --------
    >>> codes_shape(codes_group(np.eye(5, dtype="float32")))
    (5, 5)
    """
    refuse_other_than_group(codes, where)
    kind = codes.attrs.get("encoding-type", "csr_matrix")
    if kind != "csr_matrix":
        raise DataValueError(
            f"{where}@encoding-type: got {kind!r}, expected 'csr_matrix'; read it with anndata, and call codes_group"
        )
    shape = np.asarray(codes.attrs.get("shape", ()))
    if shape.shape != (2,) or shape.dtype.kind not in "iu":
        raise DataValueError(
            f"{where}@shape: got {codes.attrs.get('shape')!r}, expected numbers of tokens and features"
        )
    n_tokens, n_features = map(int, shape)
    n_bounds = codes.sizes.get("row_bounds")
    if n_bounds != n_tokens + 1:
        raise DataValueError(f"{where}/indptr: got {n_bounds} bounds, expected {n_tokens + 1}: one more than tokens")
    return n_tokens, n_features


def refuse_other_than_group(codes: Any, where: str = "codes") -> None:
    """Raise :class:`ParameterError` for a matrix where the group of a store is meant."""
    import xarray as xr

    if not isinstance(codes, xr.Dataset):
        raise ParameterError(
            f"{where}: got {type(codes).__name__}, expected a group as codes_group makes it; call that"
        )


def codes_blocks(codes: xr.Dataset, n_rows: int = _ROWS) -> Iterator[tuple[int, sp.csr_matrix]]:
    """Yield a ``codes`` group as blocks of rows, each with the index of its first row; one block is held at a time.

    Examples
    --------
    >>> import scipy.sparse as sp
    >>> group = codes_group(sp.csr_matrix(np.eye(5, dtype="float32")))
    >>> [(start, block.shape) for start, block in codes_blocks(group, n_rows=2)]
    [(0, (2, 5)), (2, (2, 5)), (4, (1, 5))]
    """
    if not hasattr(n_rows, "__index__") or n_rows < 1:
        raise ParameterError(f"n_rows: got {n_rows!r}, expected at least 1, in whole numbers")
    for start in range(0, codes_shape(codes)[0], n_rows):
        yield start, codes_matrix(codes, slice(start, start + n_rows))


@dataclass(frozen=True)
class CodesPiece:
    """Consecutive rows of codes as they are stored: not checked, sorted or summed.

    Parameters
    ----------
    start
        Token of the first row.
    bounds
        (rows + 1) int64: where each row begins in ``data`` and ``indices``, from 0.
    data, indices
        Activation and feature of each entry.
    """

    start: int
    bounds: Array
    data: Array
    indices: Array


def codes_pieces(codes: xr.Dataset, start: int, stop: int, n_values: int, where: str = "codes") -> Iterator[CodesPiece]:
    """Yield rows ``start`` to ``stop`` of a ``codes`` group in pieces of whole rows with at most ``n_values`` entries.

    A row with more entries than that is a piece of its own. Everything is read in the calling thread, so that a task of
    a larger graph may call this. Errors name the codes by ``where``, their path.

    Raises
    ------
    DataValueError
        If the row bounds do not rise within the stored entries.

    Examples
    --------
    >>> import scipy.sparse as sp
    >>> group = codes_group(sp.csr_matrix(np.eye(5, dtype="float32")))
    >>> [(piece.start, piece.indices.tolist()) for piece in codes_pieces(group, 1, 4, n_values=2)]
    [(1, [1, 2]), (3, [3])]
    """
    bounds = _row_bounds(codes, start, stop, where, scheduler="synchronous")
    row = 0
    while row < stop - start:
        # At least one row, or a row with more entries than fit would never be passed.
        end = max(row + 1, int(np.searchsorted(bounds, bounds[row] + n_values, side="right")) - 1)
        data, indices = _gathered(codes, slice(int(bounds[row]), int(bounds[end])), scheduler="synchronous")
        yield CodesPiece(start + row, bounds[row : end + 1] - bounds[row], data, indices)
        row = end


def _row_bounds(codes: xr.Dataset, start: int, stop: int, where: str = "codes", scheduler: str | None = None) -> Array:
    """Row bounds of tokens ``start`` to ``stop``, checked: (stop - start + 1,) int64, rising.

    ``scheduler="synchronous"`` reads in the calling thread: inside a task, a pool would wait for its own workers.
    """
    bounds = np.asarray(codes["indptr"][start : stop + 1].compute(scheduler=scheduler).values, dtype=np.int64)
    rising = len(bounds) == stop - start + 1 and (np.diff(bounds) >= 0).all()
    if not rising or bounds[0] < 0 or bounds[-1] > codes.sizes["nonzeros"]:
        raise DataValueError(f"{where}/indptr: bounds of tokens {start} to {stop} do not rise; fetch the store again")
    return bounds


def _gathered(codes: xr.Dataset, values: slice, scheduler: str | None = None) -> tuple[Array, Array]:
    """``data`` and ``indices`` (values,) of a range of values; both are read in one pass."""
    both = codes[["data", "indices"]].isel(nonzeros=values).compute(scheduler=scheduler)
    data = both["data"].values
    return data.astype(computable(data.dtype), copy=False), both["indices"].values


def known_features(piece: CodesPiece, n_features: int, where: str = "codes") -> Array:
    """Features of the entries of a piece.

    Raises
    ------
    DataValueError
        If one is not of 0 to ``n_features`` - 1; names its token.
    """
    unknown = np.flatnonzero((piece.indices < 0) | (piece.indices >= n_features))
    for entry in unknown[:1]:
        token = piece.start + np.searchsorted(piece.bounds, entry, side="right") - 1
        raise DataValueError(
            f"{where}/indices: token {token} names feature {piece.indices[entry]}, expected 0 to {n_features - 1}; "
            "fetch the store again"
        )
    return piece.indices
