"""From a store to the one Dataset that a metric takes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from saegeom_data import schema
from saegeom_data.errors import Problem, UnknownNameError, ValidationError

if TYPE_CHECKING:
    import xarray as xr


def sample_path() -> Path:
    """Folder of the bundled sample: SAEs of every hidden state of all-MiniLM-L6-v2.

    Examples
    --------
    >>> sample_path().name
    'minilm-sample.zarr'
    """
    return Path(__file__).parent / "sample" / "minilm-sample.zarr"


def select_sae(tree: xr.DataTree, name: str) -> xr.Dataset:
    """Merge the groups of one SAE into the Dataset that metrics of an SAE take.

    Parameters
    ----------
    tree
        A store.
    name
        Name of the SAE: a child of ``/saes``.

    Returns
    -------
    xarray.Dataset
        All variables of its groups over ``features``, ``hidden``, ``blocks`` and so on, lazy, with scalar coordinates
        site, layer, width and l0. The names of its document types, read at once, stand in the attribute
        ``document_types``: metrics need them to know the size of their result.

    Raises
    ------
    UnknownNameError
        If the store has no such SAE.
    ValidationError
        If the lengths of its groups disagree.

    Examples
    --------
    >>> from saegeom_data.testing import simulate_store
    >>> select_sae(simulate_store(), "layer_0").decoder.dims
    ('features', 'hidden')
    """
    import xarray as xr

    if name not in schema.sae_names(tree):
        raise UnknownNameError("SAE", name, schema.sae_names(tree))
    groups = {group: node.to_dataset(inherit=False) for group, node in tree["saes"][name].children.items()}
    try:
        merged = xr.merge(groups.values(), compat="equals", join="exact", combine_attrs="drop")
    except ValueError as error:
        raise ValidationError(
            [Problem(f"/saes/{name}", f"its groups disagree: {str(error).splitlines()[0]}")]
        ) from error
    attrs = groups["features"].attrs if "features" in groups else {}
    if "document_type" in merged:
        attrs = attrs | {"document_types": sorted(set(map(str, merged["document_type"].values)))}
    return merged.assign_attrs(attrs, path=f"/saes/{name}")


def select_relations(tree: xr.DataTree, site: str) -> xr.Dataset:
    """Merge word pairs with their activations at one site.

    Parameters
    ----------
    tree
        A store.
    site
        Name of the site: a child of ``/relations``.

    Returns
    -------
    xarray.Dataset
        Words over ``pairs`` and ``source_activation``, ``target_activation`` over ``pairs`` and ``hidden``, lazy. The
        names of the relations, read at once, stand in the attribute ``relations``.

    Raises
    ------
    UnknownNameError
        If the store has no word pairs at that site.
    """
    import xarray as xr

    if site not in schema.relation_sites(tree):
        raise UnknownNameError("site with word pairs", site, schema.relation_sites(tree))
    group = tree.children["relations"]
    words, activations = (node.to_dataset(inherit=False) for node in (group, group.children[site]))
    merged = xr.merge([words, activations], join="exact", combine_attrs="drop")
    relations = sorted(set(map(str, merged["relation"].values)))
    return merged.assign_attrs(activations.attrs, relations=relations, path=f"/relations/{site}")
