"""What a result was made from and with: versions of software, and the SAEs that should not be compared."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib import metadata
from typing import TYPE_CHECKING, Any

from saegeom_data.remote.address import is_remote

if TYPE_CHECKING:
    import xarray as xr

UNCHECKED = "what was read was not held against a manifest, so that no root hash stands for it"
_PACKAGES = ("saegeom-data", "numpy", "scipy", "scikit-learn", "xarray", "zarr", "dask", "numba")


def versions(packages: Sequence[str] = _PACKAGES) -> dict[str, str]:
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
    """Root hash of a dataset every byte of which is checked as it is read, and its address if it was published.

    Of any other it says that nothing vouches for the values.
    """
    if not tree.encoding.get("checked"):
        return {"dataset_unchecked": UNCHECKED}
    facts = {"dataset_root": tree.encoding["root"]}
    source = str(tree.encoding["source"])
    return facts | ({"dataset_source": source} if is_remote(source) else {})
