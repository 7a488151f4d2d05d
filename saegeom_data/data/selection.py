"""From a store to the one Dataset that a metric takes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

from saegeom_data.data import schema
from saegeom_data.errors import DataValueError, ParameterError, Problem, UnknownNameError, ValidationError

if TYPE_CHECKING:
    import xarray as xr

    from saegeom_data.data.text_blocks import TextBlocks
    from saegeom_data.spec.models import OccurrenceSettings

_TEXT = ("tokens", "documents")


def select_sae(tree: xr.DataTree, name: str, occurrence: OccurrenceSettings | None = None) -> xr.Dataset:
    """Merge the groups of one SAE into the Dataset that metrics of an SAE take.

    Parameters
    ----------
    tree
        A store.
    name
        Name of the SAE: a child of ``/saes``.
    occurrence
        How occurrence is derived from the SAE's codes and ``/tokens``, see
        :func:`saegeom_data.occurrence_from_codes`; what is stored of occurrence and co-occurrence is then
        passed over. By default the stored occurrence stands, and an SAE that has codes but none stored gets one by the
        default settings.

    Returns
    -------
    xarray.Dataset
        All variables of its groups over ``features``, ``hidden``, ``blocks`` and so on, lazy, with scalar coordinates
        site, layer, width and l0. The names of its document types, read at once, stand in the attribute
        ``document_types``: metrics need them to know the size of their result. A derived occurrence carries its
        settings, and counts of what they left out, as attributes of the variable. Where the default settings leave no
        block there is no occurrence, and the attribute ``no_occurrence`` says why.

    Raises
    ------
    UnknownNameError
        If the store has no such SAE.
    ValidationError
        If the lengths of its groups disagree.
    DataValueError
        If occurrence is to be derived and the SAE has no codes or the store no text, or these cannot be used.
    ParameterError
        If the settings leave no block.

    Examples
    --------
    >>> from saegeom_data.testing.simulate import simulate_store
    >>> select_sae(simulate_store(), "layer_0").decoder.dims
    ('features', 'hidden')
    """
    if name not in schema.sae_names(tree):
        raise UnknownNameError("SAE", name, schema.sae_names(tree))
    sae = _select(tree, name, occurrence, _cutting(tree, occurrence))
    if occurrence is not None and "occurrence" not in sae:
        raise DataValueError(f"/saes/{name}/occurrence: {sae.attrs['no_occurrence']}")
    return sae


def select_saes(tree: xr.DataTree, occurrence: OccurrenceSettings | None = None) -> dict[str, xr.Dataset]:
    """Select all SAEs of a store as :func:`select_sae` does, with the text cut into blocks once for all of them.

    An SAE whose occurrence is to be derived but cannot be, having no codes, is no error here: it has no occurrence, and
    its attribute ``no_occurrence`` says why.

    Examples
    --------
    >>> from saegeom_data.testing.simulate import simulate_store
    >>> list(select_saes(simulate_store(n_saes=2)))
    ['layer_0', 'layer_1']
    """
    cut = _cutting(tree, occurrence)
    return {name: _select(tree, name, occurrence, cut) for name in schema.sae_names(tree)}


def _select(
    tree: xr.DataTree, name: str, settings: OccurrenceSettings | None, cut: Callable[[], TextBlocks]
) -> xr.Dataset:
    import xarray as xr

    groups = {group: node.to_dataset(inherit=False) for group, node in tree["saes"][name].children.items()}
    if settings is not None:
        groups = {group: dataset for group, dataset in groups.items() if group not in ("occurrence", "cooccurrence")}
    attrs = dict(groups["features"].attrs) if "features" in groups else {}
    if "occurrence" not in groups and (settings is not None or "codes" in groups):
        try:
            groups["occurrence"] = _derive(tree, name, settings, cut)
        except _NotDerivableError as reason:
            attrs["no_occurrence"] = str(reason)
    try:
        merged = xr.merge(groups.values(), compat="equals", join="exact", combine_attrs="drop")
    except ValueError as error:
        raise ValidationError(
            [Problem(f"/saes/{name}", f"its groups disagree: {str(error).splitlines()[0]}")]
        ) from error
    if "occurrence" in merged:
        merged["occurrence"] = merged["occurrence"].assign_attrs(groups["occurrence"].attrs)
    if "document_type" in merged:
        attrs["document_types"] = sorted(set(map(str, merged["document_type"].values)))
    return merged.assign_attrs(attrs, path=f"/saes/{name}")


class _NotDerivableError(Exception):
    """Why an SAE has no occurrence."""


def _derive(
    tree: xr.DataTree, name: str, settings: OccurrenceSettings | None, cut: Callable[[], TextBlocks]
) -> xr.Dataset:
    from saegeom_data.data.occurrence import occurrence_in_blocks

    sae, where = tree.children["saes"].children[name], f"/saes/{name}/codes"
    needed = {where: "codes" in sae.children} | {f"/{group}": group in tree.children for group in _TEXT}
    missing = [path for path, is_there in needed.items() if not is_there]
    if missing:
        raise _NotDerivableError(f"cannot be derived without {' and '.join(missing)}; add what is missing")
    try:
        blocks = cut()
    except ParameterError as error:
        if settings is not None:
            raise
        raise _NotDerivableError(f"cannot be derived by default: {error}") from error
    codes = sae.children["codes"].to_dataset(inherit=False)
    return occurrence_in_blocks(codes, blocks, threshold=settings.threshold if settings else 0.0, where=where)


def _cutting(tree: xr.DataTree, settings: OccurrenceSettings | None) -> Callable[[], TextBlocks]:
    """Return a function that cuts the text of a store into blocks, once, when it is first called."""

    @functools.cache
    def cut() -> TextBlocks:
        from saegeom_data.data.text_blocks import cut_blocks

        given = settings.model_dump(exclude={"threshold"}) if settings else {}
        tokens, documents = (tree.children[group].to_dataset(inherit=False) for group in _TEXT)
        return cut_blocks(tokens, documents, **given)

    return cut


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
