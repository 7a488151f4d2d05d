"""A metric of another package is shown as ours are: the package is installed for real, in a folder of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

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
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Environment in which the package is installed."""
    target = tmp_path_factory.mktemp("installed")
    source = target / "source"
    # A copy, because a build writes into the folder of its source.
    subprocess.run(["cp", "-r", str(SOURCE), str(source)], check=True)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--target", str(target / "site"), str(source)], check=True, capture_output=True)
    path = os.pathsep.join(filter(None, [str(target / "site"), os.environ.get("PYTHONPATH", "")]))
    return os.environ | {"PYTHONPATH": path}


def saegeom(environment: dict[str, str], *arguments: object) -> str:
    command = [sys.executable, "-m", "saegeom_data", *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def results(installed: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Folder of a run of the metric alone, and what the run printed."""
    folder = tmp_path_factory.mktemp("run")
    write_tree(simulate_store(n_saes=6), folder / "data.zarr")
    (folder / "run.yaml").write_text(SPEC)
    said = saegeom(installed, "run", folder / "run.yaml", "--data", folder / "data.zarr", "--output", folder / "out")
    return folder / "out", said


def test_its_headline_and_finding_are_in_the_table_of_the_run(results: tuple[Path, str]) -> None:
    assert "coherence of means" in results[1]
    assert re.search(r"layer_0 .*0\.\d{4} \(null 0\.\d{4}\)", results[1])
    assert "The most coherent decoder is layer_" in results[1]


def test_its_figure_finding_and_terms_are_in_the_report(results: tuple[Path, str]) -> None:
    page = (results[0] / "report.html").read_text(encoding="utf-8")
    assert '<figure id="coherence">' in page
    assert "Coherence of decoders" in page
    assert "The most coherent decoder is layer_" in page
    assert "Length of the mean unit row." in page


def test_it_is_compared(results: tuple[Path, str], installed: dict[str, str]) -> None:
    found = json.loads(saegeom(installed, "compare", results[0], "--json"))
    (column,) = [column for column in found["columns"] if column["metric"] == "decoder_coherence"]
    assert (column["label"], column["version"], column["parameters"]) == ("coherence of means", "4", {"power": 1})
    assert all(0 < row["coherence_of_means"] <= 1 for row in found["rows"])


def test_it_is_followed_over_depth(results: tuple[Path, str], installed: dict[str, str]) -> None:
    said = saegeom(installed, "trend", results[0])
    assert "coherence" in said
    assert re.search(r"highest at layer \d", said)


def test_a_presentation_that_fails_costs_its_panel_and_leaves_a_line(
    results: tuple[Path, str], installed: dict[str, str], tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    saegeom(installed | {"COHERENCE_FAULT": "1"}, "report", results[0], "-o", page)
    text = page.read_text(encoding="utf-8")
    assert "decoder_coherence: its figures failed (RuntimeError: no ink left)" in text
    assert '<figure id="coherence">' not in text
    assert "The most coherent decoder is layer_" in text


def test_without_the_package_its_results_are_shown_plainly(results: tuple[Path, str], tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    saegeom(dict(os.environ), "report", results[0], "-o", page)
    text = page.read_text(encoding="utf-8")
    assert "decoder_coherence/coherence_of_means" in text
    assert "The most coherent decoder" not in text
