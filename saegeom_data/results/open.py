"""Open the results of a run."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from saegeom_data.data import store
from saegeom_data.errors import ParameterError

if TYPE_CHECKING:
    import xarray as xr


# What a run leaves in its folder.
RESULTS = "results.zarr"
REPORT = "report.html"


def open_results(path: str | os.PathLike[str]) -> xr.DataTree:
    """Open the results of a run: its folder, the store in it, or where that was published.

    Raises
    ------
    StoreError
        If there is no such store, or it disagrees with its manifest.
    ParameterError
        If it is a dataset.
    """
    tree = store.open(results_in(path))
    if tree.attrs.get("kind") != "results":
        tree.close()
        raise ParameterError(f"{path}: a dataset, expected the results of a run; make them with saegeom run")
    return tree


def results_in(path: str | os.PathLike[str]) -> str:
    """Path of the store in the folder of a run's results; any other path or URL is returned as it is."""
    inside = os.path.join(path, RESULTS)
    return inside if os.path.exists(inside) else os.fspath(path)
