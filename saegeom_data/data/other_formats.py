"""What lies at a path that holds no store: arrays of other tools are named, with the way from them to a store."""

from __future__ import annotations

import json
from pathlib import Path

_WRITE = "name its dims in an xarray.DataTree, and write that with saegeom_data.write_tree"
_CHECKPOINT = "a checkpoint is read by saegeom import, and for arrays " + _WRITE

# Suffixes of files, what they are, and how to go on.
_FILES: tuple[tuple[tuple[str, ...], str, str], ...] = (
    ((".npy",), "an array of numpy", f"open it with numpy.load(..., mmap_mode='r'), {_WRITE}"),
    ((".npz", ".safetensors", ".pt", ".pth", ".bin"), "a file of arrays", _CHECKPOINT),
    (
        (".nc", ".nc4", ".cdf"),
        "netCDF",
        f"open it with xarray, which needs h5netcdf, netCDF4 or scipy for it; {_WRITE}",
    ),
    ((".h5", ".hdf5", ".h5ad"), "HDF5", f"open it with the library that wrote it, {_WRITE}"),
    ((".arrow", ".parquet", ".csv", ".jsonl"), "a table", f"open it with datasets, {_WRITE}"),
    # Settings far more often than a table.
    ((".json",), "JSON", "give the folder or file of arrays that it is about"),
)
# The first bytes tell more than the name, which may have any ending.
_MAGIC: tuple[tuple[bytes, str], ...] = ((b"\x89HDF", ".h5"), (b"CDF", ".nc"), (b"\x93NUMPY", ".npy"))


def other_format(path: Path) -> str:
    """Name the format of what is at a path, if it is one of other tools, and say how to make a store of it.

    Returns
    -------
    str
        The end of a sentence, which begins with ``" (it is "``; empty for what is not known, and for a zarr hierarchy
        that is like a store.
    """
    found = _folder(path) if path.is_dir() else _file(path)
    return f" (it is {found[0]}); {found[1]}" if found else ""


def _file(path: Path) -> tuple[str, str] | None:
    with path.open("rb") as stream:
        start = stream.read(8)
    suffix = next((suffix for magic, suffix in _MAGIC if start.startswith(magic)), path.suffix.lower())
    return next(((what, hint) for suffixes, what, hint in _FILES if suffix in suffixes), None)


def _folder(path: Path) -> tuple[str, str] | None:
    if (path / "results.zarr").is_dir():
        return "the folder of a run", "give the store that was measured; results are read by saegeom report and compare"
    if any((path / name).is_file() for name in (".zgroup", ".zarray", ".zmetadata")):
        return "zarr v2", f"open it with xarray.open_zarr or zarr.open, {_WRITE}"
    if (path / "zarr.json").is_file():
        return _hierarchy(path / "zarr.json")
    shards = [*path.glob("*.arrow"), *path.glob("shard_*/*.arrow")]
    if shards:
        return (
            "Arrow files of datasets, as SAELens caches activations",
            f"load it with datasets.load_from_disk: a hook is (sequences, positions, hidden); {_WRITE}",
        )
    return None


def _hierarchy(file: Path) -> tuple[str, str] | None:
    try:
        about = json.loads(file.read_bytes())
        is_array, is_ours = about["node_type"] == "array", "format_version" in about.get("attributes", {})
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    if is_array:
        return "one array of zarr", f"open it with zarr.open, {_WRITE}"
    return None if is_ours else ("a zarr hierarchy of another tool, without format_version", f"open it, {_WRITE}")
