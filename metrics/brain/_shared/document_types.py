"""Types of documents: which there are, and the type of each block."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from saegeom_data.errors import DataValueError, ParameterError
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr


def document_types(
    sae: xr.Dataset,
    given: tuple[str, ...] | None,
    *,
    attribute: str = "document_types",
    variable: str = "document_type",
) -> tuple[str, ...]:
    """Names of all types: those given, those of an attribute, or those of a variable that is in memory.

    Blocks have their types in ``document_type``, documents of a text in ``type_of_document`` with the attribute
    ``text_types``.
    """
    types = given if given is not None else tuple(map(str, sae.attrs.get(attribute, ())))
    if not types:
        if sae[variable].chunks is not None:
            name = "of that name" if attribute == "document_types" else attribute
            raise ParameterError(
                f"document_types: the dataset has no attribute {name} and its types are lazy; name them all"
            )
        types = tuple(np.unique(sae[variable].values.astype(str)).tolist())
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
