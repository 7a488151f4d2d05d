"""The table that trends over depth are fitted to: one row per SAE, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from saegeom_data.data import comparability
from saegeom_data.errors import DataValueError, ParameterError, Problem, UnknownNameError
from saegeom_data.results import _least_squares
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr

COVARIATES = ("l0", "width")


def depth_problem(message: str) -> Problem:
    """What keeps a trend from being fitted, as data: reports quote it without the name of the function."""
    return Problem("depth_trend", message)


def depth_table(results: xr.Dataset, output: str) -> tuple[xr.Dataset, list[str]]:
    """The output with the coordinates of its SAEs, computed, in order of depth; and the SAEs without a finite value."""
    import xarray as xr

    if output not in results.data_vars:
        raise UnknownNameError("output", output, map(str, results.data_vars))
    if results[output].dims != ("sae",):
        got = ", ".join(map(str, results[output].dims))
        raise ParameterError(
            depth_problem(f"{output}: got dims ({got}), expected (sae); select one entry of the others with .sel")
        )
    coords = {name: results.coords[name] for name in ("layer", *COVARIATES, "site", "model") if name in results.coords}
    if "sae" not in results.coords:
        coords["sae"] = xr.DataArray([f"SAE {i}" for i in range(results.sizes["sae"])], dims="sae")
    # What is the same for all SAEs may be kept as a scalar.
    along = {
        name: coordinate if coordinate.ndim else coordinate.broadcast_like(results[output])
        for name, coordinate in coords.items()
    }
    table = results[[output]].assign_coords(along).compute()
    finite = np.isfinite(table[output].values)
    left_out = [str(name) for name in table["sae"].values[~finite]]
    table = table.isel(sae=finite)
    for name in ("layer", *COVARIATES):
        _check_known(table, name)
    _check_alike(table)
    # Stable, so that SAEs of one layer keep their order and results stay the same to the last digit.
    return table.isel(sae=np.argsort(table["layer"].values, kind="stable")), left_out


def _check_known(table: xr.Dataset, name: str) -> None:
    if name not in table.coords:
        # Width is asked for where it differs; many results do not state it at all.
        if name == "width":
            return
        raise DataValueError(
            depth_problem(f"{name}: no such coordinate, expected one value per SAE; add it with .assign_coords")
        )
    values = table[name].values.astype(float)
    wrong = ~np.isfinite(values) if name == "layer" else ~(np.isfinite(values) & (values > 0))
    if wrong.any():
        saes = ", ".join(map(str, table["sae"].values[wrong]))
        expected = "a number" if name == "layer" else "a number above 0"
        raise DataValueError(
            depth_problem(
                f"{name}: got {values[wrong][0]:g} for {saes}, expected {expected}; "
                "leave these SAEs out with .sel or give it with .assign_coords"
            )
        )


def _check_alike(table: xr.Dataset) -> None:
    if "site" in table.coords:
        sites = comparability.site_kinds([str(site) for site in table["site"].values], table["layer"].values.tolist())
        _check_one("sites", sites)
    if "model" in table.coords:
        _check_one("models", [str(model) for model in table["model"].values])


def _check_one(what: str, names: Sequence[str]) -> None:
    if len(set(names)) > 1:
        raise DataValueError(
            depth_problem(
                f"got SAEs of several {what} ({', '.join(sorted(set(names)))}), expected one; "
                "select the SAEs of one with .sel"
            )
        )


def check_design(layer: Array, covariates: Mapping[str, Array]) -> None:
    """Raise :class:`DataValueError` if SAEs are too few, or their layers too alike, to fit a quadratic in depth."""
    parameters, n_layers = 3 + len(covariates), len(set(layer.tolist()))
    what = " and ".join({"l0": "L0"}.get(name, name) for name in covariates)
    if len(layer) < parameters + _least_squares.SPARE:
        raise DataValueError(
            depth_problem(
                f"got {len(layer)} SAEs, expected {parameters + _least_squares.SPARE} or more to fit a "
                f"quadratic in depth{f' and adjust for {what}' if what else ''}; add SAEs of other layers"
            )
        )
    if n_layers < 3:
        raise DataValueError(
            depth_problem(
                f"got {n_layers} different layers, expected 3 or more to fit a quadratic in depth; add SAEs "
                "of other layers"
            )
        )
    if covariates and not _least_squares.is_regular(_least_squares.design(layer, covariates)):
        raise DataValueError(
            depth_problem(
                f"{what} cannot be told from a quadratic in depth"
                f"{' or from each other' if len(covariates) > 1 else ''}; add SAEs of other {what} at the same layers"
            )
        )
