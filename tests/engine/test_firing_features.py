"""Metrics of decoders on the features that fire alone: the rows of the others count as zero."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import saegeom_data as sg
from saegeom_data.engine.asked import asked_run
from saegeom_data.errors import DataValueError, ParameterError, SpecError
from saegeom_data.report.page import render
from saegeom_data.results.groups import firing_sentence, read_groups
from saegeom_data.spec.models import RunSpec
from saegeom_data.testing.simulate import simulate_store

N_SILENT = 60


def run_of(metric: str = "isotropy", **keys: object) -> RunSpec:
    entry = {"metric": metric, "features": "firing", **keys}
    return RunSpec.model_validate({"spec_version": 1, "kind": "run", "title": "t", "metrics": [entry]})


def store_with_silent() -> xr.DataTree:
    """A store whose last features fire nowhere and have one direction, beside a hundred that fire."""
    tree = simulate_store(n_saes=2)
    for name in ("layer_0", "layer_1"):
        features = tree[f"saes/{name}/features"].to_dataset()
        occurrence = tree[f"saes/{name}/occurrence"].to_dataset()
        n = features.sizes["features"]
        fires = np.arange(n) < n - N_SILENT
        rows = features.decoder.values.copy()
        generator = np.random.default_rng(0)
        rows[~fires] = rows[~fires].mean(0) + 10 + 0.1 * generator.standard_normal((N_SILENT, rows.shape[1]))
        held = occurrence.occurrence.values.copy()
        held[:, ~fires] = False
        held[0, fires] = True
        tree[f"saes/{name}/features"] = xr.DataTree(
            features.assign(decoder=(features.decoder.dims, rows)).chunk({"features": 37})
        )
        tree[f"saes/{name}/occurrence"] = xr.DataTree(
            occurrence.assign(occurrence=(occurrence.occurrence.dims, held)).chunk({"features": 50})
        )
    return tree


def only_firing(tree: xr.DataTree) -> xr.DataTree:
    """The same SAEs without the rows of silent features."""
    found = {}
    for name in tree["saes"].children:
        features = tree[f"saes/{name}/features"].to_dataset()
        n = features.sizes["features"]
        firing = features.isel(features=slice(n - N_SILENT)).drop_vars("width", errors="ignore")
        found[f"/saes/{name}/features"] = firing.compute()
    return xr.DataTree.from_dict(found)


@pytest.mark.parametrize("metric", ["isotropy", "eigenvalue_slope"])
def test_equals_the_metric_of_a_decoder_without_silent_rows(metric: str) -> None:
    tree = store_with_silent()
    parameters = {"first_rank": 2, "last_rank": 10} if metric == "eigenvalue_slope" else {}
    asked = run_of(metric, parameters=parameters)
    found = sg.evaluate(tree, asked)[metric].to_dataset().compute()
    every = asked.model_copy(update={"metrics": [asked.metrics[0].model_copy(update={"features": "all"})]})
    alone = sg.evaluate(only_firing(tree), every)[metric].to_dataset().compute()
    with_silent = sg.evaluate(tree, every)[metric].to_dataset().compute()

    name = "slope" if metric == "eigenvalue_slope" else "partition_isotropy"
    np.testing.assert_allclose(found[name], alone[name], rtol=1e-5)
    assert (abs(with_silent[name] / alone[name] - 1) > 0.02).all()
    assert (found.n_features_dropped == N_SILENT).all()


def test_result_says_which_features_it_is_of() -> None:
    result = sg.evaluate(store_with_silent(), run_of())["isotropy"].to_dataset()

    assert result.attrs["features"] == "firing"


def test_report_says_which_results_are_of_features_that_fire() -> None:
    metrics = [{"metric": "isotropy", "name": "firing", "features": "firing"}, {"metric": "isotropy"}]
    run = RunSpec.model_validate({"spec_version": 1, "kind": "run", "title": "t", "metrics": metrics})
    results = sg.evaluate(store_with_silent(), run).compute()

    assert firing_sentence(read_groups(results)) == "firing: only of features that fire on the text of the store"
    assert "<p>firing: only of features that fire on the text of the store.</p>" in render(results)


def test_store_without_occurrence_is_refused_in_one_line() -> None:
    with pytest.raises(DataValueError, match=r"isotropy: features: firing: the data has no occurrence"):
        sg.evaluate(only_firing(store_with_silent()), run_of())


@pytest.mark.parametrize(
    ("metric", "reason"), [("lobe_modularity", "leaves out by itself"), ("parallelogram_quality", "no decoder rows")]
)
def test_metric_that_has_no_use_of_it_is_refused(metric: str, reason: str) -> None:
    with pytest.raises(SpecError, match=rf"features: {metric} .*{reason}"):
        sg.evaluate(store_with_silent(), run_of(metric))


def test_command_line_asks_for_it_where_it_can_be() -> None:
    run = asked_run("geometry-of-concepts", firing=True)

    of = {measured.group: measured.features for measured in run.metrics}
    assert of["eigenvalue_slope"] == "firing"
    assert of["lobe_modularity"] == "all"
    with pytest.raises(ParameterError, match="--firing: parallelogram_quality reads no decoder rows"):
        asked_run("parallelogram_quality", firing=True)
