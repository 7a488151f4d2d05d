"""Small Parquet tables of a store, which viewers and dataframe libraries read without zarr."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from saegeom_data.data import schema
from saegeom_data.data.sites import at_site, sae_rows
from saegeom_data.errors import require

if TYPE_CHECKING:
    import pyarrow as pa
    import xarray as xr

FOLDER = "tables"
_MOST_VALUES = 100_000


def write_tables(tree: xr.DataTree, folder: Path) -> dict[str, int]:
    """Write the tables of a store, each as ``tables/<name>.parquet``, and return the rows of each.

    A dataset gives ``features`` (one row per feature of an SAE at each site that it writes to: SAE, site, layer, norm
    of its decoder row, share of the blocks it fires in), ``saes`` (one row per SAE and site) and ``pairs`` (word
    pairs). Results give ``values``: one row per number, with the metric and its ``metric_version``, without matrices
    that are larger than a table should be.

    Raises
    ------
    MissingDependencyError
        If pyarrow is not installed.
    """
    require("pyarrow", "hub")
    import pyarrow.parquet as pq

    (folder / FOLDER).mkdir(exist_ok=True)
    rows = {}
    for name, table in _tables(tree):
        if table.num_rows:
            pq.write_table(table, folder / FOLDER / f"{name}.parquet", compression="zstd")
            rows[name] = int(table.num_rows)
    return rows


def _tables(tree: xr.DataTree) -> Iterator[tuple[str, pa.Table]]:
    import pyarrow as pa

    if tree.attrs.get("kind") == "results":
        yield "values", _values(tree)
        return
    rows = sae_rows(tree)
    features = [_features(tree, row, *of) for row, of in rows.items() if _has_decoder(tree, of[0])]
    if features:
        yield "features", pa.concat_tables(features)
        yield "saes", pa.Table.from_pylist([_sae(tree, row, *of) for row, of in rows.items()])
    if schema.relation_sites(tree):
        words = tree.children["relations"].to_dataset(inherit=False)
        names = [name for name in ("relation", "source", "target") if name in words]
        yield "pairs", pa.table({name: pa.array(list(map(str, words[name].values))) for name in names})


def _has_decoder(tree: xr.DataTree, name: str) -> bool:
    groups = tree.children["saes"].children[name].children
    return "features" in groups and "decoder" in groups["features"].data_vars


def _at(tree: xr.DataTree, name: str, site: str | None) -> xr.Dataset:
    """Features of an SAE, at one site where it writes to several."""
    features = tree.children["saes"].children[name].children["features"].to_dataset(inherit=False)
    return features if site is None else at_site(features, site, f"/saes/{name}")


def _features(tree: xr.DataTree, row: str, name: str, site: str | None) -> pa.Table:
    r"""One row per feature of an SAE at one of its sites: its place, its decoder row's norm, and how often it fires.

    From the decoder :math:`D` (features, hidden) and the occurrence :math:`O` (blocks, features) of 0 and 1,

    .. math:: n_i = \sqrt{\sum_j D_{ij}^2}, \qquad s_i = \frac{1}{B} \sum_b O_{bi}

    with :math:`B` blocks; :math:`s` is NaN for an SAE without occurrences.
    """
    import pyarrow as pa

    groups = {group: node.to_dataset(inherit=False) for group, node in tree["saes"][name].children.items()}
    features = _at(tree, name, site)
    count = features.sizes["features"]
    # Sums in float64, so that what is kept in float32 is the same on every processor.
    norm = np.sqrt((features.decoder.astype("float64") ** 2).sum("hidden")).astype("float32").values
    facts = {coord: features[coord].item() for coord in ("site", "layer") if coord in features.coords}
    columns = {
        # One name for each of thousands of rows: kept once, with a number in every row.
        "sae": pa.array([row] * count).dictionary_encode(),
        **{coord: pa.array([value] * count) for coord, value in facts.items()},
        "feature": pa.array(np.arange(count, dtype="int32")),
        "decoder_norm": pa.array(norm),
    }
    fires = groups["occurrence"].occurrence.mean("blocks").astype("float32").values if "occurrence" in groups else None
    columns["firing_share"] = pa.array(np.full(count, np.nan, "float32") if fires is None else fires)
    return pa.table(columns)


def _sae(tree: xr.DataTree, row: str, name: str, site: str | None) -> dict[str, Any]:
    node = _at(tree, name, site)
    coords = {key: node[key].item() if key in node.coords else None for key in ("site", "layer", "width", "l0")}
    attrs = {key: node.attrs.get(key) for key in ("model", "architecture", "decoder_norm", "fvu", "dead_features")}
    return {"sae": row} | coords | attrs


def _values(tree: xr.DataTree) -> pa.Table:
    import pyarrow as pa

    rows: list[dict[str, Any]] = []
    for group in sorted(tree.children):
        dataset = tree.children[group].to_dataset(inherit=False)
        about = {
            "group": group,
            "metric": dataset.attrs.get("metric", group),
            "metric_version": dataset.attrs.get("metric_version"),
        }
        for output, variable in sorted(dataset.data_vars.items()):
            # Matrices of pairs would make a table of billions of rows; they are read from the store.
            if variable.size <= _MOST_VALUES and variable.dtype.kind in "fiub":
                rows.extend(about | cell for cell in _cells(str(output), variable))
    columns = ("group", "metric", "metric_version", "output", "of", "at", "value", "units")
    return pa.Table.from_pylist([{column: row[column] for column in columns} for row in rows])


def _cells(output: str, variable: xr.DataArray) -> Iterator[dict[str, Any]]:
    """Yield one row per number: which SAE or site it is of, and where it is in the other dims."""
    labels = [
        [str(label) for label in (variable[dim].values if dim in variable.coords else range(size))]
        for dim, size in variable.sizes.items()
    ]
    dims = [str(dim) for dim in variable.dims]
    values = variable.values
    for index in np.ndindex(*variable.shape):
        at = [f"{dim}={labels[axis][index[axis]]}" for axis, dim in enumerate(dims) if axis]
        of = labels[0][index[0]] if dims else ""
        value = float(values[index])
        yield {"output": output, "of": of, "at": ", ".join(at), "value": value, "units": variable.attrs.get("units")}
