"""``saegeom new``: files appear where they are asked for, and nothing is overwritten."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from saegeom_data.cli import main, new

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def saegeom(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Call:
    """Run the command line in this process and an empty folder: exit status, standard output, standard error."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["saegeom", "new", *arguments])
        with pytest.raises(SystemExit) as stop:
            main.main()
        captured = capsys.readouterr()
        return int(stop.value.code or 0), captured.out, captured.err

    return call


def test_a_metric(saegeom: Call, tmp_path: Path) -> None:
    status, out, _ = saegeom("metric", "mean_direction", "-o", "mine", "--json")
    files = ["README.md", "pyproject.toml", "saegeom_mean_direction/__init__.py"]
    files += ["saegeom_mean_direction/presentation.py", "tests/test_mean_direction.py"]
    assert (status, json.loads(out)) == (0, {"folder": "mine", "files": files})
    assert saegeom("metric", "mean_direction", "-o", "mine")[0::2] == (
        2,
        "error: mine: exists already; give another path or remove it first\n",
    )


def test_a_spec(saegeom: Call, tmp_path: Path) -> None:
    assert saegeom("spec", "run", "--metric", "hubness")[:2] == (0, "run.yaml\n")
    text = (tmp_path / "run.yaml").read_text(encoding="utf-8")
    assert "- metric: hubness" in text
    for arguments, expected in (
        (("spec", "run"), "run.yaml: exists already"),
        (("spec", "report"), "no kind of spec is named 'report'"),
        (("spec", "dataset", "--metric", "hubness"), "metric: given for a dataset spec, and only a run spec measures"),
        (("spec", "run", "-o", "none/run.yaml"), "No such file or directory; make the folder none first, or give"),
    ):
        status, out, err = saegeom(*arguments)
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert expected in err
    assert [path.name for path in tmp_path.iterdir()] == ["run.yaml"]
    assert (tmp_path / "run.yaml").read_text(encoding="utf-8") == text


def test_every_option_has_help_of_its_own() -> None:
    for command in typer.main.get_command(new.app).commands.values():  # type: ignore[attr-defined]
        helps = [parameter.help for parameter in command.params if parameter.name != "help"]
        assert all(helps)
        assert not command.get_short_help_str(45).endswith("...")
