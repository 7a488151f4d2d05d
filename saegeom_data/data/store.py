"""Stores on disk: open and verify them, and write them so that a killed writer never leaves one that opens.

A store is one zarr v3 hierarchy. It is written beside its target as ``<name>.staging-<id>``, checked for holes, sealed
with ``MANIFEST.json`` (size and sha256 of every file, and one root hash) and renamed. What a killed writer left there
goes when the same target is written again.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from saegeom_data.data import validation
from saegeom_data.data.manifest_of import files_in, manifest_problems, refuse_other_than_store
from saegeom_data.errors import StoreError
from saegeom_data.remote.address import is_elsewhere, is_remote
from saegeom_data.remote.files import reason

if TYPE_CHECKING:
    import xarray as xr


def open(path: str | os.PathLike[str], *, verify: Literal["sizes", "checksums", "none"] = "sizes") -> xr.DataTree:
    """Open a store lazily, wherever it lies, after checking its manifest and its declared variables.

    Parameters
    ----------
    path
        Folder or zip archive of the store, on this machine or at ``s3://``, ``https://`` or
        ``hf://datasets/owner/name@revision``, which is pinned to its commit.
    verify
        ``"sizes"`` compares the files present and their sizes with the manifest; those of an archive or a URL are not
        asked for one by one. Each file has its sha256 compared when it is read. Of a file at a URL a few rows may be
        read by themselves, and are then compared in length alone. ``"checksums"`` reads every byte before anything
        else, and fetches whole files. ``"none"`` trusts a folder.

    Returns
    -------
    xarray.DataTree
        The store with dask arrays. Nothing but metadata is read. It holds what
        ``xr.open_datatree(path, engine="zarr", chunks={})`` gives, in larger chunks: see :func:`open_unchecked`. Its
        ``encoding`` says ``source``, the address pinned to a commit and without credentials, ``root``, the root hash of
        the manifest, and ``store``, what zarr reads.

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
    return _open(path, verify)


def open_whole(path: str | os.PathLike[str]) -> xr.DataTree:
    """Open a store so that its root hash stands for every byte that is read of it, parts of files included."""
    return _open(path, "sizes", whole=True)


def _open(
    path: str | os.PathLike[str], verify: Literal["sizes", "checksums", "none"], *, whole: bool = False
) -> xr.DataTree:
    elsewhere = is_elsewhere(path)
    if not elsewhere:
        refuse_other_than_store(Path(path))
    # Files first: an unfinished or damaged store is named as such before its metadata is trusted.
    if verify == "checksums" or (verify == "sizes" and not elsewhere):
        found = manifest_problems(path, checksums=verify == "checksums")
        if found:
            raise StoreError(*(problem.inside(path) for problem in found))
    tree = open_unchecked(path) if verify == "none" else _checked(path, whole=whole or verify == "checksums")
    try:
        validation.check(tree)
    # The caller gets no tree that could be closed.
    except BaseException:
        tree.close()
        raise
    return tree


def open_unchecked(path: str | os.PathLike[str]) -> xr.DataTree:
    """Open a zarr hierarchy lazily whether or not it is a valid store, with one dask chunk a shard.

    Plain xarray takes the chunks inside the shards, which takes several times longer to stream and makes a hundred
    times more tasks.

    Raises
    ------
    StoreError
        If ``path`` is not a zarr hierarchy at all, or a URL or archive without a manifest.
    """
    if is_elsewhere(path):
        return _checked(path, whole=False)
    # Workers of a cluster have working directories of their own.
    source = Path(path).absolute()
    refuse_other_than_store(Path(path))
    # Sealing writes the root's metadata last, so its time tells a store that was built anew at the same path.
    token = f"{source.resolve()} {(source / 'zarr.json').stat().st_mtime_ns}"
    return _lazy(path, source, token, {"source": str(path)})


def _checked(path: str | os.PathLike[str], *, whole: bool) -> xr.DataTree:
    """Open a store lazily, each file of which is held against the manifest when it is read."""
    from saegeom_data.remote.cache import cache_folder
    from saegeom_data.remote.reading import checked_store

    source = checked_store(path, cache_folder() if is_remote(path) else None, whole=whole)
    address = source.place.recorded if is_elsewhere(path) else str(path)
    return _lazy(path, source, source.root, {"source": address, "root": source.root})


def _lazy(path: str | os.PathLike[str], source: Any, token: str, facts: dict[str, str]) -> xr.DataTree:
    """Open what zarr reads; ``token`` names it and its version, and ``facts`` are kept with the tree."""
    import xarray as xr

    from saegeom_data.remote.codecs import checked_codecs
    from saegeom_data.remote.variables import chunked_by_shards

    # Before anything is opened: the coordinates of a hostile store would be read, and a task be made for each chunk.
    _refuse_absurd(path, source)
    try:
        with checked_codecs():
            # Without chunks, which are made below from shards; without the cache, by which what is read
            # once would stay in memory.
            tree = xr.open_datatree(source, engine="zarr", chunks=None, cache=False)
        opened = chunked_by_shards(tree, token, str(path))
    except StoreError:
        raise
    except Exception as error:
        raise StoreError(
            f"{path}: cannot be read as a zarr store: {reason(error)}; restore it from its source"
        ) from error
    # What is read, with the credentials that it takes, for workers of a cluster; facts are what may be shown.
    opened.encoding.update(facts, store=source)
    return opened


def _refuse_absurd(path: str | os.PathLike[str], source: Any) -> None:
    """Raise :class:`StoreError` for metadata that declare what no memory holds or nothing stands behind."""
    from saegeom_data.remote.metadata_checks import LARGEST_METADATA, METADATA, metadata_problems

    sealed = not isinstance(source, Path)
    if sealed:
        sizes, read = source.sizes, source.read
    else:
        sizes = {name: file.stat().st_size for name, file in files_in(source)}
        read = lambda name: (source / name).read_bytes()  # noqa: E731
    named = [name for name in sizes if name.rpartition("/")[2] == METADATA]
    if METADATA not in named or sum(sizes[name] for name in named) > LARGEST_METADATA:
        expected = f"{METADATA} of at most {LARGEST_METADATA:,} bytes in all"
        raise StoreError(f"{path}: got {len(named):,} files {METADATA}, expected a {expected}; fetch the store again")

    def nodes() -> dict[str, bytes]:
        return {name.rpartition("/")[0]: read(name) for name in named}

    found = metadata_problems(read(METADATA), sizes, nodes, sealed=sealed)
    if found:
        raise StoreError(*(problem.inside(path) for problem in found))
