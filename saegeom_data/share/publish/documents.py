"""Documents that go with a published store, written from its attributes: dataset card, licences, citation."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import yaml

from saegeom_data.data import schema
from saegeom_data.data.card import dataset_card
from saegeom_data.shown import as_markdown_text, on_one_line

if TYPE_CHECKING:
    import xarray as xr

# Licences that the Hub has a name for; any other is "other" there, with its own name beside it.
_HUB_LICENSES = {
    license.lower()
    for license in (
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
# Names of licences that SPDX has hold a version, but for a few; LicenseRef- marks those that it does not have.
_SPDX = re.compile(r"^(?!LicenseRef-)[A-Za-z0-9.+-]*\d[A-Za-z0-9.+-]*$|^(MIT|ISC|Unlicense|0BSD)$")
# Names that the Hub has for sizes, each with the number of rows below which it holds.
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
    on_hub = license.lower() if license.lower() in _HUB_LICENSES else None
    facts: dict[str, Any] = {"license": on_hub or "other"}
    if on_hub is None:
        # Where the licence is `other`, the Hub asks for its name and a link.
        facts |= {
            "license_name": re.sub(r"[^a-z0-9.]+", "-", license.lower()).strip("-"),
            "license_link": "LICENSES.md",
        }
    facts |= {
        "pretty_name": _line(title(tree)),
        "tags": [keyword.replace(" ", "-") for keyword in KEYWORDS],
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
        lines += [f"| {as_markdown_text(name)} | {_linked(license)} |" for name, license in upstream.items()]
    return "\n".join(lines) + "\n"


def upstream_licences(tree: xr.DataTree) -> dict[str, str]:
    """Return the licence of each source of a store, by the name of the source."""
    found = {str(name): str(license) for name, license in as_object(tree.attrs.get("upstream_licenses")).items()}
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
    stated = _line(tree.attrs.get("citation", ""))
    facts = {
        "cff-version": "1.2.0",
        "message": f"Cite this dataset as: {stated}" if stated else "Cite this dataset as below.",
        "type": "dataset",
        "title": _line(title(tree)),
        "abstract": _line(tree.attrs.get("description", "")) or None,
        "authors": [{"name": _line(creator)} for creator in creators(tree)],
        "date-released": date,
        # The format reads a list of licences as a choice between them, so several that all apply cannot be stated.
        "license": license if _SPDX.match(license) else None,
        "keywords": list(KEYWORDS),
        "identifiers": [{"type": "other", "value": f"sha256:{root}", "description": "root hash of the sealed store"}],
    }
    return yaml.safe_dump(
        {key: value for key, value in facts.items() if value is not None}, sort_keys=False, allow_unicode=True
    )


def _line(text: Any) -> str:
    """Text of a store on one line, for documents that other programs print."""
    return on_one_line(str(text))


def title(tree: xr.DataTree) -> str:
    """Return the title of a store."""
    return str(tree.attrs.get("title", "A dataset of feature geometry"))


def creators(tree: xr.DataTree) -> list[str]:
    """Return who made a store: its attribute ``creators``, or what its citation names before the title."""
    stated = tree.attrs.get("creators")
    if stated is not None:
        return [str(creator) for creator in ([stated] if isinstance(stated, str) else stated)]
    head, separator, _ = str(tree.attrs.get("citation", "")).partition(":")
    return [head.strip()] if separator and head.strip() else [f"The authors of {title(tree)}"]


def sources(tree: xr.DataTree) -> list[dict[str, Any]]:
    """Return the sources that a store was made from, as its attribute lists them."""
    stated = tree.attrs.get("sources", "[]")
    try:
        found = json.loads(stated) if isinstance(stated, str) else stated
    except ValueError:
        return []
    return [source for source in found if isinstance(source, dict)] if isinstance(found, Iterable) else []


def as_object(text: Any) -> dict[str, Any]:
    """Return the mapping that an attribute holds as JSON or as it is; empty if it holds none."""
    try:
        value = json.loads(text) if isinstance(text, str) else text
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _linked(expression: str) -> str:
    """An SPDX expression with a link to each licence in it."""
    # The separators are kept, so that the expression reads as it was.
    parts = re.split(r"( AND | OR |[()])", expression)
    parts[::2] = [
        f"[{part}](https://spdx.org/licenses/{part}.html)" if _SPDX.match(part) else as_markdown_text(part)
        for part in parts[::2]
    ]
    return "".join(parts)
