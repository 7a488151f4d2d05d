"""Two halves of the documents, alike in their types: what is found on one is measured on the other."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from saegeom_data import lazy
from saegeom_data.errors import DataValueError
from saegeom_data.lazy import Result
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr


# Half of each of four quarters of the documents. Of any two of these halvings the halves cross: each half of one has as
# many documents of either half of the other.
HALVINGS = ((0, 1, 0, 1), (0, 0, 1, 1), (0, 1, 1, 0))


def document_halves(sae: xr.Dataset, halving: int = 0) -> xr.DataArray:
    """Half, 0 or 1, of the document of each block (blocks), in one of the halvings.

    In the first of them documents of each type alternate in the order of their index. The plain parity of the index
    would split by type a corpus whose types take turns. Without ``document_type`` all are of one type.
    """
    outputs = {"half": Result(("blocks",), (sae.sizes["blocks"],), "int8")}
    memory = lazy.Memory(finish=150 * sae.sizes["blocks"])
    types = {"document_type": sae.document_type} if "document_type" in sae.variables else {}
    work = lazy.Work(steps=500 * sae.sizes["blocks"], calls=300)
    compute = partial(halves, halving=halving)
    return lazy.whole(compute, sae.document, **types, outputs=outputs, memory=memory, work=work)["half"]


def halves(document: Array, document_type: Array | None = None, *, halving: int = 0) -> lazy.Arrays:
    """Half (blocks) by the place, modulo 4, of a block's document among all, sorted by type and then by index."""
    names, first, inverse = np.unique(document, return_index=True, return_inverse=True)
    if len(names) < 2:
        raise DataValueError(
            f"document: got {len(names)} documents, expected at least 2: one half finds lobes, the other measures them"
        )
    types = np.full(len(document), "") if document_type is None else document_type.astype(str)
    _, type_of = np.unique(types, return_inverse=True)
    changed = np.flatnonzero(type_of != type_of[first][inverse])
    if len(changed):
        raise DataValueError(
            f"document_type block {changed[0]}: document {document[changed[0]]} has more than one type, expected one"
        )
    half = np.empty(len(names), int)
    # Stable, so that documents of one type stay in the order of their index.
    half[np.argsort(type_of[first], kind="stable")] = np.take(HALVINGS[halving], np.arange(len(names)) % 4)
    return {"half": half[inverse]}
