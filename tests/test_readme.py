"""The documents: every Python example runs, and every file that they link to exists."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
BLOCK = re.compile(r"```python\n(.*?)```", flags=re.DOTALL)
README = BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8"))


def sections(document: Path) -> dict[str, str]:
    """Python of each section, all blocks of one together: a later block uses names of an earlier one."""
    parts = re.split(r"^## (.+)$", document.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    found = {title: "\n".join(BLOCK.findall(text)) for title, text in zip(parts[::2], parts[1::2], strict=True)}
    return {title: code for title, code in found.items() if code}


CONTRIBUTING = sections(ROOT / "CONTRIBUTING.md")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("number", range(len(README)))
def test_example_of_the_readme_runs(number: int) -> None:
    from saegeom_data.testing.simulate import write_simulated_activations

    if "batches(" in README[number]:
        pytest.importorskip("torch")
    # The files that the reader is said to have.
    write_simulated_activations("activations.zarr", n_tokens=9000, n_hidden=8)
    if "load_from_disk(" in README[number]:
        datasets = pytest.importorskip("datasets")
        features = datasets.Features({"blocks.6.hook_resid_post": datasets.Array2D((128, 8), "float32")})
        cached = {"blocks.6.hook_resid_post": np.zeros((32, 128, 8), "float32")}
        datasets.Dataset.from_dict(cached, features=features).save_to_disk("cache")
    np.save("decoder.npy", np.random.default_rng(0).standard_normal((400, 192)).astype("float32"))
    exec(compile(README[number], f"README example {number}", "exec"), {})


@pytest.mark.parametrize("title", CONTRIBUTING)
def test_worked_example_of_contributing_runs(title: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from saegeom_data.checkpoints import recognise

    if "Encoder(" in CONTRIBUTING[title]:
        pytest.importorskip("torch")
    # An example may add a format, and a folder to the path.
    monkeypatch.setattr(recognise, "FORMATS", dict(recognise.FORMATS))
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "support"))
    code = re.sub(r"^from __future__ .*$", "", CONTRIBUTING[title], flags=re.MULTILINE)
    exec(
        compile("from __future__ import annotations\n" + code, f"CONTRIBUTING: {title}", "exec"),
        {"__name__": "example"},
    )


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_pictures_and_files_exist(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", document.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (ROOT / target).exists(), target


def anchors(document: Path) -> set[str]:
    """Anchors of the headings of a document, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_headings_that_are_linked_to_exist(document: Path) -> None:
    for file, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", document.read_text(encoding="utf-8")):
        assert anchor in anchors(ROOT / file if file else document), anchor


def questions() -> str:
    """The table of questions of the README."""
    return (ROOT / "README.md").read_text(encoding="utf-8").split("## Ten questions")[1].split("## ")[0]


def test_ten_questions_have_a_command_and_a_link_each() -> None:
    rows = [line for line in questions().splitlines() if line.startswith("|")][2:]
    assert len(rows) == 10
    assert all("`saegeom " in row and "](" in row for row in rows)


def answers() -> list[str]:
    """Commands that answer questions, in the README and in the help of the command line."""
    from saegeom_data.cli import main

    return sorted({*re.findall(r"`saegeom (.+?)`", questions()), *re.findall(r"  saegeom (.+)", main.QUESTIONS)})


@pytest.mark.parametrize("command", answers())
def test_every_command_in_an_answer_runs(command: str) -> None:
    from typer.testing import CliRunner

    from saegeom_data.cli.main import app

    if "--memory-limit" in command:
        # What a process holds already counts, and this one holds what earlier tests left.
        own = [sys.executable, "-c", "from saegeom_data.cli.main import main; main()", *command.split()]
        process = subprocess.run(own, capture_output=True, text=True)
        assert process.returncode == 0, process.stderr
        assert "memory" in process.stdout
        return
    done = CliRunner().invoke(app, command.split())
    assert done.exit_code == 0, done.output
    assert done.output.strip()


def test_help_says_where_to_read() -> None:
    from typer.testing import CliRunner

    from saegeom_data.cli.main import app

    shown = CliRunner().invoke(app, ["--help"]).output
    for repository, file, anchor in re.findall(r"(https://\S+?saegeom-data)(?:/blob/main/(\S+?))?#(\S+)", shown):
        assert repository == "https://github.com/saegeom/saegeom-data"
        assert anchor in anchors(ROOT / (file or "README.md"))
    assert shown.count("https://") == 2


def test_examples_were_found() -> None:
    assert len(README) >= 2
    assert set(CONTRIBUTING) == {"Add a metric", "Add a checkpoint format", "Add a null model"}
