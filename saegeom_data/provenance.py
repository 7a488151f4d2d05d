"""What a result was made from and with: versions of software, and the SAEs that should not be compared."""

from __future__ import annotations

import math
import platform
from collections.abc import Sequence
from importlib import metadata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import xarray as xr

_PACKAGES = ("saegeom-data", "numpy", "scipy", "scikit-learn", "xarray", "zarr", "dask", "numba")
_L0_TOLERANCE = 0.05


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
            continue
    return found


def unmatched(saes: Sequence[xr.Dataset]) -> list[str]:
    """Say in which ways SAEs are not matched, so that comparing them would mix that with depth.

    Parameters
    ----------
    saes
        Datasets with scalar coordinates ``width`` and ``l0``.

    Returns
    -------
    list of str
        One sentence for each of width and L0 that differs (L0 by more than 5 percent) or is unknown; empty when
        they are matched.

    Examples
    --------
    >>> from saegeom_data.testing import simulate_sae
    >>> unmatched([simulate_sae(n_features=10), simulate_sae(n_features=20)])
    ['width differs between the SAEs (10 to 20): differences between layers may come from it']
    """
    sentences = []
    for name, tolerance in (("width", 0.0), ("l0", _L0_TOLERANCE)):
        values = [float(sae.coords.get(name, math.nan)) for sae in saes]
        if len(values) > 1 and any(map(math.isnan, values)):
            sentences.append(f"{name} is not known for every SAE: differences between layers may come from it")
        elif values and max(values) > min(values) * (1 + tolerance):
            low, high = f"{min(values):g}", f"{max(values):g}"
            sentences.append(
                f"{name} differs between the SAEs ({low} to {high}): differences between layers may come from it"
            )
    return sentences


def describe_source(tree: xr.DataTree) -> dict[str, Any]:
    """Title, licence and citation of a dataset, for the results that are made from it."""
    return {f"dataset_{name}": tree.attrs[name] for name in ("title", "license", "citation") if name in tree.attrs}
