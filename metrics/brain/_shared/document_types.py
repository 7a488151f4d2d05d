"""Types of documents: which there are, and the type of each block."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from saegeom_data.errors import DataValueError, ParameterError
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr


def document_types(sae: xr.Dataset, given: tuple[str, ...] | None) -> tuple[str, ...]:
    """Names of all types: those given, those of the attribute ``document_types``, or those that are in memory."""
    types = given if given is not None else tuple(sae.attrs.get("document_types", ()))
    if not types:
        if sae.document_type.chunks is not None:
            raise ParameterError(
                "document_types: the dataset has no attribute of that name and its types are lazy; name them all"
            )
        types = tuple(np.unique(sae.document_type.values.astype(str)).tolist())
    if len(set(types)) < len(types):
        raise ParameterError(f"document_types: got {types}, expected different names")
    return types


def type_index(document_type: Array, types: tuple[str, ...]) -> Array:
    """Place among ``types`` of the type of each block (blocks)."""
    names, inverse = np.unique(document_type.astype(str), return_inverse=True)
    unknown = sorted(set(names.tolist()) - set(types))
    if unknown:
        raise DataValueError(f"document_type: got {unknown[0]!r}, expected one of {types}; name all in document_types")
    return np.array([types.index(str(name)) for name in names], np.intp)[inverse]
