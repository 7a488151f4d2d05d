"""The check of a store's values, block by block: what ``saegeom validate --values`` adds to that of its metadata."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from saegeom_data import lazy
from saegeom_data.data import group_kinds, schema, sites
from saegeom_data.data.examples import example_value_problems
from saegeom_data.data.labels import label_value_problems
from saegeom_data.errors import Problem

if TYPE_CHECKING:
    import xarray as xr

_VALUES_AT_ONCE = 2**24
# Rounding every coordinate of a unit row moves its norm by up to half a unit in the last place, relatively.
_NORM_TOLERANCE = {"float16": 2e-3, "bfloat16": 8e-3}
_DEFAULT_NORM_TOLERANCE = 1e-4

# How many rows of an array are bad, the first of them, and a number that shows why.
Found = tuple[int, int, float]


def value_problems(tree: xr.DataTree) -> list[Problem]:
    """Collect what is wrong with the values of a dataset whose metadata are valid.

    Checked are: NaN and infinite values, norms of decoder rows that are declared to be 1, row bounds and feature
    indices of codes, bounds, sources and other indices of labels and examples, and indices into documents. Values are
    read block by block. Results of a run are left alone: metrics put NaN where something is not defined.

    Parameters
    ----------
    tree
        A store for which :func:`saegeom_data.data.validation.validate` finds no problem.

    Returns
    -------
    list of Problem
        One problem for each variable and check, with the number of bad rows and the first of them.

    Examples
    --------
    >>> from saegeom_data.testing.simulate import simulate_store
    >>> value_problems(simulate_store())
    []
    """
    import dask

    # Before checks are built, which would walk over all groups for nothing.
    if tree.attrs.get("kind") == "results":
        return []
    checks = list(_checks(tree))
    # All scans in one call, so that a block that several look at is read once.
    (results,) = dask.compute([scan for _, _, scan in checks])
    problems = []
    for (where, message, _), result in zip(checks, results, strict=True):
        count, first, value = int(result["count"]), int(result["first"]), float(result["value"])
        if count:
            problems.append(Problem(where, message.format(count=count, first=first, value=value)))
    for path, codes in _groups(tree, "codes"):
        problems.extend(_code_problems(codes, path))
    for path, labels in _groups(tree, "labels"):
        problems.extend(label_value_problems(labels, path))
    for path, examples in _groups(tree, "examples"):
        problems.extend(example_value_problems(examples, path))
    return problems


def norm_tolerance(*dtypes: str) -> float:
    """How far from 1 the norm of a unit row may be after it was kept in some dtypes.

    Examples
    --------
    >>> norm_tolerance("bfloat16", "float32")
    0.008
    """
    return max(_NORM_TOLERANCE.get(dtype, _DEFAULT_NORM_TOLERANCE) for dtype in dtypes)


def _checks(tree: xr.DataTree) -> Iterator[tuple[str, str, xr.Dataset]]:
    """Yield place, message and lazy result of each check that looks at rows one by one."""
    for node in tree.subtree:
        dataset = node.to_dataset(inherit=False)
        kind = group_kinds.kind_of(node.path)
        may_be_nan = {each.name for each in kind.declared(dataset) if each.may_be_nan} if kind is not None else set()
        for name, array in dataset.data_vars.items():
            if array.dtype.kind == "f" and array.ndim and array.size and name not in may_be_nan:
                message = "{count} rows with NaN or infinite values, the first is %s {first} (got {value}); repair them"
                for at, part in _parts(dataset, array):
                    yield f"{node.path}/{name}{at}", message % array.dims[0], _scan(_not_finite, part)
    for path, features in _groups(tree, "features"):
        decoder = features["decoder"]
        if features.attrs.get("decoder_norm") == "unit" and decoder.size:
            source = str(features.attrs.get("source_dtype", decoder.dtype))
            tolerance = norm_tolerance(source, str(decoder.dtype))
            message = (
                "{count} rows without unit norm, the first is features {first} (norm {value:.6g}),"
                ' although decoder_norm is "unit"; normalise them or say "raw"'
            )
            for at, part in _parts(features, decoder):
                yield f"{path}/decoder{at}", message, _scan(functools.partial(_not_unit, tolerance), part)
    if "documents" in tree.children:
        n_documents = tree["documents"].sizes["documents"]
        message = f"{{count}} rows outside 0 to {n_documents - 1}, the first is %s {{first}} (got {{value:.0f}})"
        for path, group in _indexing_documents(tree):
            array = group["document"]
            if array.size:
                outside = functools.partial(_outside, n_documents)
                yield f"{path}/document", message % array.dims[0] + "; fix the index", _scan(outside, array)


def _parts(dataset: xr.Dataset, array: xr.DataArray) -> Iterator[tuple[str, xr.DataArray]]:
    """Yield an array, or what it is at each of several sites: together they may exceed memory, and no site does."""
    if schema.SITES not in array.dims[1:]:
        yield "", array
        return
    for index, site in enumerate(sites.site_names(dataset)):
        yield f"@{site}", array.isel({schema.SITES: index})


def _indexing_documents(tree: xr.DataTree) -> Iterator[tuple[str, xr.Dataset]]:
    """Yield path and Dataset of the groups whose ``document`` is an index into the documents."""
    if "tokens" in tree.children:
        yield "/tokens", tree.children["tokens"].to_dataset(inherit=False)
    yield from _groups(tree, "occurrence")


def _groups(tree: xr.DataTree, kind: str) -> Iterator[tuple[str, xr.Dataset]]:
    """Yield path and Dataset of the groups of one kind of all SAEs, untrained ones included."""
    for folder in ("saes", "untrained"):
        for sae in tree.children[folder].children.values() if folder in tree.children else ():
            if kind in sae.children:
                yield sae.children[kind].path, sae.children[kind].to_dataset(inherit=False)


def _scan(bad: Callable[[np.ndarray[Any, Any]], tuple[Any, Any]], array: xr.DataArray) -> xr.Dataset:
    """Lazily find the bad rows of an array.

    Parameters
    ----------
    bad
        Called with a block (rows, ...); returns a mask (rows,) of bad rows, and a number (rows,) that shows why.
    array
        (rows, ...), lazy or in memory.

    Returns
    -------
    xarray.Dataset
        Scalars ``count``, ``first`` (-1 if no row is bad) and ``value``, the number of the first bad row.
    """
    outputs = {"count": lazy.Result(dtype="int64"), "first": lazy.Result(dtype="int64"), "value": lazy.Result()}
    return lazy.rows(functools.partial(_found, bad), _merge, _named, array, outputs=outputs, memory=lazy.Memory())


def _found(bad: Callable[..., tuple[Any, Any]], start: int, block: np.ndarray[Any, Any]) -> Found:
    """Count the bad rows of one block, which begins at row ``start`` of the array."""
    mask, numbers = bad(block)
    rows = np.flatnonzero(mask)
    # Numbers alone go on: what a block says stays small however many of its rows are bad.
    return (len(rows), start + int(rows[0]), float(numbers[rows[0]])) if len(rows) else (0, -1, np.nan)


def _merge(parts: Sequence[Found]) -> Found:
    """Add up the counts of blocks in order; the first bad row is that of the first block that has one."""
    first = next((part for part in parts if part[0]), (0, -1, np.nan))
    return sum(part[0] for part in parts), first[1], first[2]


def _named(found: Found) -> dict[str, float]:
    return dict(zip(("count", "first", "value"), found, strict=True))


def _not_finite(block: np.ndarray[Any, Any]) -> tuple[Any, Any]:
    """Mask (rows,) of rows with NaN or infinity, and the first such value of each; any value where there is none."""
    flat = block.reshape(len(block), -1)
    bad = ~np.isfinite(flat)
    return bad.any(axis=1), flat[np.arange(len(flat)), bad.argmax(axis=1)]


def _not_unit(tolerance: float, block: np.ndarray[Any, Any]) -> tuple[Any, Any]:
    """Mask (rows,) of rows of a block (rows, hidden) with abs(norm - 1) > tolerance, and their Euclidean norms."""
    # Squared in double precision: a sum of float16 squares overflows and rounds by more than the tolerance.
    norms = np.sqrt(np.square(block, dtype=np.float64).sum(axis=1))
    # Rows that are not finite have a problem of their own.
    return np.isfinite(norms) & (np.abs(norms - 1) > tolerance), norms


def _outside(size: int, block: np.ndarray[Any, Any]) -> tuple[Any, Any]:
    """Mask (rows,) of indices below 0 or at least ``size``, and the indices."""
    return (block < 0) | (block >= size), block


def _code_problems(codes: xr.Dataset, path: str) -> Iterator[Problem]:
    """Find what is wrong with the CSR arrays of codes (tokens, features): bounds, ranges, order within rows."""
    n_tokens, n_features = (int(size) for size in codes.attrs["shape"])
    n_values = codes.sizes["nonzeros"]
    repair = "; fetch the store again or build it anew"
    # The ends first: where they are wrong, the bounds between them cannot be followed into the values.
    ends = codes["indptr"][[0, -1]].values.tolist()
    if ends != [0, n_values]:
        yield Problem(f"{path}/indptr", f"got bounds from {ends[0]} to {ends[1]}, expected 0 to {n_values}{repair}")
        return
    # By rows of the mean length that fill the budget: the arrays are larger than memory may be.
    step = max(1, _VALUES_AT_ONCE * n_tokens // max(1, n_values))
    outside: list[int] = []
    repeated: list[int] = []
    for start in range(0, n_tokens, step):
        bounds = codes["indptr"][start : start + step + 1].values.astype(np.int64)
        falls = np.flatnonzero((np.diff(bounds) < 0) | (bounds[1:] > n_values) | (bounds[:-1] < 0))
        if len(falls):
            yield Problem(f"{path}/indptr", f"bounds do not rise, first after row {start + int(falls[0])}{repair}")
            return
        indices = codes["indices"][int(bounds[0]) : int(bounds[-1])].values
        rows = np.repeat(np.arange(start, start + len(bounds) - 1), np.diff(bounds))
        outside += _first_and_count(rows[(indices < 0) | (indices >= n_features)])
        # Ranges of rows, so that the last entry of a range needs no comparison with the first of the next.
        same_row = rows[1:] == rows[:-1]
        repeated += _first_and_count(rows[1:][same_row & (indices[1:] <= indices[:-1])])
    if outside:
        where, message = f"{path}/indices", f"expected 0 to {n_features - 1}"
        yield Problem(where, f"{sum(outside[1::2])} rows outside, the first is row {outside[0]}; {message}{repair}")
    if repeated:
        message = (
            f"{sum(repeated[1::2])} rows are not sorted or have duplicate features, the first is row {repeated[0]}"
        )
        yield Problem(f"{path}/indices", f"{message}{repair}")


def _first_and_count(rows: np.ndarray[Any, Any]) -> list[int]:
    """First row and number of different rows, or nothing if there are none; ``rows`` are in order."""
    return [int(rows[0]), len(np.unique(rows))] if len(rows) else []
