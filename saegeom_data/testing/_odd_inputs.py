"""Small and odd inputs: none, one or two of each dimension, dead and equal rows, and arrays of unusual layout.

Each is made from a metric's example by a function in the table below. Whatever the input, a metric gives a result or
refuses it in an error of this package: never an error of another library, nor a warning of numpy that a result is not
what it seems.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import xarray as xr

from saegeom_data.data.schema import Kind
from saegeom_data.declare.metric import Metric
from saegeom_data.errors import SaegeomError
from saegeom_data.testing import checks
from saegeom_data.testing._case import Case, smallest_chunks
from saegeom_data.testing._result_checks import assert_within_bounds
from saegeom_data.typing import Array

_SIZES = {"no": 0, "one": 1, "two": 2}
_HALVED = ("features", "blocks")


def _but(count: int, rows: Array) -> Array:
    """Zeros but for the first rows."""
    kept = np.zeros_like(rows)
    kept[:count] = rows[:count]
    return kept


def _one_column(rows: Array) -> Array:
    column = np.zeros_like(rows)
    column[..., :1] = rows[..., :1]
    return column


def _odd_layout(rows: Array) -> Array:
    """Half precision, columns first, read only."""
    odd = np.asfortranarray(rows.astype("float16"))
    odd.setflags(write=False)
    return odd


def _equal(rows: Array) -> Array:
    return np.repeat(rows[:1], len(rows), axis=0)


def _each_its_own(texts: Array) -> Array:
    return np.array([f"text {index}" for index in range(texts.size)], dtype=object).reshape(texts.shape)


# By the kind of the declared inputs that are changed, all of a kind together.
_VALUES: Mapping[Kind, Mapping[str, Callable[[Array], Array]]] = {
    "float": {
        "all rows zero": np.zeros_like,
        "all rows zero but one": lambda rows: _but(1, rows),
        "all rows zero but two": lambda rows: _but(2, rows),
        "all rows equal": _equal,
        "all rows equal and opposite": lambda rows: _equal(rows) * (-1.0) ** np.indices(rows.shape)[0],
        "all columns zero but one": _one_column,
        # Squares of these leave float64.
        "values of 1e200": lambda rows: rows * 1e200,
        "values of 1e-200": lambda rows: rows * 1e-200,
        "values in half precision, columns first, read only": _odd_layout,
        "whole numbers": lambda rows: rows.astype("int64"),
    },
    "boolean": {
        "never true": np.zeros_like,
        "always true": np.ones_like,
        "true in one column": _one_column,
        "true in one row": lambda rows: _but(1, rows),
    },
    "string": {"one text": _equal, "texts that are all different": _each_its_own},
    "integer": {"one number": _equal},
}


def odd_inputs(metric: Metric) -> Iterator[tuple[str, Callable[[Case], xr.Dataset]]]:
    """Yield name and maker of each odd input of a metric, from the dims and kinds of its declared inputs."""
    dims = list(dict.fromkeys(dim for variable in metric.inputs for dim in variable.dims))
    for dim in dims:
        for word, size in _SIZES.items():
            yield f"{word} {dim}", _cut({dim: size})
    yield "one of everything", _cut(dict.fromkeys(dims, 1))
    yield "uneven chunks", _unevenly_chunked
    kinds = [variable.kind for variable in metric.inputs]
    for kind, changes in _VALUES.items():
        if kind in kinds:
            for name, change in changes.items():
                yield name, _changed(kind, change)


def _half(case: Case) -> xr.Dataset:
    """The example with half of its features and blocks, which takes a quarter of the time; word pairs are few."""
    sizes = {dim: size for dim, size in case.dataset.sizes.items() if dim in _HALVED}
    return _selected(case.dataset, {dim: slice(-(-size // 2)) for dim, size in sizes.items()})


def _cut(sizes: Mapping[str, int]) -> Callable[[Case], xr.Dataset]:
    return lambda case: _selected(_half(case), {dim: slice(size) for dim, size in sizes.items()})


def _selected(dataset: xr.Dataset, places: Mapping[str, slice]) -> xr.Dataset:
    """A part that says how wide it is: one that keeps the width of the whole is refused for that alone."""
    part = dataset.isel(places)
    return part.assign_coords(width=part.sizes["features"]) if "width" in part.coords else part


def fewer_features_than_dimensions(case: Case) -> None:
    """Of features that cannot span all dimensions, the result in smallest chunks is the one in memory."""
    few = _selected(case.dataset, {"features": slice(case.dataset.sizes["hidden"] - 4)})
    try:
        expected = case.evaluate(few).compute()
    except SaegeomError:
        return
    # Axes without variance are found from rounding, which is another one for each order of summing.
    checks.assert_equal(case.evaluate(checks.rechunk(few, smallest_chunks(few))).compute(), expected)


def _unevenly_chunked(case: Case) -> xr.Dataset:
    """Chunks of one, of two, and of the rest of each dimension."""
    dataset = _half(case)
    return dataset.chunk({dim: (1, 2, size - 3) if size > 3 else size for dim, size in dataset.sizes.items()})


def _changed(kind: Kind, change: Callable[[Array], Array]) -> Callable[[Case], xr.Dataset]:
    def maker(case: Case) -> xr.Dataset:
        dataset = _half(case)
        arrays = {variable.name: dataset[variable.name] for variable in case.inputs if variable.kind == kind}
        return dataset.assign({name: array.copy(data=change(array.values)) for name, array in arrays.items()})

    return maker


def odd_input_is_computed_or_refused(case: Case, make: Callable[[Case], xr.Dataset]) -> None:
    """A result within its bounds, or an error of this package; no other error, and no warning of numpy."""
    with warnings.catch_warnings():
        # Numpy warns of an overflow or of zero by zero and goes on with NaN: nobody would see it in a result.
        warnings.simplefilter("error", RuntimeWarning)
        try:
            result = case.evaluate(make(case)).compute()
        except SaegeomError:
            return
    assert_within_bounds(case.metric, result)
