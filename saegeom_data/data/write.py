"""Write datasets: encoded, sharded, complete, and sealed with a manifest."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from saegeom_data.data import group_kinds, schema
from saegeom_data.data.attributes import plain_attributes
from saegeom_data.data.layout import group_laid_out, laid_out
from saegeom_data.data.manifest_of import files_in, root_hash
from saegeom_data.data.staging import staged_folder
from saegeom_data.data.validation import agreement_problems
from saegeom_data.errors import Problem, StoreError, ValidationError
from saegeom_data.lazy import SIDE
from saegeom_data.remote.manifest import MANIFEST, SYSTEM_FILES, root_of

if TYPE_CHECKING:
    import xarray as xr


# A reader of few rows fetches whole chunks; a bucket or a file system suffers from many small files.
_CHUNK_BYTES = 2**20
_SHARD_BYTES = 64 * 2**20
_SURROGATE = re.compile("[\ud800-\udfff]")


@contextmanager
def staged(target: str | os.PathLike[str]) -> Iterator[Path]:
    """Write a store whole or not at all.

    Yields a new folder beside ``target`` to write into. When the block ends well, the folder is checked for holes,
    sealed and renamed to ``target``; when it raises, the folder is removed.

    Raises
    ------
    TargetExistsError
        If ``target`` exists, before or when it is to be renamed; ``target`` is left as it is.
    StoreError
        If an array has chunks that were never written.

    Examples
    --------
    >>> import tempfile, pathlib, xarray as xr
    >>> target = pathlib.Path(tempfile.mkdtemp()) / "example.zarr"
    >>> attrs = {"format_version": 1, "title": "Example", "license": "CC0-1.0"}
    >>> with staged(target) as folder:
    ...     write_group(folder, "/", xr.Dataset(attrs=attrs))
    >>> sorted(file.name for file in target.iterdir())
    ['MANIFEST.json', 'zarr.json']
    """
    with staged_folder(target) as staging:
        yield staging
        seal(staging)


@contextmanager
def expected_warnings() -> Iterator[None]:
    """Leave out what zarr and xarray warn of whenever a store of this package is written in parts."""
    with warnings.catch_warnings():
        # Version 3 of zarr does not specify consolidation yet; xarray writes and reads it.
        warnings.filterwarnings("ignore", "Consolidated metadata", UserWarning)
        # A card is made from metadata that is not consolidated yet, and lies among zarr's own files.
        warnings.filterwarnings("ignore", "Failed to open Zarr store with consolidated metadata", RuntimeWarning)
        warnings.filterwarnings("ignore", rf"Object at (README\.md|{SYSTEM_FILES}) is not recognized", UserWarning)
        yield


def seal(folder: str | os.PathLike[str], known: Mapping[str, Mapping[str, Any]] | None = None) -> str:
    """Check a finished folder for holes, consolidate its metadata and write its manifest; return the root hash.

    Files in ``known`` are as an earlier manifest lists them, and are not read again.

    Raises
    ------
    StoreError
        If an array has chunks that were never written.
    """
    import zarr

    folder = Path(folder)
    holes = _holes(folder)
    if holes:
        raise StoreError(*holes)
    with expected_warnings():
        zarr.consolidate_metadata(str(folder), zarr_format=3)
    measured_before = known or {}
    files = {name: measured_before.get(name) or measured(file) for name, file in files_in(folder)}
    manifest = {"format_version": schema.FORMAT_VERSION, "root": root_of(files), "files": files}
    manifest["sealed"] = time.strftime("%Y-%m-%d", time.gmtime())  # beside the root hash, which it does not change
    with (folder / MANIFEST).open("w", encoding="utf-8") as stream:
        json.dump(manifest, stream, indent=1, sort_keys=True)
        stream.flush()
        # The manifest says that all is there, so it may not be what a failing machine loses.
        os.fsync(stream.fileno())
    return str(manifest["root"])


def write_group(folder: str | os.PathLike[str], group: str, dataset: xr.Dataset) -> None:
    """Write a Dataset as one group of a store, by the storage rules of the format.

    Parameters
    ----------
    folder
        Staging folder, as :func:`staged` yields it.
    group
        Path of the group, such as ``"saes/layer_3/features"``.
    dataset
        Variables held in memory or as dask arrays; dask arrays are streamed shard by shard. Dims in other layouts
        are put in order, as :func:`saegeom_data.laid_out` does.

    Raises
    ------
    ValidationError
        If the dataset breaks the declared kind of that group, or holds what zarr or JSON do not; nothing is written.
    """
    # Tasks that write may run in processes with other working directories.
    folder = Path(folder).absolute()
    dataset = group_laid_out(dataset, group)
    kind, where = group_kinds.kind_of(group), f"/{group.strip('/')}"
    problems = list(kind.problems(dataset, where)) if kind is not None else []
    if not problems:
        # How the file was encoded that it was read from would else be taken for how to write it.
        dataset, problems = plain_attributes(dataset.drop_encoding(), where)
        problems += _unwritable(dataset, where.rstrip("/"))
    if problems:
        raise ValidationError(problems)
    dataset = dataset.assign(
        {
            name: _as_text(variable, f"{where.rstrip('/')}/{name}")
            for name, variable in dataset.variables.items()
            if variable.dtype.kind in "OU"
        }
    )
    encoding = {str(name): _encoding(variable) for name, variable in dataset.variables.items()}
    rechunked: xr.Dataset = dataset.copy()
    for name, variable in dataset.variables.items():
        if variable.chunks is not None:
            # One dask chunk is one shard: smaller ones would make two tasks write one file.
            chunks = dict(zip(variable.dims, _written_chunks(encoding[str(name)]), strict=True))
            rechunked[name] = variable.chunk(chunks)
    path = group.strip("/") or None
    # Metadata is consolidated once, when the store is sealed, and not anew after each group.
    rechunked.to_zarr(folder, group=path, mode="a", encoding=encoding, consolidated=False, zarr_format=3)


def _unwritable(dataset: xr.Dataset, where: str) -> Iterator[Problem]:
    """Yield which variables have values or dtypes that zarr does not hold."""
    for name, variable in dataset.variables.items():
        if not isinstance(name, str) or not name or "/" in name:
            yield Problem(f"{where}/{name}", f"got the name {name!r}, expected text without a slash; rename it")
        kind, itemsize = variable.dtype.kind, variable.dtype.itemsize
        if getattr(dataset.xindexes.get(name), "index", None) is not None and dataset.indexes[name].nlevels > 1:
            yield Problem(f"{where}/{name}", f"got an index of several levels; apply .reset_index({name!r})")
        elif kind in "SV":
            yield Problem(f"{where}/{name}", f"holds values that are not text, of dtype {variable.dtype}; decode them")
        # Lazy text would be computed here only to be looked at.
        elif kind in "OU" and variable.chunks is None and (problem := _text_problem(variable.values)):
            yield Problem(f"{where}/{name}", problem)
        if (kind == "f" and itemsize > 8) or (kind == "c" and itemsize > 16):
            yield Problem(f"{where}/{name}", f"got dtype {variable.dtype}, expected 64 bits at most; use .astype")


def _as_text(variable: xr.Variable, where: str) -> xr.Variable:
    """The same text in the one of numpy's string types that zarr v3 specifies and that is written block by block."""
    text = np.dtypes.StringDType()
    if variable.chunks is None:
        return variable.astype(text)
    # What a lazy array holds is only seen when it is written, and numpy would make text of anything.
    return variable.copy(data=variable.data.map_blocks(_block_as_text, where, dtype=text, meta=np.array((), text)))


def _block_as_text(block: np.ndarray[Any, Any], where: str) -> np.ndarray[Any, Any]:
    if problem := _text_problem(block):
        raise ValidationError([Problem(where, problem)])
    return block.astype(np.dtypes.StringDType())


def _text_problem(values: np.ndarray[Any, Any]) -> str:
    """What keeps an array from being one of text; empty if nothing does."""
    for value in values.flat:
        if not isinstance(value, str):
            return (
                f"holds values that are not text, such as {value!r:.60} ({type(value).__name__}); write text for them"
            )
        if not value.isascii() and _SURROGATE.search(value):
            return f"got half a surrogate pair in {value!r:.60}, which UTF-8 does not write; repair the text"
    return ""


def write_tree(tree: xr.DataTree, target: str | os.PathLike[str]) -> str:
    """Write a whole tree as a new store and return its root hash; see :func:`staged` for what is promised.

    Dims in another order, and ``sequences`` and ``positions`` in place of ``tokens``, are put in order, as
    :func:`saegeom_data.laid_out` does.

    Raises
    ------
    ValidationError
        If a group breaks its declaration, or groups disagree: in lengths, or in site, layer, width or L0 of an SAE.
    TargetExistsError, StoreError
        As :func:`staged`.
    """
    ordered = laid_out(tree)
    with staged(target) as folder:
        # Before hours of writing; results have no groups that could disagree.
        if ordered.attrs.get("kind") != "results" and (problems := list(agreement_problems(ordered))):
            raise ValidationError(problems)
        for node in ordered.subtree:
            write_group(folder, node.path, node.to_dataset(inherit=False))
    return root_hash(target)


def _encoding(variable: xr.Variable) -> dict[str, Any]:
    """How zarr writes a variable: chunks, shards and codec.

    A tiled matrix (..., n, n) is cut into squares; anything else into rows, each whole, and where there are several
    sites into rows of one, because one is read at a time. Bytes of one kind are shuffled together before zstd,
    which finds more to compress in them.
    """
    from zarr.codecs import BloscCodec

    # A chunk of zeros is written too, so that a file which is missing is always a hole, and sealing can refuse it. With
    # dots in their names all chunks of an array lie in one folder, which is listed once.
    encoding: dict[str, Any] = {"chunk_key_encoding": {"name": "default", "separator": "."}, "write_empty_chunks": True}
    if variable.ndim == 0:
        return encoding
    if variable.dtype.kind in "OTU":
        # Whole: texts have no size by which the rows of a chunk could be counted.
        return encoding | {"chunks": tuple(max(1, size) for size in variable.shape)}
    # Bit-shuffled booleans leave seven of eight bit planes empty: packed bits by a standard codec.
    shuffle: Literal["bitshuffle", "shuffle"] = "bitshuffle" if variable.dtype.kind == "b" else "shuffle"
    itemsize = variable.dtype.itemsize
    encoding["compressors"] = (BloscCodec(cname="zstd", clevel=7, shuffle=shuffle, typesize=itemsize),)
    if variable.chunks is not None and is_tiled(variable):
        lead, tile = tuple(chunk[0] for chunk in variable.chunks[:-2]), variable.chunks[-1][0]
        encoding["chunks"], encoding["shards"] = (*(1 for _ in lead), SIDE, SIDE), (*lead, tile, tile)
        return encoding | ({"_FillValue": None} if variable.dtype.kind == "f" else {})
    rest = tuple(
        1 if dim == schema.SITES else max(1, size)
        for dim, size in zip(variable.dims[1:], variable.shape[1:], strict=True)
    )
    row_bytes = max(1, itemsize * _product(rest))
    chunk, shard = shard_rows(variable.shape[0], row_bytes)
    encoding["chunks"] = (chunk, *rest)
    if shard > chunk:
        encoding["shards"] = (shard, *rest)
    # xarray would declare NaN as what stands for missing values, and readers would mask what a
    # metric says is not defined.
    if variable.dtype.kind == "f":
        encoding["_FillValue"] = None
    return encoding


def shard_rows(rows: int, row_bytes: int) -> tuple[int, int]:
    """Rows of a chunk, and of a shard, in which an array of so many rows is written.

    A chunk holds as many rows as fit 1 MiB, at least one; a shard as many whole chunks as fit 64 MiB and the array.
    """
    chunk = max(1, min(rows, _CHUNK_BYTES // row_bytes))
    return chunk, chunk * max(1, min(_SHARD_BYTES // row_bytes, rows) // chunk)


def is_tiled(variable: xr.Variable | xr.DataArray) -> bool:
    """Whether the last two dims are cut into the square tiles that :func:`saegeom_data.lazy.tiles` makes."""
    if variable.chunks is None or variable.ndim < 2:
        return False
    rows, columns = variable.chunks[-2:]
    return rows == columns and len(rows) > 1 and rows[0] % SIDE == 0


def _written_chunks(encoding: Mapping[str, Any]) -> tuple[int, ...]:
    """Shape of what is written as one file: a shard, or a chunk where there are no shards."""
    chunks: tuple[int, ...] = encoding.get("shards", encoding.get("chunks", ()))
    return chunks


def _holes(folder: Path) -> list[Problem]:
    """Arrays of a written folder whose chunk files are not all there."""
    import zarr

    problems = []
    for name, member in sorted(zarr.open_group(str(folder), mode="r").members(max_depth=None)):
        if isinstance(member, zarr.Array):
            grid = member.shards or member.chunks
            counts = [-(-size // step) for size, step in zip(member.shape, grid, strict=True)]
            # Listed once: to ask for each chunk by itself is slow on file systems of a network.
            found = {file.name for file in (folder / name).iterdir()}
            present = sum(".".join(("c", *map(str, index))) in found for index in np.ndindex(*counts))
            if present != _product(counts):
                message = f"got {present} chunks, expected {_product(counts)}; the write was cut short, start it again"
                problems.append(Problem(f"/{name}", message))
    return problems


def measured(file: Path) -> dict[str, Any]:
    """Size and sha256 of a file, as a manifest lists them."""
    with file.open("rb") as stream:
        return {"size": file.stat().st_size, "sha256": hashlib.file_digest(stream, "sha256").hexdigest()}


def _product(sizes: Any) -> int:
    """Product of sizes in Python's integers, which do not overflow."""
    product = 1
    for size in sizes:
        product *= int(size)
    return product
