"""Variables of an opened store as dask arrays, whose errors name what was read."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from saegeom_data.errors import SaegeomError, StoreError
from saegeom_data.remote.files import reason
from saegeom_data.shown import without_secrets

if TYPE_CHECKING:
    import xarray as xr


def chunked_by_shards(tree: xr.DataTree, token: str, where: str) -> xr.DataTree:
    """Make the variables of a tree dask arrays of one chunk per shard.

    Parameters
    ----------
    tree
        As xarray opens it, not read.
    token
        Names the store and its version.
    where
        Where it lies, for messages.
    """
    import dask.array as da
    import xarray as xr
    from dask.base import tokenize

    chunked = {}
    for node in tree.subtree:
        dataset, lazy = node.to_dataset(inherit=False), {}
        for name, variable in dataset.variables.items():
            sizes = variable.encoding.get("shards") or variable.encoding.get("chunks")
            if variable.ndim and sizes and name not in dataset.xindexes:
                chunks = _within_budget(variable, sizes)
                # A name that says what is read, so that equal reads of two metrics are one task.
                named = f"store-{name}-{tokenize(token, node.path, str(name), variable.shape, chunks)}"
                stored = StoredVariable(variable, f"{without_secrets(where)}{node.path.rstrip('/')}/{name}")
                meta = np.empty((0,) * variable.ndim, variable.dtype)
                lazy[name] = variable.copy(data=da.from_array(stored, chunks, name=named, meta=meta))
        # All at once: xarray aligns every variable of a group with every other each time that one is put in place.
        chunked[node.path] = dataset.assign(lazy)
    opened = xr.DataTree.from_dict(chunked, name=tree.name)
    opened.encoding.update(tree.encoding)
    opened.set_close(tree.close)
    return opened


def _within_budget(variable: xr.Variable, sizes: tuple[int, ...]) -> tuple[int, ...]:
    """Sizes of a shard, or of as many of its chunks along the first dimension as fill the budget of a block."""
    # Late, because it loads numpy, which `saegeom --help` does without.
    from saegeom_data.lazy import block_bytes

    inner = variable.encoding.get("chunks") or sizes
    row_bytes = math.prod(sizes[1:]) * max(1, variable.dtype.itemsize)
    n_chunks = max(1, block_bytes() // (row_bytes * inner[0]))
    return (min(sizes[0], n_chunks * inner[0]), *sizes[1:])


class StoredVariable:
    """A variable as dask reads it, block by block.

    What unpacks chunks raises errors of many libraries, none of which says of which array the chunk is.

    Parameters
    ----------
    variable
        As xarray opens it, not read.
    where
        Address of the store and path in it.
    """

    def __init__(self, variable: xr.Variable, where: str) -> None:
        self.shape, self.dtype, self.ndim = variable.shape, variable.dtype, variable.ndim
        self._variable, self._where = variable, where

    def __getitem__(self, key: Any) -> np.ndarray[Any, Any]:
        """Read a block."""
        try:
            return np.asarray(self._variable[key].values)
        except (SaegeomError, MemoryError):
            raise
        except Exception as error:
            raise StoreError(
                f"{self._where}: cannot be unpacked: {reason(error)}; restore it from its source"
            ) from error
