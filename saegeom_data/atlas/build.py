"""Gather what the atlas shows: SAE by SAE, from a store, from results, or from both."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from saegeom_data.atlas import document_types, layout, near, of_results, words
from saegeom_data.atlas.facts import Contexts, Firing, Grouping, Layout, Near, SaeFacts, Tokens
from saegeom_data.data.labels import sources_of
from saegeom_data.data.selection import Selection
from saegeom_data.data.sites import sae_rows
from saegeom_data.errors import DataValueError, NotFiniteError, ParameterError, SaegeomError, UnknownNameError
from saegeom_data.results.claims import Tested, claims_of
from saegeom_data.results.groups import read_groups
from saegeom_data.results.presentations import Failures

if TYPE_CHECKING:
    import xarray as xr

    from saegeom_data.declare.group import Group

# Pairs of features grow with the square of their number: so many neighbours up to so many features.
_NEIGHBOURS = ((32_768, 8), (65_536, 5), (262_144, 4))
# Each number takes four bytes of every feature, and metrics have many: of wider SAEs the page shows none.
_NUMBERS = 65_536
_FACTS = ("title", "license", "citation", "root")


@dataclass(frozen=True)
class Source:
    """What an atlas is made of: a store, results of one or more runs, or both of the same data."""

    store: xr.DataTree | None
    results: Sequence[xr.DataTree] = ()

    @property
    def attrs(self) -> dict[str, Any]:
        """Title, licence, citation and root hash of the data."""
        if self.store is not None:
            held = {**self.store.attrs, "root": self.store.encoding.get("root")}
            return {name: held[name] for name in _FACTS if held.get(name)}
        attrs = self.results[0].attrs if self.results else {}
        return {name: attrs[f"dataset_{name}"] for name in _FACTS if attrs.get(f"dataset_{name}")}


def gathered(
    source: Source,
    *,
    saes: Sequence[str] = (),
    n_neighbours: int | None = None,
    progress: Callable[[str], None] | None = None,
) -> Iterator[SaeFacts]:
    """Yield what is known of each SAE, from the lowest layer to the highest; one is held at a time.

    Parameters
    ----------
    source
        A store, results, or both.
    saes
        Names of those wanted; all by default.
    n_neighbours
        Neighbours of each feature by cosine, and by firing together. By default 8, fewer for more than 32,768
        features, none for more than 262,144, of which there are too many pairs.
    progress
        Called with a line on each step that takes a while.

    Raises
    ------
    UnknownNameError
        If there is no such SAE.
    ParameterError
        If there is no SAE at all.
    """
    groups = [group for results in source.results for group in read_groups(results)]
    claims = claims_of(groups, Failures())
    rows = _rows(source, groups)
    for name in saes:
        if name not in rows:
            raise UnknownNameError("SAE", name, rows)
    wanted = [name for name in rows if not saes or name in saes]
    if not wanted:
        raise ParameterError("no SAE to show: expected a store with /saes, or results of metrics of SAEs")
    selection = Selection(source.store) if source.store is not None else None
    tell = progress or (lambda line: None)
    for place, name in enumerate(wanted):
        step = f"{name} ({place + 1} of {len(wanted)})"
        yield _Gathering(source, selection, groups, claims, name, rows[name], n_neighbours, tell, step).facts()


def _rows(source: Source, groups: Sequence[Group]) -> dict[str, tuple[str, str | None, int]]:
    """SAEs by name: name and site in the store, and number of features; in the order of layers."""
    found: dict[str, tuple[str, str | None, int]] = {}
    layers: dict[str, float] = {}
    if source.store is not None:
        for row, (name, site) in sae_rows(source.store).items():
            features = source.store.children["saes"].children[name].children.get("features")
            if features is None or "decoder" not in features.data_vars:
                continue
            found[row] = (name, site, features.sizes["features"])
            layer = features.coords.get("layer")
            layers[row] = float(layer.values) if layer is not None and not layer.ndim else float("inf")
    else:
        for row, width in of_results.widths(groups).items():
            found[row] = (row, None, width)
            known = [
                value for group in groups if row in group.rows and (value := group.coordinate(row, "layer")) is not None
            ]
            layers[row] = float(known[0]) if known else float("inf")
    # Those without a layer of their own, such as SAEs of several sites, come last.
    return dict(sorted(found.items(), key=lambda item: (layers[item[0]], item[0])))


@dataclass
class _Gathering:
    """Gathers one SAE."""

    source: Source
    selection: Selection | None
    groups: Sequence[Group]
    claims: Sequence[Tested]
    name: str
    place: tuple[str, str | None, int]
    n_neighbours: int | None
    tell: Callable[[str], None]
    step: str

    def facts(self) -> SaeFacts:
        """All that is known of it."""
        missing: list[str] = []
        n = self.place[2]
        row = of_results.Row(self.name, self.place[0], n, self.groups, self.claims)
        sae = self._selected()
        k = self._n_neighbours(n, missing)
        map_ = self._layout(sae, row, missing)
        cosine = self._cosine(sae, k, missing)
        firing, cofiring = self._firing(sae, k, missing)
        groupings = of_results.groupings_of(row)
        missing += _groups_missing(groupings, self.source)
        families, ended = of_results.families_of(row)
        if not families and not ended:
            missing.append("No crystals: no results of a crystal_search; saegeom run crystals makes them.")
        labelled = self._labelled(missing)
        tokens, contexts = self._text(row, missing)
        if firing is not None and len(firing.types) > 1:
            groupings.append(document_types.main_type(firing))
        return SaeFacts(
            name=self.name,
            n_features=n,
            title=self._title(sae),
            layout=map_,
            facts=self._about(sae, n),
            firing=firing,
            groupings=groupings,
            cosine=cosine,
            cofiring=cofiring,
            families=families,
            family_words=ended,
            labels=None if labelled is None else words.read_labels(labelled),
            neuronpedia=self._neuronpedia(),
            tokens=tokens,
            contexts=contexts,
            numbers=of_results.numbers_of(row) if n <= _NUMBERS else [],
            missing=missing,
        )

    def _selected(self) -> xr.Dataset | None:
        if self.selection is None:
            return None
        name, site, _ = self.place
        names = {"decoder", "occurrence", "document", "document_type"}
        return self.selection.sae(name, names, site=site)

    def _n_neighbours(self, n: int, missing: list[str]) -> int:
        if self.n_neighbours is not None:
            k = min(self.n_neighbours, n - 1)
        else:
            k = min(next((count for most, count in _NEIGHBOURS if n <= most), 0), n - 1)
            if not k and n > 1:
                missing.append(f"No neighbours: {n:,} features make too many pairs; --neighbours asks for them.")
        return k

    def _layout(self, sae: xr.Dataset | None, row: of_results.Row, missing: list[str]) -> Layout:
        found = of_results.layout_of(row)
        if found is None and sae is not None:
            self.tell(f"{self.step}: map")
            try:
                found = layout.laid_out(sae)
            # A kind of what is caught below: broken rows are a fault of the data, and not of the map alone.
            except NotFiniteError:
                raise
            # Rows that all point one way, say, have no map, but all else that is known of them.
            except DataValueError as error:
                missing.append(f"No map: {error}.")
                return Layout(layout.spiral(row.n_features), "There is no map: features stand by their index.")
        if found is None:
            missing.append(
                "No map: neither a feature_map in the results nor the store to lay one out; give it with --data."
            )
            return Layout(layout.spiral(row.n_features), "There is no map: features stand by their index.")
        if sae is None:
            return found
        return replace(found, trustworthiness=layout.trustworthiness(sae.decoder, found.position))

    def _cosine(self, sae: xr.Dataset | None, k: int, missing: list[str]) -> Near | None:
        if sae is None:
            missing.append(
                "No neighbours by cosine and by firing together: these are of the store; give it with --data."
            )
            return None
        if not k:
            return None
        self.tell(f"{self.step}: neighbours")
        return near.nearest_by_cosine(sae.decoder, k)

    def _firing(self, sae: xr.Dataset | None, k: int, missing: list[str]) -> tuple[Firing | None, Near | None]:
        if sae is None:
            return None, None
        if "occurrence" not in sae:
            why = str(sae.attrs.get("no_occurrence", "neither occurrence nor codes in this store"))
            missing.append(f"No firing: {why}.")
            return None, None
        self.tell(f"{self.step}: firing")
        return near.firing_and_nearest(sae, k)

    def _labelled(self, missing: list[str]) -> xr.Dataset | None:
        """The group of its labels, not read yet."""
        if "labels" not in self._groups:
            missing.append("No labels: none in the store; saegeom label adds those of Neuronpedia, delphi or a table.")
            return None
        return self._groups["labels"].to_dataset(inherit=False)

    @property
    def _groups(self) -> Mapping[str, xr.DataTree]:
        """Groups of the SAE in the store; none without a store."""
        return {} if self.source.store is None else self.source.store.children["saes"].children[self.place[0]].children

    def _neuronpedia(self) -> str:
        """Its key at Neuronpedia, if it is known."""
        if self.source.store is None:
            return ""
        held = [self._groups[kind].to_dataset(inherit=False) for kind in ("labels", "examples") if kind in self._groups]
        sources = [source for group in held for source in sources_of(group)]
        return words.neuronpedia_key(self._groups["features"].attrs, sources)

    def _text(self, row: of_results.Row, missing: list[str]) -> tuple[list[Tokens], Contexts | None]:
        """Tokens and contexts, of results or measured now where the store holds all that they take."""
        n_contexts = words.n_contexts_of(row.n_features)
        lacking = {"feature_tokens", *(["feature_examples"] if n_contexts else [])} - {
            group.metric for group in self.groups if row.name in group.rows or row.sae in group.rows
        }
        why = None
        if lacking:
            why = words.why_no_text(self.source.store, self.place[0])
            if why is None and self.source.store is not None:
                self.tell(f"{self.step}: tokens and contexts")
                try:
                    row = replace(
                        row, groups=[*row.groups, *words.measured(self.source.store, self.place[0], sorted(lacking))]
                    )
                # The rest of the page does not depend on it.
                except SaegeomError as error:
                    why = str(error)
        tokens, own = words.tokens_of(row), words.contexts_of(row, n_contexts)
        contexts = own
        examples = self._groups.get("examples")
        if n_contexts and examples is not None:
            self.tell(f"{self.step}: examples from elsewhere")
            contexts = words.with_examples(own, examples.to_dataset(inherit=False), n_contexts)
        if why is not None:
            kinds = {"feature_tokens": "tokens", "feature_examples": "contexts"}
            none = [kind for name, kind in kinds.items() if name in lacking and (kind == "tokens" or contexts is None)]
            missing += [f"No {' and '.join(none)}: {why}"] if none else []
        if not n_contexts:
            missing.append(f"No contexts: those of {row.n_features:,} features would make this page too large.")
        elif not lacking and not tokens and own is None:
            what = "tokens and contexts" if contexts is None else "tokens"
            missing.append(f"No {what}: the results were measured {words.NO_VOCABULARY}")
        return tokens, contexts

    def _title(self, sae: xr.Dataset | None) -> str:
        layer = self._coordinate(sae, "layer")
        return (
            self.name
            if layer is None
            else f"{self.name} (layer {layer})"
            if f"layer_{layer}" != self.name
            else f"layer {layer}"
        )

    def _about(self, sae: xr.Dataset | None, n: int) -> dict[str, str]:
        attrs = {} if sae is None else sae.attrs
        l0 = self._coordinate(sae, "l0")
        known = {
            "model": attrs.get("model"),
            "site": self._coordinate(sae, "site"),
            "architecture": attrs.get("architecture"),
            "features": f"{n:,}",
            "L0": None if l0 is None or not np.isfinite(float(l0)) else f"{float(l0):g}",
        }
        return {name: str(value) for name, value in known.items() if value not in (None, "")}

    def _coordinate(self, sae: xr.Dataset | None, name: str) -> Any:
        """Site, layer or L0, of the store or of results."""
        if sae is not None and name in sae.coords and not sae[name].ndim:
            return sae[name].values.item()
        for group in self.groups:
            if (
                group.over == "sae"
                and self.name in group.rows
                and (value := group.coordinate(self.name, name)) is not None
            ):
                return value
        return None


def _groups_missing(groupings: Sequence[Grouping], source: Source) -> list[str]:
    """What there is no colour for, and why."""
    kinds = {grouping.kind for grouping in groupings}
    how = "no results were given" if not source.results else "the results have none of this SAE"
    missing = []
    if "lobe" not in kinds:
        missing.append(f"No lobes: {how}; saegeom run brain makes them.")
    if "community" not in kinds:
        missing.append(f"No communities: {how}; saegeom run brain makes them.")
    return missing
