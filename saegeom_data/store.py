"""Stores on disk: open and verify them, and write them so that a killed writer never leaves one that opens.

A store is one zarr v3 hierarchy. It is written beside its target as ``<name>.staging-<id>``, checked for holes, sealed
with ``MANIFEST.json`` (size and sha256 of every file, and one root hash) and renamed. What a killed writer left there
goes when the same target is written again.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import re
import shutil
import time
import uuid
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from saegeom_data import schema
from saegeom_data.blocks import SIDE, block_bytes
from saegeom_data.errors import Problem, StoreError, TargetExistsError, ValidationError
from saegeom_data.manifest import MANIFEST, Progress, parse_manifest, problems, root_of
from saegeom_data.remote.address import is_elsewhere, is_remote

if TYPE_CHECKING:
    import xarray as xr

    from saegeom_data.remote.files import SourceFile

_CHUNK_BYTES = 2**20
_SHARD_BYTES = 64 * 2**20
_QUIET_SECONDS = 0.2
_LATEST_CHUNK_SECONDS = 30.0
DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def open(path: str | os.PathLike[str], *, verify: Literal["sizes", "checksums", "none"] = "sizes") -> xr.DataTree:
    """Open a store lazily, wherever it lies, after checking its manifest and its declared variables.

    Parameters
    ----------
    path
        Folder or zip archive of the store, on this machine or at ``s3://``, ``https://`` or
        ``hf://datasets/owner/name@revision``, which is pinned to its commit.
    verify
        ``"sizes"`` compares the files present and their sizes with the manifest, ``"checksums"`` reads every byte,
        ``"none"`` trusts the store. Files of an archive or a URL are not asked for one by one: each has its length
        compared when it is read, and its sha256 when it is read whole.

    Returns
    -------
    xarray.DataTree
        The store with dask arrays. Nothing but metadata is read. It holds what
        ``xr.open_datatree(path, engine="zarr", chunks={})`` gives, in larger chunks: see :func:`open_unchecked`. Its
        ``encoding`` says ``source``, the address pinned to a commit, and ``root``, the root hash of the manifest.

    Raises
    ------
    StoreError
        If there is no store, no manifest, the files disagree with it, or they cannot be reached.
    ParameterError
        If the kind of address is not known.
    ValidationError
        If groups or variables break the format; carries all problems.

    Notes
    -----
    What is read from a URL is kept under its root hash in the folder ``SAEGEOM_CACHE``, by default
    ``~/.cache/saegeom-data``; set it to nothing to keep nothing.

    Examples
    --------
    >>> import saegeom_data
    >>> tree = saegeom_data.open(saegeom_data.sample_path())
    >>> dict(tree["saes/layer_3/features"].sizes)["hidden"]
    384
    """
    elsewhere = is_elsewhere(path)
    if not elsewhere:
        _refuse_other_than_store(Path(path))
    # Files first: an unfinished or damaged store is named as such before its metadata is trusted.
    if verify == "checksums" or (verify == "sizes" and not elsewhere):
        found = manifest_problems(path, checksums=verify == "checksums")
        if found:
            raise StoreError("\n".join(f"{path}: {problem}" for problem in found))
    tree = open_unchecked(path)
    try:
        if verify != "none" and "root" not in tree.encoding:
            tree.encoding["root"] = root_hash(path)
        schema.check(tree)
    except BaseException:
        tree.close()
        raise
    return tree


def open_whole(path: str | os.PathLike[str]) -> xr.DataTree:
    """Open a store of which every byte that is read is held against its manifest, so that its root hash stands for it.

    A store on this machine is read once for it; what is read from elsewhere is compared as it is read.
    """
    return open(path, verify="sizes" if is_elsewhere(path) else "checksums")


def open_unchecked(path: str | os.PathLike[str]) -> xr.DataTree:
    """Open a zarr hierarchy lazily whether or not it is a valid store, with one dask chunk a shard.

    Plain xarray takes the chunks inside the shards, which takes several times longer to stream and makes a hundred
    times more tasks.

    Raises
    ------
    StoreError
        If ``path`` is not a zarr hierarchy at all, or a URL or archive without a manifest.
    """
    import xarray as xr

    if is_elsewhere(path):
        from saegeom_data.remote.cache import cache_folder
        from saegeom_data.remote.reading import published_store

        source: Any = published_store(path, cache_folder() if is_remote(path) else None)
        token, facts = source.root, {"source": source.place.pinned, "root": source.root}
    else:
        source = Path(path)
        _refuse_other_than_store(source)
        token, facts = f"{source.resolve()} {(source / 'zarr.json').stat().st_mtime_ns}", {"source": str(source)}
    try:
        tree = xr.open_datatree(source, engine="zarr", chunks=None, cache=False)
        opened = _chunked_by_shards(tree, token)
    except StoreError:
        raise
    except Exception as error:
        reason = str(error).splitlines()[0].rstrip(":. ") if str(error) else type(error).__name__
        raise StoreError(f"{path}: cannot be read as a zarr store: {reason}; restore it from its source") from error
    opened.encoding.update(facts)
    return opened


def _chunked_by_shards(tree: xr.DataTree, token: str) -> xr.DataTree:
    import xarray as xr
    from dask.base import tokenize

    chunked = {}
    for node in tree.subtree:
        dataset = node.to_dataset(inherit=False)
        for name, variable in dataset.variables.items():
            sizes = variable.encoding.get("shards") or variable.encoding.get("chunks")
            if variable.ndim and sizes and name not in dataset.xindexes:
                chunks = dict(zip(variable.dims, _within_budget(variable, sizes), strict=True))
                # A name that says what is read, so that equal reads of two metrics are one task.
                named = {"name": f"store-{name}-{tokenize(token, node.path, str(name), chunks)}"}
                dataset[name] = variable.chunk(chunks, from_array_kwargs=named)
        chunked[node.path] = dataset
    opened = xr.DataTree.from_dict(chunked, name=tree.name)
    opened.encoding.update(tree.encoding)
    opened.set_close(tree.close)
    return opened


def _within_budget(variable: xr.Variable, sizes: tuple[int, ...]) -> tuple[int, ...]:
    """Sizes of a shard, or of as many of its chunks along the first dimension as fill the budget of a block."""
    inner = variable.encoding.get("chunks") or sizes
    row_bytes = math.prod(sizes[1:]) * max(1, variable.dtype.itemsize)
    n_chunks = max(1, block_bytes() // (row_bytes * inner[0]))
    return (min(sizes[0], n_chunks * inner[0]), *sizes[1:])


def read_manifest(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the manifest of a store: ``format_version``, ``root`` and ``files`` with size and sha256.

    Raises
    ------
    StoreError
        If the manifest is missing or not readable.
    """
    if is_elsewhere(path):
        from saegeom_data.remote.reading import manifest_at, store_place

        return manifest_at(store_place(path))
    file = Path(path) / MANIFEST
    if not file.is_file():
        raise StoreError(
            f"{file}: no manifest, so the store was never finished or has lost it; build or fetch it again"
        )
    return parse_manifest(file.read_bytes(), str(file))


def manifest_problems(
    path: str | os.PathLike[str], *, checksums: bool = False, progress: Progress | None = None
) -> list[Problem]:
    """Compare the files of a store with its manifest, several at a time.

    Parameters
    ----------
    path
        Folder, archive or URL of the store. A web server cannot say which files it has that nobody asks for.
    checksums
        Read every byte.
    progress
        Called with the bytes read so far and those of all files.

    Raises
    ------
    StoreError
        If there is no readable manifest to compare with.
    """
    from saegeom_data.manifest import look_up
    from saegeom_data.remote.reading import manifest_at, store_place

    if not is_elsewhere(path):
        expected = read_manifest(path)["files"]
        return problems(expected, _local_files(Path(path)), checksums=checksums, progress=progress)
    place = store_place(path)
    expected = manifest_at(place)["files"]
    listed = place.files()
    found = look_up(expected, place.lookup) if listed is None else listed
    found = {name: file for name, file in found.items() if name != MANIFEST}
    return problems(expected, found, checksums=checksums, progress=progress)


def root_hash(path: str | os.PathLike[str]) -> str:
    """Return the root hash of a store: one sha256 that stands for every byte of it."""
    return str(read_manifest(path)["root"])


@contextmanager
def staged_folder(target: str | os.PathLike[str]) -> Iterator[Path]:
    """Write a folder whole or not at all: yields a new one beside ``target``, renamed to it when the block ends well.

    What killed writers of the same target left is removed.

    Raises
    ------
    TargetExistsError
        If ``target`` exists, before or when it is to be renamed; ``target`` is left as it is.
    StoreError
        If ``target`` lies inside a store, the folder cannot be made there, or the disk is full.
    """
    target = Path(target)
    refuse_existing(target)
    try:
        staging, lock = new_staging(target)
    except OSError as error:
        raise StoreError(f"{target}: cannot be made: {error.strerror}; give another path") from error
    try:
        yield staging
        refuse_existing(target)
        try:
            os.rename(staging, target)
        except OSError:
            refuse_existing(target)
            raise
    except BaseException as error:
        _discard(staging)
        if isinstance(error, OSError) and error.errno in DISK_FULL:
            raise StoreError(f"{target}: {error.strerror}; nothing was kept, make room and start again") from error
        raise
    finally:
        if lock is not None:
            os.close(lock)


def new_staging(target: Path, suffix: str = "") -> tuple[Path, int | None]:
    """Make a folder to write into, or with a ``suffix`` a file, and remove those beside it that nobody locks.

    It is locked as long as the returned descriptor is open.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    stem = target.name.removesuffix(suffix)
    for left in target.parent.iterdir():
        if re.fullmatch(rf"{re.escape(stem)}\.staging-[0-9a-f]{{8}}{re.escape(suffix)}", left.name):
            with suppress(BlockingIOError):
                lock = lock_path(left)
                if lock is not None:
                    if suffix:
                        left.unlink(missing_ok=True)
                    else:
                        shutil.rmtree(left, ignore_errors=True)
                    os.close(lock)
    while True:
        staging = target.with_name(f"{stem}.staging-{uuid.uuid4().hex[:8]}{suffix}")
        if suffix:
            staging.touch(exist_ok=False)
        else:
            staging.mkdir()
        # Until it is locked, another writer may take it for one that was left, and remove it.
        with suppress(BlockingIOError):
            lock = lock_path(staging)
            if staging.exists():
                return staging, lock


def lock_path(path: Path) -> int | None:
    """Lock a folder or file until the descriptor is closed; None where that cannot be locked.

    Raises
    ------
    BlockingIOError
        If it is locked already.
    """
    if os.name == "nt":
        return None
    import fcntl

    descriptor = None
    try:
        descriptor = os.open(path, os.O_RDONLY)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if descriptor is not None:
            os.close(descriptor)
        if isinstance(error, BlockingIOError):
            raise
        return None
    return descriptor


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


def seal(folder: str | os.PathLike[str]) -> str:
    """Check a finished folder for holes, consolidate its metadata and write its manifest; return the root hash.

    Raises
    ------
    StoreError
        If an array has chunks that were never written.
    """
    import zarr

    folder = Path(folder)
    holes = _holes(folder)
    if holes:
        raise StoreError("\n".join(str(problem) for problem in holes))
    with warnings.catch_warnings():
        # zarr says of every consolidation that version 3 does not specify it yet; xarray writes and reads it.
        warnings.filterwarnings("ignore", message="Consolidated metadata", category=UserWarning)
        zarr.consolidate_metadata(str(folder), zarr_format=3)
    files = {name: measured(file) for name, file in files_in(folder)}
    manifest = {"format_version": schema.FORMAT_VERSION, "root": root_of(files), "files": files}
    manifest["sealed"] = time.strftime("%Y-%m-%d", time.gmtime())  # beside the root hash, which it does not change
    with (folder / MANIFEST).open("w", encoding="utf-8") as stream:
        json.dump(manifest, stream, indent=1, sort_keys=True)
        stream.flush()
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
        Variables held in memory or as dask arrays; dask arrays are streamed shard by shard.

    Raises
    ------
    ValidationError
        If the dataset breaks the declared kind of that group; nothing is written.
    """
    kind = schema.kind_of(group)
    if kind is not None:
        problems = list(kind.problems(dataset, f"/{group.strip('/')}"))
        if problems:
            raise ValidationError(problems)
    not_text = [
        Problem(f"/{group.strip('/')}/{name}", "holds values that are no text; convert them with .astype(str)")
        for name, variable in dataset.variables.items()
        if variable.dtype.kind == "O" and variable.chunks is None
        if not all(isinstance(one, str) for one in variable.values.flat)
    ]
    if not_text:
        raise ValidationError(not_text)
    dataset = dataset.drop_encoding()
    # Of numpy's string types only this one has a zarr v3 specification and can be written block by block.
    text = np.dtypes.StringDType()
    dataset = dataset.assign(
        {name: one.astype(text) for name, one in dataset.variables.items() if one.dtype.kind in "OU"}
    )
    encoding = {str(name): _encoding(variable) for name, variable in dataset.variables.items()}
    rechunked: xr.Dataset = dataset.copy()
    for name, variable in dataset.variables.items():
        if variable.chunks is not None:
            # One dask chunk is one shard: smaller ones would make two tasks write one file.
            chunks = dict(zip(variable.dims, _written_chunks(encoding[str(name)]), strict=True))
            rechunked[name] = variable.chunk(chunks)
    path = group.strip("/") or None
    rechunked.to_zarr(folder, group=path, mode="a", encoding=encoding, consolidated=False, zarr_format=3)


def write_tree(tree: xr.DataTree, target: str | os.PathLike[str]) -> str:
    """Write a whole tree as a new store and return its root hash; see :func:`staged` for what is promised."""
    with staged(target) as folder:
        for node in tree.subtree:
            write_group(folder, node.path, node.to_dataset(inherit=False))
    return root_hash(target)


def _encoding(variable: xr.Variable) -> dict[str, Any]:
    from zarr.codecs import BloscCodec

    encoding: dict[str, Any] = {"chunk_key_encoding": {"name": "default", "separator": "."}, "write_empty_chunks": True}
    if variable.ndim == 0:
        return encoding
    if variable.dtype.kind in "OTU":
        return encoding | {"chunks": tuple(max(1, size) for size in variable.shape)}
    # Bit-shuffled booleans leave seven of eight bit planes empty: packed bits by a standard codec.
    shuffle: Literal["bitshuffle", "shuffle"] = "bitshuffle" if variable.dtype.kind == "b" else "shuffle"
    itemsize = variable.dtype.itemsize
    encoding["compressors"] = (BloscCodec(cname="zstd", clevel=7, shuffle=shuffle, typesize=itemsize),)
    if variable.chunks is not None and is_tiled(variable):
        lead, tile = tuple(chunk[0] for chunk in variable.chunks[:-2]), variable.chunks[-1][0]
        encoding["chunks"], encoding["shards"] = (*(1 for _ in lead), SIDE, SIDE), (*lead, tile, tile)
        return encoding | ({"_FillValue": None} if variable.dtype.kind == "f" else {})
    row_bytes = max(1, itemsize * _product(variable.shape[1:]))
    rest = tuple(max(1, size) for size in variable.shape[1:])
    chunk, shard = shard_rows(variable.shape[0], row_bytes)
    encoding["chunks"] = (chunk, *rest)
    if shard > chunk:
        encoding["shards"] = (shard, *rest)
    if variable.dtype.kind == "f":
        encoding["_FillValue"] = None
    return encoding


def shard_rows(rows: int, row_bytes: int) -> tuple[int, int]:
    """Rows of a chunk, and of a shard, in which an array of so many rows is written."""
    chunk = max(1, min(rows, _CHUNK_BYTES // row_bytes))
    return chunk, chunk * max(1, min(_SHARD_BYTES // row_bytes, rows) // chunk)


def is_tiled(variable: xr.Variable | xr.DataArray) -> bool:
    """Whether the last two dims are cut into the square tiles that :func:`saegeom_data.blocks.tiles` makes."""
    if variable.chunks is None or variable.ndim < 2:
        return False
    rows, columns = variable.chunks[-2:]
    return rows == columns and len(rows) > 1 and rows[0] % SIDE == 0


def _written_chunks(encoding: Mapping[str, Any]) -> tuple[int, ...]:
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
            found = {file.name for file in (folder / name).iterdir()}
            present = sum(".".join(("c", *map(str, index))) in found for index in np.ndindex(*counts))
            if present != _product(counts):
                message = f"got {present} chunks, expected {_product(counts)}; the write was cut short, start it again"
                problems.append(Problem(f"/{name}", message))
    return problems


def files_in(folder: Path) -> Iterator[tuple[str, Path]]:
    """Files of a folder by their names in it, in order, without a manifest."""
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder).as_posix()
        if file.is_file() and name != MANIFEST:
            yield name, file


def _local_files(folder: Path) -> dict[str, SourceFile | None]:
    from saegeom_data.remote.files import SourceFile

    links = ((one.relative_to(folder).as_posix(), one) for one in folder.rglob("*") if one.is_symlink())
    found = {**dict(files_in(folder)), **dict(links)}
    return {name: SourceFile("file", str(file), name, file.lstat().st_size) for name, file in found.items()}


def measured(file: Path) -> dict[str, Any]:
    """Size and sha256 of a file, as a manifest lists them."""
    with file.open("rb") as stream:
        return {"size": file.stat().st_size, "sha256": hashlib.file_digest(stream, "sha256").hexdigest()}


def _refuse_other_than_store(path: Path) -> None:
    if not path.exists():
        raise StoreError(f"{path}: no such store; check the path")
    if not (path / "zarr.json").is_file():
        raise StoreError(f"{path}: not a zarr v3 store (no zarr.json in it); give the folder that holds zarr.json")


def _discard(folder: Path) -> None:
    """Remove a folder for good: chunks that were under way when a write failed may still come in, and bring it back."""
    absent_since = None
    deadline = time.monotonic() + _LATEST_CHUNK_SECONDS
    while (now := time.monotonic()) < deadline:
        if folder.exists():
            shutil.rmtree(folder, ignore_errors=True)
            absent_since = None
        elif absent_since is None:
            absent_since = now
        elif now - absent_since > _QUIET_SECONDS:
            return
        time.sleep(0.02)


def refuse_existing(target: str | os.PathLike[str]) -> None:
    """Refuse a ``target`` to be made where something is, be it a link that leads nowhere, or inside a sealed store.

    Raises
    ------
    TargetExistsError
        If something is there.
    StoreError
        If it lies inside a sealed store, whose manifest would no longer list all of its files.
    """
    if os.path.lexists(target):
        raise TargetExistsError(f"{target}: exists already; give another path or remove it first")
    refuse_inside_store(target)


def refuse_inside_store(target: str | os.PathLike[str]) -> None:
    """Raise :class:`StoreError` if ``target`` lies inside a sealed store."""
    for parent in (Path(target).absolute().parent.resolve() / Path(target).name).parents:
        if (parent / MANIFEST).is_file() and (parent / "zarr.json").is_file():
            raise StoreError(f"{target}: lies inside the store {parent}; give a path outside it")


def _product(sizes: Any) -> int:
    product = 1
    for size in sizes:
        product *= int(size)
    return product
