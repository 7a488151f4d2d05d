from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from scipy.stats import kstest
from soak import highest, lowest, times

import saegeom_data
from saegeom_data import depth_trend
from saegeom_data.errors import DataValueError, ParameterError, SaegeomError, UnknownNameError
from saegeom_data.testing.checks import assert_equal

PUBLISHED = Path(__file__).parents[3] / "shared" / "reference" / "published_numbers.json"
_QUICK = {"n_permutations": 199}


def table(slope: Any, layer: Any, l0: Any, **coords: Any) -> xr.Dataset:
    names = [f"layer_{i}_{n}" for n, i in enumerate(layer)]
    along = {name: ("sae", values) for name, values in {"layer": layer, "l0": l0, **coords}.items()}
    return xr.Dataset({"slope": ("sae", slope, {"units": "nats"})}, {"sae": names, **along})


def simulated(
    seed: int, n: int = 26, *, depth: float = 0.0, l0: float = 0.0, noise: float = 0.01, confounded: float = 0.0
) -> xr.Dataset:
    """A valley at two thirds of the depth, an effect of ln L0, and L0 that follows a hill by ``confounded``."""
    rng = np.random.default_rng(seed)
    layer = np.arange(n)
    place = layer / (n - 1)
    log_l0 = 4.5 + 0.3 * rng.standard_normal(n) + confounded * (1 - (2 * place - 1) ** 2)
    slope = depth * (place - 2 / 3) ** 2 + l0 * (log_l0 - 4.5) + noise * rng.standard_normal(n)
    return table(slope, layer, np.exp(log_l0))


def autocorrelated(rng: np.random.Generator, n: int, correlation: float) -> np.ndarray[Any, Any]:
    values = rng.standard_normal(n)
    for i in range(1, n):
        values[i] = correlation * values[i - 1] + np.sqrt(1 - correlation**2) * values[i]
    return values


def test_planted_effects_of_depth_and_l0_are_told_apart() -> None:
    errors, inside = [], 0
    for seed in range(40):
        found = depth_trend(simulated(seed, depth=0.5, l0=0.1, confounded=0.8), **_QUICK)
        of_l0 = found.sel(covariate="l0")
        errors.append(float((of_l0.covariate_coefficient - 0.1) / of_l0.covariate_coefficient_standard_error))
        low, high = found.curve_extreme_layer_low.values, found.curve_extreme_layer_high.values
        inside += int(low[1] <= 25 * 2 / 3 <= high[1])
        # The least that 199 permutations can give.
        assert found.partial_correlation_p.sel(covariate="l0", permutation="free") == 1 / 200
        assert found.depth_p.sel(trend="quadratic", adjustment="adjusted") == 1 / 200
    assert abs(np.mean(errors)) < 3 / np.sqrt(40)
    assert 0.7 < np.std(errors) < 1.4
    assert inside >= 35


def test_adjusted_values_lie_on_the_planted_valley() -> None:
    found = depth_trend(simulated(0, depth=0.5, l0=0.2, noise=1e-6), **_QUICK)
    place = found.layer.values / 25
    valley = 0.5 * (place - 2 / 3) ** 2
    expected = valley + 0.2 * (np.log(found.reference_l0.item()) - 4.5)
    np.testing.assert_allclose(found.value.sel(adjustment="adjusted"), expected, atol=1e-5)
    np.testing.assert_allclose(found.fitted.sel(adjustment="adjusted", trend="quadratic"), expected, atol=1e-5)
    assert np.ptp(found.value.sel(adjustment="raw").values - expected) > 0.1
    assert found.extreme_layer.sel(adjustment="adjusted") == 17
    assert found.curve_extreme_layer.sel(adjustment="adjusted") == pytest.approx(25 * 2 / 3, abs=0.01)


@pytest.mark.statistical
def test_effect_of_l0_alone_is_no_trend_over_depth() -> None:
    raw, adjusted = [], []
    for seed in range(times(20, 200)):
        found = depth_trend(simulated(seed, l0=0.1, confounded=1.0), **_QUICK)
        p = found.depth_p.sel(trend="quadratic")
        raw.append(p.sel(adjustment="raw").item())
        adjusted.append(p.sel(adjustment="adjusted").item())
    assert np.mean(np.array(raw) <= 0.05) > lowest(0.95, len(raw))
    assert kstest(adjusted, "uniform").pvalue > 0.01


@pytest.mark.statistical
@pytest.mark.parametrize("n", [6, 26])
def test_p_is_uniform_on_null_data(n: int) -> None:
    p: dict[str, list[float]] = {name: [] for name in ("l0", "linear", "quadratic", "shifted")}
    n_seeds = 200  # quick enough for every run
    for seed in range(n_seeds):
        found = depth_trend(simulated(seed, n, depth=0.3 if n > 6 else 0.0, confounded=0.3), **_QUICK)
        free, shifted = (
            found.partial_correlation_p.sel(covariate="l0", permutation=permutation)
            for permutation in found.permutation
        )
        p["l0"].append(free.item())
        p["shifted"].append(shifted.item())
        for trend in ("linear", "quadratic"):
            p[trend].append(found.depth_p.sel(adjustment="adjusted", trend=trend).item())
    assert kstest(p["l0"], "uniform").pvalue > 0.01
    if n == 6:
        assert kstest(p["linear"], "uniform").pvalue > 0.01
        assert kstest(p["quadratic"], "uniform").pvalue > 0.01
    for level in (0.2, 0.5, 0.8):
        # p by shifts is a multiple of 1 / (2 n), so that levels between are not reached.
        reachable = np.floor(level * 2 * n) / (2 * n)
        assert abs(np.mean(np.array(p["shifted"]) <= level) - reachable) < 3 * np.sqrt(0.25 / n_seeds)
    assert min(p["shifted"]) >= 1 / (2 * n)


@pytest.mark.statistical
def test_shifts_hold_where_neighbouring_layers_err_alike() -> None:
    n = times(20, 150)

    def rejected(log_l0: Any) -> tuple[float, float, float]:
        p, autocorrelation = [], []
        for seed in range(n):
            rng = np.random.default_rng(seed)
            slope = autocorrelated(rng, 26, 0.6)
            found = depth_trend(table(slope, np.arange(26), np.exp(4.5 + 0.3 * log_l0(rng))), **_QUICK)
            p.append(found.partial_correlation_p.sel(covariate="l0").values)
            autocorrelation.append(found.covariate_autocorrelation.sel(covariate="l0").item())
        free, shifted = (np.array(p) <= 0.05).mean(axis=0)
        return free, shifted, float(np.mean(autocorrelation))

    free, shifted, autocorrelation = rejected(lambda rng: np.sin(np.arange(26) / 2.5))
    assert autocorrelation > 0.5
    assert free > 0.1
    assert shifted < highest(0.09, n)
    free, _, autocorrelation = rejected(lambda rng: rng.standard_normal(26))
    assert autocorrelation < 0
    assert free < highest(0.09, n)


@pytest.mark.statistical
@pytest.mark.parametrize("n", [6, 26])
def test_interval_of_the_extreme_covers_the_truth(n: int) -> None:
    covered, lengths = [], []
    for seed in range(times(20, 120)):
        found = depth_trend(simulated(seed, n, depth=0.3, l0=0.05, noise=0.02), n_permutations=1)
        low, high = (found[f"curve_extreme_layer_{end}"].sel(adjustment="adjusted").item() for end in ("low", "high"))
        assert 0 <= low <= found.curve_extreme_layer.sel(adjustment="adjusted") <= high <= n - 1
        covered.append(low <= (n - 1) * 2 / 3 <= high)
        lengths.append((high - low) / (n - 1))
    assert np.mean(covered) > lowest(0.91, len(covered))
    assert np.mean(lengths) < 0.8


def test_extreme_of_a_hill_or_a_slope_is_at_an_end() -> None:
    layer = np.arange(12)
    l0, noise = 50.0 + layer % 3, 1e-3 * np.random.default_rng(0).standard_normal(12)
    falling = depth_trend(table(-0.1 * layer + noise, layer, l0), **_QUICK).isel(adjustment=0)
    assert falling.curve_extreme_layer == falling.curve_extreme_layer_low == falling.curve_extreme_layer_high == 11
    hill = depth_trend(table(-((layer - 5.0) ** 2) + noise, layer, l0), **_QUICK).isel(adjustment=0)
    assert hill.curve_extreme_layer == hill.curve_extreme_layer_low == hill.curve_extreme_layer_high == 11
    even_hill = depth_trend(table(-((layer - 5.5) ** 2) + noise, layer, l0), **_QUICK).isel(adjustment=0)
    assert (even_hill.curve_extreme_layer_low, even_hill.curve_extreme_layer_high) == (0, 11)
    highest = depth_trend(table(-((layer - 5.0) ** 2) + noise, layer, l0), extreme="highest", **_QUICK)
    assert highest.extreme_layer.values.tolist() == [5, 5]
    np.testing.assert_allclose(highest.curve_extreme_layer, 5, atol=0.01)


def test_nothing_is_adjusted_at_constant_l0() -> None:
    results = simulated(0, depth=0.3).assign_coords(width=("sae", np.full(26, 1024)))
    # Four percent apart, which counts as the same L0.
    found = depth_trend(results.assign_coords(l0=("sae", np.linspace(100, 104, 26))), **_QUICK)
    for variable in found.data_vars.values():
        if "adjustment" in variable.dims:
            np.testing.assert_array_equal(variable.sel(adjustment="adjusted"), variable.sel(adjustment="raw"))
        if "covariate" in variable.dims:
            assert variable.isnull().all()
    np.testing.assert_array_equal(found.adjusted_low, found.value.sel(adjustment="raw"))
    assert found.attrs["adjusted_for"] == []
    assert found.n_left_out == 0


def test_width_is_adjusted_for_beside_l0() -> None:
    results = simulated(3, depth=0.3, l0=0.1, noise=0.002)
    width = 2.0 ** np.random.default_rng(1).integers(10, 14, 26)
    results["slope"] = results["slope"] - 0.05 * np.log(width)
    found = depth_trend(results.assign_coords(width=("sae", width)), **_QUICK)
    assert found.attrs["adjusted_for"] == ["l0", "width"]
    np.testing.assert_allclose(found.covariate_coefficient, [0.1, -0.05], atol=0.01)
    alone = depth_trend(results.assign_coords(width=("sae", width), l0=("sae", np.full(26, 90.0))), **_QUICK)
    assert alone.attrs["adjusted_for"] == ["width"]
    assert np.isnan(alone.partial_correlation.sel(covariate="l0"))
    assert alone.reference_l0 == pytest.approx(90)


def test_numbers_agree_with_textbook_least_squares() -> None:
    results = simulated(5, 15, depth=0.3, l0=0.05)
    found = depth_trend(results, **_QUICK)
    layer, y, c = results.layer.values.astype(float), results.slope.values, np.log(results.l0.values)
    design = np.column_stack([np.ones(15), layer, layer**2, c - c.mean()])
    coefficient, (size,), _, _ = np.linalg.lstsq(design, y, rcond=None)
    error = np.sqrt(np.diag(np.linalg.inv(design.T @ design)) * size / 11)
    curve = found.sel(trend="quadratic", adjustment="adjusted")
    np.testing.assert_allclose(curve.depth_coefficient, coefficient[:3], rtol=1e-8)
    np.testing.assert_allclose(curve.depth_coefficient_standard_error, error[:3], rtol=1e-8)
    np.testing.assert_allclose(curve.curve_extreme_layer, -coefficient[1] / 2 / coefficient[2], rtol=1e-8)
    t = coefficient[3] / error[3]
    np.testing.assert_allclose(found.partial_correlation.sel(covariate="l0"), t / np.sqrt(t**2 + 11), rtol=1e-8)
    linear = found.sel(trend="linear", adjustment="raw")
    np.testing.assert_allclose(linear.depth_coefficient, [*np.polyfit(layer, y, 1)[::-1], np.nan], rtol=1e-8)
    np.testing.assert_allclose(linear.depth_correlation, np.corrcoef(layer, y)[0, 1], rtol=1e-8)
    raw = found.sel(trend="quadratic", adjustment="raw")
    explained = 1 - np.var(y - np.polyval(np.polyfit(layer, y, 2), layer)) / np.var(y)
    np.testing.assert_allclose(raw.depth_correlation**2, explained, rtol=1e-8)
    regressed = np.linalg.lstsq(design[:, :3], c, rcond=None)[0]
    inflation = np.var(c) / np.var(c - design[:, :3] @ regressed)
    np.testing.assert_allclose(found.variance_inflation.sel(covariate="l0"), inflation, rtol=1e-8)


def test_neighbours_left_out_show_what_rests_on_one_run_of_layers() -> None:
    rng = np.random.default_rng(0)
    layer = np.arange(26)
    inside = (layer >= 11) & (layer <= 14)
    l0 = np.where(inside, 70.0, 120.0) * np.exp(0.05 * rng.standard_normal(26))
    found = depth_trend(table(-0.1 * inside + 0.01 * rng.standard_normal(26), layer, l0), **_QUICK)
    without = found.partial_correlation_without.sel(covariate="l0").values
    assert found.n_left_out == 5
    assert found.partial_correlation.sel(covariate="l0") > 0.9
    assert abs(without[12]) < 0.4
    assert without[22] > 0.9
    kept = np.r_[:10, 15:26]
    alone = depth_trend(found[["value"]].isel(adjustment=0, sae=kept).rename(value="slope"), **_QUICK)
    assert without[12] == pytest.approx(alone.partial_correlation.sel(covariate="l0").item(), rel=1e-8)
    few = depth_trend(simulated(0, 6), **_QUICK)
    assert few.n_left_out == 0
    assert few.partial_correlation_without.isnull().all()


def test_several_saes_of_a_layer_are_used_side_by_side() -> None:
    layer = np.repeat(np.arange(4), 3)
    l0 = np.tile([30.0, 60.0, 120.0], 4)
    noise = 1e-3 * np.random.default_rng(0).standard_normal(12)
    found = depth_trend(table(0.01 * layer + 0.1 * np.log(l0) + noise, layer, l0), **_QUICK)
    assert found.covariate_coefficient.sel(covariate="l0") == pytest.approx(0.1, abs=0.01)
    assert found.variance_inflation.sel(covariate="l0") == pytest.approx(1)
    assert found.partial_correlation_p.sel(covariate="l0").values.tolist() == [
        1 / 200,
        pytest.approx(np.nan, nan_ok=True),
    ]


def test_order_shift_and_scale_do_not_matter() -> None:
    results = simulated(2, 12, depth=0.2, l0=0.05)
    found = depth_trend(results, **_QUICK)
    shuffled = depth_trend(results.isel(sae=np.random.default_rng(0).permutation(12)), **_QUICK)
    assert_equal(shuffled, found)
    assert shuffled.sae.values.tolist() == results.sae.values.tolist()
    scaled = depth_trend(results.assign(slope=300 + 7 * results.slope), **_QUICK)
    for name in ("partial_correlation", "partial_correlation_p", "depth_correlation", "depth_p", "curve_extreme_layer"):
        np.testing.assert_allclose(scaled[name], found[name], rtol=1e-6)
    np.testing.assert_allclose(scaled.covariate_coefficient, 7 * found.covariate_coefficient, rtol=1e-6)


def test_fractional_depth_gives_the_same() -> None:
    results = simulated(2, 12, depth=0.2, l0=0.05)
    found = depth_trend(results, **_QUICK)
    fractional = depth_trend(results.assign_coords(layer=results.layer / 11), **_QUICK)
    np.testing.assert_allclose(fractional.curve_extreme_layer * 11, found.curve_extreme_layer, rtol=1e-8)
    np.testing.assert_allclose(fractional.partial_correlation, found.partial_correlation, rtol=1e-8)


def test_lazy_results_are_computed_and_seeds_hold() -> None:
    results = simulated(1, 12, depth=0.2, l0=0.05)
    assert_equal(depth_trend(results.chunk({"sae": 5}), **_QUICK), depth_trend(results, **_QUICK))
    other = depth_trend(results, seed=1, **_QUICK)
    assert not other.partial_correlation_p.equals(depth_trend(results, **_QUICK).partial_correlation_p)


def test_unfinished_saes_are_left_out_by_name() -> None:
    results = simulated(1, 12, depth=0.2, l0=0.05)
    broken = results.assign(slope=results.slope.where(results.layer != 4, np.nan))
    broken = broken.assign_coords(l0=broken.l0.where(broken.layer != 4, np.nan))
    found = depth_trend(broken, **_QUICK)
    assert found.attrs["left_out"] == ["layer_4_4"]
    assert found.n_saes == 11
    assert_equal(found, depth_trend(results.isel(sae=results.layer != 4), **_QUICK))


def test_output_that_does_not_vary_has_no_correlations() -> None:
    found = depth_trend(simulated(0, noise=0.0) + 362.6, **_QUICK)
    names = ["partial_correlation", "partial_correlation_p", "depth_correlation", "depth_p", "residual_autocorrelation"]
    assert all(found[name].isnull().all() for name in names)
    np.testing.assert_allclose(found.value, 362.6)


def test_result_is_described_and_can_be_written(tmp_path: Path) -> None:
    results = simulated(0, 12, l0=0.1).assign_coords(null="spectrum_matched")
    found = depth_trend(results, **_QUICK)
    assert all(variable.attrs["description"] and variable.attrs["units"] for variable in found.data_vars.values())
    assert found.value.attrs["units"] == "nats"
    assert found.depth_coefficient.attrs["units"] == "nats / layer ** power"
    assert found["null"] == "spectrum_matched"
    found.to_zarr(tmp_path / "trend.zarr", zarr_format=2)
    with xr.open_zarr(tmp_path / "trend.zarr") as reopened:
        xr.testing.assert_equal(reopened.load(), found)
        assert reopened.attrs == found.attrs
    assert json.dumps(found.attrs)
    assert saegeom_data.depth_trend is depth_trend


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (
            lambda d: d.isel(sae=slice(5)),
            "got 5 SAEs, expected 6 or more to fit a quadratic in depth and adjust for L0",
        ),
        (lambda d: d.isel(sae=slice(4)).assign_coords(l0=90.0), "got 4 SAEs, expected 5 or more to fit a quadratic in"),
        (lambda d: d.drop_vars("l0"), "l0: no such coordinate"),
        (lambda d: d.drop_vars("layer"), "layer: no such coordinate"),
        (
            lambda d: d.assign_coords(l0=d.l0.where(d.layer != 3)),
            "l0: got nan for layer_3_3, expected a number above 0",
        ),
        (lambda d: d.assign_coords(l0=d.l0 * 0), "l0: got 0 for layer_0_0"),
        (lambda d: d.assign_coords(width=-1.0), "width: got -1"),
        (
            lambda d: d.drop_vars("site").assign_coords(layer=("sae", d.layer.values % 2)),
            "got 2 different layers, expected 3",
        ),
        (lambda d: d.assign_coords(l0=np.exp(0.1 * d.layer)), "L0 cannot be told from a quadratic in depth"),
        (
            lambda d: d.assign_coords(width=d.l0**2),
            "L0 and width cannot be told from a quadratic in depth or from each",
        ),
        (
            lambda d: d.assign_coords(site=("sae", [f"{'mlp' if i % 2 else 'residual'}_{i}" for i in range(12)])),
            "got SAEs of several sites (mlp_#, residual_#), expected one",
        ),
        (lambda d: d.assign_coords(model=("sae", ["a", "b"] * 6)), "got SAEs of several models (a, b)"),
    ],
)
def test_unfit_results_are_refused_with_the_reason(edit: Any, message: str) -> None:
    results = simulated(0, 12).assign_coords(site=("sae", [f"blocks.{i}.hook_resid_post" for i in range(12)]))
    with pytest.raises(DataValueError) as caught:
        depth_trend(edit(results), **_QUICK)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("parameters", "kind", "message"),
    [
        ({"output": "slop"}, UnknownNameError, "did you mean 'slope'"),
        ({"output": "by_k"}, ParameterError, r"by_k: got dims (sae, k), expected (sae)"),
        ({"extreme": "steepest"}, ParameterError, "extreme: got 'steepest', expected 'lowest' or 'highest'"),
        ({"n_permutations": 0}, ParameterError, "n_permutations: got 0"),
    ],
)
def test_wrong_parameters_are_refused(parameters: dict[str, Any], kind: type[SaegeomError], message: str) -> None:
    results = simulated(0, 12)
    results["by_k"] = results.slope.expand_dims(k=2, axis=1)
    with pytest.raises(kind) as caught:
        depth_trend(results, **({"output": "slope"} | _QUICK | parameters))
    assert message in str(caught.value)


def test_published_slopes_are_adjusted() -> None:
    if not PUBLISHED.exists():
        pytest.skip("the published numbers are not beside the checkout")
    galaxy = json.loads(PUBLISHED.read_text(encoding="utf-8"))["galaxy"]
    alpha, l0 = np.array(galaxy["alpha"]), np.array(galaxy["l0"], dtype=float)
    assert round(np.corrcoef(alpha, l0)[0, 1], 2) == -0.39
    assert round(np.corrcoef(alpha[5:], l0[5:])[0, 1], 2) == -0.73
    found = depth_trend(table(alpha, galaxy["layer"], l0), extreme="highest")
    of_l0 = found.sel(covariate="l0")
    assert round(of_l0.partial_correlation.item(), 2) == -0.74
    assert found.extreme_layer.values.tolist() == [13, 13]
    # What is special to layers 11 to 14 and what is due to their L0 cannot be told apart: without them nothing is left.
    assert abs(of_l0.partial_correlation_without).min() < 0.1
    raw, adjusted = (found.value.sel(adjustment=name).values for name in ("raw", "adjusted"))
    plateau, around = slice(11, 15), [8, 9, 10, 15, 16, 17]
    assert raw[plateau].mean() - raw[around].mean() == pytest.approx(0.112, abs=0.001)
    assert adjusted[plateau].mean() - adjusted[around].mean() == pytest.approx(0.023, abs=0.001)


def test_variants_that_agree_on_the_extreme_are_counted():
    layer = np.arange(7)
    slope = -1.0 - np.array([0.1, 0.2, 0.9, 0.3, 0.2, 0.4, 0.1])
    windows = np.stack([slope, slope - np.eye(7)[4] * 2, np.where(layer == 1, np.nan, slope), slope * 2], axis=1)
    coords = {"sae": [f"layer_{i}" for i in layer], "layer": ("sae", layer), "l0": ("sae", np.full(7, 20))}
    results = xr.Dataset({"slope": ("sae", slope), "by_window": (("sae", "window"), windows)}, coords)
    order = [3, 0, 6, 1, 5, 2, 4]
    for given in (results, results.isel(sae=order)):
        trend = depth_trend(given, variants="by_window", n_permutations=9)
        assert (int(trend.n_variants), int(trend.n_variants_alike)) == (3, 2)
    assert int(depth_trend(results, n_permutations=9).n_variants) == 0
    with pytest.raises(UnknownNameError, match="by_share"):
        depth_trend(results, variants="by_share")
