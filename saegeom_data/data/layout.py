"""From layouts of other tools, whose dims say what they are, to the one that the data model declares.

What reads a tree names dims that are others and goes no further: a store has one layout, on which its readers rely.
What writes a store puts them in order, and so does ``laid_out`` for a tree in memory; both by ``group_laid_out``.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from saegeom_data.data.group_kinds import kind_of
from saegeom_data.data.schema import PARTS, Variable, token_position
from saegeom_data.data.validation import refuse_other_than_tree
from saegeom_data.errors import Problem, ValidationError

if TYPE_CHECKING:
    import xarray as xr

_STACKED = frozenset(part for parts in PARTS.values() for part in parts)


def laid_out(tree: xr.DataTree) -> xr.DataTree:
    """Put a tree whose dims have the names of the data model into its layout; nothing is read.

    Dims in another order are transposed. ``sequences`` and ``positions`` become ``tokens``, one sequence after the
    other, and ``position`` is then a coordinate: that of ``positions`` if there is one, and else from 0. A variable
    whose dims are others is left as it is; whatever takes the tree then names it.

    Parameters
    ----------
    tree
        Groups at the paths that a store has, with arrays in memory, mapped from a file, or lazy.

    Returns
    -------
    xarray.DataTree
        The same groups, for :func:`saegeom_data.batches`, metrics and :func:`saegeom_data.write_tree`.

    Raises
    ------
    ParameterError
        If it is no tree.
    ValidationError
        If variables of a group do not agree in their numbers of tokens.

    Examples
    --------
    >>> import xarray as xr
    >>> cached = xr.Dataset({"activation": (("sequences", "positions", "hidden"), np.zeros((5, 4, 16)))})
    >>> tree = laid_out(xr.DataTree.from_dict({"/activations/site": cached}))
    >>> tree["activations/site/activation"].sizes, tree["activations/site/position"].values[:5].tolist()
    (Frozen({'tokens': 20, 'hidden': 16}), [0, 1, 2, 3, 0])
    """
    import xarray as xr

    refuse_other_than_tree(tree)
    ordered = {node.path: group_laid_out(node.to_dataset(inherit=False), node.path) for node in tree.subtree}
    found = xr.DataTree.from_dict(ordered, name=tree.name)
    found.encoding.update(tree.encoding)
    return found


def group_laid_out(dataset: xr.Dataset, path: str) -> xr.Dataset:
    """Put the group at ``path`` of a store in order, as :func:`laid_out` does with all of them.

    Examples
    --------
    >>> import xarray as xr
    >>> group_laid_out(xr.Dataset({"decoder": (("hidden", "features"), np.eye(2))}), "saes/a/features").decoder.dims
    ('features', 'hidden')
    """
    kind = kind_of(path)
    declared = () if kind is None else kind.declared(dataset)
    ordered = {
        variable.name: _ordered(dataset[variable.name], variable)
        for variable in declared
        if variable.name in dataset.variables and _is_other_layout(dataset[variable.name], variable)
    }
    if not ordered:
        return dataset
    coords: dict[Any, Any] = {}
    if any(_STACKED & set(dataset[name].dims) for name in ordered) and token_position.name not in dataset.variables:
        # Sequences end where positions fall, so they have to be written down before the dim that tells them is gone.
        coords[token_position.name] = ("tokens", _positions(dataset))
    # Coordinates of one of the dims that are joined have no place any more; those of both have the joined one.
    others = {name: array for name, array in dataset.coords.items() if name not in ordered}
    gone = [name for name, array in others.items() if _STACKED & set(array.dims)]
    for joined, parts in PARTS.items():
        coords |= {
            name: _ordered(array, Variable(str(name), (joined,), "float", ""))
            for name, array in others.items()
            if set(array.dims) == set(parts)
        }
    try:
        return dataset.drop_vars([*ordered, *gone]).assign(ordered).assign_coords(coords)
    except ValueError as error:
        message = f"its variables disagree: {str(error).splitlines()[0]}; give all of them the same tokens"
        raise ValidationError([Problem(f"/{path.strip('/')}", message)]) from error


def _is_other_layout(array: xr.DataArray, variable: Variable) -> bool:
    dims = set(array.dims)
    return array.dims != variable.dims and dims in (set(variable.dims), set(variable.parts))


def _ordered(array: xr.DataArray, declared: Variable) -> xr.Variable:
    """Transpose, and join what are parts of one dim; a file's chunks and shards are not those of the result."""
    import xarray as xr

    if set(array.dims) == set(declared.dims):
        return array.variable.transpose(*declared.dims).drop_encoding()
    # What is lazy by xarray alone would be read to be reshaped.
    lazy = array.chunk("auto") if array.chunks is None and array.encoding else array
    whole = lazy.variable.transpose(*declared.parts)
    shape = tuple(math.prod(whole.sizes[part] for part in PARTS.get(dim, (dim,))) for dim in declared.dims)
    return xr.Variable(declared.dims, whole.data.reshape(shape), array.attrs)


def _positions(dataset: xr.Dataset) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    """Position of each token (tokens,) in its sequence."""
    sequences, positions = PARTS["tokens"]
    own = dataset.coords.get(positions)
    numbered = own.values if own is not None and own.dtype.kind in "iu" else np.arange(dataset.sizes[positions])
    return np.tile(numbered.astype(np.int32), dataset.sizes[sequences])
