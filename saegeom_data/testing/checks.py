"""Checks for tests of metrics: laziness, equality, chunking. Each failure is one line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import xarray as xr

from saegeom_data.typing import Array


@contextmanager
def raise_if_dask_computes() -> Iterator[None]:
    """Fail inside the block as soon as anything lazy is computed.

    Examples
    --------
    >>> import dask.array as da
    >>> with raise_if_dask_computes():
    ...     da.ones(3).sum().compute()
    Traceback (most recent call last):
    AssertionError: a lazy array was computed while the result was being built
    """
    import dask

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("a lazy array was computed while the result was being built")

    # Every way of computing ends in the scheduler, compute(), values and float() alike.
    with dask.config.set(scheduler=refuse):
        yield


def assert_lazy(dataset: xr.Dataset) -> None:
    """Assert that every variable of ``dataset`` is lazy.

    Examples
    --------
    >>> assert_lazy(xr.Dataset({"mean": 0.5}))
    Traceback (most recent call last):
    AssertionError: computed already, expected lazy: mean
    """
    eager = [str(name) for name, variable in dataset.data_vars.items() if variable.chunks is None]
    if eager:
        raise AssertionError(f"computed already, expected lazy: {', '.join(eager)}")


def assert_equal(got: xr.Dataset, expected: xr.Dataset, *, relative: float = 1e-10) -> None:
    """Assert that two results agree: names, dims, shapes and dtypes exactly, floats within a relative tolerance.

    The tolerance of a variable is ``relative`` times its largest absolute value. NaN equals NaN.

    Examples
    --------
    >>> result = xr.Dataset({"mean": ("hidden", [0.5, 2.0])})
    >>> assert_equal(result + 1e-12, result)
    >>> assert_equal(result + 1, result)
    Traceback (most recent call last):
    AssertionError: mean: got 1.5 at (0,), expected 0.5; 2 of 2 values differ
    """
    if set(got.data_vars) != set(expected.data_vars):
        raise AssertionError(f"got variables {sorted(map(str, got))}, expected {sorted(map(str, expected))}")
    for name, want in expected.data_vars.items():
        have = got[name]
        if (have.dims, have.shape, have.dtype) != (want.dims, want.shape, want.dtype):
            raise AssertionError(f"{name}: got {_described(have)}, expected {_described(want)}")
        assert_same_values(str(name), have.values, want.values, relative=relative)


def _described(variable: xr.DataArray) -> str:
    sizes = ", ".join(f"{dim}: {size}" for dim, size in variable.sizes.items())
    return f"({sizes}) {variable.dtype}"


def assert_same_values(name: str, have: Array, want: Array, *, relative: float) -> None:
    """Assert that two arrays of one shape agree as :func:`assert_equal` says, whatever their dtypes.

    Examples
    --------
    >>> assert_same_values("mean", np.array([1.0, np.nan]), np.array([1.0, np.nan]), relative=0)
    """
    if want.dtype.kind == "f":
        finite = np.abs(want[np.isfinite(want)])
        # Of the largest value: entries near 0 of a matrix carry the rounding of the large ones.
        scale = float(finite.max()) if finite.size else 1.0
        same = np.isclose(have, want, rtol=0, atol=relative * scale, equal_nan=True)
    else:
        # NaN among objects is what differs from itself.
        same = np.asarray((have == want) | ((have != have) & (want != want)), bool)
    if not same.all():
        differing = np.argwhere(~same)
        place = tuple(int(index) for index in differing[0])
        where = f" at {place}" if place else ""
        raise AssertionError(
            f"{name}: got {have[place]}{where}, expected {want[place]}; {len(differing)} of {same.size} values differ"
        )


def rechunk(dataset: xr.Dataset, chunks: Mapping[str, int]) -> xr.Dataset:
    """Return ``dataset`` as dask arrays with ``chunks`` along the dimensions that it has.

    Examples
    --------
    >>> dataset = xr.Dataset({"mean": ("hidden", [0.5, 2.0, 3.0])})
    >>> rechunk(dataset, {"hidden": 2, "features": 10}).chunks["hidden"]
    (2, 1)
    """
    return dataset.chunk({dim: size for dim, size in chunks.items() if dim in dataset.dims})
