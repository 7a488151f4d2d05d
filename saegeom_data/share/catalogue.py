"""Catalogues: which datasets there are, what is in each, and by which root hash it is known."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from saegeom_data.data import manifest_of, schema, store
from saegeom_data.data.sites import site_views
from saegeom_data.errors import Problem, SpecError, StoreError, UnknownNameError
from saegeom_data.remote.address import is_remote
from saegeom_data.remote.place import place_at
from saegeom_data.spec import strict_yaml
from saegeom_data.spec.checked import StrictModel
from saegeom_data.spec.models import LARGEST, Root, load_spec, parse_spec

if TYPE_CHECKING:
    import xarray as xr

    from saegeom_data.harvest import Recipe

Name = Annotated[str, Field(min_length=1)]


class CatalogueEntry(StrictModel):
    """One published dataset.

    Attributes
    ----------
    name, title
        What it is called here, and for readers.
    url
        Where it is: ``https://``, ``s3://``, ``hf://datasets/owner/name@revision``, or a path.
    root
        Root hash of its manifest, which says that it is this dataset and no other.
    bytes
        Size of all its files.
    license
        Licence, as the dataset states it.
    saes
        Number of SAEs.
    sites
        Sites that they read, or that word pairs were read at.
    widths, l0
        Widths and L0 that occur among the SAEs.
    pairs
        Number of word pairs.
    """

    name: Name
    title: str = ""
    url: Name
    root: Root
    bytes: Annotated[int, Field(ge=0)]
    license: str
    saes: Annotated[int, Field(ge=0)]
    sites: list[str] = Field(default_factory=list)
    widths: list[int] = Field(default_factory=list)
    l0: list[float] = Field(default_factory=list)
    pairs: Annotated[int, Field(ge=0)] = 0


class Catalogue(StrictModel):
    """A list of published datasets, in YAML or JSON.

    Attributes
    ----------
    datasets
        One entry for each.
    """

    spec_version: Literal[1]
    kind: Literal["catalogue"]
    title: str = ""
    datasets: list[CatalogueEntry]

    def entry(self, name: str) -> CatalogueEntry:
        """Return the entry of that name.

        Raises
        ------
        UnknownNameError
            If there is none.
        """
        found = {entry.name: entry for entry in self.datasets}
        if name not in found:
            raise UnknownNameError("dataset of the catalogue", name, found)
        return found[name]


def load_catalogue(address: str | os.PathLike[str]) -> Catalogue:
    """Read a catalogue from a file or a URL.

    Raises
    ------
    SpecError
        If it is not one; carries all problems, each with line and key.
    StoreError
        If it cannot be reached.
    """
    if is_remote(address):
        catalogue = parse_spec(_fetched(os.fspath(address)), Catalogue, os.fspath(address), check_catalogue)
    else:
        catalogue = load_spec(address, Catalogue, check_catalogue)
    return catalogue


def check_catalogue(catalogue: Catalogue) -> None:
    """Raise :class:`SpecError` if two entries have the same name."""
    seen: set[str] = set()
    problems = []
    for index, entry in enumerate(catalogue.datasets):
        if entry.name in seen:
            message = f"{entry.name!r} is a duplicate; give one of the two another name"
            problems.append(catalogue.source.problem(("datasets", index, "name"), message))
        seen.add(entry.name)
    if problems:
        raise SpecError(problems)


def open_entry(entry: CatalogueEntry) -> xr.DataTree:
    """Open a dataset of a catalogue lazily, if it is the one that the catalogue means.

    Raises
    ------
    StoreError
        If it cannot be reached, or its root hash is another one.
    """
    tree = store.open(entry.url)
    got = tree.encoding["root"]
    # An address may lead to another version by now; the root hash cannot.
    if got != entry.root:
        tree.close()
        raise StoreError(
            f"{entry.name}: {entry.url} has root {got}, the catalogue says {entry.root}; it is not the dataset that was"
            " listed; ask its publisher or whoever maintains the catalogue"
        )
    return tree


def catalogue_entry(address: str | os.PathLike[str], *, url: str = "", name: str = "") -> CatalogueEntry:
    """Make the entry of a dataset from its own attributes; only metadata is read.

    Parameters
    ----------
    address
        The dataset: a path or a URL.
    url
        Where others find it; by default ``address``, pinned to its commit on the Hub.
    name
        What to call it; by default as it calls itself, or the end of its address.

    Examples
    --------
    >>> import saegeom_data
    >>> entry = catalogue_entry(saegeom_data.sample_path(), url="https://example.org/minilm-sample")
    >>> entry.saes, entry.widths, entry.l0
    (7, [1536], [16.0])
    """
    with store.open(address) as tree:
        source = str(tree.encoding.get("source", address))
        end = re.sub(r"\.(zarr|zip)$", "", source.partition("?")[0].rstrip("/").rpartition("/")[2])
        return CatalogueEntry(
            name=name or str(tree.attrs.get("name") or end),
            title=str(tree.attrs.get("title", "")),
            url=url or (source if is_remote(source) else os.path.abspath(address)),
            root=tree.encoding["root"],
            bytes=sum(file["size"] for file in manifest_of.read_manifest(address)["files"].values()),
            license=str(tree.attrs.get("license", "unknown")),
            **_contents(tree),
        )


def write_catalogue(entries: list[CatalogueEntry], *, title: str = "") -> str:
    """Write a catalogue as YAML."""
    catalogue = Catalogue(spec_version=1, kind="catalogue", title=title, datasets=entries)
    check_catalogue(catalogue)
    return strict_yaml.write(catalogue.model_dump(exclude_defaults=True))


def recipe_facts(recipe: Recipe) -> dict[str, Any]:
    """Return what the spec of a dataset says of its contents, under the names of an entry; None where it is silent."""
    facts: dict[str, Any] = {"title": recipe.title, "license": recipe.license, "saes": 0, "bytes": None, "root": None}
    facts |= {"sites": list(recipe.activations.sites or []), "widths": [], "l0": []}
    if isinstance(recipe.saes, list):
        facts["saes"] = len(recipe.saes)
        facts["widths"] = sorted({sae.width for sae in recipe.saes if sae.width is not None})
        facts["l0"] = sorted({l0 for sae in recipe.saes if (l0 := _stated_l0(sae)) is not None})
        facts["sites"] = sorted({sae.site for sae in recipe.saes if sae.site})
    elif recipe.saes is not None:
        facts |= {"saes": len(facts["sites"]), "widths": [recipe.saes.width], "l0": [float(recipe.saes.k)]}
    return facts


def _stated_l0(sae: Any) -> float | None:
    """L0 of an SAE of a recipe: stated, or from its address, in which Gemma Scope has it as the name of a folder."""
    named = re.search(r"/average_l0_(\d+)$", sae.address)
    return sae.l0 if sae.l0 is not None or named is None else float(named[1])


def _contents(tree: xr.DataTree) -> dict[str, Any]:
    """What a store holds, under the names of an entry, from its metadata."""
    features = [tree["saes"].children[name].children["features"] for name in schema.sae_names(tree)]
    views = [view for group in features for view in site_views(group.to_dataset(inherit=False))]
    sites = [str(view["site"].item()) for view in views if "site" in view.coords]
    l0 = {float(group["l0"]) for group in features if "l0" in group.coords}
    pair_sites = schema.relation_sites(tree)
    return {
        "saes": len(features),
        "sites": list(dict.fromkeys([*sites, *pair_sites])),
        "widths": sorted({int(group.sizes["features"]) for group in features}),
        # NaN stands for an L0 that nobody stated.
        "l0": sorted(value for value in l0 if not math.isnan(value)),
        "pairs": int(tree["relations"].sizes["pairs"]) if pair_sites else 0,
    }


def _fetched(url: str) -> str:
    file = place_at(url).lookup()
    if file is None:
        raise StoreError(f"{url}: no such file; check the address")
    # Refused by its size before it is read: it is parsed whole in memory.
    if file.size > LARGEST:
        raise SpecError([Problem(url, f"larger than {LARGEST} bytes, so it is not a catalogue; check the address")])
    try:
        return file.read(0, file.size).decode("utf-8")
    except UnicodeDecodeError as error:
        raise SpecError([Problem(url, f"not UTF-8 text (byte {error.start}); check the address")]) from error


def dataset_rows(catalogue: Catalogue | None) -> Iterator[dict[str, Any]]:
    """Yield the facts of every dataset whose spec comes with the package, then of those of a catalogue."""
    from saegeom_data.harvest import Recipe
    from saegeom_data.sample import sample_path
    from saegeom_data.spec.models import shipped_specs

    for name, path in shipped_specs("datasets").items():
        facts = recipe_facts(load_spec(path, Recipe))
        # The sample is on this machine, so its facts are read from it instead of from its spec.
        if name == sample_path().stem:
            facts = catalogue_entry(sample_path()).model_dump(exclude={"url"})
        yield {"name": name, "from": "bundled" if facts["root"] else "spec", **facts}
    for entry in catalogue.datasets if catalogue is not None else []:
        yield {"from": entry.url, **entry.model_dump(exclude={"url"})}
