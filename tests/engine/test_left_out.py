"""A run measures what the data can serve, and names what it left out and why."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from saegeom_data.data.write import write_tree
from saegeom_data.engine.asked import asked_run
from saegeom_data.engine.runner import evaluate, plan, run
from saegeom_data.errors import (
    DataValueError,
    NotFiniteError,
    ParameterError,
    SpecError,
    TargetExistsError,
    UnknownNameError,
    ValidationError,
)
from saegeom_data.remote.address import name_of
from saegeom_data.testing.simulate import simulate_store

SLOPE = {"first_rank": 2, "last_rank": 20}


def spec(*metrics: object):
    from saegeom_data.spec.models import RunSpec

    return RunSpec.model_validate({"spec_version": 1, "kind": "run", "title": "Some", "metrics": list(metrics)})


def decoders_alone(path: Path, *, n_saes: int = 2) -> Path:
    tree = simulate_store(n_saes=n_saes)
    groups = {"/": tree.to_dataset()} | {
        f"/saes/{name}/features": tree[f"saes/{name}/features"].to_dataset() for name in tree["saes"].children
    }
    write_tree(xr.DataTree.from_dict(groups), path)
    return path


SEVERAL = (
    {"metric": "eigenvalue_slope", "parameters": SLOPE},
    {"metric": "lobes", "parameters": {"n_lobes": [2]}},
    {"metric": "parallelogram_quality"},
)


def test_a_store_of_decoders_alone_is_measured_as_far_as_it_goes(tmp_path: Path) -> None:
    data = decoders_alone(tmp_path / "mine.zarr")
    results = run(spec(*SEVERAL), data, tmp_path / "out")
    assert list(results.children) == ["eigenvalue_slope"]
    lobes, pairs = results.attrs["left_out"]
    assert lobes.startswith("lobes: the data has no occurrence (features, blocks)") or "occurrence" in lobes
    assert pairs == "parallelogram_quality: the data has no word pairs under /relations"
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert pairs in page
    assert plan(spec(*SEVERAL), data).left_out == (lobes, pairs)


def test_strict_refuses(tmp_path: Path) -> None:
    data = decoders_alone(tmp_path / "mine.zarr")
    with pytest.raises(ValidationError, match="lobes needs"):
        run(spec(*SEVERAL), data, tmp_path / "out", strict=True)
    assert not (tmp_path / "out").exists()


def test_a_run_of_which_nothing_is_left_is_an_error(tmp_path: Path) -> None:
    data = decoders_alone(tmp_path / "mine.zarr")
    with pytest.raises(DataValueError, match="the data has no word pairs"):
        run(spec({"metric": "parallelogram_quality"}), data, tmp_path / "out")


def test_values_that_one_metric_cannot_use_cost_that_metric_alone(tmp_path: Path) -> None:
    tree = simulate_store(n_saes=2)
    for name in tree["saes"].children:
        held = tree[f"saes/{name}/occurrence"].to_dataset()
        # One document has no halves, which lobes are compared on.
        one = held.document.copy(data=np.zeros_like(held.document.values))
        tree[f"saes/{name}/occurrence"] = xr.DataTree(held.assign(document=one))
    write_tree(tree, tmp_path / "one.zarr")
    results = run(spec(*SEVERAL[:2]), tmp_path / "one.zarr", tmp_path / "out")
    assert list(results.children) == ["eigenvalue_slope"]
    assert results.attrs["left_out"][0].startswith("lobes: ")


def test_a_parameter_that_some_saes_cannot_serve_leaves_out_those(tmp_path: Path) -> None:
    data = decoders_alone(tmp_path / "mine.zarr")
    both = spec({"metric": "eigenvalue_slope", "parameters": SLOPE}, {"name": "wide", "metric": "eigenvalue_slope"})
    results = run(both, data, tmp_path / "out")
    assert list(results.children) == ["eigenvalue_slope"]
    (line,) = results.attrs["left_out"]
    assert line.startswith("wide: ")
    assert "\n" not in line


def test_a_parameter_that_only_the_values_refuse_costs_that_metric_alone(tmp_path: Path) -> None:
    tree = simulate_store(n_saes=2, n_features=60, n_blocks=120)
    for name in tree["saes"].children:
        held = tree[f"saes/{name}/occurrence"].to_dataset()
        fired = held.occurrence.values.copy()
        # Eight features are left, fewer than neighbours of each are asked for.
        fired[:, 8:] = False
        tree[f"saes/{name}/occurrence"] = xr.DataTree(held.assign(occurrence=(held.occurrence.dims, fired)))
    write_tree(tree, tmp_path / "few.zarr")
    brain = {"metric": "lobe_modularity", "parameters": {"n_lobes": [2], "n_permutations": 5, "n_redraws": 0}}
    results = run(spec(SEVERAL[0], brain), tmp_path / "few.zarr", tmp_path / "out")
    assert list(results.children) == ["eigenvalue_slope"]
    (line,) = results.attrs["left_out"]
    assert line.startswith("lobe_modularity: n_neighbours: got 10, expected at most 7 for 8 features")
    with pytest.raises(ParameterError, match="n_neighbours"):
        run(spec(SEVERAL[0], brain), tmp_path / "few.zarr", tmp_path / "strict", strict=True)


def test_results_that_one_reason_leaves_out_share_a_line_without_names_twice(tmp_path: Path) -> None:
    data = decoders_alone(tmp_path / "mine.zarr")
    pairs = [{"metric": "parallelogram_quality"}, {"metric": "function_vectors"}]
    wide = {"name": "wide", "metric": "eigenvalue_slope"}
    found = plan(spec(SEVERAL[0], *pairs, wide), data).left_out
    assert found[0] == "parallelogram_quality and function_vectors: the data has no word pairs under /relations"
    assert found[1].startswith("wide: last_rank: got 150, expected at most ")


def test_broken_data_and_broken_specs_are_never_passed_over(tmp_path: Path) -> None:
    data = decoders_alone(tmp_path / "mine.zarr")
    with pytest.raises(SpecError, match="n_lobs"):
        run(spec({"metric": "lobes", "parameters": {"n_lobs": 2}}), data, tmp_path / "out")
    tree = simulate_store(n_saes=2)
    tree["saes/layer_1/features"].decoder[3, 0] = np.nan
    write_tree(tree, tmp_path / "nan.zarr")
    with pytest.raises(NotFiniteError, match="/saes/layer_1/decoder features 3: got nan"):
        run(spec(*SEVERAL[:2]), tmp_path / "nan.zarr", tmp_path / "out")


def test_overwrite_replaces_a_run_and_nothing_else(tmp_path: Path) -> None:
    data = decoders_alone(tmp_path / "mine.zarr")
    first = spec({"metric": "eigenvalue_slope", "parameters": SLOPE})
    run(first, data, tmp_path / "out")
    with pytest.raises(TargetExistsError):
        run(first, data, tmp_path / "out")
    second = spec({"metric": "isotropy"})
    assert list(run(second, data, tmp_path / "out", overwrite=True).children) == ["isotropy"]
    assert sorted(entry.name for entry in (tmp_path / "out").iterdir()) == ["report.html", "results.zarr"]
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["mine.zarr", "out"]
    # A run that fails leaves the old one.
    with pytest.raises(DataValueError):
        run(spec({"metric": "parallelogram_quality"}), data, tmp_path / "out", overwrite=True)
    assert (tmp_path / "out" / "results.zarr" / "isotropy").is_dir()
    # What a system leaves is no reason to keep it; what the user left there is named.
    (tmp_path / "out" / ".DS_Store").write_text("")
    run(second, data, tmp_path / "out", overwrite=True)
    with pytest.raises(TargetExistsError, match="holds a finished run; replace it with --overwrite"):
        run(second, data, tmp_path / "out")
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(TargetExistsError, match="holds notes.txt beside a run"):
        run(second, data, tmp_path / "out", overwrite=True)


def test_a_metric_by_name_with_parameters() -> None:
    lobes = asked_run("lobes", ["n_lobes=2,3", "min_blocks=4"])
    assert lobes.metrics[0].parameters == {"n_lobes": [2, 3], "min_blocks": 4}
    assert evaluate(simulate_store(), asked_run("lobes", ["n_lobes=2"]))["lobes"].sizes["n_lobes"] == 1
    several = asked_run("geometry-of-concepts", ["eigenvalue_slope.last_rank=20"])
    assert several.metrics[0].parameters == {"last_rank": 20}


@pytest.mark.parametrize(
    ("name", "setting", "expected"),
    [
        ("lobes", "n_lobes", "--set: got 'n_lobes', expected NAME=VALUE"),
        ("galaxy", "k=1", "say of which: clustering_entropy.k="),
        ("lobes", "n_lobes=[2", "no YAML"),
        ("lobes", "n_lobs=2", "--set n_lobs: lobes: unknown parameter; did you mean 'n_lobes'"),
        ("eigenvalue_slope", "zzz=2", "--set zzz: eigenvalue_slope: unknown parameter; known: first_rank, last_rank, "),
        ("galaxy", "isotropy.zzz=2", "--set zzz: isotropy: unknown parameter; it takes none"),
        ("lobes", "n_lobes=x", "--set n_lobes: lobes: got 'x', expected a list"),
        ("lobes", "galaxy.k=1", "no result of the run is named 'galaxy'"),
        ("lobess", "", "did you mean 'lobes'"),
        ("mine.zarr.zip", "", "mine.zarr.zip: got a store, expected a run spec or a metric"),
    ],
)
def test_one_clear_line(name: str, setting: str, expected: str) -> None:
    with pytest.raises((ParameterError, UnknownNameError), match=expected.replace("?", "\\?").replace("[", "\\[")):
        asked_run(name, [setting] if setting else [])


def test_a_parameter_is_said_to_be_of_the_result_that_was_named(tmp_path: Path) -> None:
    spec = tmp_path / "two.yaml"
    metrics = "metrics:\n- {metric: hubness}\n- {metric: hubness, name: of_firing, features: firing}\n"
    spec.write_text(f"spec_version: 1\nkind: run\ntitle: Two\n{metrics}")
    with pytest.raises(ParameterError, match="--set zzz: of_firing: unknown parameter"):
        asked_run(str(spec), ["of_firing.zzz=2"])


def test_names_of_data() -> None:
    assert name_of("https://host/a b.zarr?token=secret") == "a-b"
    assert name_of("/") == "data"
