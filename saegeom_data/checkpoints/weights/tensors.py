"""Tensors of a weights file, known by shape and dtype before any of their values is read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from saegeom_data.data.write import shard_rows
from saegeom_data.errors import StoreError
from saegeom_data.lazy import block_bytes
from saegeom_data.remote.files import SourceFile
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import dask.array as da


class Tensor(Protocol):
    """What dask makes an array from: a shape, a dtype, and slices."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes, as they lie in the file."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype in the file; bfloat16 is that of ``ml_dtypes``."""

    def __getitem__(self, key: Any) -> Array:
        """Read a part."""


@dataclass(frozen=True)
class Weights:
    """Contents of one weights file: its tensors, and what is saved beside them, such as a number of features."""

    tensors: Mapping[str, Tensor]
    extras: Mapping[str, Any]


class NoWeightsError(StoreError):
    """A file that is whole, and no dictionary of tensors: a state of training, say, which may lie beside weights."""


@dataclass(frozen=True)
class UnreadTensor:
    """A tensor whose name and shape are known, and whose values cannot be read.

    It is no reason to refuse a file, in which many things lie beside a decoder; whoever asks for it gets the problem.

    Parameters
    ----------
    shape
        Sizes, as far as they are known.
    problem
        Why it is not read, with the file and the key.
    """

    shape: tuple[int, ...]
    problem: str

    @property
    def dtype(self) -> np.dtype[Any]:
        """None that is read here."""
        raise StoreError(self.problem)

    def __getitem__(self, key: Any) -> Array:
        raise StoreError(self.problem)


@dataclass(frozen=True)
class StoredTensor:
    """A tensor that lies in one piece in a file, in C order, and is read by byte range."""

    file: SourceFile
    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    def __getitem__(self, key: Any) -> Array:
        """Read a part: of a remote file the rows that it needs, of a local one its pages."""
        if self.file.is_local:
            return self.file.mapped(self.offset, self.shape, self.dtype, key)
        first, *rest = key if isinstance(key, tuple) else (key,)
        # One range for all: single rows that are asked for are read with those between them.
        asked = np.arange(self.shape[0])[first]
        start, stop = (int(asked.min()), int(asked.max()) + 1) if asked.size else (0, 0)
        row = math.prod(self.shape[1:]) * self.dtype.itemsize
        data = self.file.read(self.offset + start * row, self.offset + stop * row)
        rows = np.frombuffer(data, self.dtype).reshape(stop - start, *self.shape[1:])
        # A copy: a view would hold all bytes of the range, and could not be written to.
        return np.array(rows[(asked - start, *rest)])


@dataclass(frozen=True)
class FortranTensor:
    """A matrix that lies column by column: the transpose of one that lies row by row."""

    stored: StoredTensor

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes, of the matrix itself."""
        return self.stored.shape[::-1]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype in the file."""
        return self.stored.dtype

    def __getitem__(self, key: Any) -> Array:
        """Read a part."""
        return self.stored[key[::-1]].T


def lazy_matrix(tensor: Tensor, name: str, *, transpose: bool = False) -> da.Array:
    """Return a matrix as a dask array in blocks of rows, transposed if asked, in a dtype that zarr has.

    A block is a shard of the store that it may be written to, so that none waits for another. A transposed matrix is
    cut along its own first dimension where the file is remote, so that every block is still one range; it is then held
    whole when it is written row by row.
    """
    import dask.array as da

    if isinstance(tensor, FortranTensor):
        tensor, transpose = tensor.stored, not transpose
    rows, columns = tensor.shape[::-1] if transpose else tensor.shape
    row_bytes = max(1, columns * stored_dtype(tensor.dtype).itemsize)
    size = max(1, min(shard_rows(rows, row_bytes)[1], block_bytes() // row_bytes))
    chunks: tuple[int, ...] = (size, columns)
    if transpose:
        remote = isinstance(tensor, StoredTensor) and not tensor.file.is_local
        across = max(1, min(columns, block_bytes() // max(1, rows * 4)))
        chunks = (across, rows) if remote else (columns, size)
    # With the empty array given, dask need not read a part of the file to learn what parts are like.
    array = da.from_array(tensor, chunks=chunks, name=name, asarray=False, meta=np.empty((0, 0), tensor.dtype))
    array = array.T if transpose else array
    return array.astype(stored_dtype(tensor.dtype)) if stored_dtype(tensor.dtype) != tensor.dtype else array


def lazy_sites(tensor: Tensor, name: str, *, axis: int, first: int = 0) -> da.Array:
    """Return a decoder of several sites as a dask array (features, sites, hidden), in blocks of one site.

    Parameters
    ----------
    tensor
        (features, sites, hidden), or (sites, features, hidden).
    name
        Name of the dask array.
    axis
        Which dimension is over sites: 1 or 0.
    first
        The first site that is taken.
    """
    import dask.array as da

    features, hidden = tensor.shape[1 - axis], tensor.shape[2]
    row_bytes = max(1, hidden * stored_dtype(tensor.dtype).itemsize)
    size = max(1, min(shard_rows(features, row_bytes)[1], block_bytes() // row_bytes))
    sites = 1
    if isinstance(tensor, StoredTensor) and not tensor.file.is_local:
        # A remote file is read by whole rows of its first dimension: each block is one range, read once.
        sites = tensor.shape[1] if axis else 1
        size = max(1, block_bytes() // (row_bytes * sites)) if axis else features
    chunks = (size, sites, hidden) if axis else (sites, size, hidden)
    array = da.from_array(tensor, chunks=chunks, name=name, asarray=False, meta=np.empty((0, 0, 0), tensor.dtype))
    array = (array if axis else array.transpose(1, 0, 2))[:, first:]
    return array.astype(stored_dtype(tensor.dtype)) if stored_dtype(tensor.dtype) != tensor.dtype else array


def read_values(tensor: Tensor) -> Array:
    """Read a whole tensor, in a dtype that zarr has."""
    if not tensor.shape:
        # A range of bytes is read by rows, which a single number has none of.
        number = replace(tensor, shape=(1,))[:][0] if isinstance(tensor, StoredTensor) else tensor[()]
        return np.asarray(number).astype(stored_dtype(tensor.dtype))
    return tensor[tuple(slice(None) for _ in tensor.shape)].astype(stored_dtype(tensor.dtype), copy=False)


def stored_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype that a store keeps: zarr has no bfloat16, and float32 holds each of its values exactly."""
    return dtype.newbyteorder("=") if dtype.kind in "fiub" else np.dtype("float32")
