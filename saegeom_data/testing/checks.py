"""Checks for tests of metrics: laziness, equality, chunking."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import xarray as xr


@contextmanager
def raise_if_dask_computes() -> Iterator[None]:
    """Fail inside the block as soon as anything lazy is computed."""
    import dask

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("a lazy array was computed while the result was being built")

    with dask.config.set(scheduler=refuse):
        yield


def assert_lazy(dataset: xr.Dataset) -> None:
    """Assert that every variable of ``dataset`` is lazy."""
    eager = [str(name) for name, variable in dataset.data_vars.items() if variable.chunks is None]
    if eager:
        raise AssertionError(f"computed already, expected lazy: {', '.join(eager)}")


def assert_equal(got: xr.Dataset, expected: xr.Dataset, *, relative: float = 1e-10) -> None:
    """Assert that two results agree: names, dims and dtypes exactly, floats within a relative tolerance.

    The tolerance of a variable is ``relative`` times its largest absolute value.
    """
    if set(got.data_vars) != set(expected.data_vars):
        raise AssertionError(f"got variables {sorted(map(str, got))}, expected {sorted(map(str, expected))}")
    for name, want in expected.data_vars.items():
        have = got[name]
        if have.dims != want.dims or have.dtype != want.dtype:
            raise AssertionError(f"{name}: got {have.dims} {have.dtype}, expected {want.dims} {want.dtype}")
        if want.dtype.kind == "f":
            finite = np.abs(want.values[np.isfinite(want.values)])
            scale = float(finite.max()) if finite.size else 1.0
            np.testing.assert_allclose(have.values, want.values, rtol=0, atol=relative * scale, err_msg=str(name))
        else:
            np.testing.assert_array_equal(have.values, want.values, err_msg=str(name))


def rechunk(dataset: xr.Dataset, chunks: Mapping[str, int]) -> xr.Dataset:
    """Return ``dataset`` as dask arrays with ``chunks`` along the dimensions that it has."""
    return dataset.chunk({dim: size for dim, size in chunks.items() if dim in dataset.dims})
