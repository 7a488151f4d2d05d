"""Plans of builds: every shipped spec has one without a network, and what it says of a local build holds."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path

import pytest

pytest.importorskip("datasets")
pytest.importorskip("transformers")

from saegeom_data.cli import main
from saegeom_data.cli.validate import check_spec_file
from saegeom_data.harvest import Recipe
from saegeom_data.harvest.plan import BuildPlan, plan_build
from saegeom_data.harvest.plan_time import build_seconds
from saegeom_data.harvest.text.roots import Roots
from saegeom_data.spec.models import find_spec, load_spec, shipped_specs

SPECS = shipped_specs("datasets")


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object) -> None:
        raise AssertionError("a plan reached for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def planned(name: str) -> tuple[Recipe, BuildPlan]:
    path = find_spec(name, "datasets")
    recipe = load_spec(path, Recipe)
    return recipe, plan_build(recipe, name, None, Roots(path.parent))


@pytest.mark.parametrize("name", SPECS)
def test_every_shipped_spec_validates_and_plans(name: str) -> None:
    check_spec_file(SPECS[name])
    recipe, plan = planned(name)
    assert len(plan.reads) >= len(recipe.sources) + len(recipe.imported)
    assert plan.command == f"saegeom build {name} -o {recipe.name}.zarr"
    if recipe.saes is not None:
        assert plan.disk_bytes
        assert plan.memory_bytes
        assert not plan.unknown


def test_the_brain_data_are_as_published() -> None:
    recipe, plan = planned("gemma-scope-2b-res-16k-layer12")
    assert recipe.occurrence is not None
    assert (recipe.occurrence.threshold, recipe.occurrence.block_length) == (1.0, 256)
    assert plan.tokens == 50_000 * 1024
    assert plan.reads[0].bytes == 2 * 4 * 16384 * 2304
    # Every token with 41 values of 8 bytes, in the working folder and in the store.
    assert plan.disk_bytes is not None
    assert 33.5e9 < plan.disk_bytes < 41e9


def test_the_galaxy_data_are_decoders_of_26_layers() -> None:
    _, plan = planned("gemma-scope-2b-res-65k")
    assert [reading.bytes for reading in plan.reads] == [4 * 65536 * 2304] * 26
    assert plan.disk_bytes == 26 * 4 * 65536 * 2304
    l0 = [reading.where.rpartition("_")[2] for reading in plan.reads]
    published = "73 121 77 89 89 105 107 107 111 118 128 70 72 75 73 127 128 125 116 115 114 111 116 123 124 93"
    assert l0 == published.split()


def test_the_shell_plans_without_a_store_and_says_so_in_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["saegeom", "build", *arguments])
        with pytest.raises(SystemExit) as stop:
            main.main()
        captured = capsys.readouterr()
        return int(stop.value.code or 0), captured.out, captured.err

    status, out, _ = call("gpt2-small", "--plan", "--json")
    assert status == 0
    assert json.loads(out)["tokens"] == 2000 * 128
    status, out, _ = call("gpt2-small", "--plan", "--device", "cuda", "-o", "my store.zarr")
    assert "saegeom build gpt2-small -o 'my store.zarr' --device cuda" in out
    assert "input    model: openai-community/gpt2, no revision pinned (474.70 MiB" in out
    assert "\nreads    " in out
    assert "\nmemory   " in out
    assert "exists already" not in out
    status, out, _ = call("gpt2-small", "--plan", "-o", str(Path(__file__)))
    assert (status, out.splitlines()[-1]) == (
        0,
        f"output   {__file__}: exists already; give another path or remove it first",
    )
    status, _, error = call("gpt2-small")
    assert (status, error.count("\n")) == (2, 1)
    assert "expected saegeom build SPEC -o STORE" in error
    assert not Path("gpt2-small.zarr").exists()


def test_a_build_says_how_long_it_computes_and_grows_with_its_text() -> None:
    recipe, plan = planned("minilm-sample")
    assert plan.seconds is not None
    assert list(plan.seconds) == ["activations", "training", "encoding"]
    assert all(seconds > 0 for seconds in plan.seconds.values())
    unknown: list[str] = []
    shorter, longer = (build_seconds(recipe, tokens, 10**8, 384, "cpu", unknown) for tokens in (1_000_000, 3_000_000))
    assert shorter is not None
    assert longer is not None
    assert not unknown
    for part, seconds in shorter.items():
        assert longer[part] == pytest.approx(3 * seconds)


@pytest.mark.parametrize(
    ("name", "device", "said"),
    [
        ("word-pairs", "cpu", "time to read word pairs: how many there are is known when their files are read"),
        ("minilm-sample", "cuda", "time on cuda: rates are measured of processors alone"),
    ],
)
def test_a_build_whose_time_is_not_known_says_why(name: str, device: str, said: str) -> None:
    path = find_spec(name, "datasets")
    plan = plan_build(load_spec(path, Recipe), name, None, Roots(path.parent), device=device)
    assert plan.seconds is None
    assert said in plan.unknown
    assert "time     not known" in plan.lines()


def test_files_of_word_pairs_are_found_below_their_root(tmp_path: Path) -> None:
    (tmp_path / "singular-plural.json").write_text("[]" * 20, encoding="utf-8")
    path = find_spec("word-pairs", "datasets")
    recipe = load_spec(path, Recipe)
    plan = plan_build(recipe, "word-pairs", None, Roots(path.parent, {"word_pairs": tmp_path}))
    known = {reading.where: reading.bytes for reading in plan.reads if reading.what == "word pairs"}
    assert known[f"{tmp_path}/singular-plural.json"] == 40
    assert list(known.values()).count(None) == len(known) - 1
    assert "disk     not known" in plan.lines()
    web = plan_build(recipe, "word-pairs", None, Roots(path.parent, {"word_pairs": "https://lab.org/pairs"}))
    assert web.reads[0].where.startswith("https://lab.org/pairs/")
    without = plan_build(recipe, "word-pairs", None, Roots(path.parent))
    assert without.reads[0].note == "give its root with --root"


def test_a_build_that_runs_no_model_takes_the_time_of_reading() -> None:
    _, plan = planned("gemma-scope-2b-res-65k")
    assert plan.seconds == {}
    assert "time     that of reading" in plan.lines()
