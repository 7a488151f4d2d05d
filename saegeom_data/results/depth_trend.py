"""How a number of SAEs changes over depth, as measured and adjusted for SAEs that differ in L0 or width."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from saegeom_data.data import comparability
from saegeom_data.declare.output import Output
from saegeom_data.errors import ParameterError, UnknownNameError
from saegeom_data.results import _least_squares
from saegeom_data.results.depth_table import COVARIATES, check_design, depth_problem, depth_table

if TYPE_CHECKING:
    import xarray as xr

Extreme = Literal["lowest", "highest"]

ADJUSTMENTS = ("raw", "adjusted")
TRENDS = ("linear", "quadratic")
PERMUTATIONS = ("free", "shifted")

_OUTPUTS = (
    Output("value", ("adjustment", "sae"), "{}", "output of each SAE, as measured and at reference_l0 and _width"),
    Output("adjusted_low", ("sae",), "{}", "lower end of its 95 percent interval, from covariate_coefficient alone"),
    Output("adjusted_high", ("sae",), "{}", "upper end of its 95 percent interval, from covariate_coefficient alone"),
    Output("fitted", ("adjustment", "trend", "sae"), "{}", "fitted trend; adjusted: at reference_l0 and _width"),
    Output("depth_coefficient", ("adjustment", "trend", "power"), "{} / layer ** power", "of each power of layer"),
    Output(
        "depth_coefficient_standard_error", ("adjustment", "trend", "power"), "{} / layer ** power", "least squares"
    ),
    Output(
        "depth_correlation",
        ("adjustment", "trend"),
        description="linear: (partial) correlation with layer; quadratic: multiple one with layer and its square",
    ),
    Output("depth_p", ("adjustment", "trend"), description="two-sided Freedman-Lane p of it, free permutations"),
    Output("extreme_layer", ("adjustment",), "layer", "layer of the lowest (or highest) value"),
    Output("n_variants", (), "count", "variants of the output that have a value of every SAE; 0 without variants"),
    Output("n_variants_alike", (), "count", "of these, that are lowest (or highest) at extreme_layer, as measured"),
    Output("curve_extreme_layer", ("adjustment",), "layer", "where the quadratic trend is lowest (or highest)"),
    Output("curve_extreme_layer_low", ("adjustment",), "layer", "lower end of its 95 percent interval"),
    Output("curve_extreme_layer_high", ("adjustment",), "layer", "upper end of its 95 percent interval"),
    Output(
        "residual_autocorrelation",
        ("adjustment",),
        description="of neighbours in depth, around the quadratic trend",
    ),
    Output("partial_correlation", ("covariate",), description="with the covariate's log, given depth and the other"),
    Output("partial_correlation_low", ("covariate",), description="lower end of its 95 percent interval (Fisher's z)"),
    Output("partial_correlation_high", ("covariate",), description="upper end of its 95 percent interval (Fisher's z)"),
    Output("partial_correlation_p", ("covariate", "permutation"), description="two-sided Freedman-Lane p of it"),
    Output(
        "partial_correlation_without",
        ("covariate", "sae"),
        description="the same with the n_left_out SAEs nearest to this one in depth left out",
    ),
    Output("covariate_coefficient", ("covariate",), "{}", "change of the output for an e-fold larger covariate"),
    Output("covariate_coefficient_standard_error", ("covariate",), "{}", "least squares"),
    Output(
        "covariate_autocorrelation",
        ("covariate",),
        description="of neighbours in depth, of what depth and the other covariate leave of it; up to 0, free p hold",
    ),
    Output(
        "variance_inflation",
        ("covariate",),
        description="of covariate_coefficient by depth and the other covariate; above 10 they are hard to tell apart",
    ),
    Output("reference_l0", (), "features", "geometric mean of L0, to which values are adjusted"),
    Output("reference_width", (), "features", "geometric mean of width, to which values are adjusted"),
    Output("n_saes", (), "count", "SAEs in the fits: those whose output is finite"),
    Output("n_left_out", (), "count", "SAEs left out at a time for partial_correlation_without; 0 if too few"),
)


def depth_trend(
    results: xr.Dataset,
    output: str = "slope",
    *,
    extreme: Extreme = "lowest",
    variants: str = "",
    n_permutations: int = 9999,
    seed: int = 0,
) -> xr.Dataset:
    r"""Fit the trend of one output over depth, as measured and adjusted for L0 and width.

    SAEs of another L0 or width have another geometry at equal depth, so a trend over layers whose SAEs differ in them
    mixes the two. With output :math:`y_i` of SAE i, layer :math:`x_i` and the covariates :math:`c_i` among
    :math:`(\ln L0, \ln \text{width})` that differ between the SAEs, centred on their means, least squares gives

    .. math:: y_i = b_0 + b_1 x_i + b_2 x_i^2 + g \cdot c_i + e_i

    and the same without :math:`c` (raw) or without :math:`x^2` (linear). The adjusted value is
    :math:`y_i - g \cdot c_i`: what is expected at the geometric mean of L0 and width.

    Parameters
    ----------
    results
        Results of one metric over ``sae``, with coordinates layer and l0, and width, site and model where known; lazy
        or not.
    output
        Its variable to fit, one value per SAE; of an output with further dimensions, select one entry first.
    extreme
        Whether the lowest or the highest value over depth is sought: the lowest slope is the steepest.
    variants
        A variable that holds the same output by other choices, over ``sae`` and one further dimension, such as the
        slope by windows of ranks: on how many of them the same layer is the extreme is counted.
    n_permutations
        Random permutations behind each free p.
    seed
        Seed of the permutations.

    Returns
    -------
    xarray.Dataset
        Computed, and small. Over ``sae``, in order of depth, values and fitted trends along ``adjustment`` (raw,
        adjusted) and ``trend`` (linear, quadratic); how far depth explains the output without and with the covariates
        (``depth_correlation``); where it is extreme, of the values and of the quadratic curve; and along ``covariate``
        (l0, width) the partial correlation given the quadratic in depth and the other covariate, with interval, p, and
        its values without neighbouring SAEs. Where a covariate does not differ (L0 within 5 percent does not), all of
        that is NaN; where none does, adjusted equals raw. The attribute ``adjusted_for`` names those that do,
        ``left_out`` the SAEs without a finite output.

    Raises
    ------
    DataValueError
        If layer or L0 is not known for every SAE, an L0 or width is not above 0, there are fewer than 3 layers or fewer
        SAEs than parameters of the fit and 2, a covariate follows from depth, or sites or models are mixed.
    ParameterError
        If the output has other dimensions than ``sae``, or a parameter is out of range.
    UnknownNameError
        If there is no such output, or variable of variants.

    Notes
    -----
    Correlations and p do not change when the output is shifted or scaled, nor with the order of the SAEs.

    Residuals are permuted (Freedman and Lane), freely and by circular shifts; the interval of the extreme is Fieller's.
    When to believe which is on a page of the guide: ``saegeom guide depth``.

    Cost: five products of n_permutations by SAEs by parameters, well under a second.

    References
    ----------
    Freedman and Lane 1983, Journal of Business and Economic Statistics 1(4); Fieller 1954, Journal of the Royal
    Statistical Society B 16(2).

    Examples
    --------
    >>> import numpy as np
    >>> import xarray as xr
    >>> layer = np.arange(12)
    >>> l0 = np.where(layer % 3, 120.0, 60.0)
    >>> noise = np.random.default_rng(0).normal(0, 0.002, 12)
    >>> slope = -0.5 + 0.005 * (layer - 7) ** 2 + 0.1 * np.log(l0) + noise
    >>> coords = {"sae": [f"layer_{i}" for i in layer], "layer": ("sae", layer), "l0": ("sae", l0)}
    >>> trend = depth_trend(xr.Dataset({"slope": ("sae", slope)}, coords))
    >>> trend.covariate_coefficient.sel(covariate="l0").round(2).item()
    0.1
    >>> trend.extreme_layer.values.tolist()
    [6.0, 7.0]
    """
    import xarray as xr

    if extreme not in ("lowest", "highest"):
        raise ParameterError(depth_problem(f"extreme: got {extreme!r}, expected 'lowest' or 'highest'"))
    if n_permutations < 1:
        raise ParameterError(depth_problem(f"n_permutations: got {n_permutations}, expected 1 or more"))
    if variants and variants not in results.data_vars:
        raise UnknownNameError("variable of variants", variants, map(str, results.data_vars))
    table, left_out = depth_table(results, output)
    layer, y = table["layer"].values.astype(float), table[output].values.astype(float)
    # Of L0 and width ratios matter: twice as many is the same step at any size.
    logs = {name: np.log(table[name].values.astype(float)) for name in COVARIATES if name in table.coords}
    differing = [name for name in logs if not comparability.matched(name, table[name].values.tolist())]
    # About their means, so that what is adjusted is what is expected at the reference.
    covariates = {name: logs[name] - logs[name].mean() for name in differing}
    check_design(layer, covariates)
    # The same orders for all p: they differ by what they test, not by the draw.
    orders = _least_squares.orders(layer, n_permutations, np.random.default_rng(seed))
    found = _least_squares.over_depth(layer, y, covariates, orders, -1 if extreme == "highest" else 1)
    found |= _least_squares.of_covariates(layer, y, {name: covariates.get(name) for name in COVARIATES}, orders)
    found |= _variants(results, variants, table, float(found["extreme_layer"][0]), extreme)
    found |= {f"reference_{name}": np.exp(logs[name].mean()) if name in logs else np.nan for name in COVARIATES}
    labels: Mapping[str, Any] = {
        "adjustment": list(ADJUSTMENTS),
        "trend": list(TRENDS),
        "power": [0, 1, 2],
        "covariate": list(COVARIATES),
        "permutation": list(PERMUTATIONS),
    }
    units = str(results[output].attrs.get("units", "1"))
    variables = {
        declared.name: (
            declared.dims,
            found[declared.name],
            {"units": declared.units.format(units), "description": declared.description},
        )
        for declared in _OUTPUTS
    }
    attrs = {
        "output": output,
        "extreme": extreme,
        "variants": variants,
        "n_permutations": n_permutations,
        "seed": seed,
        "adjusted_for": list(covariates),
        "left_out": left_out,
    }
    return xr.Dataset(variables, {**table.coords, **labels}, attrs)


def _variants(
    results: xr.Dataset, variants: str, table: xr.Dataset, extreme_layer: float, extreme: Extreme
) -> dict[str, int]:
    """Number of variants with a value of every SAE of the table, and of those that are extreme at ``extreme_layer``."""
    if not variants:
        return {"n_variants": 0, "n_variants_alike": 0}
    data = results[variants].transpose("sae", ...)
    # By name: the table is in order of depth, and without SAEs that have no finite output.
    names = [str(name) for name in results["sae"].values] if "sae" in results.coords else None
    places = range(len(data)) if names is None else [names.index(str(name)) for name in table["sae"].values]
    values = data.values.reshape(len(data), -1)[list(places)]
    # A variant without an SAE could have its extreme there.
    values = values[:, np.isfinite(values).all(axis=0)]
    best = values.argmax(axis=0) if extreme == "highest" else values.argmin(axis=0)
    alike = table["layer"].values[best] == extreme_layer
    return {"n_variants": values.shape[1], "n_variants_alike": int(alike.sum())}
