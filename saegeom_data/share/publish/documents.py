"""Documents that go with a published store, told from its attributes: dataset card, licences, citation."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import yaml

from saegeom_data.data import schema
from saegeom_data.data.card import dataset_card

if TYPE_CHECKING:
    import xarray as xr

# Licences that the Hub has a name for; any other is "other" there, with its own name beside it.
_HUB_LICENSES = {
    one.lower(): one.lower()
    for one in (
        "Apache-2.0",
        "MIT",
        "CC0-1.0",
        "CC-BY-3.0",
        "CC-BY-4.0",
        "CC-BY-SA-3.0",
        "CC-BY-SA-4.0",
        "CC-BY-NC-4.0",
        "CC-BY-NC-SA-4.0",
        "BSD-3-Clause",
        "GPL-3.0",
        "ODbL",
        "gemma",
        "llama3.1",
    )
}
_SPDX = re.compile(r"^(?!LicenseRef-)[A-Za-z0-9.+-]*\d[A-Za-z0-9.+-]*$|^(MIT|ISC|Unlicense|0BSD)$")
_SIZES = ((1e3, "n<1K"), (1e4, "1K<n<10K"), (1e5, "10K<n<100K"), (1e6, "100K<n<1M"), (1e7, "1M<n<10M"))
KEYWORDS = ("interpretability", "sparse autoencoders", "geometry", "xarray", "zarr")


def readme(tree: xr.DataTree, tables: Mapping[str, str], rows: int) -> str:
    """Write the dataset card with the Hub's front matter.

    Parameters
    ----------
    tree
        The store.
    tables
        Path of each Parquet table by its name; each becomes a configuration of ``datasets``.
    rows
        Rows of the largest table.

    Examples
    --------
    >>> from saegeom_data.testing.simulate import simulate_store
    >>> print(readme(simulate_store(), {"features": "tables/features.parquet"}, 400).splitlines()[1])
    license: cc0-1.0
    """
    license = str(tree.attrs.get("license", "unknown"))
    on_hub = _HUB_LICENSES.get(license.lower())
    facts: dict[str, Any] = {"license": on_hub or "other"}
    if on_hub is None:
        facts |= {
            "license_name": re.sub(r"[^a-z0-9.]+", "-", license.lower()).strip("-"),
            "license_link": "LICENSES.md",
        }
    facts |= {
        "pretty_name": title(tree),
        "tags": [one.replace(" ", "-") for one in KEYWORDS],
        "size_categories": [next((name for most, name in _SIZES if rows < most), "10M<n<100M")],
    }
    if tables:
        facts["configs"] = [
            {"config_name": name, "data_files": path} | ({"default": True} if index == 0 else {})
            for index, (name, path) in enumerate(tables.items())
        ]
    return f"---\n{yaml.safe_dump(facts, sort_keys=False, allow_unicode=True, width=1000)}---\n\n{dataset_card(tree)}"


def licences(tree: xr.DataTree) -> str:
    """Write the licence of a store and those of everything that it was made from.

    Examples
    --------
    >>> from saegeom_data.testing.simulate import simulate_store
    >>> print(licences(simulate_store()).splitlines()[2])
    This dataset: [CC0-1.0](https://spdx.org/licenses/CC0-1.0.html)
    """
    lines = ["# Licences", "", f"This dataset: {_linked(str(tree.attrs.get('license', 'unknown')))}"]
    upstream = upstream_licences(tree)
    if upstream:
        lines += ["", "It is derived from:", "", "| source | licence |", "| --- | --- |"]
        lines += [f"| {name.replace('|', ' ')} | {_linked(license)} |" for name, license in upstream.items()]
    return "\n".join(lines) + "\n"


def upstream_licences(tree: xr.DataTree) -> dict[str, str]:
    """Licence of each source of a store, by the name of the source."""
    found = {str(name): str(one) for name, one in as_object(tree.attrs.get("upstream_licenses")).items()}
    for source in sources(tree):
        found.setdefault(str(source.get("name", "source")), str(source.get("license", "unknown")))
    for name in schema.sae_names(tree):
        for group in tree.children["saes"].children[name].children.values():
            if "source_license" in group.attrs:
                found.setdefault(str(group.attrs.get("source", name)), str(group.attrs["source_license"]))
    if "dataset_license" in tree.attrs:
        found.setdefault(str(tree.attrs.get("dataset_title", "dataset")), str(tree.attrs["dataset_license"]))
    return found


def citation(tree: xr.DataTree, root: str, date: str | None) -> str:
    """Write a CITATION.cff of version 1.2.0.

    Examples
    --------
    >>> from saegeom_data.testing.simulate import simulate_store
    >>> citation(simulate_store(), "0" * 64, None).splitlines()[0]
    'cff-version: 1.2.0'
    """
    license = str(tree.attrs.get("license", ""))
    stated = str(tree.attrs.get("citation", ""))
    facts = {
        "cff-version": "1.2.0",
        "message": f"Cite this dataset as: {stated}" if stated else "Cite this dataset as below.",
        "type": "dataset",
        "title": title(tree),
        "abstract": str(tree.attrs.get("description", "")) or None,
        "authors": [{"name": one} for one in creators(tree)],
        "date-released": date,
        # The format takes several licences for a choice between them, so that a sum of them cannot be said.
        "license": license if _SPDX.match(license) else None,
        "keywords": list(KEYWORDS),
        "identifiers": [{"type": "other", "value": f"sha256:{root}", "description": "root hash of the sealed store"}],
    }
    return yaml.safe_dump(
        {key: value for key, value in facts.items() if value is not None}, sort_keys=False, allow_unicode=True
    )


def title(tree: xr.DataTree) -> str:
    """Title of a store."""
    return str(tree.attrs.get("title", "A dataset of feature geometry"))


def creators(tree: xr.DataTree) -> list[str]:
    """Who made a store: its attribute ``creators``, or what its citation names before the title."""
    stated = tree.attrs.get("creators")
    if stated is not None:
        return [str(one) for one in ([stated] if isinstance(stated, str) else stated)]
    head, separator, _ = str(tree.attrs.get("citation", "")).partition(":")
    return [head.strip()] if separator and head.strip() else [f"The authors of {title(tree)}"]


def sources(tree: xr.DataTree) -> list[dict[str, Any]]:
    """Texts that a store was made from."""
    stated = tree.attrs.get("sources", "[]")
    try:
        found = json.loads(stated) if isinstance(stated, str) else stated
    except ValueError:
        return []
    return [one for one in found if isinstance(one, dict)] if isinstance(found, Iterable) else []


def as_object(text: Any) -> dict[str, Any]:
    """Mapping that an attribute holds as JSON or as it is; empty if it holds none."""
    try:
        value = json.loads(text) if isinstance(text, str) else text
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _linked(expression: str) -> str:
    parts = re.split(r"( AND | OR |[()])", expression)
    return "".join(
        f"[{one}](https://spdx.org/licenses/{one}.html)" if one.strip() and _SPDX.match(one) else one for one in parts
    )
