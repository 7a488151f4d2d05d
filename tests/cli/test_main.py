import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import yaml

from saegeom_data.cli import main
from saegeom_data.data import group_kinds, write
from saegeom_data.declare.presentation import Finding
from saegeom_data.remote.manifest import MANIFEST
from saegeom_data.results import open
from saegeom_data.testing import simulate

RUN = {
    "spec_version": 1,
    "kind": "run",
    "title": "Slopes",
    "metrics": [{"metric": "eigenvalue_slope", "parameters": {"first_rank": 2, "last_rank": 20}}],
}


@pytest.fixture
def saegeom(monkeypatch, capsys):
    """Run the command line in this process: exit status, standard output, standard error."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["saegeom", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main.main()
        captured = capsys.readouterr()
        return stop.value.code or 0, captured.out, captured.err

    return call


@pytest.fixture
def folder(tmp_path, simulated_store):
    shutil.copytree(simulated_store, tmp_path / "data.zarr")
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(RUN))
    return tmp_path


def broken_store(folder, change):
    tree = simulate.simulate_store()
    change(tree)
    with pytest.MonkeyPatch.context() as patch:
        # As a program that does not know the declarations would have written it.
        patch.setattr(group_kinds, "kind_of", lambda path: None)
        write.write_tree(tree, folder / "broken.zarr")
    return folder / "broken.zarr"


def test_console_script_answers():
    done = subprocess.run([sys.executable, "-m", "saegeom_data", "--help"], capture_output=True, text=True, check=True)
    for command in ("list", "describe", "validate", "build", "run", "report", "trend"):
        assert f"\n  {command} " in done.stdout


def test_help_imports_nothing_heavy():
    code = (
        "import sys; import saegeom_data.cli.main; heavy = 'numpy xarray zarr dask sklearn torch plotly pydantic'; "
        "print(sorted(set(heavy.split()) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("command", main.typer.main.get_command(main.app).commands.items(), ids=lambda item: item[0])
def test_every_option_has_help_of_its_own(command):
    name, declared = command
    helps = [parameter.help for parameter in declared.params if parameter.name != "help"]
    assert all(helps), name
    assert len(set(helps)) == len(helps), name
    # The list of commands cuts what is longer.
    assert declared.get_short_help_str(45).endswith(".")
    assert not declared.get_short_help_str(45).endswith("...")


def test_list(saegeom):
    status, out, _ = saegeom("list")
    assert status == 0
    assert "eigenvalue_slope" in out
    assert "geometry-of-concepts" in out
    status, out, _ = saegeom("list", "metrics", "--json")
    assert set(json.loads(out)) == {"metrics"}


def test_describe_metric_and_spec(saegeom):
    status, out, _ = saegeom("describe", "eigenvalue_slope")
    assert status == 0
    assert "last_rank" in out
    assert "decoder (features, hidden)" in out
    status, out, _ = saegeom("describe", "eigenvalue_slope", "--json")
    assert json.loads(out)["version"] == 4
    status, out, _ = saegeom("describe", "geometry-of-concepts")
    assert yaml.safe_load(out)["kind"] == "run"


def test_describe_tells_a_benchmark_from_the_run_of_its_name(saegeom):
    for name, kind in [("geometry-of-concepts", "run"), ("benchmarks/geometry-of-concepts", "benchmark")]:
        _, out, _ = saegeom("describe", name)
        assert yaml.safe_load(out)["kind"] == kind


def test_run_report_and_validate(saegeom, folder):
    status, out, err = saegeom("run", folder / "run.yaml", "--data", folder / "data.zarr", "-o", folder / "out")
    assert (status, err) == (0, "")
    assert str(folder / "out" / "report.html") in out
    assert (folder / "out" / "report.html").stat().st_size > 1000
    assert saegeom("validate", folder / "out")[0] == 0
    (folder / "out" / "report.html").unlink()
    assert saegeom("report", folder / "out")[0] == 0
    assert (folder / "out" / "report.html").stat().st_size > 1000
    status, out, _ = saegeom("report", folder / "out", "--json")
    slopes = open.open_results(folder / "out")["eigenvalue_slope"]["slope"].values
    assert [row["slope"] for row in json.loads(out)] == slopes.tolist()
    status, out, _ = saegeom("report", folder / "out", "--markdown")
    assert out.startswith("| ")


@pytest.mark.parametrize("command", [["report"], ["trend"], ["compare"], ["benchmark", "-o", "b.yaml"]])
def test_a_dataset_is_not_taken_for_results(saegeom, folder, monkeypatch, command):
    monkeypatch.chdir(folder)
    status, _, err = saegeom(*command, folder / "data.zarr")
    assert (status, err.count("\n")) == (2, 1)
    assert "data.zarr: a dataset, expected the results of a run; make them with saegeom run" in err
    assert sorted(path.name for path in folder.iterdir()) == ["data.zarr", "run.yaml"]


def test_run_as_json(saegeom, folder):
    status, out, _ = saegeom("run", folder / "run.yaml", "--data", folder / "data.zarr", "-o", folder / "out", "--json")
    assert status == 0
    assert len(json.loads(out)["summary"]) == 2


def test_findings_are_one_line_each(saegeom, folder, monkeypatch):
    found = [Finding("galaxy", "slope", "The slope is steepest at layer 1.", "(-1.2 [-1.3, -1.1], p 0.01)")]
    monkeypatch.setattr("saegeom_data.report.findings.findings", lambda results: found)
    _, out, _ = saegeom("run", folder / "run.yaml", "--data", folder / "data.zarr", "-o", folder / "out")
    assert "\n  The slope is steepest at layer 1.\n" in out
    assert "p 0.01" not in out


def test_plan_runs_nothing(saegeom, folder):
    arguments = ["run", folder / "run.yaml", "--data", folder / "data.zarr", "-o", folder / "out"]
    status, out, _ = saegeom(*arguments, "--plan")
    assert status == 0
    assert [line.split()[0] for line in out.splitlines()] == [
        "memory",
        "reads",
        "tasks",
        "largest",
        "time",
        "eigenvalue_slope:",
        "output",
    ]
    planned = json.loads(saegeom(*arguments, "--plan", "--json", "--memory-limit", "2GB")[1])
    assert 0 < planned["peak_bytes"] <= 2e9
    assert (planned["output"], planned["output_problem"]) == (str(folder / "out"), None)
    assert not (folder / "out").exists()


def test_a_plan_says_what_is_in_the_way_of_its_output(saegeom, folder):
    (folder / "notes.txt").write_text("mine")
    (folder / "mine").mkdir()
    for output, more, expected in (
        ("data.zarr", [], "data.zarr: exists already; give another path or remove it first"),
        ("data.zarr/out", [], "lies inside the store"),
        ("notes.txt", [], "notes.txt: exists already"),
        ("notes.txt", ["--overwrite"], "notes.txt: exists already"),
        ("mine", ["--overwrite"], "mine: holds no run, so it is not replaced"),
        ("missing/out", [], str(folder / "missing/out")),
    ):
        arguments = ["run", folder / "run.yaml", "--data", folder / "data.zarr", "-o", folder / output, *more]
        status, out, _ = saegeom(*arguments, "--plan")
        assert status == 0
        assert expected in out.splitlines()[-1]
        if "missing" not in output:
            # The run is refused by the same words.
            status, _, err = saegeom(*arguments)
            assert (status, err.rstrip("\n")) == (2, f"error: {out.splitlines()[-1].split(maxsplit=1)[1]}")


def test_run_that_does_not_fit_is_refused(saegeom, folder):
    arguments = ["run", folder / "run.yaml", "--data", folder / "data.zarr", "-o", folder / "out"]
    status, out, err = saegeom(*arguments, "--memory-limit", "50MB")
    assert (status, out) == (2, "")
    assert err.startswith("error: the run takes ")
    assert "the memory limit is 47.68 MiB" in err
    assert len(err.splitlines()) == 1
    assert not (folder / "out").exists()
    assert saegeom(*arguments, "--memory-limit", "lots")[2].startswith(
        "error: memory limit: got 'lots', expected a size"
    )
    assert saegeom(*arguments, "--memory-limit", "2GB")[0] == 0


def test_trend_over_depth(saegeom, tmp_path):
    write.write_tree(simulate.simulate_store(n_saes=6), tmp_path / "data.zarr")
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(RUN))
    assert saegeom("run", tmp_path / "run.yaml", "--data", tmp_path / "data.zarr", "-o", tmp_path / "out")[0] == 0
    status, out, _ = saegeom("trend", tmp_path / "out")
    assert status == 0
    slopes = open.open_results(tmp_path / "out")["eigenvalue_slope"]["slope"].values
    assert out.splitlines()[0] == "eigenvalue_slope/slope"
    assert [float(line.split()[3]) for line in out.splitlines()[2:8]] == pytest.approx(slopes, rel=1e-3)
    assert f"lowest at layer {int(slopes.argmin())}, raw" in out
    assert "nan" not in out
    assert "L0 does not differ between SAEs" in out
    assert "width does not differ between SAEs" in out
    assert re.search(r"the same layer on \d of \d variants", out)
    found = json.loads(saegeom("trend", tmp_path / "out", "--json")[1])
    assert "value" in found["eigenvalue_slope/slope"]["data_vars"]
    of_slopes = ["--group", "eigenvalue_slope", "--value"]
    assert saegeom("trend", tmp_path / "out", *of_slopes, "slope") == (0, out, "")
    for arguments, message in (
        (["--group", "eigenvalue_slop"], "eigenvalue_slope"),
        (["--value", "slope"], "--group"),
        (["--highest"], "--value"),
        ([*of_slopes, "slop"], "slope"),
        ([*of_slopes, "slope", "--where", "null"], "expected DIM=LABEL"),
        ([*of_slopes, "slope", "--where", "nul=x"], "dimension"),
    ):
        status, _, err = saegeom("trend", tmp_path / "out", *arguments)
        assert (status, len(err.splitlines())) == (2, 1)
        assert message in err


def test_validate_says_valid(saegeom, folder):
    for options in ([], ["--values"], ["--checksums"]):
        status, out, _ = saegeom("validate", folder / "data.zarr", *options)
        assert (status, out.strip()) == (0, f"{folder / 'data.zarr'}: valid")
    assert saegeom("validate", folder / "run.yaml")[0] == 0
    assert json.loads(saegeom("validate", folder / "run.yaml", "--json")[1])["valid"] is True


def test_describe_a_store(saegeom, folder):
    status, out, _ = saegeom("describe", folder / "data.zarr")
    assert status == 0
    assert out.startswith("# Simulated store")
    assert json.loads(saegeom("describe", folder / "data.zarr", "--json")[1])["attrs"]["license"] == "CC0-1.0"


def drop(tree):
    tree["saes/layer_0/features"] = tree["saes/layer_0/features"].to_dataset().drop_vars("decoder")


def rename_dims(tree):
    tree["saes/layer_0/features"] = tree["saes/layer_0/features"].to_dataset().rename(hidden="columns")


def to_integer(tree):
    dataset = tree["saes/layer_0/features"].to_dataset()
    tree["saes/layer_0/features"] = dataset.assign(decoder=dataset.decoder.astype("int32"))


BROKEN = {
    "missing variable": (drop, "/saes/layer_0/features/decoder: missing; expected a float variable"),
    "wrong dims": (
        rename_dims,
        "/saes/layer_0/features/decoder: got dims (features, columns), expected (features, hidden)",
    ),
    "wrong dtype": (to_integer, "/saes/layer_0/features/decoder: got dtype int32, expected float"),
}


@pytest.mark.parametrize("case", BROKEN)
@pytest.mark.parametrize("command", ["validate", "run"])
def test_broken_store(saegeom, folder, case, command):
    change, line = BROKEN[case]
    path = broken_store(folder, change)
    arguments = ["validate", path] if command == "validate" else ["run", "--data", path, "-o", folder / "out"]
    status, _, err = saegeom(*arguments)
    assert status == 2
    assert line in err
    assert len(err.splitlines()) == 1
    assert not (folder / "out").exists()


def test_store_with_hole(saegeom, folder):
    (folder / "data.zarr/saes/layer_1/features/decoder/c.0.0").unlink()
    for arguments in (
        ["validate", folder / "data.zarr"],
        ["run", "--data", folder / "data.zarr", "-o", folder / "out"],
    ):
        status, _, err = saegeom(*arguments)
        assert status == 2
        assert "saes/layer_1/features/decoder/c.0.0: missing file" in err
        assert len(err.splitlines()) == 1


def test_store_without_manifest(saegeom, folder):
    (folder / "data.zarr" / MANIFEST).unlink()
    for arguments in (
        ["validate", folder / "data.zarr"],
        ["run", "--data", folder / "data.zarr", "-o", folder / "out"],
    ):
        status, _, err = saegeom(*arguments)
        assert status == 2
        assert "no manifest" in err
        assert len(err.splitlines()) == 1


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_decoder_that_is_not_finite(saegeom, folder, value):
    tree = simulate.simulate_store()
    tree["saes/layer_1/features"]["decoder"].values[5, 2] = value
    write.write_tree(tree, folder / "bad.zarr")
    status, _, err = saegeom("run", folder / "run.yaml", "--data", folder / "bad.zarr", "-o", folder / "out")
    assert (status, err.count("\n")) == (2, 1)
    assert f"/saes/layer_1/decoder features 5: got {value}" in err
    assert not (folder / "out").exists()
    status, _, err = saegeom("validate", folder / "bad.zarr", "--values")
    assert status == 2
    assert "/saes/layer_1/features/decoder" in err


BAD_SPECS = {
    "unknown key": (
        "spec_version: 1\nkind: run\ntitle: x\nmetric:\n- metric: lobes\n",
        "metric: unknown key; did you mean 'metrics'?",
    ),
    "duplicate key": ("spec_version: 1\nkind: run\ntitle: x\ntitle: y\nmetrics:\n- metric: lobes\n", "duplicate key"),
    "wrong type": ("spec_version: 1\nkind: run\ntitle: 3\nmetrics:\n- metric: lobes\n", "got 3"),
    "unknown metric": ("spec_version: 1\nkind: run\ntitle: x\nmetrics:\n- metric: lobe\n", "did you mean 'lobes'"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_SPECS)
@pytest.mark.parametrize("command", ["validate", "run"])
def test_bad_spec(saegeom, folder, case, command):
    text, expected = BAD_SPECS[case]
    path = folder / "bad.yaml"
    path.write_text(text)
    arguments = ["validate", path] if command == "validate" else ["run", path, "-o", folder / "out"]
    status, _, err = saegeom(*arguments)
    assert status == 2
    assert any(expected in line and "bad.yaml" in line for line in err.splitlines()), err
    assert not (folder / "out").exists()


def test_existing_output(saegeom, folder):
    (folder / "out").mkdir()
    status, _, err = saegeom("run", folder / "run.yaml", "--data", folder / "data.zarr", "-o", folder / "out")
    assert (status, err.count("\n")) == (2, 1)
    assert "exists already; give another path or remove it first" in err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["describe", "eigenvalue_slop"], "did you mean 'eigenvalue_slope'?"),
        (["list", "metric"], "did you mean 'metrics'"),
        (["run", "geometry-of-concept", "-o", "out"], "did you mean 'geometry-of-concepts'?"),
        (["run", "--data", "absent.zarr", "-o", "out"], "absent.zarr: no such store"),
        (["report", "absent"], "absent: no such store"),
        (["validate", "absent.yaml"], "absent.yaml: cannot be read"),
        (["build", "minilm-sample", "-o", "out.zarr", "--root", "corpora"], "expected NAME=FOLDER"),
    ],
)
def test_one_clear_line(saegeom, tmp_path, monkeypatch, arguments, expected):
    monkeypatch.chdir(tmp_path)
    status, _, err = saegeom(*arguments)
    assert (status, err.count("\n")) == (2, 1)
    assert expected in err
    assert list(tmp_path.iterdir()) == []
