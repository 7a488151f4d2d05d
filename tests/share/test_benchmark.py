from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import yaml
from servers import Served, serving
from typer.testing import CliRunner

from saegeom_data.cli import main
from saegeom_data.data import write
from saegeom_data.engine import runner
from saegeom_data.errors import ParameterError, SaegeomError, SpecError, StoreError, UnknownNameError
from saegeom_data.results import open
from saegeom_data.share import benchmark
from saegeom_data.share.benchmark import Benchmark, Expectation, check, label
from saegeom_data.share.benchmark.writing import write_benchmark
from saegeom_data.spec.models import RunSpec, load_spec, parse_spec, shipped_specs
from saegeom_data.testing.simulate import simulate_store

PAPER = Path(__file__).parents[3] / "shared" / "reference" / "paper.md"
METRICS: list[dict[str, Any]] = [
    {"metric": "eigenvalue_slope", "parameters": {"first_rank": 2, "last_rank": 15}},
    {"name": "entropy", "metric": "clustering_entropy", "parameters": {"n_components": 6, "n_surrogates": 19}},
]
ROWS = {"clustering_entropy": {"n_samples": None, "n_surrogates": 9}}
ASKED = ["eigenvalue_slope/slope", "eigenvalue_slope/n_ranks", "entropy/negentropy"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store and the results of a run on it."""
    folder = tmp_path_factory.mktemp("benchmark")
    write.write_tree(simulate_store(n_saes=2, n_features=60, n_blocks=40), folder / "data.zarr")
    run = RunSpec.model_validate({"spec_version": 1, "kind": "run", "title": "A run", "metrics": METRICS})
    runner.run(run, folder / "data.zarr", folder / "out", scheduler="synchronous").close()
    return folder


@pytest.fixture
def text(folder: Path) -> str:
    with open.open_results(folder / "out") as results:
        return write_benchmark(results, values=ASKED)


def changed(text: str, **changes: Any) -> Benchmark:
    return parse_spec(yaml.safe_dump(yaml.safe_load(text) | changes), Benchmark)


def test_what_is_written_from_results_is_found_again(folder: Path, text: str) -> None:
    found = check(parse_spec(text, Benchmark), folder / "data.zarr")
    assert [value.verdict for value in found] == ["pass"] * len(found)
    with open.open_results(folder / "out") as results:
        slopes = results["eigenvalue_slope"].slope.values.tolist()
        entropies = results["entropy"].negentropy.values.ravel().tolist()
    by_output = {
        name: [value for value in found if value.asked.output == name] for name in ("slope", "n_ranks", "negentropy")
    }
    assert [value.asked.expected for value in by_output["slope"]] == slopes
    assert [value.asked.expected for value in by_output["negentropy"]] == entropies
    # Counts agree exactly or not at all.
    assert {value.asked.tolerance for value in by_output["n_ranks"]} == {0.0}


def test_parameters_are_written_out_so_that_defaults_may_change(text: str) -> None:
    first, second = yaml.safe_load(text)["run"]["metrics"]
    ranks = {"first_rank": 2, "last_rank": 15, "first_share": 0.0048, "last_share": 0.065}
    assert first["parameters"] == ranks | {"n_influence_rows": 4096, "seed": 0}
    assert second["parameters"]["n_subsamples"] == 30


def test_single_numbers_are_expected_unless_outputs_are_named(folder: Path) -> None:
    with open.open_results(folder / "out") as results:
        written = parse_spec(write_benchmark(results), Benchmark)
        outputs = {entry.output for entry in written.expected if entry.group == "eigenvalue_slope"}
        assert {"slope", "slope_low", "stable_rank"} <= outputs
        assert "eigenvalue" not in outputs
        for wrong in ("slope", "entropy/negentrop"):
            with pytest.raises(UnknownNameError):
                write_benchmark(results, values=[wrong])
        results.attrs.pop("dataset_root")
        with pytest.raises(ParameterError, match="do not say which data"):
            write_benchmark(results)


# On both sides of the tolerance of 0.01, and on either side of the value.
@pytest.mark.parametrize(("shift", "verdict"), [(0.0, "pass"), (0.009, "pass"), (-0.009, "pass"), (0.011, "fail")])
def test_tolerance_is_the_largest_difference_that_passes(folder: Path, text: str, shift: float, verdict: str) -> None:
    entry = yaml.safe_load(text)["expected"][0]
    entry |= {"expected": entry["expected"] + shift, "tolerance": 0.01}
    (found,) = check(changed(text, expected=[entry]), folder / "data.zarr")
    assert found.verdict == verdict
    assert found.difference == pytest.approx(-shift, abs=1e-12)


def test_what_is_not_finite_fails_and_what_is_not_expected_is_not_judged() -> None:
    asked = Expectation(group="a", output="b", sae="c", expected=0.0, tolerance=9.0)
    assert benchmark.Checked(asked, None).verdict == "fail"
    assert benchmark.Checked(Expectation(group="a", output="b", sae="c"), 1.0).verdict == "not judged"


def test_other_versions_are_refused_by_name(folder: Path, text: str) -> None:
    versions = yaml.safe_load(text)["versions"] | {"eigenvalue_slope": 1}
    with pytest.raises(SpecError) as refused:
        check(changed(text, versions=versions), folder / "data.zarr")
    (problem,) = refused.value.problems
    assert "versions.eigenvalue_slope: the installed eigenvalue_slope has version" in str(problem)
    assert "of version 1, so they are not compared" in str(problem)


def test_other_data_are_refused(folder: Path, text: str, tmp_path: Path) -> None:
    other = simulate_store(n_saes=2, n_features=60, n_blocks=40, seed=1)
    other.attrs["name"] = "mine"
    root = write.write_tree(other, tmp_path / "other.zarr")
    with pytest.raises(StoreError, match=f"got root {root}, expected [0-9a-f]{{64}} of this benchmark's data"):
        check(parse_spec(text, Benchmark), tmp_path / "other.zarr")
    named = changed(text, dataset={"name": "mine"})
    assert len(check(named, tmp_path / "other.zarr")) == len(named.expected)
    with pytest.raises(StoreError, match="got the dataset 'without a name', expected 'mine'"):
        check(named, folder / "data.zarr")


def test_damaged_data_are_refused(folder: Path, text: str, tmp_path: Path) -> None:
    shutil.copytree(folder / "data.zarr", tmp_path / "data.zarr")
    file = next((tmp_path / "data.zarr").glob("saes/layer_0/features/decoder/c.*"))
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with pytest.raises(StoreError, match=r"saes/.*/decoder/c\.0\.0: sha256 differs from the manifest"):
        check(parse_spec(text, Benchmark), tmp_path / "data.zarr")


def test_labels_that_the_data_lack_are_named(folder: Path, text: str) -> None:
    entry = yaml.safe_load(text)["expected"][-1]
    for wrong, said in [
        ({"sae": "layer_99"}, "no sae is 'layer_99'; known: "),
        ({"where": entry["where"] | {"k": 99}}, "no k is 99; known: 3"),
    ]:
        with pytest.raises(ParameterError, match=re.escape(said)):
            check(changed(text, expected=[entry | wrong]), folder / "data.zarr")


def test_data_at_an_address_are_measured(
    folder: Path, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAEGEOM_CACHE", str(tmp_path))
    data = folder / "data.zarr"
    files = {f"/lab/{file.relative_to(data)}": file.read_bytes() for file in data.rglob("*") if file.is_file()}
    with serving(served=Served(files=files)) as served:
        root = yaml.safe_load(text)["dataset"]["root"]
        found = check(changed(text, dataset={"url": f"{served.url}/lab", "root": root}))
        assert {value.verdict for value in found} == {"pass"}
        with pytest.raises(StoreError, match="take it from http"):
            check(changed(text, dataset={"url": f"{served.url}/lab", "root": "0" * 64}))


def test_command_ends_with_1_on_a_failure_and_2_on_bad_input(folder: Path, text: str, tmp_path: Path) -> None:
    def call(*arguments: Any) -> Any:
        return CliRunner().invoke(main.app, [str(argument) for argument in arguments])

    target = tmp_path / "mine.yaml"
    made = call("benchmark", folder / "out", "-o", target, *(word for output in ASKED for word in ("--value", output)))
    assert made.exit_code == 0
    assert target.read_text() == text
    passed = call("check", target, "--data", folder / "data.zarr")
    assert passed.exit_code == 0
    assert "values are as expected" in passed.stdout
    content = yaml.safe_load(text)
    content["expected"][0]["expected"] += 1
    target.write_text(yaml.safe_dump(content))
    failed = call("check", target, "--data", folder / "data.zarr", "--json")
    assert failed.exit_code == 1
    answer = json.loads(failed.stdout)
    assert answer["failed"] == 1
    assert answer["values"][0]["verdict"] == "fail"
    for arguments in (["check", target], ["check", "minilm-sampl"], ["check", target, "--data", tmp_path / "none"]):
        assert isinstance(call(*arguments).exception, SaegeomError)
    assert isinstance(call("benchmark", folder / "out", "-o", target).exception, StoreError)


def test_sample_is_as_expected() -> None:
    found = check(load_spec(shipped_specs("benchmarks")["minilm-sample"], Benchmark))
    assert {label(value.asked): value.value for value in found if value.verdict != "pass"} == {}


@pytest.mark.parametrize("name", shipped_specs("benchmarks"))
def test_shipped_benchmarks_are_of_the_installed_versions_and_planned_offline(name: str) -> None:
    assert benchmark.version_problems(load_spec(shipped_specs("benchmarks")[name], Benchmark)) == []
    planned = CliRunner().invoke(main.app, ["check", name, "--plan"])
    assert planned.exit_code == 0, planned.exception
    assert "value    " in planned.stdout


def test_published_values_are_those_of_the_paper() -> None:
    if not PAPER.is_file():
        pytest.skip("the notes on the paper are not here to compare with")
    text = PAPER.read_text(encoding="utf-8")
    layers = re.findall(r"^\| (\d+) \| \d+ \| ([\d.]+) \| [\d.]+ \| (-[\d.]+) \| ([\d.]+) \| [\d.]+ \|$", text, re.M)
    assert len(layers) == 26
    galaxy = load_spec(shipped_specs("benchmarks")["geometry-of-concepts"], Benchmark)
    found = {(entry.output, entry.sae): entry.expected for entry in galaxy.expected if entry.expected is not None}
    for layer, exponent, volume, entropy in layers:
        sae = f"layer_{layer}"
        assert found["slope", sae] == -float(exponent)
        assert found["log_volume", sae] == float(volume)
        assert found["negentropy_uncalibrated", sae] == float(entropy)
    lobes = load_spec(shipped_specs("benchmarks")["geometry-of-concepts-lobes"], Benchmark)
    judged = [entry for entry in lobes.expected if entry.expected is not None]
    names = {"phi": "Phi", "overlap": "Overlap", "simple_matching": "SMC", "jaccard": "Jaccard", "dice": "Dice"}
    tables = dict(zip(["ami", "balanced_accuracy_published"], re.split("Balanced test accuracy", text), strict=True))
    for entry in judged:
        row = re.search(
            rf"^\| {names[entry.group.removeprefix('lobe_modularity_')]} \|(.*)\|$", tables[entry.output], re.M
        )
        assert row is not None
        cell = row[1].split("|")[int(np.log2(entry.where["n_lobes"])) - 1]
        assert entry.expected in [float(number) for number in re.findall(r"\d?\.\d+", cell)]
    assert len(judged) == 50 + 44


def test_galaxy_benchmark_runs_on_a_store_of_the_paper_s_layout(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    galaxy = load_spec(shipped_specs("benchmarks")["geometry-of-concepts"], Benchmark)
    groups = {
        "/": xr.Dataset(
            attrs={"format_version": 1, "title": "Small", "license": "CC0-1.0", "name": galaxy.dataset.name}
        )
    }
    for layer in range(2):
        decoder = rng.standard_normal((400, 160))
        decoder /= np.linalg.norm(decoder, axis=1, keepdims=True)
        attrs = {"model": "small", "architecture": "jumprelu", "decoder_norm": "unit"}
        coords = {"site": f"blocks.{layer}", "layer": layer, "width": 400, "l0": 70.0}
        groups[f"/saes/layer_{layer}/features"] = xr.Dataset(
            {"decoder": (("features", "hidden"), decoder)}, coords, attrs
        )
    write.write_tree(xr.DataTree.from_dict(groups), tmp_path / "small.zarr")
    kept = [entry for entry in galaxy.expected if entry.sae in ("layer_0", "layer_1")]
    # As many rows as there are, where the paper takes 5,000 of 65,536.
    metrics = [
        entry.model_copy(update={"parameters": entry.parameters | ROWS.get(entry.group, {})})
        for entry in galaxy.run.metrics
    ]
    small = galaxy.model_copy(update={"expected": kept, "run": galaxy.run.model_copy(update={"metrics": metrics})})
    found = check(small, tmp_path / "small.zarr")
    by_output = {(value.asked.group, value.asked.output, value.asked.sae): value for value in found}
    # White noise is neither of the paper's slope nor clustered, whatever the published estimator says of it.
    assert by_output["eigenvalue_slope", "slope", "layer_0"].verdict == "fail"
    assert by_output["clustering_entropy", "p", "layer_0"].verdict == "not judged"
    assert all(value.value is not None for value in found)
