"""Groups of a store merged into the one Dataset that a metric takes: all variables, or those that it asks for."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from saegeom_data.data import schema
from saegeom_data.errors import Problem, ValidationError

if TYPE_CHECKING:
    import xarray as xr


def merged_groups(groups: dict[str, xr.Dataset], variables: Collection[str] | None, where: str) -> xr.Dataset:
    """One Dataset of several groups, or of some variables of theirs, with the attributes of occurrence on it."""
    import xarray as xr

    parts = [only(dataset, variables) for dataset in groups.values()]
    try:
        # Exact, as an outer join would fill up a group of other features with NaN, which metrics then measure.
        merged = xr.merge(parts, compat="equals", join="exact", combine_attrs="drop")
    except ValueError as error:
        raise ValidationError([Problem(where, f"its groups disagree: {str(error).splitlines()[0]}")]) from error
    # Merging drops attributes, and these say how it was derived.
    if "occurrence" in merged:
        merged["occurrence"] = merged["occurrence"].assign_attrs(groups["occurrence"].attrs)
    return merged


def with_unembedding(
    merged: xr.Dataset, groups: Mapping[str, xr.Dataset], tree: xr.DataTree, variables: Collection[str] | None
) -> xr.Dataset:
    """An SAE with the unembedding of its model and the texts of tokens, where it writes into as many dimensions."""
    name = schema.unembedding.name
    if name not in tree.children or "features" not in groups or not (variables is None or name in variables):
        return merged
    found = tree.children[name].to_dataset(inherit=False)[name]
    if found.sizes["hidden"] != groups["features"].sizes.get("hidden"):
        return merged
    return merged.assign({name: found, **_vocabulary(tree, variables)})


def _vocabulary(tree: xr.DataTree, variables: Collection[str] | None) -> dict[str, xr.DataArray]:
    """Texts of tokens, where a store has them and they are asked for."""
    name = schema.vocabulary_token.name
    if "vocabulary" not in tree.children or not (variables is None or name in variables):
        return {}
    return {name: tree.children["vocabulary"].to_dataset(inherit=False)["text"]}


def codes_with_text(
    merged: xr.Dataset, codes: xr.Dataset, tree: xr.DataTree, variables: Collection[str] | None
) -> xr.Dataset:
    """Codes with their shape, which none of their arrays tells, and the text and vocabulary that are asked for."""
    from saegeom_data.data.text.block_tokens import text_tokens

    if variables is not None and not {variable.name for variable in schema.TEXT} & set(variables):
        return merged
    bounds = schema.code_indptr.name
    if bounds in merged and "shape" in codes.attrs:
        merged = merged.assign({bounds: merged[bounds].assign_attrs(shape=codes.attrs["shape"])})
    beside = {name: array for name, array in text_tokens(tree).items() if variables is None or name in variables}
    return merged.assign({**beside, **_vocabulary(tree, variables)})


def only(dataset: xr.Dataset, variables: Collection[str] | None) -> xr.Dataset:
    """Variables of a group that are asked for, with its scalar coordinates, which say whose they are."""
    if variables is None:
        return dataset
    return dataset[[name for name in dataset.variables if name in variables]]
