"""Whether a group of codes is one of a CSR matrix, and of the store's tokens and features, from metadata alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from saegeom_data.errors import Problem

if TYPE_CHECKING:
    import xarray as xr


def csr_problems(codes: xr.Dataset, where: str) -> Iterator[Problem]:
    """Find where the attributes of codes are not those of a CSR matrix, or disagree with its row bounds."""
    kind = codes.attrs.get("encoding-type", "csr_matrix")
    if kind != "csr_matrix":
        yield Problem(f"{where}@encoding-type", f"got {kind!r}, expected 'csr_matrix'")
    elif "shape" in codes.attrs and _shape_of(codes) is None:
        message = f"got {codes.attrs['shape']!r}, expected two integers: tokens and features"
        yield Problem(f"{where}@shape", message)
    elif shape := _shape_of(codes):
        got, expected = codes.sizes.get("row_bounds", shape[0] + 1), shape[0] + 1
        if got != expected:
            message = f"got {got} bounds, expected {expected}: one more than tokens in the shape"
            yield Problem(f"{where}/indptr", message)


def shape_problems(codes: xr.Dataset, n_features: int, n_tokens: int | None, where: str) -> Iterator[Problem]:
    """Find where the shape (tokens, features) of codes disagrees with the decoder's rows or the text."""
    shape = _shape_of(codes)
    if shape is None:
        return
    if shape[1] != n_features:
        yield Problem(f"{where}@shape", f"got {shape[1]} features, expected {n_features}, the decoder's rows")
    # Where it is not, that is a problem of its own, and one is enough.
    is_of_its_shape = codes.sizes.get("row_bounds", shape[0] + 1) == shape[0] + 1
    if n_tokens is not None and is_of_its_shape and shape[0] != n_tokens:
        yield Problem(f"{where}@shape", f"got {shape[0]} tokens, expected {n_tokens}, as in /tokens")


def _shape_of(codes: xr.Dataset) -> tuple[int, int] | None:
    """Tokens and features by the attribute of codes; None if it is no pair of integers."""
    shape = codes.attrs.get("shape")
    sizes = [] if shape is None or not hasattr(shape, "__len__") else list(shape)
    if len(sizes) != 2 or not all(hasattr(size, "__index__") for size in sizes):
        return None
    return int(sizes[0]), int(sizes[1])
