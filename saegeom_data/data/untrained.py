"""Occurrence of the untrained SAE that a store holds beside one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from saegeom_data.data import schema
from saegeom_data.data.occurrence import occurrence_in_blocks
from saegeom_data.data.text.text_blocks import TextBlocks

if TYPE_CHECKING:
    import xarray as xr


def untrained_occurrence(
    tree: xr.DataTree, name: str, blocks: Callable[[], TextBlocks] | None, threshold: float
) -> dict[str, xr.DataArray]:
    """Occurrence (blocks, untrained_features) of the untrained SAE beside one, by the name of the variable.

    Parameters
    ----------
    tree
        A store.
    name
        Name of the SAE.
    blocks
        Gives the blocks of the SAE's own occurrence, where that is derived from codes; it is then derived likewise.
        None where it is stored, and stored it is here too.
    threshold
        Activation above which a feature fires, where occurrence is derived.

    Returns
    -------
    dict
        Empty where the store holds no untrained SAE, or none of these blocks.
    """
    children = tree.children["untrained"].children if "untrained" in tree.children else {}
    groups = children[name].children if name in children else {}
    if blocks is None:
        if "occurrence" not in groups:
            return {}
        found = groups["occurrence"].to_dataset(inherit=False).occurrence
    else:
        if "codes" not in groups:
            return {}
        codes, where = groups["codes"].to_dataset(inherit=False), f"/untrained/{name}/codes"
        found = occurrence_in_blocks(codes, blocks(), threshold=threshold, where=where).occurrence
    variable = schema.untrained_occurrence
    # Under a dim of its own, as its features are not those of the SAE beside it.
    return {variable.name: found.rename(features=variable.dims[1]).drop_vars(found.coords)}
