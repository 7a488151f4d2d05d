"""A run goes on drawing where p cannot tell, and says beforehand what its draws cannot find."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from saegeom_data.data.write import write_tree
from saegeom_data.declare.metric import Metric
from saegeom_data.declare.seeds import own_seed
from saegeom_data.engine import runner
from saegeom_data.engine.more_draws import FIRST_DRAWS
from saegeom_data.engine.runner import measure, run
from saegeom_data.results.claims import claims
from saegeom_data.results.judgement import least_draws
from saegeom_data.spec.models import RunSpec
from saegeom_data.testing.simulate import simulate_store
from tests.support.drawn_metric import drawn_metric

__all__ = ["drawn_metric"]


def spec(draws: str = "until_decided", **parameters: Any) -> RunSpec:
    entry = {"metric": "drawn_size", "parameters": parameters}
    head = {"spec_version": 1, "kind": "run", "title": "Sizes"}
    return RunSpec.model_validate(head | {"draws": draws, "metrics": [entry]})


def store(*sizes: float) -> xr.DataTree:
    """A store of SAEs whose first numbers are these."""
    tree = simulate_store(n_saes=len(sizes), n_features=8, n_hidden=4)
    for name, size in zip(sorted(tree["saes"].children), sizes, strict=True):
        features = tree[f"saes/{name}/features"].to_dataset()
        decoder = features.decoder.copy(data=np.asarray(features.decoder.values))
        decoder.values[0, 0] = size
        tree[f"saes/{name}/features"] = xr.DataTree(features.assign(decoder=decoder))
    return tree


@pytest.mark.usefixtures("drawn_metric")
def test_rows_that_stand_out_alone_are_drawn_for_until_they_are_found() -> None:
    tree = store(2.0, 0.4, 0.5, 0.6)
    few = measure(tree, spec("as_given"))
    assert [tested.verdict for tested in claims(few)] == ["undecided", *["does not hold"] * 3]
    enough = measure(tree, spec())
    assert [tested.verdict for tested in claims(enough)] == ["holds", *["does not hold"] * 3]
    # Only what was undecided was drawn for again, and only the null model that had too few.
    needed = least_draws(4)
    assert enough["drawn_size"].n_redraws.values.tolist() == [needed, 19, 19, 19]
    assert enough["drawn_size"].p.values[0].tolist() == pytest.approx([0.01, 1 / (needed + 1)])
    xr.testing.assert_equal(few["drawn_size"].p[1:], enough["drawn_size"].p[1:].drop_vars("n_redraws"))
    assert enough["drawn_size"].attrs["parameters"] == few["drawn_size"].attrs["parameters"]


@pytest.mark.usefixtures("drawn_metric")
def test_a_null_model_that_was_left_out_is_not_run_by_going_on() -> None:
    found = measure(store(2.0, 0.5), spec(n_redraws=0))
    assert [tested.claim.not_run[0].label for tested in claims(found)] == ["redrawn", "redrawn"]
    assert "n_redraws" not in found["drawn_size"].coords


def test_first_draws_stay_what_they_were(drawn_metric: Metric) -> None:
    tree = store(0.97)
    seed = own_seed(0, "/saes/layer_0")
    found = measure(tree, spec(n_draws=19, n_redraws=19))["drawn_size"]
    for place, name in enumerate(("n_draws", "n_redraws")):
        n = int(found[name].values[0]) if name in found.coords else 19
        draws = np.random.default_rng((seed, place)).random(n)
        assert float(found.p[0, place]) == pytest.approx((1 + np.sum(draws >= 0.97)) / (n + 1))


@pytest.mark.usefixtures("drawn_metric")
def test_what_draws_cannot_find_is_said_before_they_are_made(tmp_path: Path) -> None:
    write_tree(store(2.0, 0.5, 0.4), tmp_path / "store.zarr")
    plan = runner.plan(spec("as_given", n_redraws=0), tmp_path / "store.zarr")
    assert plan.draws == (
        "drawn_size: n_redraws: got 0, so nothing can be beyond every null; not run: uniform draws made anew; "
        "give 59 or more",
    )
    few = runner.plan(spec("as_given", n_draws=59, n_redraws=29), tmp_path / "store.zarr")
    assert few.draws == (
        "drawn_size: n_redraws: got 29; of 3 rows no fewer than 2 can be found, and only together; "
        "give 59 or more, or draws: until_decided",
    )
    told: list[str] = []
    run(spec(n_draws=9), tmp_path / "store.zarr", tmp_path / "out", notify=told.append)
    assert told == [
        "drawn_size: n_draws: got 9; where that cannot tell, drawing goes on to 59",
        "drawn_size: n_redraws: got 19; where that cannot tell, drawing goes on to 59",
    ]
    assert any("draws" in line and "goes on" in line for line in runner.plan(spec(), tmp_path / "store.zarr").lines())
    # With too few draws for a single row nothing can be found at all.
    nothing = runner.plan(spec("as_given", n_draws=9), tmp_path / "store.zarr").draws[0]
    assert "nothing can be found: p is at least 0.1" in nothing


@pytest.mark.usefixtures("drawn_metric")
def test_results_say_how_often_each_row_was_drawn_for(tmp_path: Path) -> None:
    write_tree(store(2.0, 0.5, 0.4), tmp_path / "store.zarr")
    found = run(spec(), tmp_path / "store.zarr", tmp_path / "out")
    assert found["drawn_size"].n_redraws.values.tolist() == [59, 19, 19]
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "Of 3 claims tested, 1 holds at a false discovery rate of 5 percent over all of them." in page
    assert "uniform draws and uniform draws made anew" in page


@pytest.mark.usefixtures("drawn_metric")
def test_dear_draws_end_early_where_p_is_clearly_too_large(tmp_path: Path) -> None:
    tree = store(2.0, 0.5, 0.95, 0.4)
    found = measure(tree, spec(n_draws=99, n_redraws=199))["drawn_size"]
    whole = measure(tree, spec("as_given", n_draws=99, n_redraws=199))["drawn_size"]
    # 0.95 is near the bound with 19 draws, and with the 199 that the run asks for as well.
    assert found.n_redraws.values.tolist() == [199, FIRST_DRAWS, 398, FIRST_DRAWS]
    np.testing.assert_array_equal(found.p[:1], whole.p[:1])
    assert float(found.p[1, 1]) * (FIRST_DRAWS + 1) == pytest.approx(round(float(found.p[1, 1]) * (FIRST_DRAWS + 1)))
    assert found.attrs["parameters"] == whole.attrs["parameters"]
    write_tree(tree, tmp_path / "store.zarr")
    told: list[str] = []
    run(spec(n_draws=99, n_redraws=199), tmp_path / "store.zarr", tmp_path / "out", notify=told.append)
    begins = "drawn_size: n_redraws: got 199; drawing begins with 19, and ends there where p is clearly too large"
    assert told == [begins]
    assert begins in runner.plan(spec(n_draws=99, n_redraws=199), tmp_path / "store.zarr").draws


@pytest.mark.usefixtures("drawn_metric")
def test_few_draws_are_all_made_and_so_are_those_of_a_run_as_given() -> None:
    tree = store(0.5, 0.4)
    assert "n_redraws" not in measure(tree, spec(n_redraws=94))["drawn_size"].coords
    assert "n_redraws" not in measure(tree, spec("as_given", n_redraws=199))["drawn_size"].coords


@pytest.mark.usefixtures("drawn_metric")
def test_p_of_draws_that_end_early_is_no_smaller_than_uniform() -> None:
    """Of values that the null model itself draws, p <= a in at most a, but for three errors of their number."""
    values = np.random.default_rng(7).random(400)
    p = []
    for some in np.array_split(values, 20):
        found = measure(store(*some), spec(n_draws=0, n_redraws=199))["drawn_size"]
        p += found.p.sel(null="redrawn").values.tolist()
    for bound in (0.01, 0.05, 0.1, 0.2, 0.5):
        assert np.mean(np.array(p) <= bound) <= bound + 3 * np.sqrt(bound * (1 - bound) / len(p))
    assert np.mean(np.array(p) <= 0.05) >= 0.02, "it still rejects"
