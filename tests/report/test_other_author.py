"""A metric of another package is shown as ours are: the package is installed for real, in a folder of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from installed_package import installed

from saegeom_data.data.write import write_tree
from saegeom_data.testing import simulate_store

SOURCE = Path(__file__).parents[1] / "support" / "other_author"
SPEC = """
spec_version: 1
kind: run
title: Coherence
metrics:
  - metric: decoder_coherence
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Environment in which the package is installed."""
    return installed(SOURCE, tmp_path_factory.mktemp("installed"))


# Runs one command after another: most of what a process of its own for each takes is imports.
COMMANDS = """
import contextlib, io, json, os, sys
from saegeom_data.cli import main

said = []
for arguments, environment in json.loads(sys.argv[1]):
    sys.argv, status = ["saegeom", *arguments], 0
    os.environ.update(environment)
    with contextlib.redirect_stdout(io.StringIO()) as out:
        try:
            main.main()
        except SystemExit as stop:
            status = stop.code
    assert not status, arguments
    said.append(out.getvalue())
print(json.dumps(said))
"""


def saegeom(environment: dict[str, str], *commands: tuple[list[object], dict[str, str]]) -> list[str]:
    """What commands print, each with its arguments and what it adds to the environment."""
    given = json.dumps([([str(argument) for argument in arguments], added) for arguments, added in commands])
    command = [sys.executable, "-c", COMMANDS, given]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said: list[str] = json.loads(done.stdout)
    return said


@pytest.fixture(scope="module")
def printed(environment: dict[str, str], folder: Path) -> dict[str, str]:
    """What each command prints of a run of the metric alone; the report is asked for with a fault in its figure."""
    write_tree(simulate_store(n_saes=6), folder / "data.zarr")
    (folder / "run.yaml").write_text(SPEC)
    out = folder / "out"
    commands: dict[str, tuple[list[object], dict[str, str]]] = {
        "run": (["run", folder / "run.yaml", "--data", folder / "data.zarr", "--output", out], {}),
        "compare": (["compare", out, "--json"], {}),
        "trend": (["trend", out], {}),
        "report": (["report", out, "-o", folder / "faulty.html"], {"COHERENCE_FAULT": "1"}),
    }
    return dict(zip(commands, saegeom(environment, *commands.values()), strict=True))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("run")


def test_its_headline_and_finding_are_in_the_table_of_the_run(printed: dict[str, str]) -> None:
    assert "coherence of means" in printed["run"]
    assert re.search(r"layer_0 .*0\.\d{4} \(null 0\.\d{4}\)", printed["run"])
    assert "The most coherent decoder is layer_" in printed["run"]


def test_its_figure_finding_and_terms_are_in_the_report(printed: dict[str, str], folder: Path) -> None:
    page = (folder / "out" / "report.html").read_text(encoding="utf-8")
    assert '<figure id="coherence">' in page
    assert "Coherence of decoders" in page
    assert "The most coherent decoder is layer_" in page
    assert "Length of the mean unit row." in page


def test_it_is_compared(printed: dict[str, str]) -> None:
    found = json.loads(printed["compare"])
    (column,) = [column for column in found["columns"] if column["metric"] == "decoder_coherence"]
    assert (column["label"], column["version"], column["parameters"]) == ("coherence of means", "4", {"power": 1})
    assert all(0 < row["coherence_of_means"] <= 1 for row in found["rows"])


def test_it_is_followed_over_depth(printed: dict[str, str]) -> None:
    assert "coherence" in printed["trend"]
    assert re.search(r"highest at layer \d", printed["trend"])


def test_a_presentation_that_fails_costs_its_panel_and_leaves_a_line(printed: dict[str, str], folder: Path) -> None:
    text = (folder / "faulty.html").read_text(encoding="utf-8")
    assert "decoder_coherence: its figures failed (RuntimeError: no ink left)" in text
    assert '<figure id="coherence">' not in text
    assert "The most coherent decoder is layer_" in text


def test_without_the_package_its_results_are_shown_plainly(printed: dict[str, str], folder: Path) -> None:
    saegeom(dict(os.environ), (["report", folder / "out", "-o", folder / "plain.html"], {}))
    text = (folder / "plain.html").read_text(encoding="utf-8")
    assert "decoder_coherence/coherence_of_means" in text
    assert "The most coherent decoder" not in text
