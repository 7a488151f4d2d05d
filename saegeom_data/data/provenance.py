"""What a result was made from and with: versions of software, and the SAEs that should not be compared."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib import metadata
from typing import TYPE_CHECKING, Any

from saegeom_data.remote.address import is_remote

if TYPE_CHECKING:
    import xarray as xr

PACKAGES = ("saegeom-data", "numpy", "scipy", "scikit-learn", "xarray", "zarr", "dask", "numba")
# What results say that were made from a tree which somebody handed over, and may have changed.
UNCHECKED = {"dataset_unchecked": "measured on a tree in memory, whose values no manifest vouches for"}


def versions(packages: Sequence[str] = PACKAGES) -> dict[str, str]:
    """Versions of Python and of installed packages, for the attributes of a store.

    Examples
    --------
    >>> sorted(versions(["numpy"]))
    ['numpy', 'python']
    """
    found = {"python": platform.python_version()}
    for name in packages:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            # A plain checkout of this package has no metadata.
            continue
    return found


def describe_source(tree: xr.DataTree) -> dict[str, Any]:
    """Title, licence and citation of a dataset, for the results that are made from it."""
    return {f"dataset_{name}": tree.attrs[name] for name in ("title", "license", "citation") if name in tree.attrs}


def describe_place(tree: xr.DataTree) -> dict[str, Any]:
    """Root hash of an opened dataset and, if it was published, the address that it was read from, with its commit."""
    facts = {"dataset_root": tree.encoding["root"]}
    source = str(tree.encoding["source"])
    # The path of a folder of this machine is nobody else's business.
    return facts | ({"dataset_source": source} if is_remote(source) else {})
