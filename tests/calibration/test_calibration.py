"""The machinery of calibration on few seeds, and that no null model of a metric goes without an experiment of size."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import experiment
import numpy as np
import pytest
import sweep as sweeping
import tables
import xarray as xr
from experiment import Experiment
from experiments import EXPERIMENTS, ODD, SCALES, WITHOUT
from page import page
from sweep import sweep

from saegeom_data.declare import Metric, get_metric, list_metrics
from tests.support.drawn_metric import drawn_metric as drawn_metric
from tests.support.drawn_metric import drawn_size

SIZES = [one for one in EXPERIMENTS.values() if one.kind == "size"]


def number(value: float) -> xr.Dataset:
    return xr.Dataset({"decoder": (("features", "hidden"), np.full((1, 1), value))})


def uniform(seed: int) -> xr.Dataset:
    return number(np.random.default_rng([seed, 1]).random())


def large(seed: int) -> xr.Dataset:
    return number(0.9 + 0.1 * np.random.default_rng([seed, 1]).random())


PARAMETERS = {"n_draws": 99, "n_redraws": 99}
NULL = Experiment(drawn_size, "size", "uniform numbers", uniform, PARAMETERS, ("drawn", "redrawn"))
NO_NULL = Experiment(drawn_size, "size", "large numbers", large, PARAMETERS, ("drawn",))


@pytest.fixture
def found(drawn_metric: Metric, tmp_path: Path) -> sweeping.Found:
    return sweep((NULL, NO_NULL), 60, tmp_path / "records.jsonl", n_processes=0)


def test_a_right_null_has_its_size_and_a_wrong_one_is_named(found: sweeping.Found) -> None:
    rows = list(tables.size_rows((NULL, NO_NULL), found))
    assert [row[:4] for row in rows] == [
        ("drawn_size", "size", "drawn", "uniform numbers"),
        ("drawn_size", "size", "redrawn", "uniform numbers"),
        ("drawn_size", "size", tables.ALL_NULLS, "uniform numbers"),
        ("drawn_size", "size", "drawn", "large numbers"),
    ]
    assert [row[-1] for row in rows] == ["as stated", "as stated", "as stated", "**too often**"]
    assert {row[4] for row in rows} == {"60"}


def test_a_later_call_goes_on_where_the_first_has_ended(
    drawn_metric: Metric, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "records.jsonl"
    first = sweep((NULL,), 4, file, n_processes=0)
    measured: list[int] = []

    def counted(one: Experiment, seed: int) -> experiment.Record:
        measured.append(seed)
        return experiment.measure(one, seed)

    monkeypatch.setattr(sweeping, "measure", counted)
    # As of a sweep that was killed while it wrote.
    file.write_text(file.read_text(encoding="utf-8") + '{"experiment": "drawn', encoding="utf-8")
    second = sweep((NULL,), 6, file, n_processes=0)
    assert measured == [4, 5]
    assert second[NULL.key][:4] == first[NULL.key]
    assert [record["seed"] for record in second[NULL.key]] == list(range(6))
    measured.clear()
    fewer = dataclasses.replace(NULL, parameters={"n_draws": 9, "n_redraws": 9}, every=2)
    assert [record["seed"] for record in sweep((fewer,), 4, file, n_processes=0)[NULL.key]] == [0, 2] == measured


def test_an_error_of_a_metric_costs_its_own_seed_alone(drawn_metric: Metric, tmp_path: Path) -> None:
    broken = Experiment(
        drawn_size, "adversarial", "no rows", lambda seed: number(0.99) if seed else number(np.nan), PARAMETERS
    )
    found = sweep((broken,), 2, tmp_path / "records.jsonl", n_processes=0)
    ((key, seeds, error),) = tables.errors(found)
    assert (key, seeds) == (broken.key, "1 of 2")
    assert error.startswith("NotFiniteError: ")
    assert tables.says(broken, found[broken.key]).startswith("refuses in 50% (NotFiniteError)")


def test_what_a_metric_says_is_listed_where_it_is_no_chance(found: sweeping.Found) -> None:
    assert tables.says(NULL, found[NULL.key]).startswith("says nothing")
    assert tables.says(NO_NULL, found[NO_NULL.key]).startswith("“the number is large” in ")


@pytest.mark.parametrize(("width", "is_right"), [(1.96, True), (1.0, False)])
def test_intervals_are_held_against_the_mean_or_a_known_truth(width: float, is_right: bool) -> None:
    value = np.random.default_rng(0).standard_normal(200)
    seeds = np.c_[value, value - width, value + width].tolist()
    for truth in (None, 0.0):
        assert tables.covered(seeds, truth).is_below(0.95) is not is_right
    assert tables.covered(seeds, 9.0).k == 0


def test_every_declared_interval_is_found() -> None:
    two = next(one for one in EXPERIMENTS.values() if one.key.startswith("eigenvalue_slope/power"))
    names = {name.partition("|")[0] for name in experiment.measure(two, 0)["intervals"]}
    assert names == experiment.interval_names(two.declared) >= {"slope"}
    result = xr.Dataset(
        {
            "silhouette": ("view", [0.1, 0.2]),
            "low": (("score", "view"), [[0.0, 0.1]]),
            "high": (("score", "view"), [[0.3, np.nan]]),
        },
        {"score": ["silhouette"], "view": ["raw", "lda"]},
    )
    declared = dataclasses.replace(
        drawn_size, outputs=tuple(dataclasses.replace(drawn_size.outputs[0], name=str(name)) for name in result)
    )
    assert dict(experiment.intervals(declared, result)) == {"silhouette|view=raw": [0.1, 0.0, 0.3]}


def test_the_page_holds_every_table(tmp_path: Path) -> None:
    chosen = [one for one in EXPERIMENTS.values() if one.declared.name == "isotropy"]
    found = sweep(chosen, 2, tmp_path / "records.jsonl", n_processes=0)
    assert tables.errors(found) == []
    text = page(chosen, found, {("isotropy", "rotated"): "it changes nothing"}, 2)
    for part in (
        f"| isotropy | {get_metric('isotropy').version} |",
        "## Size",
        "| isotropy | mean_cosine |",
        "### Decoder rows",
        "plus-minus pairs",
    ):
        assert part in text
    assert "| isotropy | rotated | it changes nothing |" in text
    for line in (tmp_path / "records.jsonl").read_text(encoding="utf-8").splitlines():
        assert json.loads(line)["error"] is None


@pytest.mark.parametrize("name", list_metrics())
def test_every_null_model_has_an_experiment_of_size_or_a_reason(name: str) -> None:
    declared = {null.label for null in get_metric(name).nulls}
    tested = {label for one in SIZES if one.declared.name == name for label in one.holds}
    excused = {label for metric, label in WITHOUT if metric == name}
    assert declared - tested - excused == set(), "add an experiment of size for it, or a reason to WITHOUT"
    # Nor does one stay behind of a null model that is no longer there.
    assert not declared or (tested | excused) - declared == set()
    assert tested & excused == set()


def test_every_metric_that_claims_something_has_power_and_adversarial_experiments() -> None:
    for name in list_metrics():
        if get_metric(name).nulls:
            kinds = {one.kind for one in EXPERIMENTS.values() if one.declared.name == name}
            assert kinds == {"size", "power", "adversarial"}, name


def test_no_two_experiments_have_one_name() -> None:
    names = [one.key for scale in SCALES for one in scale.EXPERIMENTS]
    assert len(names) == len(set(names))


def test_what_a_size_experiment_shows_of_odd_data_is_not_run_again() -> None:
    needed = [one for one in EXPERIMENTS.values() if one.declared.name == "coactivation_graph"]
    assert len({one.data for one in needed if one.kind != "power"}) == sum(one.kind != "power" for one in needed)
    rows = tables.adversarial_table(ODD["Firing of features"], needed, {one.key: [measured(one)] for one in needed})[1]
    assert {cell for row in rows for cell in row[1:]} == {"“lobes are there” in 100%"}


def measured(one: Experiment) -> experiment.Record:
    claim = {"topic": "lobes", "statement": "lobes are there", "said": "lobes are there", "p": 0.01}
    return {"claims": [claim] * 3, "error": None}
