"""Matrices of codes in whatever form they come, as scipy's CSR over (tokens, features)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from saegeom_data.data.schema import PARTS
from saegeom_data.errors import DataValueError, ParameterError
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import scipy.sparse as sp
    import xarray as xr

_DTYPES = ("float16", "float32", "float64")
_DIMS = ("tokens", "features")
_FORMS = "a sparse matrix of scipy, or a matrix of numpy, torch or xarray"
# Of a lazy matrix, which may be too large to be dense, that much is dense at a time.
_DENSE_BYTES = 2**27
# How to go on with what has some attribute.
_HINTS = {
    "data_vars": "read it with codes_matrix first",
    "filled": "convert it with .filled(0)",
    "dask": "name its dims: xarray.DataArray(codes, dims=('tokens', 'features'))",
    "to_numpy": "convert it with .to_numpy()",
}


def csr_of(codes: Any) -> tuple[sp.csr_matrix, str]:
    """Turn a matrix of codes into CSR, and say the dtype that it had.

    Parameters
    ----------
    codes
        Activations over (tokens, features): a sparse matrix or array of scipy in any format, a dense array, a tensor of
        torch, sparse or dense, anything with ``to_scipy_sparse``, or a DataArray, whose dims may stand in any order.

    Returns
    -------
    csr : scipy.sparse.csr_matrix
        Rows sorted by feature, duplicates summed and zeros left out; float32 where ``codes`` are float16, for which
        scipy has no routines. Never shares memory with ``codes``.
    dtype : str
        Name of the dtype of ``codes``.

    Raises
    ------
    ParameterError
        If it is something else, or not a matrix of floating-point numbers.
    DataValueError
        If its indices are not those of its shape, or a value is NaN or infinite.

    Examples
    --------
    >>> found, dtype = csr_of(np.array([[0, 2], [1, 0]], "float16"))
    >>> found.toarray().tolist(), found.format, dtype
    ([[0.0, 2.0], [1.0, 0.0]], 'csr', 'float16')
    """
    import scipy.sparse as sp

    dtype = str(getattr(codes, "dtype", "")).removeprefix("torch.")
    if dtype and dtype not in (*_DTYPES, "bfloat16"):
        raise ParameterError(f"codes: got dtype {dtype}, expected a float dtype; convert with .astype('float32')")
    found = codes if sp.issparse(codes) else _scipy_or_numpy(codes)
    if len(found.shape) != 2:
        raise ParameterError(f"codes: got {len(found.shape)} dims, expected 2: tokens and features")
    if sp.issparse(found):
        _check_indices(found)
    else:
        found = sp.coo_matrix(found.astype(computable(found.dtype)))
    # A copy already, even where the dtype stays.
    csr = sp.csr_matrix(found.astype(computable(found.dtype)).tocsr())
    csr.sum_duplicates()
    csr.eliminate_zeros()
    finite = np.isfinite(csr.data)
    if not finite.all():
        entry = int(np.flatnonzero(~finite)[0])
        token = int(np.searchsorted(csr.indptr, entry, side="right")) - 1
        raise DataValueError(
            f"codes: token {token}, feature {csr.indices[entry]}: got {csr.data[entry]}, expected finite values; encode"
            " it again"
        )
    return csr, dtype


def computable(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype that scipy computes in: it has no routines for float16."""
    return np.dtype(np.float32) if dtype == np.float16 else dtype


def _scipy_or_numpy(codes: Any) -> Any:
    """The same matrix as one of scipy or numpy."""
    import xarray as xr

    if isinstance(codes, xr.DataArray):
        return _of_dataarray(codes)
    if hasattr(codes, "to_scipy_sparse"):
        return codes.to_scipy_sparse()
    # By its name, as torch may not be installed, and takes seconds to import.
    if type(codes).__module__.partition(".")[0] == "torch" and hasattr(codes, "layout"):
        return _of_torch(codes)
    # numpy would drop the mask without a word, and take what is behind it for values.
    if isinstance(codes, np.ndarray) and not isinstance(codes, np.ma.MaskedArray):
        return np.asarray(codes)
    kind = type(codes)
    hint = next((hint for name, hint in _HINTS.items() if hasattr(codes, name)), "convert it with numpy.asarray")
    raise ParameterError(f"codes: got {kind.__module__}.{kind.__qualname__}, expected {_FORMS}; {hint}")


def _of_dataarray(codes: xr.DataArray) -> Any:
    """A DataArray over (tokens, features) in any order, or with ``sequences`` and ``positions`` in place of tokens."""
    import scipy.sparse as sp

    parts = (*PARTS["tokens"], "features")
    if set(codes.dims) not in (set(_DIMS), set(parts)):
        dims = ", ".join(map(str, codes.dims))
        raise ParameterError(f"codes: got dims ({dims}), expected (tokens, features); name and order what it holds so")
    ordered = codes.transpose(*(_DIMS if set(codes.dims) == set(_DIMS) else parts))
    if ordered.chunks is None:
        held = ordered.data
        if hasattr(held, "to_scipy_sparse"):
            return held.reshape((-1, held.shape[-1])).to_scipy_sparse()
        return np.asarray(held).reshape(-1, ordered.sizes["features"])
    step = max(1, _DENSE_BYTES // max(1, ordered.dtype.itemsize * ordered[:1].size))
    # One block also where there are no tokens: vstack needs at least one to know the width.
    blocks = (ordered[start : start + step].compute() for start in range(0, max(1, len(ordered)), step))
    rows = [_of_dataarray(block) for block in blocks]
    return sp.vstack([sp.csr_matrix(block.astype(computable(block.dtype))) for block in rows], "csr")


def _of_torch(codes: Any) -> Any:
    """A tensor (tokens, features), sparse or dense, on any device; half precision becomes float32, which scipy has."""
    import scipy.sparse as sp
    import torch

    if codes.is_meta:
        raise ParameterError(
            "codes: got a tensor on the device meta, which has a shape and no values; load it on cpu or on a GPU"
        )
    held = codes.detach().cpu()
    held = held.to(torch.float32) if held.dtype in (torch.float16, torch.bfloat16) else held
    if held.layout == torch.strided:
        return held.numpy()
    if held.layout in (torch.sparse_csr, torch.sparse_csc):
        held = held.to_sparse_coo()
    if held.layout != torch.sparse_coo or held.dense_dim():
        return held.to_dense().numpy()
    if held.ndim != 2:
        raise ParameterError(f"codes: got {held.ndim} dims, expected 2: tokens and features")
    # Entries of a tensor that is not coalesced add up, as those of scipy's COO do.
    rows, columns = held._indices().numpy()
    return sp.coo_matrix((held._values().numpy(), (rows, columns)), shape=tuple(held.shape))


def _check_indices(matrix: Any) -> None:
    """Refuse indices out of the shape, before scipy's compiled routines follow them."""
    try:
        if matrix.format in ("csr", "csc", "bsr"):
            matrix.check_format(full_check=True)
        elif matrix.format == "coo":
            _check_coordinates(matrix.coords, matrix.shape)
    except ValueError as error:
        raise DataValueError(f"codes: not a {matrix.format.upper()} matrix: {error}; make it again") from error


def _check_coordinates(coordinates: tuple[Array, ...], shape: tuple[int, ...]) -> None:
    for name, index, size in zip(("row", "column"), coordinates, shape, strict=True):
        if len(index) and not 0 <= index.min() <= index.max() < size:
            raise ValueError(f"{name} indices from {index.min()} to {index.max()}, expected 0 to {size - 1}")
