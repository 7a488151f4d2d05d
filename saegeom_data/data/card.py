"""The card of a dataset: what it is, from what, under which licences and by which recipe, told from its attributes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from saegeom_data.data import group_kinds, schema
from saegeom_data.data.sites import site_names
from saegeom_data.shown import as_markdown_text, printable, without_secrets

if TYPE_CHECKING:
    import xarray as xr


def dataset_card(tree: xr.DataTree) -> str:
    """Write the card of a dataset in Markdown.

    Parameters
    ----------
    tree
        A dataset; only its metadata is read.

    Returns
    -------
    str
        Title, description, contents, SAEs, untrained SAEs, sources with licences, recipe, versions. Parts that the
        dataset says nothing about are left out.

    Examples
    --------
    >>> from saegeom_data.testing.simulate import simulate_store
    >>> print(dataset_card(simulate_store()).splitlines()[0])
    # Simulated store
    """
    attrs = tree.attrs
    parts = [f"# {_shown(attrs.get('title', 'A dataset of feature geometry'))}"]
    if "description" in attrs:
        parts.append(_shown(attrs["description"]))
    parts.append(
        f"Licence: {_shown(attrs.get('license', 'unknown'))}. Format version {attrs.get('format_version', 'unknown')}."
    )
    if "citation" in attrs:
        parts.append(f"Cite as: {_shown(attrs['citation'])}")
    parts.append(_section("What it holds", ["group", "sizes"], _contents(tree)))
    parts.append(
        _section("SAEs", ["name", "site", "width", "L0", "unexplained variance", "dead features"], _saes(tree))
    )
    columns = ["held against", "site", "width", "L0", "how it was made"]
    parts.append(_section("Untrained SAEs", columns, _untrained(tree)))
    parts.append(_section("Sources", ["name", "title", "licence", "sequences", "from"], _sources(tree)))
    if "recipe" in attrs:
        recipe = without_secrets(json.dumps(json.loads(attrs["recipe"]), indent=2))
        parts.append(f"## Recipe\n\nBuilt by `saegeom build` from:\n\n```json\n{recipe}\n```")
    if "versions" in attrs:
        versions = ", ".join(f"{name} {version}" for name, version in json.loads(attrs["versions"]).items())
        parts.append(f"## Made with\n\n{_shown(versions)}")
    opening = 'xr.open_datatree("PATH", engine="zarr", chunks={})'
    parts.append(f"## How to open it\n\n```python\nimport xarray as xr\n\ntree = {opening}\n```")
    return "\n\n".join(part for part in parts if part) + "\n"


def _section(title: str, columns: list[str], rows: Iterator[list[Any]]) -> str:
    lines = ["| " + " | ".join(_shown(value) for value in row) + " |" for row in rows]
    if not lines:
        return ""
    head = [f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}"]
    return f"## {title}\n\n" + "\n".join([*head, *lines])


def _contents(tree: xr.DataTree) -> Iterator[list[Any]]:
    # A folder lists its groups in any order until its metadata is consolidated.
    for node in sorted(tree.subtree, key=lambda node: node.path):
        dataset = node.to_dataset(inherit=False)
        if dataset.data_vars:
            sizes = sorted((str(dim), size) for dim, size in dataset.sizes.items())
            yield [_Path(node.path), ", ".join(f"{size:,} {dim}" for dim, size in sizes)]


def _saes(tree: xr.DataTree) -> Iterator[list[Any]]:
    for name in schema.sae_names(tree):
        groups = tree.children["saes"].children[name].children
        if "features" not in groups:
            continue
        features = groups["features"].to_dataset(inherit=False)
        values = [
            features[coord].values.tolist() if coord in features.coords else "" for coord in ("site", "width", "l0")
        ]
        values[0] = ", ".join(site_names(features)) or values[0]
        reads = schema.input_site(features)
        # A transcoder reads in another place than the one it is known by.
        values[0] = values[0] if reads == values[0] else f"{reads} to {values[0]}"
        fvu = features.attrs.get("fvu", "")
        yield [name, *values, f"{fvu:.3f}" if fvu != "" else "", features.attrs.get("dead_features", "")]


def _untrained(tree: xr.DataTree) -> Iterator[list[Any]]:
    """Those of /untrained, which no metric measures for themselves."""
    children = tree.children["untrained"].children if "untrained" in tree.children else {}
    for name in sorted(children, key=schema.natural_order):
        if "features" in children[name].children:
            features = children[name].children["features"].to_dataset(inherit=False)
            values = [features[coord].values.tolist() for coord in ("site", "width", "l0")]
            yield [name, *values, features.attrs.get(group_kinds.untrained.name, "")]


def _sources(tree: xr.DataTree) -> Iterator[list[Any]]:
    attrs = tree.attrs
    for source in json.loads(attrs.get("sources", "[]")):
        name, title, *rest = (source.get(key, "") for key in ("name", "title", "license", "sequences", "url"))
        yield [name, f"{title} (read as {source['read_as']})" if "read_as" in source else title, *rest]
    pairs = tree.children["relations"].attrs if "relations" in tree.children else {}
    if "title" in pairs:
        name = "word pairs, read with a space before each word" if pairs.get("prepend_space") else "word pairs"
        yield [name, *(pairs.get(key, "") for key in ("title", "license")), "", pairs.get("url", "")]
    if "model" in attrs:
        model = json.loads(attrs["model"])
        title = str(model.get("name", ""))
        if "quantisation" in model:
            title += f" (weights dequantised from {model['quantisation']}, not the original ones)"
        yield ["model", title, model.get("license", ""), "", model.get("package", "") or ""]


class _Path(str):
    """A path inside the store, which is set as code."""

    __slots__ = ()


def _shown(value: Any) -> str:
    if isinstance(value, _Path):
        return f"`{printable(value).replace('`', chr(39)).replace('|', ' ')}`"
    # From whoever made the store: it must not become a heading, a link, or a script on the page that shows the card.
    return as_markdown_text(str(value))
