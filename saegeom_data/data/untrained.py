"""Occurrence of the untrained SAE that a store holds beside one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
    groups = _groups(tree, name)
    if blocks is not None:
        found = _derived(groups, name, blocks, threshold)
    else:
        found = groups["occurrence"].to_dataset(inherit=False).occurrence if "occurrence" in groups else None
    return _named(schema.untrained_occurrence, found)


def short_untrained_occurrence(
    tree: xr.DataTree, name: str, blocks: Callable[[], TextBlocks | None], threshold: float
) -> dict[str, xr.DataArray]:
    """The same in short blocks (short_blocks, untrained_features), where there are any; empty without codes."""
    found = _derived(_groups(tree, name), name, blocks, threshold)
    return _named(schema.short_untrained_occurrence, found)


def _groups(tree: xr.DataTree, name: str) -> Mapping[str, xr.DataTree]:
    """Groups of the untrained SAE beside one, by name; none where there is none."""
    children = tree.children["untrained"].children if "untrained" in tree.children else {}
    return children[name].children if name in children else {}


def _derived(
    groups: Mapping[str, xr.DataTree], name: str, blocks: Callable[[], TextBlocks | None], threshold: float
) -> xr.DataArray | None:
    """Occurrence in these blocks; None without codes or blocks."""
    # Blocks are cut only where there is something to derive in them, as that reads the text.
    cut = blocks() if "codes" in groups else None
    if cut is None:
        return None
    codes, where = groups["codes"].to_dataset(inherit=False), f"/untrained/{name}/codes"
    return occurrence_in_blocks(codes, cut, threshold=threshold, where=where)["occurrence"]


def _named(variable: schema.Variable, found: xr.DataArray | None) -> dict[str, xr.DataArray]:
    """An occurrence by the name of a variable, with that variable's dims; empty of None."""
    if found is None:
        return {}
    # Under a dim of its own, as its features are not those of the SAE beside it.
    bare = found.drop_vars(found.coords)
    return {variable.name: bare.rename(dict(zip(found.dims, variable.dims, strict=True)))}
