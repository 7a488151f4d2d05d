"""What is said of slopes and of clustering, from the numbers of a run; and what presentations may name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr
from edited_results import edit_group, finding_on

from saegeom_data.declare.registry import get_metric, list_metrics
from saegeom_data.engine import runner
from saegeom_data.metrics.nulls import angular_central_gaussian, families_turned
from saegeom_data.results.followed import followed
from saegeom_data.results.groups import read_groups
from saegeom_data.spec import models
from saegeom_data.testing.simulate import simulate_store

_ENTROPY = {"n_components": 6}
_METRICS: list[dict[str, Any]] = [
    {"metric": "eigenvalue_slope", "parameters": {"first_rank": 2, "last_rank": 15}},
    {"metric": "clustering_entropy", "parameters": _ENTROPY | {"n_surrogates": 19, "n_subsamples": 6}},
    {"name": "entropy_published", "metric": "clustering_entropy", "parameters": _ENTROPY | {"estimator": "published"}},
]
GALAXY = [name for name in list_metrics() if get_metric(name).scale == "galaxy"]


@pytest.fixture(scope="module")
def results() -> xr.DataTree:
    """Results of both metrics on three SAEs."""
    tree = simulate_store(n_saes=3, n_features=60, n_blocks=120, geometry_strength=1.0, function_strength=0.95)
    run = {"spec_version": 1, "kind": "run", "title": "Slopes and clustering", "metrics": _METRICS}
    return runner.measure(tree, models.RunSpec.model_validate(run))


def _slopes(results: xr.DataTree, values: list[float], error: float = 0.005, p: Any = None, bent: Any = 0.5) -> Any:
    """Results with given slopes of spectra, the same on all but the last two windows of ranks."""
    slope = np.array(values)

    def edit(group: xr.Dataset) -> xr.Dataset:
        group["slope"].values[:] = slope
        group["slope_low"].values[:] = slope - 0.01
        group["slope_high"].values[:] = slope + 0.01
        group["slope_standard_error"].values[:] = error
        group["slope_degrees"].values[:] = np.inf
        group["slope_null"].values[:] = -0.3
        group["slope_p"].values[:] = (
            np.where(slope < -0.3, 0.001, 0.999)[:, None] if p is None else np.array(p)[:, None]
        )
        group["power_law_p"].values[:] = bent
        windows = np.tile(slope[:, None], group.sizes["window"])
        windows[:, -2] = slope[::-1]
        windows[1, -1] = np.nan
        group["slope_by_window"].values[:] = windows
        return group

    return edit_group(results, "eigenvalue_slope", edit)


def test_slope_sentences_follow_the_numbers(results: xr.DataTree) -> None:
    steepest = "steepest layer"
    middle = finding_on(_slopes(results, [-0.4, -0.6, -0.5]), steepest)
    assert middle.startswith(
        "The spectrum is steepest in a middle layer, layer 1, on 9 of 9 windows of ranks. At match"
    )
    # Half-widths of both add, each wide enough for all three layers: 2 * 0.005 * 2.394.
    assert "a difference of −0.100 [−0.124, −0.076] (95 percent for all pairs of the 3 layers" in middle
    assert "independent" not in middle
    assert "p = 0.33" in middle
    last = finding_on(_slopes(results, [-0.4, -0.5, -0.6]), steepest)
    assert "not steepest in the middle layers but at layer 2, on 8 of 9 windows of ranks." in last
    assert "the steepest is layer 2 on 8 and layer 0 on 1." in last
    assert "no larger than its uncertainty" in finding_on(_slopes(results, [-0.4, -0.6, -0.5], error=0.1), steepest)


def test_sentence_on_noise_counts_both_nulls_and_says_whether_it_is_a_power_law(results: xr.DataTree) -> None:
    noise, steep = "slope against noise", [-0.4, -0.6, -0.5]
    nulls = "that of isotropic rows of equal norms and that of isotropic rows with the data's norms and families"
    found = finding_on(_slopes(results, steep), noise)
    assert found.startswith(
        f"The spectrum is steeper than {nulls} at all 3 layers, and a power law is not rejected at all 3 layers."
    )
    bent = finding_on(_slopes(results, steep, bent=[1e-4, 0.5, 1e-4]), noise)
    assert f"steeper than {nulls} at all 3 layers, but not a power law at 2 of 3 layers." in bent
    flatter = finding_on(_slopes(results, [-0.4, -0.2, -0.1]), noise)
    assert f"steeper than {nulls} at 1 of 3 layers and flatter than {nulls} at 2 of 3 layers" in flatter
    unknown = finding_on(_slopes(results, steep, p=[0.5] * 3), noise)
    assert f"cannot be told from {nulls} at any layer." in unknown
    # Beyond one null alone is not beyond chance.
    tree = edit_group(
        _slopes(results, steep),
        "eigenvalue_slope",
        lambda group: group.assign(slope_p=group.slope_p.where(group.null != families_turned.LABEL, 0.4)),
    )
    assert "cannot be told from" in finding_on(tree, noise)


def test_slope_sentence_warns_of_unmatched_l0(results: xr.DataTree) -> None:
    tree = edit_group(results, "eigenvalue_slope", lambda group: group.assign_coords(l0=("sae", [8.0, 20.0, 9.0])))
    assert "L0 differs between layers (8 to 20)" in finding_on(tree, "steepest layer")


FOUND, NOT = [0.005, 0.005, 0.005], [0.5, 0.5, 0.5]
HEAVY_TAILS = [0.005, 0.005, 0.6]
EVEN = [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("p", "pairs", "words"),
    [
        ([FOUND] * 3, [FOUND] * 3, "The cloud is clustered beyond every null at all 3 layers."),
        ([FOUND, NOT, NOT], [FOUND] * 3, "The cloud is clustered beyond every null at 1 of 3 layers."),
        # Neither number alone makes clusters, and neither do two null models.
        ([FOUND] * 3, [NOT] * 3, "The cloud is not Gaussian at all 3 layers, but clustered beyond every null at none."),
        ([HEAVY_TAILS] * 3, [FOUND] * 3, "The cloud is not Gaussian at all 3 layers, but clustered beyond every null"),
        ([FOUND, HEAVY_TAILS, NOT], [FOUND] * 3, "at 1 of 3 layers, and not Gaussian at 1 of 3 layers without that."),
        ([NOT] * 3, [FOUND] * 3, "The cloud cannot be told from unclustered surrogates at any layer."),
        ([EVEN, EVEN, NOT], [EVEN] * 3, "more evenly spread than every null at 2 of 3 layers, and clustered at none."),
        (
            [[0.02] * 3, NOT, NOT],
            [[0.01] * 3] * 3,
            "clustered beyond every null cannot be told yet: at 1 of 3 layers 199",
        ),
    ],
)
def test_clustering_sentence_follows_the_numbers(
    results: xr.DataTree, p: list[list[float]], pairs: list[list[float]], words: str
) -> None:
    def edit(group: xr.Dataset) -> xr.Dataset:
        group["p"].values[:] = np.array(p)[..., None]
        group["close_pairs_p"].values[:] = pairs
        group["negentropy"].values[:] = np.array([9.0, 6.0, 5.0])[:, None]
        group.attrs["parameters"] = group.attrs["parameters"].replace('"n_surrogates": 19', '"n_surrogates": 199')
        return group

    text = finding_on(edit_group(results, "clustering_entropy", edit), "clustering")
    assert words in text
    assert "Against Gaussian surrogates of the same covariance, negentropy is 9.00 nats" in text
    assert "Against independent components shuffled among features, negentropy is 5.00 nats" in text
    assert text.count("close pairs are in excess by") == 3
    assert ("5.0 nats are joint structure" in text) == ("The cloud is clustered" in text)


@pytest.mark.parametrize(("value", "side"), [(300.0, "below"), (400.0, "above")])
def test_published_sentence_follows_the_numbers(results: xr.DataTree, value: float, side: str) -> None:
    def edit(group: xr.Dataset) -> xr.Dataset:
        group["negentropy_uncalibrated"].values[:] = value
        return group

    sentence = finding_on(edit_group(results, "entropy_published", edit), "clustering as published")
    assert f"gives {value:.0f} nats, where white noise gives 362.6." in sentence
    assert f"The values here are {side} it (60 rows)" in sentence


@pytest.mark.parametrize("name", GALAXY)
def test_presentation_names_declared_outputs_only(name: str) -> None:
    metric = get_metric(name)
    shown = metric.load_presentation()
    assert shown is not None
    named = {shown.over_depth.output} if shown.over_depth is not None else set()
    if not callable(shown.headlines):
        named |= {reading.output for headline in shown.headlines for reading in headline.readings}
        assert named
    assert named <= {output.name for output in metric.outputs}


def test_headlines_of_clustering_name_declared_outputs_only(results: xr.DataTree) -> None:
    metric = get_metric("clustering_entropy")
    shown = metric.load_presentation()
    assert shown is not None
    groups = [group for group in read_groups(results) if group.metric == metric.name]
    keys = [
        [reading.name for headline in shown.headlines_of(group) for reading in headline.readings] for group in groups
    ]
    assert list(map(len, keys)) == [9, 1]
    named = {
        reading.output for group in groups for headline in shown.headlines_of(group) for reading in headline.readings
    }
    assert named <= {output.name for output in metric.outputs}


def test_published_estimates_do_not_keep_calibrated_ones_from_being_followed(results: xr.DataTree) -> None:
    groups = {node.path: node.to_dataset(inherit=False) for node in results.subtree}
    order = ["/entropy_published", "/clustering_entropy"]
    (number,) = followed(read_groups(xr.DataTree.from_dict({path: groups[path] for path in order})))
    assert number.group.name == "clustering_entropy"
    expected = results["clustering_entropy"]["negentropy"].sel(null=angular_central_gaussian.LABEL).isel(k=0)
    np.testing.assert_array_equal(number.data["negentropy"], expected)
