"""From a store to the one Dataset that a metric takes, with no more read than that metric asks for."""

from __future__ import annotations

import functools
import json
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from saegeom_data.data import schema
from saegeom_data.data.merged_groups import codes_with_text, merged_groups, only, with_unembedding
from saegeom_data.data.sites import at_site, sae_rows
from saegeom_data.data.validation import refuse_other_than_tree
from saegeom_data.errors import DataValueError, ParameterError, UnknownNameError

if TYPE_CHECKING:
    import xarray as xr

    from saegeom_data.data.text.text_blocks import TextBlocks
    from saegeom_data.spec.models import OccurrenceSettings

_TEXT = ("tokens", "documents")
_OF_OCCURRENCE = frozenset(
    variable.name for variable in (schema.occurrence, schema.block_document, schema.block_document_type)
)


def select_sae(
    tree: xr.DataTree, name: str, occurrence: OccurrenceSettings | None = None, *, site: str | None = None
) -> xr.Dataset:
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
    site
        Name of one site of an SAE that writes to several, as a crosscoder does: its decoder is then (features, hidden)
        as that of any SAE. Without it the decoder is (features, sites, hidden), which metrics of decoders refuse.

    Returns
    -------
    xarray.Dataset
        All variables of its groups over ``features``, ``hidden``, ``blocks`` and so on, lazy, with scalar coordinates
        site, layer, width and l0; site and layer are over ``sites`` where it writes to several. The names of its
        document types, read at once, stand in the attribute ``document_types``: metrics need them to know the size of
        their result. Labels are left out: :mod:`saegeom_data.data.labels` reads them. Where the store holds the text of
        its blocks, ``block_token_id`` (blocks, places) is there too; where it has an untrained SAE beside this one,
        ``untrained_occurrence`` (blocks, untrained_features); and where it has codes and text, both in blocks of 64
        tokens, as ``short_occurrence`` (short_blocks, features) and others, with ``short_untrained_occurrence``
        (short_blocks, untrained_features) of codes of the untrained SAE; where it holds codes and positions of
        tokens, ``mean_position`` (features), and where it holds codes and text, the text: ``token_id``,
        ``token_document``, ``token_position``, ``token_is_special`` (tokens), ``type_of_document`` (documents) and
        ``vocabulary_token`` (vocabulary_tokens), with the names of its types in the attribute ``text_types``. A derived
        occurrence carries its settings, and counts of what they left out, as attributes of the variable. Where the
        default settings leave no block there is no occurrence, and the attribute ``no_occurrence`` says why.

    Raises
    ------
    UnknownNameError
        If the store has no such SAE, or the SAE no such site.
    ValidationError
        If the lengths of its groups disagree.
    DataValueError
        If occurrence is to be derived and the SAE has no codes or the store no text, or these cannot be used.
    ParameterError
        If the settings leave no block, or a site is named of an SAE that has but one.

    Examples
    --------
    >>> from saegeom_data.testing.simulate import simulate_store
    >>> select_sae(simulate_store(), "layer_0").decoder.dims
    ('features', 'hidden')
    """
    return Selection(tree, occurrence).sae(name, site=site, needs_occurrence=occurrence is not None)


def select_saes(tree: xr.DataTree, occurrence: OccurrenceSettings | None = None) -> dict[str, xr.Dataset]:
    """Select all SAEs of a store as :func:`select_sae` does, with the text cut into blocks once for all of them.

    An SAE whose occurrence is to be derived but cannot be, having no codes, is no error here: it has no occurrence, and
    its attribute ``no_occurrence`` says why. One that writes to several sites is there once for each, as ``name@site``.

    Examples
    --------
    >>> from saegeom_data.testing.simulate import simulate_store
    >>> list(select_saes(simulate_store(n_saes=2)))
    ['layer_0', 'layer_1']
    """
    selection = Selection(tree, occurrence)
    return {row: selection.sae(name, site=site) for row, (name, site) in sae_rows(tree).items()}


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
    return Selection(tree).relations(site)


class Selection:
    """Selects from one store, for many metrics: text is cut, occurrence derived and labels read once, if anyone asks.

    Parameters
    ----------
    tree
        A store.
    occurrence
        How occurrence is derived, as in :func:`select_sae`.
    planned
        Whether sizes are all that matters: types of documents are then taken from the store's attribute ``sources``,
        where it names them. These are all types of the text, so an SAE may have fewer.

    Attributes
    ----------
    rows
        Called, gives :func:`saegeom_data.data.sites.sae_rows`, read once.
    read
        Paths of what had to be read at once, because a result's size depends on it.
    """

    def __init__(
        self, tree: xr.DataTree, occurrence: OccurrenceSettings | None = None, *, planned: bool = False
    ) -> None:
        refuse_other_than_tree(tree)
        self.tree = tree
        self.settings = occurrence
        self.planned = planned
        self.read: list[str] = []
        # On the instance, so that a store is let go with what was read of it.
        self._text_blocks = functools.cache(self._cut)
        self._short_cut = functools.cache(self._cut_short)
        self._occurrence = functools.cache(self._derived)
        self._relation_names = functools.cache(self._read_relation_names)
        self._type_names = functools.cache(self._read_type_names)
        self._text_type_names = functools.cache(self._read_text_types)
        self.rows = functools.cache(self._read_rows)

    def sae(
        self,
        name: str,
        variables: Collection[str] | None = None,
        *,
        site: str | None = None,
        needs_occurrence: bool = False,
    ) -> xr.Dataset:
        """Merge the groups of one SAE as :func:`select_sae` does, with all variables or only some.

        Parameters
        ----------
        name
            Name of the SAE.
        variables
            Names of the variables to select, beside scalar coordinates; all by default. Names that the SAE does not
            have are left out. Occurrence is derived, and types of documents read, only if their names are among them.
        site
            Name of one of its sites, where it writes to several.
        needs_occurrence
            Whether it is an error if occurrence cannot be derived.
        """
        # Not sae_names(), which sorts all of a suite for each of them.
        if "saes" not in self.tree.children or name not in self.tree["saes"].children:
            raise UnknownNameError("SAE", name, schema.sae_names(self.tree))
        held = self.tree["saes"][name].children
        # Labels and examples from elsewhere are read by modules of their names; no metric measures them.
        groups = {
            group: node.to_dataset(inherit=False) for group, node in held.items() if group not in ("labels", "examples")
        }
        path = f"/saes/{name}"
        if site is not None:
            # Before variables are chosen, so that place and layer are known whatever is.
            groups["features"] = at_site(groups["features"], site, path)
            path = f"{path}@{site}"
        if self.settings is not None:
            groups = {group: held for group, held in groups.items() if group not in ("occurrence", "cooccurrence")}
        attrs = dict(groups["features"].attrs) if "features" in groups else {}
        asks_occurrence = variables is None or not _OF_OCCURRENCE.isdisjoint(variables)
        if asks_occurrence and "occurrence" not in groups and (self.settings is not None or "codes" in groups):
            derived = self._occurrence(name)
            if isinstance(derived, str):
                attrs["no_occurrence"] = derived
            else:
                groups["occurrence"] = derived
        if needs_occurrence and "no_occurrence" in attrs:
            raise DataValueError(f"/saes/{name}/occurrence: {attrs['no_occurrence']}")
        merged = merged_groups(groups, variables, path)
        text = schema.block_token_id.name
        if "occurrence" in groups and (variables is None or text in variables):
            found = self._text_of(groups["occurrence"], name)
            merged = merged if found is None else merged.assign({text: found})
        position = schema.mean_position.name
        if "codes" in groups and (variables is None or position in variables):
            found = self._position_of(groups, name)
            merged = merged if found is None else merged.assign({position: found})
        merged = merged.assign(self._beside(name, groups, variables))
        merged = with_unembedding(merged, groups, self.tree, variables)
        if "codes" in groups:
            merged = codes_with_text(merged, groups["codes"], self.tree, variables)
        if schema.text_type.name in merged and "documents" in self.tree.children:
            attrs["text_types"] = self._text_types()
        if "document_type" in merged:
            attrs["document_types"] = self._document_types(name, merged["document_type"])
        return merged.assign_attrs(attrs, path=path)

    def relations(self, site: str, variables: Collection[str] | None = None) -> xr.Dataset:
        """Merge word pairs with their activations at one site as :func:`select_relations` does, all or only some."""
        import xarray as xr

        if site not in schema.relation_sites(self.tree):
            raise UnknownNameError("site with word pairs", site, schema.relation_sites(self.tree))
        group = self.tree.children["relations"]
        words, activations = (node.to_dataset(inherit=False) for node in (group, group.children[site]))
        parts = [only(part, variables) for part in (words, activations)]
        merged = xr.merge(parts, join="exact", combine_attrs="drop")
        attrs = dict(activations.attrs)
        if "relation" in merged:
            attrs["relations"] = list(self._relation_names())
        return merged.assign_attrs(attrs, path=f"/relations/{site}")

    def _text_of(self, occurrence: xr.Dataset, name: str) -> xr.DataArray | None:
        """Tokens of each block of an occurrence, lazy; None where the store does not hold them."""
        from saegeom_data.data.text.block_tokens import block_token_id

        if "tokens" not in self.tree.children:
            return None
        is_stored = self.settings is None and "occurrence" in self.tree.children["saes"].children[name].children
        tokens = self.tree.children["tokens"].to_dataset(inherit=False)
        return block_token_id(tokens, occurrence, None if is_stored else self._text_blocks())

    def _position_of(self, groups: dict[str, xr.Dataset], name: str) -> xr.DataArray | None:
        """Mean position at which each feature fires, lazy; None where the store does not hold positions."""
        from saegeom_data.data.text.mean_position import mean_position

        if "tokens" not in self.tree.children:
            return None
        tokens = self.tree.children["tokens"].to_dataset(inherit=False)
        held = groups["occurrence"].attrs if "occurrence" in groups else {}
        # That of the occurrence, so that both speak of the same firing.
        threshold = self.settings.threshold if self.settings else float(held.get("threshold", 0.0))
        return mean_position(groups["codes"], tokens, threshold=threshold, where=f"/saes/{name}/codes")

    def _beside(
        self, name: str, groups: Mapping[str, xr.Dataset], variables: Collection[str] | None
    ) -> dict[str, xr.DataArray]:
        """Occurrence of the untrained SAE beside one, and short blocks of the codes of both, where asked for."""
        from saegeom_data.data.text.short_blocks import short_blocks_of
        from saegeom_data.data.untrained import short_untrained_occurrence, untrained_occurrence

        asked = [
            variable.name
            for variable in (schema.untrained_occurrence, schema.short_occurrence, schema.short_untrained_occurrence)
            if variables is None or variable.name in variables
        ]
        if "occurrence" not in groups:
            return {}
        found: dict[str, xr.DataArray] = {}
        if schema.untrained_occurrence.name in asked:
            is_stored = self.settings is None and "occurrence" in self.tree.children["saes"].children[name].children
            threshold = self.settings.threshold if self.settings else 0.0
            found |= untrained_occurrence(self.tree, name, None if is_stored else self._text_blocks, threshold)
        if schema.short_occurrence.name in asked:
            threshold = float(groups["occurrence"].attrs.get("threshold", 0.0))
            short = short_blocks_of(self.tree, name, self._short_cut, threshold)
            found |= short
            if short and schema.short_untrained_occurrence.name in asked:
                found |= short_untrained_occurrence(self.tree, name, self._short_cut, threshold)
        return found

    def _cut_short(self) -> TextBlocks | None:
        from saegeom_data.data.text.short_blocks import cut_short, most_short_blocks

        # To cut the text would read it, which a plan does not.
        if self.planned:
            return most_short_blocks(self.tree.children["tokens"].to_dataset(inherit=False))
        tokens, documents = (self.tree.children[group].to_dataset(inherit=False) for group in _TEXT)
        self.read += [f"/{group}" for group in _TEXT if f"/{group}" not in self.read]
        return cut_short(tokens, documents)

    def _document_types(self, name: str, document_type: xr.DataArray) -> list[str]:
        """Names of the types of an SAE's blocks: of values in memory, and else as the store states or holds them."""
        if document_type.chunks is None:
            return _distinct(document_type)
        return (_stated_types(self.tree) if self.planned else []) or list(self._type_names(name))

    def _read_type_names(self, name: str) -> list[str]:
        self.read.append(f"/saes/{name}/occurrence/document_type")
        held = self.tree.children["saes"].children[name].children["occurrence"].to_dataset(inherit=False)
        return _distinct(held["document_type"])

    def _text_types(self) -> list[str]:
        """Names of the types of the text, sorted: as the store states them, where sizes are all that matters."""
        return (_stated_types(self.tree) if self.planned else []) or list(self._text_type_names())

    def _read_text_types(self) -> list[str]:
        self.read.append("/documents/document_type")
        return _distinct(self.tree.children["documents"].to_dataset(inherit=False)["document_type"])

    def _read_rows(self) -> dict[str, tuple[str, str | None]]:
        rows = sae_rows(self.tree)
        self.read += [
            f"/saes/{name}/features/site" for name in dict.fromkeys(name for name, site in rows.values() if site)
        ]
        return rows

    def _read_relation_names(self) -> list[str]:
        names = self.tree.children["relations"].to_dataset(inherit=False)["relation"]
        if names.chunks is not None:
            self.read.append("/relations/relation")
        return _distinct(names)

    def _derived(self, name: str) -> xr.Dataset | str:
        """Occurrence of an SAE from its codes, or why there is none."""
        from saegeom_data.data.occurrence import occurrence_in_blocks

        sae, where = self.tree.children["saes"].children[name], f"/saes/{name}/codes"
        needed = {where: "codes" in sae.children} | {f"/{group}": group in self.tree.children for group in _TEXT}
        missing = [path for path, is_there in needed.items() if not is_there]
        if missing:
            # Not raised: what else is asked of the SAE may need no occurrence.
            return f"cannot be derived without {' and '.join(missing)}; add what is missing"
        try:
            blocks = self._text_blocks()
        except ParameterError as error:
            if self.settings is not None:
                raise
            return f"cannot be derived by default: {error}"
        codes = sae.children["codes"].to_dataset(inherit=False)
        threshold = self.settings.threshold if self.settings else 0.0
        return occurrence_in_blocks(codes, blocks, threshold=threshold, where=where)

    def _cut(self) -> TextBlocks:
        from saegeom_data.data.text.text_blocks import cut_blocks

        given = self.settings.model_dump(exclude={"threshold"}) if self.settings else {}
        tokens, documents = (self.tree.children[group].to_dataset(inherit=False) for group in _TEXT)
        self.read += [f"/{group}" for group in _TEXT]
        return cut_blocks(tokens, documents, **given)


def _distinct(labels: xr.DataArray) -> list[str]:
    return sorted(set(map(str, labels.values)))


def _stated_types(tree: xr.DataTree) -> list[str]:
    """Types of documents that the sources of a store are of; none where it does not say so of each text."""
    try:
        sources = json.loads(tree.attrs.get("sources", "[]"))
    except (TypeError, ValueError):
        return []
    records = [source for source in sources if isinstance(source, dict)] if isinstance(sources, list) else []
    # Sources of SAEs have no such key; those of texts whose types stand in a column have None.
    stated = {source["document_type"] for source in records if "document_type" in source}
    return [] if None in stated else sorted(map(str, stated))
