"""Generators of text: registered by packages, named by specs, and nothing else is run."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from saegeom_data.errors import DataValueError, MissingDependencyError, ParameterError, SpecError, UnknownNameError
from saegeom_data.harvest import Recipe
from saegeom_data.harvest.inputs import source_state
from saegeom_data.harvest.recipe_text import Source
from saegeom_data.harvest.text.generators import find_generator, generated_rows, generator_state
from saegeom_data.harvest.text.roots import Roots
from saegeom_data.harvest.text.sources import stream_source
from saegeom_data.spec.models import load_spec

MINIATURE = (Path(__file__).parents[2] / "specs" / "datasets" / "miniature.yaml").read_text()
MODULE = """
def riddles(documents, seed):
    for index in range(documents):
        yield {"document_id": f"riddles/{index}", "text": f"riddle {index} of {seed}"}


def numbers(documents, seed):
    yield from range(documents)
"""


def install(folder: Path, package: str, version: str, **functions: str) -> None:
    """Put the metadata of a package into a folder of ``sys.path``, as pip does."""
    about = folder / f"{package}-{version}.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
    lines = [f"{name} = {function}" for name, function in functions.items()]
    (about / "entry_points.txt").write_text("\n".join(["[saegeom_data.generators]", *lines]))


@pytest.fixture
def site_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of packages, one of which is installed: it has two generators, and a third one is missing."""
    folder = tmp_path / "site-packages"
    functions = {"riddles": "riddle_book:riddles", "numbers": "riddle_book:numbers", "gone": "riddle_book:gone"}
    install(folder, "riddle_book", "1.2", **functions)
    (folder / "riddle_book.py").write_text(MODULE)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "riddle_book", raising=False)
    return folder


def generated(name: str, **keys: Any) -> Source:
    value = {"name": "own", "document_type": "note", "title": "Own", "license": "CC0-1.0", "documents": 3}
    return Source.model_validate(value | {"generator": name} | keys)


@pytest.mark.parametrize("name", ["riddles", "riddle_book:riddles"])
def test_a_generator_of_another_package_is_found_by_name_and_by_function(
    site_packages: Path, tmp_path: Path, name: str
) -> None:
    source = generated(name, seed=5)
    rows = list(stream_source(source, Roots(), tmp_path / "work", seed=0))
    assert rows == [{"document_id": f"riddles/{index}", "text": f"riddle {index} of 5"} for index in range(3)]
    assert list(stream_source(source, Roots(), tmp_path / "work", seed=0, start=2)) == rows[2:]
    # Stores hold the word of the spec, whatever it stands for.
    assert source.model_dump()["generator"] == name


def test_a_new_version_of_the_package_makes_the_text_anew(site_packages: Path) -> None:
    before = source_state(generated("riddles"), Roots())
    assert before == ["riddle_book:riddles", "riddle_book", "1.2"]
    (site_packages / "riddle_book-1.2.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: riddle_book\nVersion: 1.3\n"
    )
    assert source_state(generated("riddles"), Roots()) == ["riddle_book:riddles", "riddle_book", "1.3"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mathematic", "did you mean 'mathematics'"),
        ("riddle_book:ridles", "did you mean 'riddle_book:riddles'"),
        ("os:system", "no generator of an installed package is named 'os:system'.*; known: .*riddle_book:riddles"),
        ("riddle_book", "no generator of an installed package"),
    ],
)
def test_what_no_package_registers_is_refused_in_one_line(
    site_packages: Path, tmp_path: Path, name: str, message: str
) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(MINIATURE.replace("generator: mathematics", f"generator: {name}"))
    with pytest.raises(SpecError, match=message) as caught:
        load_spec(file, Recipe)
    assert str(caught.value).startswith(f"{file}:")
    assert "sources[2].generator" in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(UnknownNameError):
        next(generated_rows(name, 1, 0))
    assert "riddle_book" not in sys.modules, "a name is looked up without running any package"


def test_two_packages_with_one_name_are_told_apart_by_their_functions(site_packages: Path) -> None:
    install(site_packages, "other_book", "1.0", riddles="other_book:riddles")
    message = "'riddles': several packages register this name; give one of other_book:riddles, riddle_book:riddles"
    with pytest.raises(ParameterError, match=message):
        find_generator("riddles")
    assert find_generator("riddle_book:riddles").value == "riddle_book:riddles"


def test_of_a_package_installed_in_two_places_the_first_counts(
    site_packages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(site_packages / "again", "riddle_book", "1.1", riddles="riddle_book:riddles")
    monkeypatch.syspath_prepend(site_packages / "again")
    assert generator_state("riddles") == ["riddle_book:riddles", "riddle_book", "1.1"]


def test_a_generator_that_is_gone_or_gives_no_documents_is_one_line(site_packages: Path) -> None:
    with pytest.raises(MissingDependencyError, match="'gone': riddle_book:gone cannot be imported: .*'gone'") as caught:
        next(generated_rows("gone", 1, 0))
    assert "\n" not in str(caught.value)
    with pytest.raises(DataValueError, match="'numbers': got '0', expected documents with the keys document_id and te"):
        next(generated_rows("numbers", 1, 0))


def test_the_generator_of_the_sample_is_registered() -> None:
    points = metadata.entry_points(group="saegeom_data.generators")
    assert {point.value for point in points if point.name == "mathematics"} == {
        "saegeom_data.sample.mathematics:worksheets"
    }
