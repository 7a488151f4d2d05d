"""The documents: every Python example runs, every command is one, and every file and heading linked to exists."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from pages import DOCUMENTS, PAGES, REPOSITORY, ROOT, TUTORIALS, anchors, blocks, commands, links, name_of, text_of

EXAMPLES = [
    pytest.param(code, id=f"{name_of(document)}-{number}")
    for document in [ROOT / "README.md", *PAGES]
    for number, code in enumerate(blocks(document, "python"))
]


def sections(document: Path) -> dict[str, str]:
    """Python of each section, all blocks of one together: a later block uses names of an earlier one."""
    parts = re.split(r"^## (.+)$", text_of(document), flags=re.MULTILINE)[1:]
    block = re.compile(r"```python\n(.*?)```", flags=re.DOTALL)
    found = {title: "\n".join(block.findall(text)) for title, text in zip(parts[::2], parts[1::2], strict=True)}
    return {title: code for title, code in found.items() if code}


CONTRIBUTING = sections(ROOT / "CONTRIBUTING.md")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("code", EXAMPLES)
def test_every_example_runs(code: str) -> None:
    for module in re.findall(r"^(?:import|from) (torch|sae_lens|sparsify|anndata|datasets)\b", code, re.MULTILINE):
        # Some import deprecated names of others.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pytest.importorskip(module)
    if "batches(" in code:
        pytest.importorskip("torch")
    # The files that the reader is said to have.
    if "activations.zarr" in code:
        from saegeom_data.testing.simulate import write_simulated_activations

        write_simulated_activations("activations.zarr", n_tokens=9000, n_hidden=8)
    if "load_from_disk(" in code:
        import datasets

        features = datasets.Features({"blocks.6.hook_resid_post": datasets.Array2D((128, 8), "float32")})
        cached = {"blocks.6.hook_resid_post": np.zeros((32, 128, 8), "float32")}
        datasets.Dataset.from_dict(cached, features=features).save_to_disk("cache")
    if "decoder.npy" in code:
        np.save("decoder.npy", np.random.default_rng(0).standard_normal((400, 192)).astype("float32"))
    exec(compile(code, "example", "exec"), {})


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


@pytest.mark.parametrize("document", [name for name in DOCUMENTS if name.name != "CHANGELOG.md"], ids=name_of)
def test_every_command_is_one(document: Path) -> None:
    """Arguments and options are parsed as the command line would; nothing runs."""
    from typer.main import get_command

    from saegeom_data.cli.main import app

    for arguments in commands(document):
        command: Any = get_command(app)
        while hasattr(command, "commands") and arguments and not arguments[0].startswith("-"):
            assert arguments[0] in command.commands, arguments
            command, arguments = command.commands[arguments[0]], arguments[1:]
        if arguments and not {"--help", "--version"} & set(arguments):
            command.make_context(command.name, list(arguments))


# Those that take no data and no time; `saegeom describe` alone is a name, not a call.
LIGHT = {
    " ".join(arguments)
    for document in [ROOT / "README.md", *PAGES, *TUTORIALS]
    for arguments in commands(document)
    if arguments and arguments[0] in {"list", "describe", "guide"} and " ".join(arguments).islower()
} - {"describe"}


@pytest.mark.parametrize("command", sorted(line for line in LIGHT if "://" not in line))
def test_every_light_command_runs(command: str) -> None:
    from typer.testing import CliRunner

    from saegeom_data.cli.main import app

    done = CliRunner().invoke(app, command.split())
    assert done.exit_code == 0, done.output
    assert done.output.strip()


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_everything_named_to_install_or_make_exists(document: Path) -> None:
    extras = tomllib.loads(text_of(ROOT / "pyproject.toml"))["project"]["optional-dependencies"]
    for names in re.findall(r"saegeom-data\[([\w,-]+)\]", text_of(document)):
        assert set(names.split(",")) <= set(extras)
    targets = re.findall(r"^([\w-]+):", text_of(ROOT / "Makefile"), flags=re.MULTILINE)
    for target in re.findall(r"(?:^|`)make ([\w-]+)(?=`|$| +#)", text_of(document), flags=re.MULTILINE):
        assert target in targets


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_yaml_can_be_read(document: Path) -> None:
    for code in blocks(document, "yaml"):
        for part in re.split(r"\n(?=dataset:)", code):
            assert yaml.safe_load(part)


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_files_and_headings_that_are_linked_to_exist(document: Path) -> None:
    for file, anchor in links(document):
        assert not file or Path(file).exists(), file
        assert not anchor or anchor in anchors(Path(file) if file else document), anchor


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_page_begins_with_its_title(page: Path) -> None:
    assert re.fullmatch(r"# \S.*", text_of(page).splitlines()[0])


def test_the_readme_is_short_and_leads_to_every_page() -> None:
    """Of 150 lines at most. Pages are linked to from it, or from one that is."""
    readme = ROOT / "README.md"
    assert len(text_of(readme).splitlines()) <= 150
    reached, new = set(), {readme}
    while new:
        reached |= new
        new = {Path(file).resolve() for page in new for file, _ in links(page) if file.endswith(".md")} - reached
    hand_written = {page for page in [*PAGES, *TUTORIALS] if page.parent.name != "metrics"}
    assert hand_written <= reached


def questions() -> str:
    """The table of questions of the README."""
    return text_of(ROOT / "README.md").split("## Ten questions")[1].split("## ")[0]


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
        assert repository == REPOSITORY
        assert anchor in anchors(ROOT / (file or "README.md"))
    assert shown.count("https://") == 2


def test_examples_were_found() -> None:
    assert len(EXAMPLES) >= 8
    assert sum(len(commands(document)) for document in DOCUMENTS) >= 40
    assert set(CONTRIBUTING) == {"Add a metric", "Add a checkpoint format", "Add a null model"}
